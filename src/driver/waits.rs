//! How long a failure or a block makes a resource wait. Invariant: a wait that stands in a record is over when it was seen for as long as it is,
//! on the own monotonic clock, or when its time has come by the time of day, whichever is first; so no clock that is or was wrong makes it
//! longer than it was when it was written, and none is longer than [`LONGEST_WAIT`].

use std::time::Duration;

/// The longest that anything waits for a time alone: a day. Longer times that are declared, asked for by a provider or found in a record count as
/// this.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// How long to wait before something is tried again that failed for the `attempt`th time: a tenth of a second first, then twice as long each time,
/// up to two seconds.
pub(crate) fn after_attempt(attempt: u32) -> Duration {
    let full = Duration::from_millis(100).saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1).min(31)));
    full.min(Duration::from_secs(2))
}
