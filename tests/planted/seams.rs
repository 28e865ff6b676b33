//! Where bugs are planted: around the store, the author's methods and the clock.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use durable_fsm_graph::Graph;
use serde_json::Value;

use crate::machine::{Boxed, Failure, Made, Reply};
use crate::record::{Direction, Record, Spec, Unreadable};
use crate::steps::{Ask, Steps};
use crate::testing::sim::{SimClock, SimStore};
use crate::{
    Class, Clock, FactError, Facts, Loaded, Lookup, RecordId, ResourceId, Signals, Store, StoreError, Undone, Version,
};

#[derive(Clone, Copy)]
pub(super) enum StoreBug {
    /// Writes whatever the version.
    NoCompare,
    /// Acknowledges an intent, and keeps it only with what follows.
    IntentLater,
    /// Acknowledges an outcome that no intent comes with, and keeps it only with what follows.
    OutcomeLater,
    /// Acknowledges a take-over, and does not keep it.
    NoTakeOver,
    /// Removes the record as soon as the resource is to be deleted.
    RemovedEarly,
    /// Takes what it cannot read for nothing.
    Reset,
    /// Reads the record before the last, as if it were the last.
    StaleLoad,
    /// Tells, when the removal of the record has met a conflict, that somebody else has the intent: what was learnt under it is dropped.
    Disowns,
    /// Does not tell whose record it is.
    Nameless,
    /// Does not tell all that it knows of the resource.
    Deaf(fn(&mut Signals)),
    /// Writes the record again after it was removed.
    Revives,
    /// Keeps something else than it was given, knowing what was durable before.
    Forgets(fn(&mut Record, Option<&Record>)),
}

thread_local! {
    /// Whether the last removal on this thread has met a conflict. A run stays on its thread.
    static CONFLICTED: Cell<bool> = const { Cell::new(false) };
}

pub(super) struct BadStore(pub(super) SimStore, pub(super) StoreBug);

impl BadStore {
    fn durable(&self) -> Option<Record> {
        self.0.0.core().stored.record().cloned()
    }
}

#[async_trait]
impl Store for BadStore {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        let mut loaded = self.0.load(id).await?;
        match self.1 {
            StoreBug::Reset => {
                let readable = loaded.bytes.as_ref().and_then(|bytes| serde_json::from_slice::<Record>(bytes).ok());
                if readable.is_none() {
                    loaded.bytes = None;
                    loaded.marked = false;
                    loaded.witness = None;
                }
            }
            StoreBug::StaleLoad => {
                if let Some(old) = self.0.0.core().old_record() {
                    loaded.bytes = old.bytes;
                    loaded.witness = None;
                }
            }
            StoreBug::Deaf(forget) => forget(&mut loaded.signals),
            StoreBug::Disowns if CONFLICTED.take() => {
                let record = loaded.bytes.as_ref().and_then(|bytes| serde_json::from_slice::<Record>(bytes).ok());
                if let Some(mut record) = record {
                    record.intent.iter_mut().for_each(|intent| "somebody-else".clone_into(&mut intent.holder));
                    loaded.bytes = serde_json::to_vec(&record).ok();
                }
            }
            _ => {}
        }
        Ok(loaded)
    }

    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        let new: Record = serde_json::from_slice(bytes).map_err(|error| StoreError::Invalid(error.to_string()))?;
        let accepted = |version: Version| Loaded {
            bytes: Some(bytes.to_vec()),
            version,
            marked: true,
            witness: None,
            signals: self.0.0.core().signals(),
        };
        let skipped = match self.1 {
            StoreBug::IntentLater => new.intent.is_some() && self.durable().is_none_or(|old| old.intent.is_none()),
            StoreBug::OutcomeLater => {
                new.intent.is_none()
                    && self.durable().is_some_and(|old| old.intent.is_some() && old.direction.is_forward())
            }
            StoreBug::NoTakeOver => {
                let old = self.durable().and_then(|old| old.intent);
                old.zip(new.intent.as_ref()).is_some_and(|(old, new)| old.attempt + 1 == new.attempt)
            }
            _ => false,
        };
        if skipped {
            return Ok(accepted(expected.clone()));
        }
        match self.1 {
            StoreBug::NoCompare => {
                let current = self.0.0.core().loaded().version;
                self.0.compare_and_swap(id, &current, bytes).await
            }
            StoreBug::RemovedEarly if new.direction == Direction::Deleting => {
                self.0.remove(id, expected).await?;
                Err(StoreError::Gone)
            }
            StoreBug::Forgets(forget) => {
                let mut kept = new.clone();
                forget(&mut kept, self.durable().as_ref());
                let kept = serde_json::to_vec(&kept).map_err(|error| StoreError::Invalid(error.to_string()))?;
                let loaded = self.0.compare_and_swap(id, expected, &kept).await?;
                let answer = if loaded.bytes.as_ref() == Some(&kept) { Some(bytes.to_vec()) } else { loaded.bytes };
                Ok(Loaded { bytes: answer, ..loaded })
            }
            StoreBug::Deaf(forget) => {
                let mut loaded = self.0.compare_and_swap(id, expected, bytes).await?;
                forget(&mut loaded.signals);
                Ok(loaded)
            }
            _ => self.0.compare_and_swap(id, expected, bytes).await,
        }
    }

    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        let record = self.durable();
        let removed = self.0.remove(id, expected).await;
        CONFLICTED.set(removed == Err(StoreError::Conflict));
        removed?;
        if let (StoreBug::Revives, Some(record)) = (self.1, record) {
            let record = Record { seq: 1, direction: Direction::Forward, ..record };
            let bytes = serde_json::to_vec(&record).map_err(|error| StoreError::Invalid(error.to_string()))?;
            self.0.0.core().put(&bytes);
        }
        Ok(())
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.0.list(machine).await
    }

    fn uid_of(&self, version: &Version) -> Option<String> {
        if matches!(self.1, StoreBug::Nameless) { None } else { self.0.uid_of(version) }
    }
}

#[derive(Clone, Copy)]
pub(super) enum Bug {
    CommitFirst,
    RandomKey,
    KeyOfTime,
    UnknownIsFailure,
    NewerSpec,
    IdleUndo,
    NoUndo,
    FickleGuard,
    AnyDelay,
    AnyText,
    OtherFacts,
    /// Believes after an edit that what was begun was done.
    TrustsAfterEdit,
    /// Takes a set for what is made of this: of what is wanted, and what is there.
    Wants(fn(BTreeSet<String>, BTreeSet<String>) -> BTreeSet<String>),
    /// Sees no edit.
    FirstGeneration,
}

struct BadSteps {
    inner: Arc<dyn Steps>,
    bug: Bug,
    owed: Mutex<Option<Ask>>,
}

pub(super) fn bad_steps(inner: Arc<dyn Steps>, bug: Bug) -> Arc<dyn Steps> {
    Arc::new(BadSteps { inner, bug, owed: Mutex::new(None) })
}

/// The answer of `make_a`, with nothing behind it.
fn made_a() -> Boxed<Result<Reply, Failure>> {
    let facts = [("a".to_owned(), Value::from("thing-1"))].into_iter().collect();
    Box::pin(std::future::ready(Ok(Reply::Made(Made { state: 1, facts }))))
}

/// What differs from call to call, and from run to run.
static COUNT: AtomicU64 = AtomicU64::new(0);
static FICKLE: AtomicBool = AtomicBool::new(false);

impl Steps for BadSteps {
    fn graph(&self) -> &'static Graph<'static> {
        self.inner.graph()
    }
    fn uid(&self) -> &str {
        self.inner.uid()
    }
    fn generation(&self) -> u64 {
        if matches!(self.bug, Bug::FirstGeneration) { 1 } else { self.inner.generation() }
    }
    fn deleting(&self) -> bool {
        self.inner.deleting()
    }
    fn keeps(&self) -> Option<&str> {
        self.inner.keeps()
    }
    fn decode(&self, bytes: &[u8]) -> Result<Arc<Record>, Unreadable> {
        self.inner.decode(bytes)
    }
    fn spec(&self) -> Result<Spec, FactError> {
        self.inner.spec()
    }
    fn check(&self, state: usize, facts: &Facts) -> Result<(), FactError> {
        self.inner.check(state, facts)
    }
    fn guard(&self, state: usize, transition: usize, facts: &Facts) -> Result<bool, FactError> {
        if matches!(self.bug, Bug::FickleGuard) {
            return Ok(FICKLE.fetch_not(Ordering::SeqCst));
        }
        self.inner.guard(state, transition, facts)
    }
    fn retains(&self, transition: usize) -> Result<bool, FactError> {
        self.inner.retains(transition)
    }
    fn wanted(&self, transition: usize, facts: &Facts) -> Result<BTreeSet<String>, FactError> {
        let wanted = self.inner.wanted(transition, facts)?;
        let fact = self.graph().transitions[transition].for_each().map(|for_each| for_each.fact);
        match (self.bug, fact) {
            (Bug::Wants(made_of), Some(fact)) => Ok(made_of(wanted, facts.subjects(fact).into_iter().collect())),
            _ => Ok(wanted),
        }
    }
    fn run(&self, mut ask: Ask) -> Boxed<Result<Reply, Failure>> {
        match self.bug {
            Bug::RandomKey => ask.details.key = format!("{:032x}", COUNT.fetch_add(1, Ordering::SeqCst)),
            Bug::KeyOfTime => ask.details.key = format!("{:?}", ask.details.deadline),
            Bug::NewerSpec => ask.spec = self.inner.spec().ok(),
            Bug::OtherFacts => ask.facts = Facts::default(),
            Bug::CommitFirst if ask.transition == 0 => {
                *self.owed.lock().unwrap() = Some(ask);
                return made_a();
            }
            Bug::TrustsAfterEdit if ask.details.resumed && self.generation() > 1 && ask.transition == 0 => {
                return made_a();
            }
            _ => {}
        }
        let owed = self.owed.lock().unwrap().take().map(|owed| self.inner.run(owed));
        let bug = self.bug;
        let call = self.inner.run(ask);
        Box::pin(async move {
            if let Some(owed) = owed {
                owed.await?;
            }
            call.await.map_err(|failure| match failure {
                Failure::Provider { message, .. } if matches!(bug, Bug::UnknownIsFailure) => {
                    Failure::Provider { class: Class::NOT_APPLIED, message }
                }
                Failure::Provider { class: Class::NotApplied { .. }, message } if matches!(bug, Bug::AnyDelay) => {
                    let any = Duration::from_secs(1000 + COUNT.fetch_add(1, Ordering::SeqCst));
                    Failure::Provider { class: Class::NotApplied { retry_after: Some(any) }, message }
                }
                Failure::Provider { class, .. } if matches!(bug, Bug::AnyText) => {
                    Failure::Provider { class, message: format!("request {}", COUNT.fetch_add(1, Ordering::SeqCst)) }
                }
                other => other,
            })
        })
    }
    fn lookup(&self, ask: Ask) -> Boxed<Result<Lookup<Reply>, Failure>> {
        self.inner.lookup(ask)
    }
    fn undo(&self, ask: Ask) -> Boxed<Result<Undone, Failure>> {
        match self.bug {
            Bug::IdleUndo => Box::pin(std::future::ready(Ok(Undone::Done))),
            Bug::NoUndo => Box::pin(std::future::ready(Err(Failure::Provider {
                class: Class::NOT_APPLIED,
                message: "not now".to_owned(),
            }))),
            _ => self.inner.undo(ask),
        }
    }
    fn abort(&self, ask: Ask) -> Boxed<Result<Undone, Failure>> {
        self.inner.abort(ask)
    }
}

/// A clock that stands still while its process is paused.
struct StoppedClock(SimClock);

pub(super) fn stopped_clock(clock: SimClock) -> Arc<dyn Clock> {
    Arc::new(StoppedClock(clock))
}

impl Clock for StoppedClock {
    fn wall(&self) -> SystemTime {
        self.0.wall()
    }
    fn monotonic(&self) -> Duration {
        let core = self.0.0.core();
        core.now - core.paused[core.actor]
    }
    fn sleep(&self, time: Duration) -> Boxed<()> {
        self.0.sleep(time)
    }
    fn chance(&self) -> u64 {
        self.0.chance()
    }
}

/// A clock that goes at half the speed.
struct SlowClock(SimClock);

pub(super) fn slow_clock(clock: SimClock) -> Arc<dyn Clock> {
    Arc::new(SlowClock(clock))
}

impl Clock for SlowClock {
    fn wall(&self) -> SystemTime {
        self.0.wall()
    }
    fn monotonic(&self) -> Duration {
        self.0.monotonic() / 2
    }
    fn sleep(&self, time: Duration) -> Boxed<()> {
        self.0.sleep(time)
    }
    fn chance(&self) -> u64 {
        self.0.chance()
    }
}
