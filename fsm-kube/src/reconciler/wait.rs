//! Decides when a resource is looked at again.
//!
//! Invariant: every resource that still exists is looked at again, even if no event arrives. Resources that came to rest together are spread out. A resource that seems to be gone is
//! looked for once more, because a read may be stale.

use std::time::Duration;

use durable_fsm::Outcome;

/// When a resource that rests, is paused, or seems to be gone is looked at again. A missed event costs at most this time.
const RESTING_FOR: Duration = Duration::from_secs(600);

/// When a pass is tried again while the controller's cache does not show our own last write.
pub(super) const CATCHING_UP: Duration = Duration::from_millis(100);

/// When a held resource is looked at again, if no event reports a change.
const HELD_FOR: Duration = Duration::from_secs(300);

/// The shortest delay after an error of the API server. It doubles with each error that follows.
const FAILED_FOR: Duration = Duration::from_secs(5);

/// How often it doubles.
const DOUBLINGS: u32 = 3;

/// The random addition to these times, as a part of them.
const JITTER: f64 = 0.2;

/// How long to wait after a pass that ended like this; `chance` is between 0 and 1.
pub(super) fn after<S>(outcome: &Outcome<S>, chance: f64) -> Duration {
    let jittered = |time: Duration| time.mul_f64(1.0 + JITTER * chance);
    match outcome {
        Outcome::Resting(_) | Outcome::Paused | Outcome::Gone => jittered(RESTING_FOR),
        Outcome::Held { .. } => jittered(HELD_FOR),
        Outcome::Watching { after, .. }
        | Outcome::Progressing { after, .. }
        | Outcome::Undoing { after, .. }
        | Outcome::Blocked { after, .. } => {
            // Every resource is looked at from time to time, whatever else it waits for.
            let most = if matches!(outcome, Outcome::Watching { .. }) { jittered(RESTING_FOR) } else { Duration::MAX };
            most.min(*after)
        }
    }
}

/// How long to wait after the API server has failed so many times in a row; `chance` is between 0 and 1. A random part of up to the same length is added, so
/// objects that failed together do not come back together.
pub(super) fn after_failure(failures: u32, chance: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(DOUBLINGS);
    (FAILED_FOR * 2_u32.pow(doublings)).mul_f64(1.0 + chance)
}

#[cfg(test)]
mod tests {
    use durable_fsm::record::{BlockedReason, HeldReason};

    use super::*;

    #[test]
    fn everything_that_exists_is_looked_at_again_whatever_events_tell() {
        let seconds = |outcome: &Outcome<()>| [0.0, 1.0].map(|chance| after(outcome, chance).as_secs());
        let message = String::new();
        let waits = Duration::from_secs(7);
        let reason = BlockedReason::Rejected;
        assert_eq!(seconds(&Outcome::Resting(())), [600, 720]);
        assert_eq!(seconds(&Outcome::Paused), [600, 720]);
        let held = Outcome::Held { reason: HeldReason::NotOurs, message: message.clone() };
        assert_eq!(seconds(&held), [300, 360]);
        assert_eq!(seconds(&Outcome::Progressing { state: (), after: waits, reason: String::new() }), [7; 2]);
        assert_eq!(seconds(&Outcome::Watching { state: (), after: waits }), [7; 2]);
        let later = Outcome::Watching { state: (), after: Duration::from_secs(3600) };
        assert_eq!(seconds(&later), [600, 720], "it is looked at again all the same");
        assert_eq!(seconds(&Outcome::Blocked { state: (), reason, message, after: waits }), [7; 2]);
        assert_eq!(seconds(&Outcome::Gone), [600, 720]);
        let failed = |failures| [0.0, 1.0].map(|chance| after_failure(failures, chance).as_secs());
        assert_eq!([1, 2, 3, 4, 5, u32::MAX].map(failed), [[5, 10], [10, 20], [20, 40], [40, 80], [40, 80], [40, 80]]);
    }
}
