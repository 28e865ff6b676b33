//! When which resource is due. Invariant: a resource is queued once, at the earliest time that it was asked for.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::ResourceId;

/// Resources by when they are due, on the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Queue {
    due: BTreeSet<(Duration, ResourceId)>,
    at: HashMap<ResourceId, Duration>,
}

impl Queue {
    /// The resource is due then, or earlier if it was before.
    pub(super) fn put(&mut self, id: &ResourceId, at: Duration) {
        match self.at.get(id) {
            Some(known) if *known <= at => return,
            Some(known) => {
                self.due.remove(&(*known, id.clone()));
            }
            None => {}
        }
        self.at.insert(id.clone(), at);
        self.due.insert((at, id.clone()));
    }

    /// Takes the resource that is due first, if it is due now, and for how long it has been due.
    pub(super) fn take(&mut self, now: Duration) -> Option<(ResourceId, Duration)> {
        if self.next()? > now {
            return None;
        }
        let (at, id) = self.due.pop_first()?;
        self.at.remove(&id);
        Some((id, now.saturating_sub(at)))
    }

    /// When the next resource is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }
}

/// How long to wait after so many failures in a row: 1 s, 2 s, 4 s … up to a minute, less up to a quarter, so that resources which failed
/// together do not come back together.
pub(super) fn backoff(failures: u32, chance: u64) -> Duration {
    let full = Duration::from_secs(1 << failures.saturating_sub(1).min(6)).min(Duration::from_secs(60));
    let share = u32::try_from(chance % 256).unwrap_or_default();
    full - full / 4 * share / 256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_due_time_counts_and_each_is_taken_once() {
        let (a, b) = (ResourceId::new("", "a"), ResourceId::new("", "b"));
        let second = Duration::from_secs;
        let mut queue = Queue::default();
        queue.put(&a, second(5));
        queue.put(&b, second(4));
        queue.put(&a, second(9));
        assert_eq!(queue.next(), Some(second(4)));
        queue.put(&a, second(1));
        assert_eq!(queue.take(second(0)), None);
        assert_eq!(queue.take(second(1)), Some((a.clone(), second(0))));
        assert_eq!(queue.take(second(1)), None);
        assert_eq!(queue.take(second(100)), Some((b, second(96))));
        assert_eq!((queue.take(second(100)), queue.next()), (None, None));
    }

    #[test]
    fn failures_are_spaced_up_to_a_minute() {
        let seconds: Vec<u64> = [1, 2, 3, 4, 6, 7, 8, u32::MAX].map(|count| backoff(count, 0).as_secs()).to_vec();
        assert_eq!(seconds, [1, 2, 4, 8, 32, 60, 60, 60]);
        assert!((0..256).all(|chance| (45..=60).contains(&backoff(9, chance).as_secs())));
        assert_ne!(backoff(9, 0), backoff(9, 255));
    }
}
