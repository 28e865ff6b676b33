//! Since when this incarnation has seen what. Invariant: all waiting on others is measured from here, on our own monotonic clock;
//! a time that somebody wrote is never part of it.
//!
//! The rule is client-go's for leases: a holder is given its full time from the moment at which *we* first saw it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use durable_fsm_graph::{Contract, InDoubt};

use crate::RecordId;
use crate::record::{Direction, Effect, Intent, Record, Unconfirmed, Undone};

/// For each record, when each of its open ends was first seen.
#[derive(Debug, Default)]
pub(crate) struct Sightings(Mutex<HashMap<RecordId, Vec<Sighting>>>);

#[derive(Debug)]
struct Sighting {
    mark: Mark,
    since: Duration,
}

/// What tells one open end of a record from every other, also from an earlier attempt at the same step.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OpenEnd<'r> {
    Intent(&'r Intent),
    Live(&'r Effect),
    Unconfirmed(&'r Unconfirmed),
    Undone(&'r Undone),
    /// A roll-back, with so much left of it: what was undone last has left no other trace.
    RollBack(usize),
}

#[derive(Debug)]
enum Mark {
    Intent { holder: String, attempt: u32, life: u64 },
    Live { transition: String, subject: Option<String>, life: u64 },
    Unconfirmed { transition: String, subject: Option<String>, life: u64, attempt: u32 },
    Undone { transition: String, subject: Option<String>, life: u64 },
    RollBack(usize),
}

impl Sightings {
    /// Takes note of a record as it is now; what is no longer in it is forgotten.
    pub(crate) fn observe(&self, id: &RecordId, record: &Record, now: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open_ends(record).next().is_none() {
            all.remove(id);
            return;
        }
        let seen = match all.get_mut(id) {
            Some(seen) => seen,
            None => all.entry(id.clone()).or_default(),
        };
        let new = open_ends(record).filter(|end| !seen.iter().any(|sighting| end.is(&sighting.mark)));
        // What was set aside, or committed, is as old as the attempt under which it was sent.
        let since = |end: OpenEnd<'_>| seen.iter().find(|it| end.follows(&it.mark)).map_or(now, |it| it.since);
        let new: Vec<Sighting> = new.map(|end| Sighting { mark: end.mark(), since: since(end) }).collect();
        seen.retain(|sighting| open_ends(record).any(|end| end.is(&sighting.mark)));
        seen.extend(new);
    }

    /// When this was first seen; now, if it was not.
    fn since(&self, id: &RecordId, end: OpenEnd<'_>, now: Duration) -> Duration {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = all.get(id).and_then(|seen| seen.iter().find(|sighting| end.is(&sighting.mark)));
        seen.map_or(now, |sighting| sighting.since)
    }

    /// How long it takes until an attempt that left this open can no longer do anything.
    pub(crate) fn until_quiet(
        &self,
        id: &RecordId,
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
        let quiet = self.since(id, end, now) + in_flight;
        quiet.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// The record is gone.
    pub(crate) fn forget(&self, id: &RecordId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

fn open_ends(record: &Record) -> impl Iterator<Item = OpenEnd<'_>> {
    let open = record.intent.iter().map(OpenEnd::Intent);
    let open =
        open.chain(record.undo.iter().map(OpenEnd::Live)).chain(record.unconfirmed.iter().map(OpenEnd::Unconfirmed));
    let open = open.chain(record.undone.iter().map(OpenEnd::Undone));
    open.chain((record.direction == Direction::RollingBack).then(|| OpenEnd::roll_back(record)))
}

impl OpenEnd<'_> {
    pub(crate) fn roll_back(record: &Record) -> Self {
        OpenEnd::RollBack(record.undo.len() + record.unconfirmed.len())
    }

    fn mark(self) -> Mark {
        match self {
            OpenEnd::Intent(it) => Mark::Intent { holder: it.holder.clone(), attempt: it.attempt, life: it.life },
            OpenEnd::Live(it) => {
                let (transition, subject) = (it.transition.clone(), it.subject.clone());
                Mark::Live { transition, subject, life: it.life }
            }
            OpenEnd::Unconfirmed(it) => {
                let (transition, subject) = (it.transition.clone(), it.subject.clone());
                Mark::Unconfirmed { transition, subject, life: it.life, attempt: it.attempt }
            }
            OpenEnd::Undone(it) => {
                Mark::Undone { transition: it.transition.clone(), subject: it.subject.clone(), life: it.life }
            }
            OpenEnd::RollBack(left) => Mark::RollBack(left),
        }
    }

    /// Whether it is about the same attempt as an intent that was open before.
    fn follows(self, mark: &Mark) -> bool {
        match (self, mark) {
            (OpenEnd::Unconfirmed(it), Mark::Intent { attempt, life, .. }) => {
                it.life == *life && it.attempt == *attempt
            }
            _ => false,
        }
    }

    fn is(self, mark: &Mark) -> bool {
        match (self, mark) {
            (OpenEnd::Intent(it), Mark::Intent { holder, attempt, life }) => {
                it.life == *life && it.attempt == *attempt && it.holder == *holder
            }
            (OpenEnd::Live(it), Mark::Live { transition, subject, life }) => {
                it.life == *life && it.transition == *transition && it.subject == *subject
            }
            (OpenEnd::Unconfirmed(it), Mark::Unconfirmed { transition, subject, life, attempt }) => {
                it.life == *life && it.attempt == *attempt && it.transition == *transition && it.subject == *subject
            }
            (OpenEnd::Undone(it), Mark::Undone { transition, subject, life }) => {
                it.life == *life && it.transition == *transition && it.subject == *subject
            }
            (OpenEnd::RollBack(left), Mark::RollBack(seen)) => left == *seen,
            _ => false,
        }
    }
}
