//! What people do to the record from outside: they put another one in its place, bind it to another resource, and look for what was made.

use super::{Core, Tampered};
use crate::Loaded;
use crate::machine::{Made, Reply};
use crate::record::{HeldReason, Record, Resolution};
use crate::testing::plan::Fault;

impl Core {
    /// Makes the resource again under its name.
    pub(crate) fn make_again(&mut self) {
        self.note(|| "the resource is made again".to_owned());
        self.stored.version += 1;
        self.stored.gone = false;
        self.deleting = false;
        self.suspended = 0;
        self.made_again = Some(self.stored.version);
    }

    /// Moves the resource, so that it has another uid, and binds its record to that.
    pub(crate) fn rebind(&mut self) {
        let Some(record) = self.stored.record().cloned() else { return };
        let owner = self.uid(true);
        let rebound = crate::record::next(self.graph, &record, crate::record::Event::Rebound { owner });
        let Some((_, bytes)) = rebound.ok().and_then(|record| record.encode_next(self.graph).ok()) else { return };
        self.note(|| "the resource is moved, and an operator binds the record to it".to_owned());
        self.made_again = Some(self.stored.version + 1);
        self.books.decided = true;
        self.put(&bytes);
    }

    /// What an operator who looks finds of what is under way; nothing, while a request may be in the network.
    pub(crate) fn finding(&self) -> Option<Resolution> {
        let key = self.stored.decoded.as_ref()?.key_of_intent()?;
        if !self.flights.is_empty() || self.stopped != 0 {
            return None;
        }
        if !self.things.iter().any(|thing| thing.key.as_ref() == Some(key)) {
            return Some(Resolution::NotApplied);
        }
        match self.made.as_ref().filter(|(of, _)| of == key).map(|(_, reply)| reply)? {
            Reply::Made(Made { state, facts }) => {
                let state = self.graph.states.get(*state)?.name.to_owned();
                Some(Resolution::Applied { state, facts: facts.clone() })
            }
            Reply::Member(value) => Some(Resolution::AppliedMember { value: value.clone() }),
            Reply::NotYet(_) => None,
        }
    }

    /// Somebody puts another record, or none, in the place of the right one.
    pub(crate) fn tamper(&mut self, fault: Fault) {
        let mut loaded = self.loaded();
        let record = self.stored.record().cloned();
        let with = |change: fn(&mut Record)| {
            record.and_then(|mut record| {
                change(&mut record);
                serde_json::to_vec(&record).ok()
            })
        };
        let reason = match fault {
            Fault::Newer => {
                loaded.bytes = with(|record| record.format += 1);
                HeldReason::Unreadable
            }
            Fault::Copied => {
                loaded.bytes = with(|record| "the-uid-of-another".clone_into(&mut record.owner));
                HeldReason::Unreadable
            }
            Fault::Restored => {
                loaded.bytes = self.old_record().and_then(|loaded| loaded.bytes);
                let old = loaded.bytes.as_ref().and_then(|bytes| serde_json::from_slice::<Record>(bytes).ok());
                let owner = self.stored.record().map(|record| &record.owner);
                // One from before the resource was moved belongs to another one.
                if old.as_ref().map(|old| &old.owner) == owner {
                    HeldReason::RecordLost
                } else {
                    HeldReason::Unreadable
                }
            }
            _ => {
                loaded.bytes = None;
                HeldReason::RecordLost
            }
        };
        self.stored.tampered = Some(Tampered { loaded, reason, passes: 2 });
    }

    /// After a pass that found a record which was tampered with: has an operator put it right? The remedy for each is the right record
    /// in its place, from a backup or by the version that wrote it.
    pub(crate) fn outlast_tampering(&mut self) -> bool {
        let Some(tampered) = &mut self.stored.tampered else { return false };
        tampered.passes -= 1;
        if tampered.passes == 0 {
            self.stored.tampered = None;
            self.note(|| "an operator puts the record back".to_owned());
        }
        true
    }

    /// Whether the running controller acts on a record that is not to be honoured.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.stored.poisoned[self.actor]
    }

    /// The record as it was before the last write, with what stands outside of it as it is now.
    pub(crate) fn old_record(&self) -> Option<Loaded> {
        let previous = self.stored.previous.as_ref()?;
        let mut loaded = self.loaded();
        loaded.bytes = Some(previous.bytes.clone()?);
        Some(loaded)
    }
}
