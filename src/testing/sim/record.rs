//! The one durable record of a run, as a store. Invariant: what the oracles see is what became durable, at the moment it did.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Core, Decoded, Sim, SimClock};
use crate::machine::{Made, Reply};
use crate::record::{Blocked, BlockedReason, Direction, HeldReason, Record, Resolution, Stamp};
use crate::testing::oracle::{Oracle, Violation};
use crate::testing::plan::Fault;
use crate::{Clock, Loaded, RecordId, ResourceId, Signals, Store, StoreError, Version};

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
    pub(super) previous: Option<Previous>,
    /// A write under way whose sender was told nothing.
    late: Option<Late>,
    late_after: u8,
    /// How many more operations fail.
    outage: u8,
    /// What every read finds instead, until an operator acts.
    pub(crate) tampered: Option<Tampered>,
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
            outage: 0,
            tampered: None,
            poisoned: [false; 2],
            hidden: Some(0),
            exclusive: false,
        }
    }
}

/// A write of this version under way, or with no bytes a removal.
#[derive(Debug)]
struct Late {
    version: Version,
    bytes: Option<Vec<u8>>,
}

/// A record that is not to be honoured, put in the place of the right one.
#[derive(Debug, Clone)]
pub(crate) struct Tampered {
    pub(super) loaded: Loaded,
    pub(super) reason: HeldReason,
    /// For how many more passes.
    passes: u8,
}

/// What was durable before the last write.
#[derive(Debug, Clone)]
pub(super) struct Previous {
    bytes: Option<Vec<u8>>,
    version: u64,
    witness: Option<u64>,
    /// As they were when it was written over.
    signals: Signals,
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
    | Fault::Slow.bit()
    | Fault::Late.bit()
    | Fault::Outage.bit();

/// For how many operations the store is away in an outage: for more than a write is tried.
const OUTAGE: u8 = 8;

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
        menu |= Fault::Outage.bit();
        let loaded = match core.offer_operation(menu) {
            Some(Fault::Unavailable | Fault::Outage) => Err(StoreError::Unavailable("no connection".to_owned())),
            Some(Fault::Missing) => Err(StoreError::Gone),
            Some(Fault::Torn) => {
                core.stored.poisoned[actor] = true;
                core.books.may_hold(HeldReason::Unreadable);
                let mut loaded = core.loaded();
                loaded.bytes = loaded.bytes.map(|bytes| bytes[..bytes.len() / 2].to_vec());
                Ok(loaded)
            }
            Some(Fault::Stale) => {
                let previous = core.stored.previous.clone();
                if previous.as_ref().is_some_and(|previous| previous.bytes.is_none()) {
                    // To whoever knows that there was a record, it is lost.
                    core.books.may_hold(HeldReason::RecordLost);
                }
                Ok(previous.map_or_else(|| core.loaded(), Previous::loaded))
            }
            _ => match core.stored.tampered.clone() {
                Some(tampered) => {
                    core.stored.poisoned[actor] = true;
                    core.books.may_hold(tampered.reason);
                    // Whether the resource is to be deleted stands elsewhere, and is as it is now.
                    Ok(Loaded { signals: core.signals(), ..tampered.loaded })
                }
                None if core.stored.gone => Err(StoreError::Gone),
                None => Ok(core.loaded()),
            },
        };
        core.land_write();
        if let Ok(loaded) = &loaded {
            core.tell(&loaded.signals);
        }
        loaded
    }

    async fn compare_and_swap(&self, _: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        let (written, slow) = self.write(expected, bytes);
        self.0.check_author();
        if let Some(time) = slow {
            // It is durable at once, and the reply takes longer than any deadline.
            SimClock(self.0.clone()).sleep(time).await;
            self.0.core().replying = false;
        }
        written
    }

    async fn remove(&self, _: &RecordId, expected: &Version) -> Result<(), StoreError> {
        let mut core = self.0.core();
        let menu = Fault::Unavailable.bit()
            | Fault::Conflict.bit()
            | Fault::ReplyLost.bit()
            | Fault::RequestLost.bit()
            | Fault::Late.bit()
            | Fault::Outage.bit();
        let fault = core.offer_operation(menu);
        core.land_write();
        let removed = match fault {
            Some(Fault::Unavailable | Fault::Outage) => Err(StoreError::Unavailable("no connection".to_owned())),
            Some(Fault::RequestLost) => Err(StoreError::Unknown("no answer".to_owned())),
            Some(Fault::Conflict) => {
                core.stored.version += 1;
                Err(StoreError::Conflict)
            }
            Some(Fault::Late) => {
                core.send_late(expected, None);
                Err(StoreError::Unknown("no answer".to_owned()))
            }
            Some(_) => {
                core.remove(expected, false)?;
                Err(StoreError::Unknown("the reply was lost".to_owned()))
            }
            None => core.remove(expected, false),
        };
        drop(core);
        self.0.check_author();
        removed
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

impl SimStore {
    /// A write, and how long its reply takes.
    fn write(&self, expected: &Version, bytes: &[u8]) -> (Result<Loaded, StoreError>, Option<Duration>) {
        let mut core = self.0.core();
        let fault = core.offer_operation(WRITE);
        core.land_write();
        core.replying = fault == Some(Fault::Slow);
        let written = core.write_under(fault, expected, bytes);
        if let Ok(loaded) = &written {
            core.tell(&loaded.signals);
        }
        let contracts = core.graph.transitions.iter().filter_map(|step| step.contract());
        let longest = contracts.map(|contract| contract.timeout).max().unwrap_or_default();
        (written, (fault == Some(Fault::Slow)).then_some(longest + Duration::from_secs(1)))
    }
}

impl Core {
    /// A write under a fault.
    fn write_under(&mut self, fault: Option<Fault>, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        match fault {
            Some(Fault::Unavailable | Fault::Outage) => Err(StoreError::Unavailable("no connection".to_owned())),
            Some(Fault::TooLarge) => {
                self.books.may_hold(HeldReason::TooLarge);
                Err(StoreError::TooLarge { size: bytes.len(), limit: bytes.len() - 1 })
            }
            Some(Fault::RequestLost) => Err(StoreError::Unknown("no answer".to_owned())),
            Some(Fault::Conflict) => {
                self.stored.version += 1;
                Err(StoreError::Conflict)
            }
            Some(Fault::NotKept) => {
                self.check_version(expected)?;
                self.books.may_hold(HeldReason::NotKept);
                self.stored.version += 1;
                let mut loaded = self.loaded();
                loaded.marked |= loaded.bytes.is_some();
                Ok(loaded)
            }
            Some(Fault::Late) => {
                self.send_late(expected, Some(bytes.to_vec()));
                Err(StoreError::Unknown("no answer".to_owned()))
            }
            Some(Fault::ReplyLost) => {
                self.write(expected, bytes, false)?;
                Err(StoreError::Unknown("the reply was lost".to_owned()))
            }
            _ => self.write(expected, bytes, false),
        }
    }
}

impl Core {
    /// What becomes of an operation of the store.
    fn offer_operation(&mut self, menu: u64) -> Option<Fault> {
        if self.stored.outage > 0 && !self.quiet {
            self.stored.outage -= 1;
            return Some(Fault::Outage);
        }
        let fault = self.offer(menu);
        if fault == Some(Fault::Outage) {
            self.stored.outage = OUTAGE - 1;
        }
        fault
    }

    /// A write is sent, and arrives later.
    fn send_late(&mut self, version: &Version, bytes: Option<Vec<u8>>) {
        self.stored.late = Some(Late { version: version.clone(), bytes });
        self.stored.late_after = 1;
    }

    /// A write that was sent earlier arrives, if it is time.
    fn land_write(&mut self) {
        if self.stored.late.is_some() && self.stored.late_after > 0 {
            self.stored.late_after -= 1;
            return;
        }
        if let Some(Late { version, bytes }) = self.stored.late.take() {
            let landed = match bytes {
                Some(bytes) => self.write(&version, &bytes, true).map(drop),
                None => self.remove(&version, true),
            };
            self.note(|| {
                format!("a write lands late: {}", landed.map_or_else(|error| error.to_string(), |()| "done".to_owned()))
            });
        }
    }
}

impl Previous {
    fn loaded(self) -> Loaded {
        let Previous { bytes, version, witness, signals } = self;
        Loaded { marked: bytes.is_some(), bytes, version: Version::new(version.to_string()), witness, signals }
    }
}

impl Stored {
    pub(crate) fn record(&self) -> Option<&Record> {
        self.decoded.as_ref().map(|decoded| &*decoded.record)
    }

    /// Whether there is nothing but the record.
    pub(super) fn is_calm(&self) -> bool {
        self.late.is_none()
            && self.outage == 0
            && self.hidden.is_some()
            && self.tampered.is_none()
            && self.poisoned == [false; 2]
    }
}

impl Core {
    pub(crate) fn loaded(&self) -> Loaded {
        Loaded {
            bytes: self.stored.bytes.clone(),
            version: Version::new(self.stored.version.to_string()),
            marked: self.stored.marked,
            witness: self.stored.witness,
            signals: self.signals(),
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
        let violation = match in_record {
            Some(lost) if lost.oracle == Oracle::History => Some(lost),
            in_record => in_world.or(in_record),
        };
        if let Some(violation) = violation.or(early) {
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
    fn keep_previous(&mut self) {
        let (version, witness, signals) = (self.stored.version, self.stored.witness, self.signals());
        self.stored.previous = Some(Previous { bytes: self.stored.bytes.take(), version, witness, signals });
    }

    fn remove(&mut self, expected: &Version, late: bool) -> Result<(), StoreError> {
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
    pub(super) fn take_away(&mut self) {
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

    /// The record before the last is there again, and nothing tells that there was a later one. What only that one knew is nobody's.
    pub(crate) fn put_old_back(&mut self) {
        let Some(old) = self.old_record().and_then(|loaded| loaded.bytes) else { return };
        let Ok(decoded) = Decoded::of(&old) else { return };
        let known = self.stored.decoded.as_ref().map(|it| it.known.clone()).unwrap_or_default();
        self.books.forget_keys(known.into_iter().filter(|key| !decoded.known.contains(key)));
        self.note(|| format!("seq {} is put back, and nothing tells of a later one", decoded.record.seq));
        self.stored.version += 1;
        self.stored.witness = Some(decoded.record.seq);
        self.stored.bytes = Some(old);
        self.stored.decoded = Some(decoded);
        // Whoever finds the open intent has seen it before.
        self.intent_since = Duration::ZERO;
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
