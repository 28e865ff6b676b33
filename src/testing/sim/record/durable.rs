//! What becomes durable: each write and removal, judged by the oracles at the moment it takes effect.

use super::{Core, Decoded, Previous};
use crate::record::{Blocked, BlockedReason, Direction, HeldReason, Record, Stamp};
use crate::testing::oracle::{Oracle, Violation, wrongly_lost};
use crate::{Loaded, StoreError, Version};

impl Core {
    pub(super) fn check_version(&self, expected: &Version) -> Result<(), StoreError> {
        if self.stored.gone {
            return Err(StoreError::Gone);
        }
        if expected.token() != self.stored.version.to_string() { Err(StoreError::Conflict) } else { Ok(()) }
    }

    pub(super) fn write(&mut self, expected: &Version, bytes: &[u8], late: bool) -> Result<Loaded, StoreError> {
        self.check_version(expected)?;
        if self.stored.poisoned[self.actor] && !late {
            let message = "a record that cannot be honoured was written over".to_owned();
            self.violate(Violation::new(Oracle::History, message));
        }
        self.put(bytes);
        Ok(self.loaded())
    }

    /// Makes bytes durable, whatever was there.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let decoded = match Decoded::of(bytes, self.stored.decoded.as_deref()) {
            Ok(decoded) => decoded,
            Err(error) => {
                self.violate(Violation::new(Oracle::History, format!("what was written is no record: {error}")));
                return;
            }
        };
        let new = &*decoded.record;
        let old = self.stored.decoded.take();
        let holder = |record: &Record| record.intent.as_ref().map(|intent| intent.holder.clone());
        if old.as_ref().and_then(|old| holder(&old.record)) != holder(new) {
            self.intent_since = self.now;
        }
        let before = old.as_ref().map(|old| &*old.record);
        let early = self.is_held_early(before, new).or_else(|| self.begins_early(before, new));
        let in_record = self.books.check_write(self.actor, self.deleting, before, new);
        // What the record no longer knows of is an orphan from here on, and that says more than by which change.
        let in_world = self.books.check_world(Some(&decoded), &self.things);
        let lost = old.as_ref().and_then(|old| wrongly_lost(old, new, &self.things));
        let violation = match in_record {
            Some(lost) if lost.oracle == Oracle::History => Some(lost),
            in_record => in_world.or(in_record),
        };
        if let Some(violation) = violation.or(lost).or(early) {
            self.violate(violation);
        }
        if let Some(it) = &mut self.unacceptable {
            it.recorded |= new.blocked.is_some();
        }
        self.trace(|| bytes);
        self.note(|| {
            let event = new.history.last().map(|line| line.split_once(' ').map_or(&**line, |(_, event)| event));
            let intent = new.intent.as_ref().map(|it| format!(", {:?} {} #{}", it.action, it.transition, it.attempt));
            let (event, intent) = (event.unwrap_or_default(), intent.unwrap_or_default());
            format!("written: seq {} {} ({event}){intent}", new.seq, new.state)
        });
        self.keep_previous();
        self.stored.version += 1;
        self.stored.bytes = Some(bytes.to_vec());
        self.stored.witness = Some(new.seq);
        self.stored.marked = true;
        self.stored.decoded = Some(decoded);
        self.books.writes += 1;
        self.note_join();
    }

    /// Whether a person is asked about an attempt that may be under way still.
    fn is_held_early(&self, old: Option<&Record>, new: &Record) -> Option<Violation> {
        let in_doubt = |record: &Record| record.held.as_ref().is_some_and(|held| held.reason == HeldReason::InDoubt);
        let intent = new.intent.as_ref().filter(|_| in_doubt(new) && !old.is_some_and(in_doubt))?;
        let contract = self.graph.transition(&intent.transition)?.1.contract()?;
        let early = new.direction.is_forward() && self.now < self.intent_since + contract.timeout + contract.settle;
        let message = format!("held before what `{}` has sent has landed", intent.transition);
        early.then(|| Violation::new(Oracle::HeldForReason, message))
    }

    /// Whether it begins again with what was refused, before anything has changed.
    fn begins_early(&mut self, old: Option<&Record>, new: &Record) -> Option<Violation> {
        let is_other = old.is_none_or(|old| old.origin != new.origin);
        let refused = self.books.refused.take().filter(|_| !is_other && !self.books.decided);
        if new.direction == Direction::RollingBack {
            let blocked = new.blocked.as_ref().filter(|blocked| blocked.reason == BlockedReason::RolledBack);
            let due = |blocked: &Blocked| self.now + blocked.at.after(blocked.since);
            // It is written again and again, and begins once.
            let begun = refused.filter(|it| blocked.is_none_or(|blocked| it.1 == blocked.at));
            self.books.refused = begun.or(blocked.map(|blocked| (blocked.generation, blocked.at, due(blocked))));
            return None;
        }
        let (generation, at, due) = refused.filter(|_| new.direction.is_forward())?;
        let is_same = generation == self.edit as u64 + 1 && Stamp::from(self.wall()) < at && self.now < due;
        let message = "it begins again with what was refused, and nothing has changed".to_owned();
        is_same.then(|| Violation::new(Oracle::Edge, message))
    }

    /// What is durable is about to be replaced.
    pub(super) fn keep_previous(&mut self) {
        let (version, witness, signals) = (self.stored.version, self.stored.witness, self.signals());
        self.stored.previous = Some(Previous { bytes: self.stored.bytes.take(), version, witness, signals });
    }

    pub(super) fn remove(&mut self, expected: &Version, late: bool) -> Result<(), StoreError> {
        self.check_version(expected)?;
        if self.stored.bytes.is_none() {
            return Err(StoreError::Conflict);
        }
        if self.stored.poisoned[self.actor] && !late {
            let message = "a record that cannot be honoured was removed".to_owned();
            self.violate(Violation::new(Oracle::History, message));
        }
        if let Some(why) = self.is_kept_away().filter(|_| !late) {
            self.violate(Violation::new(Oracle::Finalizer, format!("the record is removed: {why}")));
        }
        self.take_away();
        Ok(())
    }

    /// Removes the record, whatever it was.
    pub(in crate::testing::sim) fn take_away(&mut self) {
        if let Some(violation) = self.books.check_removal(self.stored.decoded.as_deref(), &self.things) {
            self.violate(violation);
        }
        self.note(|| "the record is removed".to_owned());
        self.books.removed(self.stored.decoded.as_deref());
        self.keep_previous();
        self.stored.version += 1;
        self.stored.decoded = None;
        self.stored.marked = false;
        self.stored.witness = None;
        self.stored.gone = self.deleting;
        self.books.writes += 1;
    }
}
