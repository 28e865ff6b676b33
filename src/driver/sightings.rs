//! Since when this incarnation has seen what. Invariant: all waiting on others is measured from here, on our own monotonic clock;
//! a time that somebody wrote is never part of it.
//!
//! The rule is client-go's for leases: a holder is given its full time from the moment at which *we* first saw it.
//!
//! A record at rest costs 40 bytes, what the table keeps free, and 8 bytes for each live effect; 16 until each of them has been seen for as long
//! as any request can be under way. What no pass has looked at for a day is forgotten, as after a restart: that costs a wait, and nothing else.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use durable_fsm_graph::{Contract, Graph, InDoubt, Kind};

use crate::RecordId;
use crate::record::{Blocked, Change, Direction, Effect, Ended, Entry as _, Intent, Record, Retry, Unconfirmed};

/// After how many seconds a record that no pass has looked at is forgotten.
const FORGOTTEN_AFTER: u32 = 24 * 3600;

/// For each record, when each of its open ends was first seen.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    /// Seeded by chance, so that no name can be chosen that looks like another.
    hasher: RandomState,
    /// For numbers, of which each live effect has some that are hashed at each write. Seeded by chance too.
    marker: foldhash::quality::RandomState,
    table: Mutex<Table>,
}

/// A hash of a record's id, of twice 64 bits.
type Key = [u64; 2];

#[derive(Debug, Default, Clone)]
struct Table {
    records: HashMap<Key, Seen, foldhash::fast::RandomState>,
    /// With so many records it is time to look for those that are no longer used.
    sweep_at: usize,
    /// Records of many effects that somebody is changing.
    followed: HashMap<Key, Followed, foldhash::fast::RandomState>,
    /// How many were followed so far.
    followers: u64,
}

/// A record, by hashes of its id and its origin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose {
    key: Key,
    origin: u64,
}

/// What was seen of a record while it is followed.
#[derive(Debug, Clone)]
struct Followed {
    follower: u64,
    /// By its mark, when an open end was first seen, and its place among them.
    since: HashMap<u64, (u64, u64)>,
    /// The marks of what is no live effect.
    others: Vec<u64>,
    /// The next place.
    next: u64,
}

/// Somebody who tells of every change of a record, so that not all of it need be looked at each time.
pub(crate) struct Follower<'s> {
    sightings: &'s Sightings,
    key: Key,
    number: u64,
}

/// A record of fewer live effects is looked at as a whole.
const MANY: usize = 32;

/// What was seen of one record.
#[derive(Debug, Default, Clone)]
struct Seen {
    /// When it was last looked at, in seconds.
    looked: u32,
    /// Everything in it was seen long enough ago, and no times are kept.
    quiet: bool,
    /// The marks of its open ends, in the order of the record; then, unless it is quiet, when each of them was first seen, in nanoseconds.
    ends: Box<[u64]>,
}

/// What tells one open end of a record from every other, also from an earlier attempt at the same step.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OpenEnd<'r> {
    Intent(&'r Intent),
    Live(&'r Effect),
    Unconfirmed(&'r Unconfirmed),
    /// What an open intent becomes when it is set aside: it is then as old as the attempt under which it was sent.
    Sent(&'r Intent),
    Undone(&'r Ended),
    /// A roll-back, with so much left of it: what was undone last has left no other trace.
    RollBack(usize),
    /// A failure, which is followed by a wait.
    Retry(&'r Retry),
    /// A block, which ends by itself after a time.
    Blocked(&'r Blocked),
    /// The state that the record is in, where something waits that may not wait forever.
    Here(&'r Record),
}

impl Sightings {
    #[cfg(feature = "testing")]
    pub(super) fn copied(&self) -> Self {
        let (hasher, marker) = (self.hasher.clone(), self.marker.clone());
        Self { hasher, marker, table: Mutex::new(self.table().clone()) }
    }

    /// Takes note of a record as it is now; what is no longer in it is forgotten.
    pub(crate) fn observe(&self, whose: Whose, graph: &Graph<'_>, record: &Record, now: Duration) {
        let Whose { key, origin } = whose;
        let (undo, intent) = (record.undo.len(), record.intent.iter().len());
        // Twice as many as there are open ends most often: for the marks and their times.
        let room = 2 * (undo + 2 * intent + record.unconfirmed.len() + record.undone.len());
        let (mut marks, mut timed) = (Vec::with_capacity(room), false);
        open_ends(graph, record).for_each(|end| {
            marks.push(self.mark(origin, end));
            timed |= matches!(end, OpenEnd::Retry(_) | OpenEnd::Blocked(_) | OpenEnd::Here(_));
        });
        let nanos = nanos(now);
        let mut table = self.table();
        table.unfollow(key);
        if marks.is_empty() {
            table.records.remove(&key);
            return;
        }
        let looked = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        if !table.records.contains_key(&key) {
            table.sweep(looked);
        }
        let seen = table.records.entry(key).or_default();
        seen.looked = looked;
        let (old, mut next) = (std::mem::take(&mut seen.ends), 0);
        let known = if seen.quiet { old.len() } else { old.len() / 2 };
        let (old_marks, old_times) = old.split_at(known);
        let count = marks.len();
        let mut oldest_enough = !timed;
        let quiet_since = nanos.checked_sub(self::nanos(longest_quiet(graph)));
        for index in 0..count {
            // The order hardly ever changes: the next one is most often the next one.
            let found = match old_marks.get(next) {
                Some(mark) if *mark == marks[index] => Some(next),
                _ => old_marks[next..].iter().position(|mark| *mark == marks[index]).map(|at| next + at),
            };
            let found = found.or_else(|| old_marks[..next].iter().position(|mark| *mark == marks[index]));
            let since = match found {
                Some(at) => {
                    next = at + 1;
                    if seen.quiet { 0 } else { old_times[at] }
                }
                None => nanos,
            };
            oldest_enough &= quiet_since.is_some_and(|quiet_since| since <= quiet_since);
            marks.push(since);
        }
        seen.quiet = oldest_enough;
        if oldest_enough {
            marks.truncate(count);
        }
        seen.ends = marks.into_boxed_slice();
    }

    /// As [`observe`](Self::observe), by somebody who knows which effects have become live or have been undone since. None where that is not worth
    /// knowing the next time.
    pub(crate) fn follow<'s>(
        &'s self,
        whose: Whose,
        graph: &Graph<'_>,
        record: &Record,
        changes: Option<Vec<Change>>,
        follower: Option<Follower<'s>>,
        now: Duration,
    ) -> Option<Follower<'s>> {
        let follower = match (follower, changes) {
            (Some(follower), Some(changes)) if self.note(&follower, whose, graph, record, &changes, nanos(now)) => {
                return Some(follower);
            }
            (follower, _) => follower,
        };
        drop(follower);
        self.observe(whose, graph, record, now);
        (record.undo.len() >= MANY).then(|| {
            let Whose { key, origin } = whose;
            let others = others(graph, record).map(|end| self.mark(origin, end)).collect();
            Follower { sightings: self, key, number: self.table().follow(key, others) }
        })
    }

    /// Takes note of what has changed. False if somebody else has looked at the record in between.
    fn note(
        &self,
        follower: &Follower<'_>,
        Whose { origin, .. }: Whose,
        graph: &Graph<'_>,
        record: &Record,
        changes: &[Change],
        nanos: u64,
    ) -> bool {
        let mut others: Vec<u64> = others(graph, record).map(|end| self.mark(origin, end)).collect();
        others.sort_unstable();
        let mut table = self.table();
        let Some(followed) = table.followed.get_mut(&follower.key).filter(|it| it.follower == follower.number) else {
            return false;
        };
        for change in changes {
            match *change {
                Change::Made(mark) => followed.add(self.mark_of_life(origin, mark), nanos),
                Change::Undone(mark) => drop(followed.since.remove(&self.mark_of_life(origin, mark))),
            }
        }
        for mark in &others {
            followed.add(*mark, nanos);
        }
        for mark in std::mem::replace(&mut followed.others, others) {
            if followed.others.binary_search(&mark).is_err() {
                followed.since.remove(&mark);
            }
        }
        true
    }

    /// How long it still takes until this was seen for so long; none if it was, and the whole time if it was never seen.
    pub(crate) fn left(&self, whose: Whose, end: OpenEnd<'_>, time: Duration, now: Duration) -> Option<Duration> {
        time.checked_sub(self.seen_for(whose, end, now)?).filter(|left| !left.is_zero())
    }

    /// For how long this has been seen; not at all if it was never seen, and none if it was seen for longer than anything of it can be under
    /// way.
    fn seen_for(&self, Whose { key, origin }: Whose, end: OpenEnd<'_>, now: Duration) -> Option<Duration> {
        let mark = self.mark(origin, end);
        let table = self.table();
        if let Some(followed) = table.followed.get(&key) {
            let since = followed.since.get(&mark).map(|(since, _)| Duration::from_nanos(*since));
            return Some(since.map_or(Duration::ZERO, |since| now.saturating_sub(since)));
        }
        let Some(seen) = table.records.get(&key) else { return Some(Duration::ZERO) };
        let (marks, times) = seen.ends.split_at(seen.known());
        match marks.iter().position(|known| *known == mark) {
            Some(_) if seen.quiet => None,
            Some(index) => Some(now.saturating_sub(Duration::from_nanos(times[index]))),
            None => Some(Duration::ZERO),
        }
    }

    /// How long it takes until an attempt that left this open can no longer do anything.
    pub(crate) fn until_quiet(
        &self,
        whose: Whose,
        end: OpenEnd<'_>,
        contract: &Contract<'_>,
        now: Duration,
    ) -> Option<Duration> {
        // Where the one request that made it was answered, nothing of it can come any more; a look-up may lag all the same.
        let is_answered = matches!(end, OpenEnd::Live(live) if live.clean) && contract.is_delivered_once();
        let in_flight = match (is_answered, contract.in_doubt) {
            (false, _) => contract.timeout + contract.settle,
            (true, InDoubt::Lookup) => contract.settle,
            (true, InDoubt::Repeat | InDoubt::Hold) => return None,
        };
        self.left(whose, end, in_flight, now)
    }

    /// The record is gone.
    pub(crate) fn forget(&self, id: &RecordId) {
        let key = self.key(id);
        let mut table = self.table();
        table.records.remove(&key);
        table.followed.remove(&key);
    }

    fn key(&self, id: &RecordId) -> Key {
        [self.hasher.hash_one((0_u8, id)), self.hasher.hash_one((1_u8, id))]
    }

    /// Whose sightings are asked for: those of the record with this id and origin.
    pub(crate) fn whose(&self, id: &RecordId, origin: &str) -> Whose {
        Whose { key: self.key(id), origin: self.hasher.hash_one(origin) }
    }

    fn mark(&self, origin: u64, end: OpenEnd<'_>) -> u64 {
        // A life has its number alone: no two effects of one record begin with the same write. Only what was listed without being sent shares the number
        // of a write, so a live effect is marked with its transition too.
        match end {
            OpenEnd::Intent(it) => self.marker.hash_one((origin, 0_u8, it.life, it.attempt, &it.holder)),
            OpenEnd::Live(it) => self.mark_of_life(origin, it.mark()),
            OpenEnd::Unconfirmed(it) => self.marker.hash_one((origin, 2_u8, it.life, it.attempt)),
            OpenEnd::Sent(it) => self.marker.hash_one((origin, 2_u8, it.life, it.attempt)),
            OpenEnd::Undone(it) => self.marker.hash_one((origin, 3_u8, it.life)),
            OpenEnd::RollBack(left) => self.hasher.hash_one((origin, 4_u8, left)),
            OpenEnd::Retry(it) => self.hasher.hash_one((origin, 5_u8, it.count, it.since, it.at)),
            OpenEnd::Blocked(it) => self.hasher.hash_one((origin, 6_u8, it.reason, it.since, it.at)),
            OpenEnd::Here(it) => self.hasher.hash_one((origin, 7_u8, &it.state, it.since)),
        }
    }

    fn mark_of_life(&self, origin: u64, mark: u64) -> u64 {
        self.marker.hash_one((origin, 1_u8, mark))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Makes room for one more. Looking for what is forgotten costs as much as there is, so it is done when there is twice as much as before.
    fn sweep(&mut self, now: u32) {
        if self.records.len() < self.sweep_at.max(1024) {
            return;
        }
        self.records.retain(|_, seen| now.saturating_sub(seen.looked) < FORGOTTEN_AFTER);
        self.sweep_at = self.records.len().saturating_mul(2);
    }
}

impl Followed {
    fn add(&mut self, mark: u64, nanos: u64) {
        let Self { since, next, .. } = self;
        since.entry(mark).or_insert_with(|| {
            *next += 1;
            (nanos, *next)
        });
    }
}

impl Table {
    /// Begins to follow a record that was just looked at, and has these open ends besides its live effects.
    fn follow(&mut self, key: Key, others: Vec<u64>) -> u64 {
        self.followers += 1;
        let mut followed = Followed { follower: self.followers, since: HashMap::new(), others, next: 0 };
        if let Some(seen) = self.records.get(&key) {
            let (marks, times) = seen.ends.split_at(seen.known());
            for (index, mark) in marks.iter().enumerate() {
                followed.add(*mark, times.get(index).copied().unwrap_or_default());
            }
        }
        self.followed.insert(key, followed);
        self.followers
    }

    /// This record is no longer followed. What was seen of it is kept as that of any other.
    fn unfollow(&mut self, key: Key) {
        let Some(followed) = self.followed.remove(&key) else { return };
        let Some(seen) = self.records.get_mut(&key) else { return };
        let mut ends: Vec<(u64, (u64, u64))> = followed.since.into_iter().collect();
        ends.sort_unstable_by_key(|(_, (_, place))| *place);
        let marks = ends.iter().map(|(mark, _)| *mark);
        seen.ends = marks.chain(ends.iter().map(|(_, (since, _))| *since)).collect();
        seen.quiet = false;
    }
}

impl Seen {
    /// How many marks it has.
    fn known(&self) -> usize {
        if self.quiet { self.ends.len() } else { self.ends.len() / 2 }
    }
}

impl Drop for Follower<'_> {
    fn drop(&mut self) {
        let mut table = self.sightings.table();
        if table.followed.get(&self.key).is_some_and(|followed| followed.follower == self.number) {
            table.unfollow(self.key);
        }
    }
}

/// The longest that is measured from when a live effect was first seen: how long anything of this machine may be under way, or may be waited for.
fn longest_quiet(graph: &Graph<'_>) -> Duration {
    let times = graph.transitions.iter().map(|step| match (&step.kind, step.contract()) {
        (Kind::Waits { within: Some(within), for_each: Some(_), .. }, _) => *within,
        (_, contract) => contract.map_or(Duration::ZERO, |contract| contract.timeout + contract.settle),
    });
    times.max().unwrap_or_default()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn open_ends<'r>(graph: &Graph<'_>, record: &'r Record) -> impl Iterator<Item = OpenEnd<'r>> {
    record.undo.iter().map(OpenEnd::Live).chain(others(graph, record))
}

/// What is open besides live effects.
fn others<'r>(graph: &Graph<'_>, record: &'r Record) -> impl Iterator<Item = OpenEnd<'r>> {
    let open = record.intent.iter().flat_map(|intent| [OpenEnd::Intent(intent), OpenEnd::Sent(intent)]);
    let open = open.chain(record.unconfirmed.iter().map(OpenEnd::Unconfirmed));
    let open = open.chain(record.undone.iter().map(OpenEnd::Undone));
    let open = open.chain((record.direction == Direction::RollingBack).then(|| OpenEnd::roll_back(record)));
    let retrying = record.retry.iter().chain(record.retrying.iter().map(|it| &it.retry));
    let open = open.chain(retrying.map(OpenEnd::Retry)).chain(record.blocked.iter().map(OpenEnd::Blocked));
    open.chain(may_be_overdue(graph, record).then_some(OpenEnd::Here(record)))
}

/// Whether something waits in this state that may not wait forever.
fn may_be_overdue(graph: &Graph<'_>, record: &Record) -> bool {
    let here = graph.state(&record.state).map(|(_, state)| state.transitions).unwrap_or_default();
    let kinds = here.iter().filter_map(|index| graph.transitions.get(*index)).map(|step| step.kind);
    record.direction.is_forward()
        && kinds.into_iter().any(|kind| matches!(kind, Kind::Waits { within: Some(_), for_each: None, .. }))
}

impl OpenEnd<'_> {
    pub(crate) fn roll_back(record: &Record) -> Self {
        OpenEnd::RollBack(record.undo.len() + record.unconfirmed.len())
    }
}
