//! A store that is nearly full: effects going forward leave room for a deletion, and history and messages are shortened first.

use std::sync::{Arc, Mutex};

use durable_fsm::record::{HeldReason, PartKind, RESERVE, Resolution};
use durable_fsm::store::MemoryStore;
use durable_fsm::{Class, Classify, Each, Fsm, Outcome, RecordId, Resource, ResourceId, Store as _, Undone};

use crate::machine::Thing;
use crate::world::{Bench, Fault, ManualClock, Refusal};

fn members(count: usize, length: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number:04}-{}", "x".repeat(length - 5))).collect()
}

fn thing(count: usize) -> Thing {
    let members = members(count, 60);
    Thing::new("web:1", &members.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The spec takes a third of it.
const LIMIT: usize = 80 * 1024;

/// A bench whose store is as full as it gets going forward, and what is said of it.
async fn full(limit: usize) -> (Bench, String) {
    let bench = Bench::with_limit(limit);
    let Outcome::Held { reason: HeldReason::TooLarge, message } = bench.settle(&thing(400)).await else {
        panic!("it is not held")
    };
    (bench, message)
}

#[tokio::test]
async fn an_effect_that_would_leave_no_room_for_the_way_back_does_not_begin() {
    let (bench, message) = full(LIMIT).await;
    let record = bench.record(&thing(400)).await;
    assert!(record.intent.is_none(), "nothing was begun");
    assert!(record.undo.len() > 50, "{} were made", record.undo.len());
    assert_eq!(bench.provider.live().len(), record.undo.len() + 1, "each is recorded, and one has no undo");
    let size = bench.bytes(&thing(400)).await.unwrap().len();
    // The message itself stands there too.
    assert!(size < LIMIT - RESERVE + 1024, "{size}");
    assert!(message.contains(&format!("effects may use only {}", LIMIT - RESERVE)), "{message}");
}

#[tokio::test]
async fn what_fills_the_record_is_named_with_what_to_do() {
    let (bench, message) = full(LIMIT).await;
    let record = bench.record(&thing(400)).await;
    let parts = record.weight(&crate::machine::ThingFlow::GRAPH);
    let live = record.undo.len();
    let members = record.facts.subjects_of("members");
    assert!(message.contains(&format!("({live} entries)")), "{message}");
    assert!(message.contains(&format!("the {members} members of `members`")), "{message}");
    assert!(message.contains("spread the members over several resources"), "{message}");
    assert!(parts[0].bytes >= parts[1].bytes && parts.iter().any(|part| part.kind == PartKind::Texts));
    let size = bench.bytes(&thing(400)).await.unwrap().len();
    let sum: usize = parts.iter().map(|part| part.bytes).sum();
    assert!(sum < size && size - sum < 1024, "{sum} of {size}");
}

/// The members of a set in a record.
trait Subjects {
    fn subjects_of(&self, fact: &str) -> usize;
}

impl Subjects for durable_fsm::Facts {
    fn subjects_of(&self, fact: &str) -> usize {
        self.value(fact).and_then(serde_json::Value::as_object).map_or(0, serde_json::Map::len)
    }
}

/// Each step of the way back fails in each way, with the longest texts.
#[tokio::test]
async fn a_deletion_finds_room_in_a_store_that_is_full_going_forward() {
    let (bench, _) = full(LIMIT).await;
    for call in ["remove_member", "stop_container", "close_room", "drop_account"] {
        let refusals = [Refusal::Unknown, Refusal::NotApplied, Refusal::Rejected];
        let faults = refusals.into_iter().flat_map(|refusal| [Fault::Refused(refusal), Fault::Applied(refusal)]);
        bench.provider.will(call, &faults.collect::<Vec<_>>());
    }
    bench.provider.fail_at_length("e".repeat(5000));
    let deleted = Thing { deleting: true, ..thing(400) };
    loop {
        let size = bench.bytes(&deleted).await.map_or(0, |bytes| bytes.len());
        assert!(size <= LIMIT, "{size}");
        match bench.pass(&deleted).await {
            Outcome::Gone => break,
            Outcome::Held { message, .. } => panic!("{message}"),
            outcome => bench.clock.advance(outcome.requeue_after().unwrap()),
        }
    }
    assert!(bench.provider.all_faults_fired());
    assert_eq!(bench.provider.live().len(), 1, "the mail stays");
}

#[tokio::test]
async fn history_and_texts_give_way_first() {
    let bench = Bench::new();
    bench.provider.fail_at_length("e".repeat(5000));
    let thing = Thing::new("web:1", &["ann"]);
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
    let deleted = Thing { deleting: true, ..thing.clone() };
    bench.provider.will("remove_member", &[Fault::Refused(Refusal::Unknown)]);
    while !bench.provider.all_faults_fired() {
        let outcome = bench.pass(&deleted).await;
        bench.clock.advance(outcome.requeue_after().unwrap());
    }
    let record = bench.record(&thing).await;
    assert!(record.retry.unwrap().error.len() > 2000 && record.history.len() > 4);
    // Others take all that this record does not have yet, and some more: the history alone is not enough.
    let limit = bench.bytes(&thing).await.unwrap().len() - 1000;
    drop(bench.store.clone().with_limit(limit));
    bench.provider.will("remove_member", &[Fault::Refused(Refusal::Unknown)]);
    while !bench.provider.all_faults_fired() {
        let outcome = bench.pass(&deleted).await;
        bench.clock.advance(outcome.requeue_after().unwrap());
    }
    let record = bench.record(&thing).await;
    let error = record.retry.unwrap().error;
    assert!(error.starts_with("Unknowneee") && error.len() < 300, "{error}");
    assert!(matches!(bench.settle(&deleted).await, Outcome::Gone));
}

/// It would have to be resolved by a person when there is room again.
#[tokio::test]
async fn a_deletion_without_room_goes_on_when_there_is_some() {
    let bench = Bench::new();
    let thing = Thing::new("web:1", &["ann"]);
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
    drop(bench.store.clone().with_limit(100));
    let deleted = Thing { deleting: true, ..thing.clone() };
    let Outcome::Held { reason: HeldReason::TooLarge, message } = bench.pass(&deleted).await else {
        panic!("there is room")
    };
    assert!(message.contains("it is tried again at the next pass"), "{message}");
    drop(bench.store.clone().with_limit(LIMIT));
    assert!(matches!(bench.settle(&deleted).await, Outcome::Gone));
}

/// What is made on the way back, in order to be undone, may not fit. There is room for a hold, which would need a person.
#[tokio::test]
async fn a_deletion_that_makes_what_does_not_fit_is_not_held_in_the_record() {
    let bench = Bench::new();
    let thing = Thing::new("web:1", &[]);
    bench.provider.name_at_length("i".repeat(8000));
    bench.provider.will("make_account", &[Fault::Applied(Refusal::Unknown)]);
    let outcome = bench.pass(&thing).await;
    bench.clock.advance(outcome.requeue_after().unwrap());
    let limit = bench.bytes(&thing).await.unwrap().len() + 2000;
    drop(bench.store.clone().with_limit(limit));
    let deleted = Thing { deleting: true, ..thing.clone() };
    let held = loop {
        match bench.pass(&deleted).await {
            Outcome::Held { reason: HeldReason::TooLarge, message } => break message,
            Outcome::Gone => panic!("there is room"),
            outcome => bench.clock.advance(outcome.requeue_after().unwrap()),
        }
    };
    assert!(held.contains("it is tried again at the next pass"), "{held}");
    assert!(bench.record(&thing).await.held.is_none());
    drop(bench.store.clone().with_limit(LIMIT));
    assert!(matches!(bench.settle(&deleted).await, Outcome::Gone));
    assert!(bench.provider.live().is_empty());
}

/// What was made is recorded, also in the room that is kept for the way back.
#[tokio::test]
async fn what_an_effect_has_made_may_use_the_room_for_the_way_back() {
    let bench = Bench::with_limit(2 * RESERVE);
    let image = "i".repeat(RESERVE - 1500);
    let thing = Thing::new(&image, &[]);
    let Outcome::Held { reason: HeldReason::TooLarge, message } = bench.settle(&thing).await else {
        panic!("there is room")
    };
    let record = bench.record(&thing).await;
    assert_eq!((record.state.as_str(), record.undo.len()), ("Accounted", 1), "{message}");
    assert!(bench.bytes(&thing).await.unwrap().len() > RESERVE - 1500);
    assert!(message.contains("fact `account`") && message.contains("keep large values out of the spec"), "{message}");
    bench.runner.resolve(&thing.id(), Resolution::Retry).await.unwrap();
    assert!(matches!(bench.settle(&thing).await, Outcome::Held { reason: HeldReason::TooLarge, .. }));
    assert!(matches!(bench.settle(&Thing { deleting: true, ..thing }).await, Outcome::Gone));
}

/// The maximum that the documentation names.
#[tokio::test]
async fn five_hundred_members_fit_into_an_annotation() {
    let (crew, clock) = (Crew::default(), ManualClock::default());
    let store = MemoryStore::new().with_limit(256 * 1024);
    let runner = CrewRunner::builder(crew.clone(), store.clone()).clock(clock).build();
    assert!(matches!(runner.reconcile(&Ship).await.unwrap(), Outcome::Resting(_)));
    let id = RecordId { machine: CrewFlow::GRAPH.name.to_owned(), resource: Ship.id() };
    let size = store.load(&id).await.unwrap().bytes.unwrap().len();
    assert!(size > 200_000 && size < 256 * 1024 - RESERVE, "{size}");
    assert_eq!(crew.0.lock().unwrap().len(), 500);
}

#[derive(Clone)]
pub struct Ship;

impl Resource for Ship {
    type Spec = ();
    fn id(&self) -> ResourceId {
        ResourceId::new("", "ship")
    }
    fn uid(&self) -> &str {
        "uid-1"
    }
    fn spec(&self) -> &() {
        &()
    }
}

/// A crew that is hired one by one.
#[derive(Fsm)]
#[fsm(name = "test.io/crew", version = 1, resource = Ship)]
pub enum CrewFlow {
    #[fsm(initial)]
    #[transition(launch -> Afloat, no_effect)]
    Built,
    #[fsm(resting)]
    #[transition(hire, for_each = crew, in_doubt = repeat, undo = dismiss)]
    Afloat { crew: Each<String, String> },
}

#[derive(Debug, thiserror::Error)]
#[error("no one is there")]
pub struct Deserted;

impl Classify for Deserted {
    fn classify(&self) -> Class {
        Class::NOT_APPLIED
    }
}

#[derive(Clone, Default)]
struct Crew(Arc<Mutex<Vec<String>>>);

impl CrewTransitions for Crew {
    type Error = Deserted;
    fn launch(&self, from: Built, _: &CrewAttempt) -> Result<Afloat, Deserted> {
        Ok(from.afloat())
    }
    fn crew(&self, _: &Afloat, _: &Ship) -> std::collections::BTreeSet<String> {
        // As long as a label can be.
        members(500, 63).into_iter().collect()
    }
    async fn hire(&self, _: &Afloat, subject: &String, _: &CrewAttempt) -> Result<String, Deserted> {
        self.0.lock().unwrap().push(subject.clone());
        Ok("h".repeat(256))
    }
    async fn dismiss(&self, _: &Afloat, _: &String, _: &String, _: &CrewAttempt) -> Result<Undone, Deserted> {
        Ok(Undone::Done)
    }
}
