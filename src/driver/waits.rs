//! How long a failure or a block makes a resource wait. Invariant: a wait that stands in a record is over when it was seen for as long as it is,
//! on the own monotonic clock, or when its time has come by the time of day, whichever is first; so no clock that is or was wrong makes it
//! longer than it was when it was written, and none is longer than [`LONGEST_WAIT`].

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use crate::RecordId;

/// The longest that anything waits for a time alone: a day. Longer times that are declared, asked for by a provider or found in a record count as
/// this.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// How long to wait before something is tried again that failed for the `attempt`th time: a tenth of a second first, then twice as long each time,
/// up to two seconds.
pub(crate) fn after_attempt(attempt: u32) -> Duration {
    let full = Duration::from_millis(100).saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1).min(31)));
    full.min(Duration::from_secs(2))
}

/// How long it is until something is next done that is done so often. Each resource has a place of its own between two times, so that
/// those which began together, as after a restart, are not asked about together.
pub(crate) fn until_next(every: Duration, id: &RecordId, now: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    let every = every.as_nanos().max(1);
    let place = u128::from(hasher.finish()) % every;
    let since = (now.as_nanos() + every - place) % every;
    Duration::from_nanos(u64::try_from(every - since).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ResourceId;

    #[test]
    fn resources_that_begin_together_are_spread_and_then_keep_to_the_interval() {
        let every = Duration::from_secs(30);
        let id = |number: u32| RecordId {
            machine: "test.io/m".to_owned(),
            resource: ResourceId::new("", format!("r{number}")),
        };
        let now = Duration::from_millis(12_345);
        let first: Vec<Duration> = (0..300).map(|number| until_next(every, &id(number), now)).collect();
        assert!(first.iter().all(|left| !left.is_zero() && *left <= every));
        for tenth in 0..10 {
            let part = every / 10 * tenth..every / 10 * (tenth + 1);
            let here = first.iter().filter(|left| part.contains(left)).count();
            assert!((10..60).contains(&here), "{here} of 300 in the tenth {tenth}");
        }
        for (number, left) in (0..).zip(first) {
            assert_eq!(until_next(every, &id(number), now + left), every);
            assert_eq!(
                until_next(every, &id(number), now + left + Duration::from_secs(1)),
                every - Duration::from_secs(1)
            );
        }
    }
}
