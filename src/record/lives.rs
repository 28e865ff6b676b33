//! A list of lives in the order in which they are undone. Invariant: a search by name or by life finds what a scan of all entries would find.
//!
//! The record of a set has an entry for each member, and each step searches for one of them, so a search must not scan the list.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::written::Written;

/// One life of an effect: what an intent is under way for, what a live effect has, what an unconfirmed step was sent under, and what an undo has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Life<'r> {
    pub(crate) transition: &'r str,
    pub(crate) subject: Option<&'r str>,
    /// The `seq` of its first intent.
    pub(crate) number: u64,
}

/// What is listed: one life of an effect.
pub trait Entry {
    /// The transition that made it.
    fn transition(&self) -> &str;
    /// The subject, for a member of a set.
    fn subject(&self) -> Option<&str>;
    /// The `seq` of its first intent.
    fn life(&self) -> u64;
    /// Its place on the way back: not lower than its life, unless it was made again in the place of one that was lost.
    fn order(&self) -> u64;
    /// Tells it from every other entry of its list, also from one that began with the same write.
    fn mark(&self) -> u64 {
        self.life()
    }
    /// Whether its undo has begun and is not done yet.
    fn is_unmaking(&self) -> bool {
        false
    }
    /// Whether it is gone, and is to be made again.
    fn is_lost(&self) -> bool {
        false
    }
}

fn of<T: Entry>(entry: &T) -> Life<'_> {
    Life { transition: entry.transition(), subject: entry.subject(), number: entry.life() }
}

/// Lives in the order in which they are undone, the one that goes first last. It is read like a slice.
pub struct Lives<T> {
    list: Vec<T>,
    /// Whether the list is known to be in order.
    sorted: bool,
    index: OnceLock<Index>,
    /// What has changed since somebody has asked last; none if that is not known.
    changes: Option<Vec<Change>>,
    /// Whether the undo of one has begun, if that is known.
    unmaking: OnceLock<bool>,
    /// Whether one is lost, if that is known.
    lost: OnceLock<bool>,
    /// The JSON of its first entries, where it was written before.
    written: Written,
}

/// A change of such a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The entry with this [mark](Entry::mark) has come.
    Made(u64),
    /// It is gone.
    Undone(u64),
}

/// By a hash of transition and subject: the highest order, and how many there are.
#[derive(Debug, Default)]
struct Index {
    hasher: RandomState,
    orders: HashMap<u64, (u64, usize)>,
}

/// Where there are fewer, each is looked at.
const FEW: usize = 64;

/// How many changes are known at most.
const KNOWN: usize = 64;

impl Index {
    fn key(&self, transition: &str, subject: Option<&str>) -> u64 {
        self.hasher.hash_one((transition, subject))
    }

    fn add<T: Entry>(&mut self, entry: &T) {
        let key = self.key(entry.transition(), entry.subject());
        let (highest, count) = self.orders.entry(key).or_default();
        *highest = (*highest).max(entry.order());
        *count += 1;
    }
}

impl<T> Lives<T> {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Each, to be changed in anything but its life, its name, its place, and whether its undo has begun.
    pub(crate) fn amend(&mut self) -> impl Iterator<Item = &mut T> {
        self.written.forget_from(0);
        self.list.iter_mut()
    }

    /// One of them, to be changed in the same things.
    pub(crate) fn amend_at(&mut self, index: usize) -> Option<&mut T> {
        self.written.forget_from(index);
        self.list.get_mut(index)
    }

    /// One of them, which is lost.
    pub(crate) fn amend_lost(&mut self, index: usize) -> Option<&mut T> {
        self.written.forget_from(index);
        self.lost.take();
        self.list.get_mut(index)
    }

    /// One of them, whose undo has begun.
    pub(crate) fn amend_unmaking(&mut self, index: usize) -> Option<&mut T> {
        self.written.forget_from(index);
        self.unmaking.take();
        self.list.get_mut(index)
    }

    /// What has changed since this was asked last, in order; none if that is not known.
    pub(crate) fn changes(&mut self) -> Option<Vec<Change>> {
        self.changes.replace(Vec::new())
    }

    fn changed(&mut self, change: Change) {
        self.changes.take_if(|changes| changes.len() == KNOWN);
        if let Some(changes) = &mut self.changes {
            changes.push(change);
        }
    }

    /// Anything may be changed from here on.
    fn forget(&mut self) {
        self.sorted = false;
        self.written.forget_from(0);
        self.index.take();
        self.unmaking.take();
        self.lost.take();
        self.changes = None;
    }

    /// The list, to be changed at will.
    pub(crate) fn list_mut(&mut self) -> &mut Vec<T> {
        self.forget();
        &mut self.list
    }
}

impl<T: Serialize> Lives<T> {
    /// Writes the entries as JSON that have changed since they were written last.
    ///
    /// # Errors
    /// `serde_json`'s, for what JSON cannot hold.
    pub(super) fn write(&mut self) -> Result<(), serde_json::Error> {
        self.written.go_on(&self.list)
    }
}

impl<T> Lives<T> {
    /// All entries as JSON, with commas in between, if none has changed since they were written.
    pub(super) fn written(&self) -> Option<&[u8]> {
        self.written.whole(self.list.len())
    }
}

impl<T: Entry> Lives<T> {
    /// Whether the undo of one has begun and is not done yet.
    pub(crate) fn has_unmaking(&self) -> bool {
        *self.unmaking.get_or_init(|| self.list.iter().any(T::is_unmaking))
    }

    /// Whether one is lost, and is to be made again.
    pub(crate) fn has_lost(&self) -> bool {
        *self.lost.get_or_init(|| self.list.iter().any(T::is_lost))
    }

    /// Where this life stands.
    pub(crate) fn position(&self, life: Life<'_>) -> Option<usize> {
        // Only what was made again has a lower order than its life.
        let from = if self.sorted { self.list.partition_point(|it| it.order() < life.number) } else { 0 };
        let above = self.list[from..].iter().position(|it| of(it) == life).map(|index| from + index);
        above.or_else(|| self.list[..from].iter().rposition(|it| of(it) == life))
    }

    /// The last one of this transition and subject.
    pub(crate) fn last_of(&self, transition: &str, subject: Option<&str>) -> Option<&T> {
        let is_it = |it: &&T| it.transition() == transition && it.subject() == subject;
        if !self.sorted || self.list.len() < FEW {
            return self.list.iter().rev().find(is_it);
        }
        let index = self.index.get_or_init(|| {
            let mut index = Index::default();
            self.list.iter().for_each(|it| index.add(it));
            index
        });
        let (order, count) = index.orders.get(&index.key(transition, subject))?;
        let end = self.list.partition_point(|it| it.order() <= *order);
        let here = self.list[..end].iter().rev().take_while(|it| it.order() == *order);
        // Where two names have one hash, the highest of them may be the other's.
        here.into_iter().find(is_it).or_else(|| self.list.iter().rev().find(is_it).filter(|_| *count > 1))
    }

    /// Lists one more at its place, and says where that is.
    pub(crate) fn insert(&mut self, entry: T) -> usize {
        // What was sent last is most often made last.
        let above = self.list.iter().rev().take_while(|other| other.order() > entry.order()).count();
        let index = self.list.len() - above;
        self.written.forget_from(index);
        self.changed(Change::Made(entry.mark()));
        if entry.is_unmaking() {
            self.unmaking.take();
        }
        if entry.is_lost() {
            self.lost.take();
        }
        if let Some(known) = self.index.get_mut() {
            known.add(&entry);
        }
        self.list.insert(index, entry);
        index
    }

    /// Takes one out.
    ///
    /// # Panics
    /// There is none at this place.
    pub(crate) fn remove(&mut self, index: usize) -> T {
        self.written.forget_from(index);
        let entry = self.list.remove(index);
        self.changed(Change::Undone(entry.mark()));
        if entry.is_unmaking() {
            self.unmaking.take();
        }
        if entry.is_lost() {
            self.lost.take();
        }
        if let Some(known) = self.index.get_mut() {
            let key = known.key(entry.transition(), entry.subject());
            // Which is the highest of the others is not known.
            if !matches!(known.orders.remove(&key), Some((_, 1))) {
                self.index.take();
            }
        }
        entry
    }
}

impl<T: Entry> From<Vec<T>> for Lives<T> {
    fn from(list: Vec<T>) -> Self {
        let sorted = list.is_sorted_by_key(T::order);
        let (unmaking, lost, written) = Default::default();
        Self { list, sorted, index: OnceLock::new(), changes: None, unmaking, lost, written }
    }
}

impl<T: Entry> FromIterator<T> for Lives<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        Self::from(entries.into_iter().collect::<Vec<_>>())
    }
}

impl<T> Default for Lives<T> {
    fn default() -> Self {
        let (unmaking, lost, written) = Default::default();
        Self { list: Vec::new(), sorted: true, index: OnceLock::new(), changes: None, unmaking, lost, written }
    }
}

impl<T: Clone> Clone for Lives<T> {
    fn clone(&self) -> Self {
        let (unmaking, lost, written) = (self.unmaking.clone(), self.lost.clone(), Written::default());
        Self {
            list: self.list.clone(),
            sorted: self.sorted,
            index: OnceLock::new(),
            changes: None,
            unmaking,
            lost,
            written,
        }
    }
}

impl<T: PartialEq> PartialEq for Lives<T> {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl<T: Eq> Eq for Lives<T> {}

impl<T: fmt::Debug> fmt::Debug for Lives<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt(f)
    }
}

impl<T> Deref for Lives<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.list
    }
}

impl<T> DerefMut for Lives<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.list_mut()
    }
}

impl<'l, T> IntoIterator for &'l Lives<T> {
    type Item = &'l T;
    type IntoIter = std::slice::Iter<'l, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl<T: Serialize> Serialize for Lives<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}

impl<'de, T: Entry + Deserialize<'de>> Deserialize<'de> for Lives<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize)]
    struct Member(Option<String>, u64, u64);

    impl Entry for Member {
        fn transition(&self) -> &str {
            "add"
        }
        fn subject(&self) -> Option<&str> {
            self.0.as_deref()
        }
        fn life(&self) -> u64 {
            self.1
        }
        fn order(&self) -> u64 {
            self.2
        }
    }

    /// Lists and unlists by a fixed sequence of numbers, and compares each answer with that of a plain list.
    #[test]
    fn what_is_found_is_what_looking_at_each_would_find() {
        let mut lives: Lives<Member> = Lives::default();
        assert_eq!(lives.changes(), None);
        let mut chance = 7_u64;
        let mut draw = |below: u64| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (chance >> 33) % below
        };
        let (mut seen, mut now) = (Vec::<u64>::new(), 0);
        for round in 0..3000 {
            now += 1;
            if draw(3) > 0 || lives.is_empty() {
                let subject = Some(draw(40)).filter(|subject| *subject > 0).map(|subject| subject.to_string());
                lives.insert(Member(subject, now, now + draw(5)));
            } else {
                let index = usize::try_from(draw(lives.len() as u64)).unwrap();
                lives.remove(index);
            }
            if round % 500 == 499 {
                lives.list_mut().swap(0, 1);
                lives = lives.iter().cloned().collect();
            }
            if round % 700 == 699 {
                lives = lives.list.iter().take(20).cloned().collect::<Vec<_>>().into();
                lives.list_mut().sort_by_key(Member::order);
                lives = lives.iter().cloned().collect();
            }
            match lives.changes() {
                Some(changes) => changes.into_iter().for_each(|change| match change {
                    Change::Made(life) => seen.push(life),
                    Change::Undone(life) => seen.retain(|known| *known != life),
                }),
                None => seen = lives.iter().map(Member::life).collect(),
            }
            let mut lifes: Vec<u64> = lives.iter().map(Member::life).collect();
            seen.sort_unstable();
            lifes.sort_unstable();
            assert_eq!(lifes, seen);
            for subject in 0..40 {
                let subject = Some(subject.to_string());
                let plain = lives.list.iter().rev().find(|it| it.0 == subject);
                assert_eq!(lives.last_of("add", subject.as_deref()), plain);
            }
            assert_eq!(lives.last_of("other", None), None);
            for number in now.saturating_sub(10)..now {
                let life = Life { transition: "add", subject: Some("1"), number };
                assert_eq!(lives.position(life), lives.list.iter().position(|it| of(it) == life));
            }
        }
    }

    /// The JSON that is kept of some entries is what the entries are now, whatever has happened to them in between.
    #[test]
    fn what_is_written_once_is_written_again_where_it_has_changed() {
        let mut lives: Lives<Member> = Lives::default();
        let mut chance = 7_u64;
        let mut draw = |below: usize| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(chance >> 33).unwrap() % below
        };
        for round in 0..3000_u64 {
            let chosen = draw(lives.len().max(1));
            match draw(8) {
                0..4 => drop(lives.insert(Member(Some(round.to_string()), round, round + draw(9) as u64))),
                4 if !lives.is_empty() => drop(lives.remove(chosen)),
                4 | 5 => lives.amend_at(chosen).into_iter().for_each(|it| it.1 += 1),
                6 if draw(9) == 0 => lives.amend().for_each(|it| it.1 += 1),
                6 if draw(9) == 0 => lives.list_mut().reverse(),
                6 => lives.amend_lost(chosen).into_iter().for_each(|it| it.1 += 1),
                _ => lives.amend_unmaking(chosen).into_iter().for_each(|it| it.1 += 1),
            }
            if draw(3) > 0 {
                lives.write().unwrap();
                let written = std::str::from_utf8(lives.written().unwrap()).unwrap();
                assert_eq!(format!("[{written}]"), serde_json::to_string(&lives.list).unwrap());
            }
        }
    }
}
