//! The one durable record of a run, as a store. Invariant: what the oracles see is what became durable, at the moment it did.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Core, Decoded, Sim};
use crate::record::Record;
use crate::testing::oracle::{Oracle, Violation};
use crate::testing::plan::Fault;
use crate::{Loaded, RecordId, ResourceId, Signals, Store, StoreError, Version};

/// What is durable.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) bytes: Option<Vec<u8>>,
    /// The bytes, decoded.
    pub(crate) decoded: Option<Arc<Decoded>>,
    pub(crate) version: u64,
    pub(crate) marked: bool,
    pub(crate) witness: Option<u64>,
    /// The finalizer went while the resource was to be deleted: it is gone.
    pub(crate) gone: bool,
    pub(super) previous: Option<(Option<Vec<u8>>, u64, Option<u64>)>,
    /// A write under way whose sender was told nothing.
    late: Option<(u64, Vec<u8>)>,
    late_after: u8,
    /// What the next read finds instead, once.
    pub(crate) tampered: Option<Loaded>,
    /// Which controllers have read something that is not to be honoured.
    pub(super) poisoned: [bool; 2],
    /// What decides how a store of the author's own goes on; none while something is under way there.
    pub(super) hidden: Option<u64>,
    pub(crate) exclusive: bool,
}

impl Default for Stored {
    fn default() -> Self {
        Self {
            bytes: None,
            decoded: None,
            version: 0,
            marked: false,
            witness: None,
            gone: false,
            previous: None,
            late: None,
            late_after: 0,
            tampered: None,
            poisoned: [false; 2],
            hidden: Some(0),
            exclusive: false,
        }
    }
}

/// The durable record, as a store.
#[derive(Clone)]
pub(crate) struct SimStore(pub(crate) Sim);

const WRITE: u64 = Fault::Unavailable.bit()
    | Fault::Conflict.bit()
    | Fault::TooLarge.bit()
    | Fault::NotKept.bit()
    | Fault::ReplyLost.bit()
    | Fault::RequestLost.bit()
    | Fault::Late.bit();

#[async_trait]
impl Store for SimStore {
    async fn load(&self, _: &RecordId) -> Result<Loaded, StoreError> {
        let mut core = self.0.core();
        let mut menu = Fault::Unavailable.bit();
        let tampered = core.stored.tampered.is_some();
        if core.stored.previous.is_some() && !tampered {
            menu |= Fault::Stale.bit();
        }
        if core.stored.bytes.is_some() && !tampered {
            menu |= Fault::Torn.bit() | Fault::Missing.bit();
        }
        let actor = core.actor;
        core.stored.poisoned[actor] = false;
        let loaded = match core.offer(menu) {
            Some(Fault::Unavailable) => Err(StoreError::Unavailable("no connection".to_owned())),
            Some(Fault::Missing) => Err(StoreError::Gone),
            Some(Fault::Torn) => {
                core.stored.poisoned[actor] = true;
                let mut loaded = core.loaded();
                loaded.bytes = loaded.bytes.map(|bytes| bytes[..bytes.len() / 2].to_vec());
                Ok(loaded)
            }
            Some(Fault::Stale) => {
                let mut loaded = core.loaded();
                if let Some((bytes, version, witness)) = core.stored.previous.clone() {
                    loaded.marked = bytes.is_some();
                    (loaded.bytes, loaded.version, loaded.witness) =
                        (bytes, Version::new(version.to_string()), witness);
                    loaded.signals = Signals::default();
                }
                Ok(loaded)
            }
            _ if core.stored.tampered.is_some() => {
                core.stored.poisoned[actor] = true;
                Ok(core.stored.tampered.clone().unwrap_or_else(|| core.loaded()))
            }
            _ if core.stored.gone => Err(StoreError::Gone),
            _ => Ok(core.loaded()),
        };
        self.0.land_write(&mut core);
        loaded
    }

    async fn compare_and_swap(&self, _: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        let mut core = self.0.core();
        let fault = core.offer(WRITE);
        self.0.land_write(&mut core);
        match fault {
            Some(Fault::Unavailable) => Err(StoreError::Unavailable("no connection".to_owned())),
            Some(Fault::TooLarge) => Err(StoreError::TooLarge { size: bytes.len(), limit: bytes.len() - 1 }),
            Some(Fault::RequestLost) => Err(StoreError::Unknown("no answer".to_owned())),
            Some(Fault::Conflict) => {
                core.stored.version += 1;
                Err(StoreError::Conflict)
            }
            Some(Fault::NotKept) => {
                core.check_version(expected)?;
                core.stored.version += 1;
                let mut loaded = core.loaded();
                loaded.marked |= loaded.bytes.is_some();
                Ok(loaded)
            }
            Some(Fault::Late) => {
                if let Ok(version) = expected.token().parse() {
                    core.stored.late = Some((version, bytes.to_vec()));
                    core.stored.late_after = 1;
                }
                Err(StoreError::Unknown("no answer".to_owned()))
            }
            Some(Fault::ReplyLost) => {
                core.write(expected, bytes, false)?;
                Err(StoreError::Unknown("the reply was lost".to_owned()))
            }
            _ => core.write(expected, bytes, false),
        }
    }

    async fn remove(&self, _: &RecordId, expected: &Version) -> Result<(), StoreError> {
        let things = self.0.things();
        let mut core = self.0.core();
        let menu = Fault::Unavailable.bit() | Fault::Conflict.bit() | Fault::ReplyLost.bit() | Fault::RequestLost.bit();
        match core.offer(menu) {
            Some(Fault::Unavailable) => return Err(StoreError::Unavailable("no connection".to_owned())),
            Some(Fault::RequestLost) => return Err(StoreError::Unknown("no answer".to_owned())),
            Some(Fault::Conflict) => {
                core.stored.version += 1;
                return Err(StoreError::Conflict);
            }
            Some(_) => {
                core.remove(expected, &things)?;
                return Err(StoreError::Unknown("the reply was lost".to_owned()));
            }
            None => {}
        }
        core.remove(expected, &things)
    }

    async fn list(&self, _: &str) -> Result<Vec<ResourceId>, StoreError> {
        Ok(Vec::new())
    }

    fn exclusive(&self) -> bool {
        self.0.core().stored.exclusive
    }

    fn uid_of(&self, version: &Version) -> Option<String> {
        let core = self.0.core();
        let version: u64 = version.token().parse().ok()?;
        Some(core.uid(core.made_again.is_some_and(|since| version >= since)))
    }
}

impl Sim {
    /// A write that was sent earlier arrives, if it is time.
    fn land_write(&self, core: &mut Core) {
        if core.stored.late.is_none() {
            return;
        }
        if core.stored.late_after > 0 {
            core.stored.late_after -= 1;
            return;
        }
        if let Some((version, bytes)) = core.stored.late.take() {
            let landed = core.write(&Version::new(version.to_string()), &bytes, true);
            core.note(|| format!("a write lands late: {}", if landed.is_ok() { "written" } else { "conflict" }));
        }
    }
}

impl Stored {
    pub(crate) fn record(&self) -> Option<&Record> {
        self.decoded.as_ref().map(|decoded| &decoded.record)
    }

    /// Whether there is nothing but the record.
    pub(super) fn is_calm(&self) -> bool {
        self.late.is_none() && self.hidden.is_some() && self.tampered.is_none() && self.poisoned == [false; 2]
    }
}

impl Core {
    pub(crate) fn loaded(&self) -> Loaded {
        Loaded {
            bytes: self.stored.bytes.clone(),
            version: Version::new(self.stored.version.to_string()),
            marked: self.stored.marked,
            witness: self.stored.witness,
            signals: Signals { deleting: self.deleting, paused: false, generation: None },
        }
    }

    /// The resource's uid, or that of the one which was made again in its place.
    pub(crate) fn uid(&self, again: bool) -> String {
        match &self.uid_again {
            Some(uid) if again => uid.clone(),
            _ => format!("{}{}", self.first_uid, if again { "-again" } else { "" }),
        }
    }

    /// Makes the resource again under its name.
    pub(crate) fn make_again(&mut self) {
        self.note(|| "the resource is made again".to_owned());
        self.stored.version += 1;
        self.stored.gone = false;
        self.deleting = false;
        self.made_again = Some(self.stored.version);
    }

    fn check_version(&self, expected: &Version) -> Result<(), StoreError> {
        if self.stored.gone {
            return Err(StoreError::Gone);
        }
        if expected.token() != self.stored.version.to_string() { Err(StoreError::Conflict) } else { Ok(()) }
    }

    fn write(&mut self, expected: &Version, bytes: &[u8], late: bool) -> Result<Loaded, StoreError> {
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
        let decoded = match Decoded::of(bytes) {
            Ok(decoded) => decoded,
            Err(error) => {
                self.violate(Violation::new(Oracle::History, format!("what was written is no record: {error}")));
                return;
            }
        };
        let new = &decoded.record;
        let old = self.stored.decoded.take();
        if let Some(violation) = self.books.check_write(self.actor, old.as_ref().map(|old| &old.record), new) {
            self.violate(violation);
        }
        self.mix(new.seq);
        self.note(|| {
            let event = new.history.last().map(|line| line.split_once(' ').map_or(&**line, |(_, event)| event));
            let intent = new.intent.as_ref().map(|it| format!(", {:?} {} #{}", it.action, it.transition, it.attempt));
            let (event, intent) = (event.unwrap_or_default(), intent.unwrap_or_default());
            format!("written: seq {} {} ({event}){intent}", new.seq, new.state)
        });
        let previous = (self.stored.bytes.take(), self.stored.version, self.stored.witness);
        self.stored.previous = Some(previous);
        self.stored.version += 1;
        self.stored.bytes = Some(bytes.to_vec());
        self.stored.witness = Some(new.seq);
        self.stored.marked = true;
        self.stored.decoded = Some(decoded);
        self.books.writes += 1;
        self.note_join();
    }

    fn remove(&mut self, expected: &Version, things: &[crate::testing::Thing]) -> Result<(), StoreError> {
        self.check_version(expected)?;
        if self.stored.bytes.is_none() {
            return Err(StoreError::Conflict);
        }
        if self.stored.poisoned[self.actor] {
            let message = "a record that cannot be honoured was removed".to_owned();
            self.violate(Violation::new(Oracle::History, message));
        }
        self.take_away(things);
        Ok(())
    }

    /// Removes the record, whatever it was.
    pub(super) fn take_away(&mut self, things: &[crate::testing::Thing]) {
        if let Some(violation) = self.books.check_removal(self.stored.decoded.as_deref(), things) {
            self.violate(violation);
        }
        self.note(|| "the record is removed".to_owned());
        self.books.removed(self.stored.decoded.as_deref());
        self.stored.previous = None;
        self.stored.version += 1;
        self.stored.bytes = None;
        self.stored.decoded = None;
        self.stored.marked = false;
        self.stored.witness = None;
        self.stored.gone = self.deleting;
        self.books.writes += 1;
    }

    /// Whether the running controller acts on a record that is not to be honoured.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.stored.poisoned[self.actor]
    }

    /// What is found after somebody has changed the record by hand.
    pub(crate) fn tampered(&self, how: Fault) -> Loaded {
        let mut loaded = self.loaded();
        let changed = |change: fn(&mut Record)| {
            let mut record = self.stored.record()?.clone();
            change(&mut record);
            serde_json::to_vec(&record).ok()
        };
        loaded.bytes = match how {
            Fault::Restored => return self.old_record().unwrap_or(loaded),
            Fault::Newer => changed(|record| record.format += 1),
            Fault::Copied => changed(|record| "the-uid-of-another".clone_into(&mut record.owner)),
            _ => None,
        };
        loaded
    }

    /// The record as it was before the last write, with what stands outside of it as it is now.
    pub(crate) fn old_record(&self) -> Option<Loaded> {
        let (bytes, _, _) = self.stored.previous.as_ref()?;
        let mut loaded = self.loaded();
        loaded.bytes = Some(bytes.clone()?);
        Some(loaded)
    }
}
