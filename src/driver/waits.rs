//! How long a failure or a block makes a resource wait. Invariant: a wait that stands in a record is over when it was seen for as long as it is,
//! on the own monotonic clock, or when its time has come by the time of day, whichever is first; so no clock that is or was wrong makes it
//! longer than it was when it was written, and none is longer than [`LONGEST_WAIT`].

use std::time::Duration;

use durable_fsm_graph::Retry as Backoff;

use super::Driver;
use super::pass::Pass;
use crate::Class;
use crate::probe::Probe;

/// The longest that anything waits for a time alone: a day. Longer times that are declared, asked for by a provider or found in a record count as
/// this.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

impl<P: Probe> Pass<'_, P> {
    /// How long to wait after the failure that is being recorded: twice as long each time, up to the declared limit, less up to a
    /// quarter so that resources which failed together do not come back together.
    pub(super) fn backoff(&self, class: Class, backoff: &Backoff) -> Duration {
        if class == Class::Rejected {
            return self.driver.blocked_for.min(LONGEST_WAIT);
        }
        let before = self.record.retry.as_ref().map_or(0, |retry| retry.count);
        let full = backoff.base.saturating_mul(2_u32.saturating_pow(before.min(31))).min(backoff.max);
        let jittered = self.driver.jittered(full);
        match class {
            Class::NotApplied { retry_after: Some(asked) } => jittered.max(asked.min(LONGEST_WAIT)),
            _ => jittered,
        }
    }
}

impl<P: Probe> Driver<P> {
    /// This, less up to a quarter.
    pub(crate) fn jittered(&self, full: Duration) -> Duration {
        let share = u32::try_from(self.clock.chance() % 256).unwrap_or_default();
        full - full / 4 * share / 256
    }

    /// Waits before something is tried again that failed for the `attempt`th time: a tenth of a second first, then twice as long each time.
    pub(crate) async fn pause(&self, attempt: u32) {
        let full = Duration::from_millis(100).saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1).min(31)));
        self.clock.sleep(self.jittered(full.min(Duration::from_secs(2)))).await;
    }
}

/// How long to wait before something is tried again that failed for the `attempt`th time: a tenth of a second first, then twice as long each time,
/// up to two seconds.
pub(crate) fn after_attempt(attempt: u32) -> Duration {
    let full = Duration::from_millis(100).saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1).min(31)));
    full.min(Duration::from_secs(2))
}
