//! How long to wait before something is tried again. Invariant: whatever is asked for, nothing waits longer than a day.

use std::time::Duration;

use durable_fsm_graph::Retry as Backoff;

use super::Driver;
use super::pass::Pass;
use super::waits::{LONGEST_WAIT, after_attempt};
use crate::Class;

impl Pass<'_> {
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

impl Driver {
    /// This, less up to a quarter.
    pub(crate) fn jittered(&self, full: Duration) -> Duration {
        let share = u32::try_from(self.clock.chance() % 256).unwrap_or_default();
        full - full / 4 * share / 256
    }

    /// Waits before something is tried again that failed for the `attempt`th time: a tenth of a second first, then twice as long each time.
    pub(crate) async fn pause(&self, attempt: u32) {
        self.clock.sleep(self.jittered(after_attempt(attempt))).await;
    }
}
