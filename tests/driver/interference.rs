//! Other writers in the middle of a pass, and stores that answer late or lose the mark.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use durable_fsm::record::{Direction, Record};
use durable_fsm::store::MemoryStore;
use durable_fsm::{
    Crossing, Loaded, Outcome, Probe, RecordId, Resource as _, ResourceId, Runner, Signals, Store, StoreError, Version,
};

use crate::altered::Altered;
use crate::machine::{Thing, ThingFlow, ThingRunner};
use crate::world::{Bench, Fault, Provider, Refusal};

type Act = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is done at the crossing of a label, if anything.
type AtLabel = dyn Fn(&str) -> Option<Act> + Send + Sync;

/// Does something at crossings.
#[derive(Clone)]
struct Meddler(Arc<AtLabel>);

impl Meddler {
    /// Does it at the first crossing of this label.
    fn at(label: &'static str, act: impl Future<Output = ()> + Send + 'static) -> Self {
        let act: Mutex<Option<Act>> = Mutex::new(Some(Box::pin(act)));
        Self(Arc::new(move |crossed| if crossed == label { act.lock().unwrap().take() } else { None }))
    }
}

impl Probe for Meddler {
    async fn cross(&self, crossing: &Crossing<'_>) {
        if let Some(act) = (self.0)(&crossing.to_string()) {
            act.await;
        }
    }
}

fn thing() -> Thing {
    Thing::new("web:1", &[])
}

fn deleted() -> Thing {
    Thing { deleting: true, ..thing() }
}

/// The bench's controller, which somebody meddles with.
fn meddled(bench: &Bench, store: impl Store, meddler: Meddler) -> Runner<ThingFlow, Provider> {
    ThingRunner::builder(bench.provider.clone(), store).clock(bench.clock.clone()).probe(meddler).build()
}

/// Pauses the resource.
fn pause(bench: &Bench) -> impl Future<Output = ()> + Send + 'static {
    let runner = bench.runner.clone();
    async move { drop(runner.pause(&thing().id()).await.unwrap()) }
}

fn live(record: &Record) -> Vec<&str> {
    record.undo.iter().map(|effect| effect.transition.as_str()).collect()
}

#[tokio::test]
async fn what_an_effect_gave_is_kept_when_somebody_else_has_written_meanwhile() {
    let bench = Bench::new();
    let runner = meddled(&bench, bench.store.clone(), Meddler::at("make_account/effect:after", pause(&bench)));
    assert!(matches!(runner.reconcile(&thing()).await.unwrap(), Outcome::Paused));
    let record = bench.record(&thing()).await;
    assert!(record.paused && record.intent.is_none());
    assert_eq!((record.state.as_str(), live(&record)), ("Accounted", vec!["make_account"]));
    bench.runner.resume(&thing().id()).await.unwrap();
    assert!(matches!(bench.settle(&thing()).await, Outcome::Resting(_)));
    assert_eq!(bench.provider.calls().iter().filter(|call| *call == "make_account").count(), 1);
}

#[tokio::test]
async fn what_was_made_while_somebody_else_turned_back_is_undone() {
    let bench = Bench::new();
    let other = bench.runner.clone();
    let turn = async move { drop(other.reconcile(&deleted()).await.unwrap()) };
    let runner = meddled(&bench, bench.store.clone(), Meddler::at("make_account/effect:after", turn));
    assert!(matches!(runner.reconcile(&thing()).await.unwrap(), Outcome::Progressing { .. }));
    let record = bench.record(&thing()).await;
    assert_eq!((record.direction, live(&record)), (Direction::Deleting, vec!["make_account"]));
    assert!(record.intent.is_none(), "its outcome is known");
    assert!(matches!(bench.settle(&deleted()).await, Outcome::Gone));
    assert!(bench.provider.live().is_empty());
}

#[tokio::test]
async fn an_absence_that_was_seen_on_the_way_back_is_kept() {
    let bench = Bench::new();
    bench.provider.will("make_room", &[Fault::Refused(Refusal::Unknown)]);
    let _ = bench.pass(&thing()).await;
    bench.provider.calls();
    let runner = meddled(&bench, bench.store.clone(), Meddler::at("make_room/lookup:after", pause(&bench)));
    for _ in 0..3 {
        match runner.reconcile(&deleted()).await.unwrap() {
            Outcome::Progressing { after, .. } => bench.clock.advance(after),
            outcome => assert!(matches!(outcome, Outcome::Paused)),
        }
    }
    let record = bench.record(&thing()).await;
    assert!(record.paused && record.intent.is_none() && record.unconfirmed.is_empty(), "{record:?}");
    assert_eq!(bench.provider.calls(), ["lookup_make_room"]);
    bench.runner.resume(&thing().id()).await.unwrap();
    assert!(matches!(bench.settle(&deleted()).await, Outcome::Gone));
}

#[tokio::test]
async fn an_absence_that_was_seen_before_an_attempt_is_kept_with_its_outcome() {
    let bench = Bench::new();
    bench.provider.will("make_room", &[Fault::Refused(Refusal::Unknown), Fault::Refused(Refusal::NotApplied)]);
    let after = bench.pass(&thing()).await.requeue_after().unwrap();
    bench.clock.advance(after);
    let runner = meddled(&bench, bench.store.clone(), Meddler::at("make_room/effect:after", pause(&bench)));
    while !bench.provider.all_faults_fired() {
        let outcome = runner.reconcile(&thing()).await.unwrap();
        bench.clock.advance(outcome.requeue_after().unwrap_or_default());
    }
    let record = bench.record(&thing()).await;
    assert!(record.paused && record.intent.is_none(), "{record:?}");
    assert!(!record.unconfirmed[0].in_doubt, "the first attempt was not applied, as was seen, and the second says so");
}

/// A store whose next reads may be older than what was written last.
#[derive(Clone)]
struct Lagging {
    inner: MemoryStore,
    /// What is read, and how often.
    lag: Arc<Mutex<Option<(Loaded, u32)>>>,
}

#[async_trait]
impl Store for Lagging {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        if let Some((loaded, times)) = &mut *self.lag.lock().unwrap()
            && *times > 0
        {
            *times -= 1;
            return Ok(loaded.clone());
        }
        self.inner.load(id).await
    }
    async fn compare_and_swap(&self, id: &RecordId, version: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        self.inner.compare_and_swap(id, version, bytes).await
    }
    async fn remove(&self, id: &RecordId, version: &Version) -> Result<(), StoreError> {
        self.inner.remove(id, version).await
    }
    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.inner.list(machine).await
    }
}

/// Reads so often the record as it was at `since`, after the room was made and somebody else has written.
async fn read_late(
    since: &'static str,
    times: u32,
) -> (Bench, Result<Outcome<crate::machine::ThingState>, StoreError>) {
    let bench = Bench::new();
    let store = Lagging { inner: bench.store.clone(), lag: Arc::default() };
    let (inner, lag, other) = (store.inner.clone(), Arc::clone(&store.lag), bench.runner.clone());
    let meddler = Meddler(Arc::new(move |label| {
        let (inner, lag, other) = (inner.clone(), Arc::clone(&lag), other.clone());
        let snapshot = label == since && lag.lock().unwrap().is_none();
        let meddle = label == "make_room/effect:after";
        (snapshot || meddle).then(|| -> Act {
            Box::pin(async move {
                if snapshot {
                    let loaded = inner.load(&Bench::id(&thing())).await.unwrap();
                    *lag.lock().unwrap() = Some((loaded, 0));
                } else {
                    drop(other.pause(&thing().id()).await.unwrap());
                    lag.lock().unwrap().as_mut().unwrap().1 = times;
                }
            })
        })
    }));
    let runner = meddled(&bench, store, meddler);
    let outcome = runner.reconcile(&thing()).await;
    (bench, outcome)
}

#[tokio::test]
async fn a_read_that_is_out_of_date_does_not_cost_what_was_learnt() {
    // Of nothing, and of the record as it was one write before.
    for since in ["load:before", "make_account/effect:before"] {
        // The first of these is asked whether the write that was refused was our own.
        let (bench, outcome) = read_late(since, 3).await;
        assert!(matches!(outcome.unwrap(), Outcome::Paused), "{since}");
        let record = bench.record(&thing()).await;
        assert_eq!(live(&record), ["make_account", "make_room"], "{since}");
        assert!(record.intent.is_none());
        assert_eq!(bench.clock.elapsed(), Duration::from_millis(100 + 200), "it waits between its reads");
    }
}

#[tokio::test]
async fn a_store_that_never_catches_up_is_said_to_be_unavailable() {
    // One read tells of the conflict, and six are tried.
    let (bench, outcome) = read_late("make_account/effect:before", 1000).await;
    let Err(StoreError::Unavailable(why)) = outcome else { panic!("it is not unavailable") };
    assert!(why.contains("an older record than before"), "{why}");
    assert!(bench.record(&thing()).await.intent.is_some(), "nothing is lost: the intent tells the next pass");
}

/// A store that tells the highest sequence number, and of marks that are taken off.
fn unmarked(store: &MemoryStore) -> Altered {
    Altered::telling(store, |loaded| {
        let record = loaded.bytes.as_deref().map(|bytes| Record::decode(&ThingFlow::GRAPH, bytes).unwrap());
        (loaded.marked, loaded.witness) = (false, record.map(|record| record.seq));
    })
}

#[tokio::test]
async fn a_mark_that_was_taken_off_is_set_again_unless_the_resource_is_to_be_deleted() {
    for way in ["by the caller", "by the store", "by the resource"] {
        let bench = Bench::new();
        let store = unmarked(&bench.store);
        let runner = ThingRunner::builder(bench.provider.clone(), store).clock(bench.clock.clone()).build();
        assert!(matches!(runner.reconcile(&thing()).await.unwrap(), Outcome::Resting(_)));
        let writes = bench.store.writes();
        assert!(matches!(runner.reconcile(&thing()).await.unwrap(), Outcome::Resting(_)));
        assert_eq!(bench.store.writes(), writes + 1, "the next write sets it");
        if way == "by the store" {
            bench.store.set_signals(&Bench::id(&thing()), Signals { deleting: true, ..Signals::default() });
        }
        let delete = || async {
            match way {
                "by the caller" => runner.delete(&thing()).await.unwrap(),
                "by the store" => runner.reconcile(&thing()).await.unwrap(),
                _ => runner.reconcile(&deleted()).await.unwrap(),
            }
        };
        // Whatever was made was made a moment ago: each undo waits out the request.
        assert!(matches!(delete().await, Outcome::Progressing { .. }), "{way}");
        let writes = bench.store.writes();
        assert!(matches!(delete().await, Outcome::Progressing { .. }), "{way}");
        assert_eq!(bench.store.writes(), writes, "{way}");
    }
}

#[tokio::test]
async fn a_pause_that_comes_with_the_answer_to_the_intent_withdraws_it() {
    let bench = Bench::new();
    let (store, id) = (bench.store.clone(), Bench::id(&thing()));
    let paused = Signals { paused: true, ..Signals::default() };
    let pause = async move { store.set_signals(&id, paused) };
    let runner = meddled(&bench, bench.store.clone(), Meddler::at("make_account/intent:before", pause));
    assert!(matches!(runner.reconcile(&thing()).await.unwrap(), Outcome::Paused));
    assert!(bench.provider.calls().is_empty());
    assert!(bench.record(&thing()).await.intent.is_none());
}

#[tokio::test]
async fn a_write_of_others_that_leaves_the_record_alone_costs_nothing() {
    let bench = Bench::new();
    let (store, id) = (bench.store.clone(), Bench::id(&thing()));
    let touch = async move {
        let loaded = store.load(&id).await.unwrap();
        drop(store.compare_and_swap(&id, &loaded.version, &loaded.bytes.unwrap()).await.unwrap());
    };
    let runner = meddled(&bench, bench.store.clone(), Meddler::at("make_account/effect:after", touch));
    assert!(matches!(runner.reconcile(&thing()).await.unwrap(), Outcome::Resting(_)));
    assert_eq!(bench.clock.elapsed(), Duration::ZERO);
    assert_eq!(bench.provider.calls().iter().filter(|call| *call == "make_account").count(), 1);
}

#[tokio::test]
async fn a_deletion_that_found_nothing_stops_a_pass_that_is_about_to_begin() {
    let bench = Bench::new();
    let other = bench.runner.clone();
    let delete = async move { assert!(matches!(other.delete(&thing()).await.unwrap(), Outcome::Gone)) };
    let runner = meddled(&bench, bench.store.clone(), Meddler::at("make_account/intent:before", delete));
    assert!(matches!(runner.reconcile(&thing()).await.unwrap(), Outcome::Gone));
    assert!(bench.provider.calls().is_empty(), "nothing is made after a deletion has said that it is gone");
    assert_eq!(bench.bytes(&thing()).await, None);
}

/// A store in which somebody else always writes first.
#[derive(Clone)]
pub struct Busy {
    inner: MemoryStore,
    tries: Arc<Mutex<u32>>,
    /// After so many writes of ours.
    from: u32,
}

impl Busy {
    pub fn new(store: &MemoryStore) -> Self {
        Self::from(store, 0)
    }

    fn from(store: &MemoryStore, from: u32) -> Self {
        Self { inner: store.clone(), tries: Arc::default(), from }
    }

    /// How often a write was tried.
    pub fn tries(&self) -> u32 {
        *self.tries.lock().unwrap()
    }

    async fn overtake(&self, id: &RecordId) {
        let tries = {
            let mut tries = self.tries.lock().unwrap();
            *tries += 1;
            *tries
        };
        if tries <= self.from {
            return;
        }
        let loaded = self.inner.load(id).await.unwrap();
        let bytes = loaded.bytes.unwrap_or_default();
        if bytes.is_empty() {
            // No record of nothing is written: only the version moves on.
            self.inner.compare_and_swap(id, &loaded.version, b"{}").await.unwrap();
            let there = self.inner.load(id).await.unwrap();
            self.inner.remove(id, &there.version).await.unwrap();
        } else {
            self.inner.compare_and_swap(id, &loaded.version, &bytes).await.unwrap();
        }
    }
}

#[async_trait]
impl Store for Busy {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        self.inner.load(id).await
    }
    async fn compare_and_swap(&self, id: &RecordId, version: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        self.overtake(id).await;
        self.inner.compare_and_swap(id, version, bytes).await
    }
    async fn remove(&self, id: &RecordId, version: &Version) -> Result<(), StoreError> {
        self.overtake(id).await;
        self.inner.remove(id, version).await
    }
    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.inner.list(machine).await
    }
}

#[tokio::test]
async fn a_pass_that_is_overtaken_again_and_again_ends() {
    // From the outcome of its first effect, and when everything is undone and the record is to go.
    for (from, deleting) in [(1, false), (0, true)] {
        let bench = Bench::new();
        let mut resource = thing();
        if deleting {
            let _ = bench.settle(&thing()).await;
            resource = deleted();
            bench.clock.advance(Duration::from_secs(3600));
        }
        let store = Busy::from(&bench.store, from);
        let runner = ThingRunner::builder(bench.provider.clone(), store.clone()).clock(bench.clock.clone()).build();
        let before = bench.clock.elapsed();
        let outcome = runner.reconcile(&resource).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{from} {deleting}");
        assert_eq!(store.tries() - from, 10, "{from} {deleting}");
        let waited = bench.clock.elapsed() - before;
        assert!(waited > Duration::from_secs(5) && waited < Duration::from_secs(20), "{waited:?}");
    }
}

/// Only a deletion moves the version of a record that is not there, where the record is not on the resource itself.
#[tokio::test]
async fn a_pass_whose_first_write_is_overtaken_by_a_deletion_begins_nothing() {
    let bench = Bench::new();
    let store = Busy::from(&bench.store, 0);
    let runner = ThingRunner::builder(bench.provider.clone(), store.clone()).clock(bench.clock.clone()).build();
    assert!(matches!(runner.reconcile(&thing()).await.unwrap(), Outcome::Gone));
    assert_eq!(store.tries(), 1);
    assert!(bench.provider.calls().is_empty());
}

#[tokio::test]
async fn a_removal_that_is_overtaken_again_and_again_ends() {
    let bench = Bench::new();
    let _ = bench.settle(&thing()).await;
    // What is done on the way back is written: a turn, and an intent for each of the three undos that there are.
    let store = Busy::from(&bench.store, 4);
    let runner = ThingRunner::builder(bench.provider.clone(), store.clone()).clock(bench.clock.clone()).build();
    let mut ended = None;
    for _ in 0..20 {
        match runner.reconcile(&deleted()).await {
            Ok(outcome) => bench.clock.advance(outcome.requeue_after().unwrap()),
            Err(error) => {
                ended = Some(error);
                break;
            }
        }
    }
    assert_eq!(ended, Some(StoreError::Conflict));
    assert!(store.tries() <= 4 + 10, "{}", store.tries());
}
