//! The one durable record of a run, as a store. Invariant: what the oracles see is what became durable, at the moment it did.

mod backups;
mod durable;
mod people;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Core, Decoded, Sim, SimClock};
use crate::record::{HeldReason, Record};
use crate::testing::plan::Fault;
use crate::{Clock, Loaded, RecordId, ResourceId, Signals, Store, StoreError, Version};

/// What is durable.
#[derive(Debug, Clone)]
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
    /// The resource as it was when it last rested.
    backup: Option<Backup>,
    /// The record belongs to another uid, until an operator binds it.
    pub(super) unbound: bool,
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
            backup: None,
            unbound: false,
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

/// A resource as it was when it rested.
#[derive(Debug, Clone)]
struct Backup {
    bytes: Vec<u8>,
    edit: usize,
}

/// A write of this version under way, or with no bytes a removal.
#[derive(Debug, Clone)]
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

impl Tampered {
    /// Until it is taken away.
    fn new(loaded: Loaded, reason: HeldReason) -> Self {
        Self { loaded, reason, passes: u8::MAX }
    }
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
        core.stored.poisoned[actor] = core.stored.unbound;
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
                    // To a controller that knows that there was a record, the record is lost.
                    core.books.may_hold(HeldReason::RecordLost);
                }
                Ok(previous.map_or_else(|| core.loaded(), Previous::loaded))
            }
            _ => match core.stored.tampered.clone() {
                Some(tampered) => {
                    core.stored.poisoned[actor] = true;
                    core.books.may_hold(tampered.reason);
                    // Whether the resource is to be deleted stands elsewhere, and is as it is now.
                    let signals = if core.elsewhere.is_some() { tampered.loaded.signals } else { core.signals() };
                    Ok(Loaded { signals, ..tampered.loaded })
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
        if core.elsewhere.is_some() {
            return Some(core.uid_elsewhere());
        }
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
            && !self.unbound
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

    /// The uid of the copy in the second cluster.
    pub(crate) fn uid_elsewhere(&self) -> String {
        format!("{}-elsewhere", self.first_uid)
    }

    /// The resource's uid, or that of the one which was made again in its place.
    pub(crate) fn uid(&self, again: bool) -> String {
        match &self.uid_again {
            Some(uid) if again => uid.clone(),
            _ => format!("{}{}", self.first_uid, if again { "-again" } else { "" }),
        }
    }
}
