//! When the things of resources at rest are asked about, and which of them were found missing once. Invariants: nothing of it is written, so a restart asks a
//! little later and forgets what was answered; and a thing counts as gone only if every answer since the first one said so, for the same record.
//!
//! Each resource has a place of its own in the period, so resources that come to rest together are not asked about together.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::waits::{LONGEST_WAIT, until_next};
use crate::RecordId;

/// How many resources may lose things in one period before nothing is made again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LostLimit {
    /// Of the resources that are watched.
    pub(crate) percent: u8,
    /// Fewer than this are never too many.
    pub(crate) least: u32,
}

impl Default for LostLimit {
    fn default() -> Self {
        Self { percent: 10, least: 20 }
    }
}

/// The resources at rest whose states say `verify`.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    hasher: RandomState,
    table: Mutex<Table>,
}

#[derive(Debug, Clone, Default)]
struct Table {
    watched: HashMap<u64, Watch>,
    /// How many resources have something that was found missing.
    missing: u32,
    /// When losses were acted on, each with the resource.
    acted: VecDeque<(Duration, u64)>,
    /// At this number of resources, those that had no pass for a day are forgotten.
    sweep_at: usize,
}

/// One resource.
#[derive(Debug, Clone)]
struct Watch {
    /// When it is asked about next.
    due: Duration,
    /// The record that was asked about, where everything was there.
    whole: Option<u64>,
    /// The record of which something was found missing, and since when that is so, by the marks of the lives.
    missing: Option<(u64, Vec<(u64, Duration)>)>,
    /// Set if the limit is exceeded, so nothing is done about what is missing.
    braked: Option<Losses>,
}

/// When a resource at rest is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    /// After how long; nothing, if it is time.
    pub(crate) left: Duration,
    /// Everything was there, for the record as it is.
    pub(crate) whole: bool,
    /// What exceeds the limit, so nothing is done about what is missing.
    pub(crate) braked: Option<Losses>,
}

/// How many resources have lost things, of how many, and how many may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Losses {
    pub(crate) lost: u32,
    pub(crate) watched: u32,
    pub(crate) most: u32,
}

impl Losses {
    pub(crate) fn is_too_many(self) -> bool {
        self.lost > self.most
    }
}

impl Watches {
    /// The same, for somebody who goes on from here alone.
    #[cfg(feature = "testing")]
    pub(super) fn copied(&self) -> Self {
        Self { hasher: self.hasher.clone(), table: Mutex::new(self.table().clone()) }
    }

    /// When this resource is asked about. It is watched from here on, if it was not before.
    pub(crate) fn due(&self, id: &RecordId, seq: u64, every: Duration, now: Duration) -> Due {
        let key = self.key(id);
        let mut table = self.table();
        if !table.watched.contains_key(&key) {
            table.sweep(now);
        }
        let watch = table.watched.entry(key).or_insert_with(|| Watch {
            due: now + until_next(every, id, now),
            whole: None,
            missing: None,
            braked: None,
        });
        Due { left: watch.due.saturating_sub(now), whole: watch.whole == Some(seq), braked: watch.braked }
    }

    /// This resource is asked about in its next pass.
    pub(crate) fn hurry(&self, id: &RecordId, now: Duration) {
        let key = self.key(id);
        let mut table = self.table();
        let watch = table.watched.entry(key).or_insert(Watch { due: now, whole: None, missing: None, braked: None });
        watch.due = now;
    }

    /// Since when each of these was found missing without a break, for the same record. What is not among them is there, or it is not known whether it is.
    pub(crate) fn found_missing(&self, id: &RecordId, seq: u64, marks: &[u64], now: Duration) -> Vec<Duration> {
        let key = self.key(id);
        let mut table = self.table();
        let Some(watch) = table.watched.get_mut(&key) else { return vec![now; marks.len()] };
        let before = watch.missing.take();
        let (was, is) = (before.is_some(), !marks.is_empty());
        let known = before.filter(|(of, _)| *of == seq).map(|(_, known)| known).unwrap_or_default();
        let since = |mark: &u64| known.iter().find(|(it, _)| it == mark).map_or(now, |(_, since)| *since);
        let found: Vec<Duration> = marks.iter().map(since).collect();
        watch.missing = is.then(|| (seq, marks.iter().copied().zip(found.iter().copied()).collect()));
        table.missing = table.missing + u32::from(is) - u32::from(was);
        found
    }

    /// A round of questions is over. The resource is asked about again after this time, or at its next place in the period.
    pub(crate) fn asked(&self, id: &RecordId, next: Next, every: Duration, now: Duration) {
        let key = self.key(id);
        let regular = until_next(every, id, now);
        let mut table = self.table();
        let Some(watch) = table.watched.get_mut(&key) else { return };
        watch.due = now + next.after.map_or(regular, |after| after.min(regular));
        watch.whole = next.whole;
        watch.braked = next.braked;
    }

    /// What is missing is acted on.
    pub(crate) fn acted(&self, id: &RecordId, now: Duration) {
        let key = self.key(id);
        let mut table = self.table();
        table.forget_missing(key);
        table.acted.push_back((now, key));
    }

    /// How many resources have lost things within a period, with this one, and how many may.
    pub(crate) fn losses(&self, id: &RecordId, limit: LostLimit, every: Duration, now: Duration) -> Losses {
        let key = self.key(id);
        let mut table = self.table();
        while table.acted.front().is_some_and(|(at, _)| now.saturating_sub(*at) > every) {
            table.acted.pop_front();
        }
        let watched = u32::try_from(table.watched.len()).unwrap_or(u32::MAX);
        let is_missing = |key: &u64| table.watched.get(key).is_some_and(|watch| watch.missing.is_some());
        let others = table.acted.iter().filter(|(_, acted)| *acted != key && !is_missing(acted)).count();
        let lost = table.missing.saturating_add(u32::try_from(others).unwrap_or(u32::MAX));
        let share = u64::from(watched) * u64::from(limit.percent) / 100;
        Losses { lost, watched, most: u32::try_from(share).unwrap_or(u32::MAX).max(limit.least) }
    }

    /// It does not rest where things are asked about.
    pub(crate) fn forget(&self, id: &RecordId) {
        let mut table = self.table();
        if !table.watched.is_empty() {
            let key = self.key(id);
            table.forget_missing(key);
            table.watched.remove(&key);
        }
    }

    fn key(&self, id: &RecordId) -> u64 {
        self.hasher.hash_one(id)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Makes room for one more. What was due a day ago is not looked at any more.
    fn sweep(&mut self, now: Duration) {
        if self.watched.len() < self.sweep_at.max(1024) {
            return;
        }
        self.watched.retain(|_, watch| now.saturating_sub(watch.due) < LONGEST_WAIT);
        let missing = self.watched.values().filter(|watch| watch.missing.is_some()).count();
        self.missing = u32::try_from(missing).unwrap_or(u32::MAX);
        self.sweep_at = self.watched.len().saturating_mul(2);
    }

    fn forget_missing(&mut self, key: u64) {
        let found = self.watched.get_mut(&key).and_then(|watch| watch.missing.take());
        self.missing -= u32::from(found.is_some());
    }
}

/// What follows a round of questions.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Next {
    /// It is asked about again after this time, if that is sooner than its next place in the period.
    pub(crate) after: Option<Duration>,
    /// The record of which everything is there.
    pub(crate) whole: Option<u64>,
    /// What exceeds the limit.
    pub(crate) braked: Option<Losses>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ResourceId;

    const EVERY: Duration = Duration::from_secs(600);

    fn id(number: u32) -> RecordId {
        RecordId { machine: "test.io/m".to_owned(), resource: ResourceId::new("", format!("r{number}")) }
    }

    #[test]
    fn a_thing_is_missing_since_the_first_of_the_answers_that_say_so_of_one_record() {
        let (watches, second) = (Watches::default(), Duration::from_secs(1));
        watches.due(&id(1), 7, EVERY, Duration::ZERO);
        assert_eq!(watches.found_missing(&id(1), 7, &[3, 4], second), [second, second]);
        assert_eq!(watches.found_missing(&id(1), 7, &[4], second * 2), [second]);
        assert_eq!(
            watches.found_missing(&id(1), 7, &[3, 4], second * 3),
            [second * 3, second],
            "3 was there in between"
        );
        assert_eq!(watches.found_missing(&id(1), 8, &[3], second * 4), [second * 4], "the record is another one");
    }

    #[test]
    fn what_no_pass_has_come_to_for_a_day_is_forgotten() {
        let watches = Watches::default();
        for number in 0..1024 {
            watches.due(&id(number), 1, EVERY, Duration::ZERO);
        }
        watches.found_missing(&id(0), 1, &[1], EVERY);
        let later = LONGEST_WAIT * 2;
        watches.hurry(&id(1), later);
        watches.due(&id(5000), 1, EVERY, later);
        assert_eq!(
            watches.losses(&id(1), LostLimit::default(), EVERY, later),
            Losses { lost: 0, watched: 2, most: 20 }
        );
    }

    #[test]
    fn the_limit_counts_resources_and_not_things() {
        let watches = Watches::default();
        for number in 0..300 {
            watches.due(&id(number), 1, EVERY, Duration::ZERO);
        }
        let losses = |now| watches.losses(&id(0), LostLimit::default(), EVERY, now);
        for number in 0..30 {
            watches.found_missing(&id(number), 1, &[1, 2], Duration::ZERO);
        }
        assert_eq!(losses(Duration::ZERO), Losses { lost: 30, watched: 300, most: 30 });
        assert!(!losses(Duration::ZERO).is_too_many());
        watches.acted(&id(1), Duration::ZERO);
        assert_eq!(losses(EVERY).lost, 30, "what was acted on counts for a period");
        assert_eq!(losses(EVERY + Duration::from_secs(1)).lost, 29);
        for number in [1, 30] {
            watches.found_missing(&id(number), 1, &[1], EVERY);
        }
        assert!(losses(EVERY).is_too_many());
        watches.found_missing(&id(30), 1, &[], EVERY);
        watches.forget(&id(30));
        assert_eq!(losses(EVERY), Losses { lost: 30, watched: 299, most: 29 });
    }
}
