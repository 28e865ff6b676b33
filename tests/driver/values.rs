//! Specs and facts of every type: each reads back as it was written, or is refused before anything is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_fsm::record::HeldReason;
use durable_fsm::store::MemoryStore;
use durable_fsm::{Class, Classify, Fsm, Outcome, Resource, ResourceId, Undone};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::world::ManualClock;

/// A value that JSON has, or has not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Any {
    Nothing,
    Float(f64),
    Text(String),
    /// Its keys are lists.
    Keys(BTreeMap<Vec<u8>, u8>),
    /// What is written cannot be read.
    Hidden(Hidden),
    Json(Vec<Value>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hidden {
    #[serde(skip_serializing)]
    id: String,
    name: String,
}

/// What cannot be recorded, with a part of what is said of it.
fn unrecordable() -> [(Any, &'static str); 5] {
    let nested = (0..126).fold(json!(1), |inner, _| json!([inner]));
    let hidden = Hidden { id: "a".to_owned(), name: "b".to_owned() };
    [
        (Any::Float(f64::NAN), "JSON has no number NaN"),
        (Any::Float(f64::INFINITY), "JSON has no number inf"),
        (Any::Keys(BTreeMap::from([(vec![1], 1)])), "has to be a text"),
        (Any::Hidden(hidden), "is not read back as it was written"),
        (Any::Json(vec![nested]), "it nests more than 100 levels"),
    ]
}

#[derive(Clone)]
pub struct Parcel {
    spec: Any,
    deleting: bool,
}

impl Parcel {
    fn of(spec: Any) -> Self {
        Self { spec, deleting: false }
    }

    fn deleted(&self) -> Self {
        Self { deleting: true, ..self.clone() }
    }
}

impl Resource for Parcel {
    type Spec = Any;
    fn id(&self) -> ResourceId {
        ResourceId::new("", "parcel")
    }
    fn uid(&self) -> &str {
        "uid-1"
    }
    fn spec(&self) -> &Any {
        &self.spec
    }
    fn deleting(&self) -> bool {
        self.deleting
    }
}

/// A parcel that is packed, and then sent.
#[derive(Fsm)]
#[fsm(name = "test.io/parcel", version = 1, resource = Parcel)]
pub enum ParcelFlow {
    #[fsm(initial)]
    #[transition(pack -> Packed, in_doubt = repeat, undo = unpack, abort = search, timeout = "10s")]
    Ordered,
    #[transition(send -> Sent, in_doubt = repeat, undo = call_back, timeout = "10s")]
    Packed { parcel: Any },
    #[fsm(resting)]
    Sent { receipt: String },
}

#[derive(Debug, thiserror::Error)]
#[error("the office is closed")]
pub struct Closed(Class);

impl Classify for Closed {
    fn classify(&self) -> Class {
        self.0
    }
}

/// The name of a call, its key and its spec.
type Called = (&'static str, String, Any);

/// Packs what it is told to, and lists each call with its key and its spec.
#[derive(Clone)]
struct Office {
    packs: Any,
    calls: Arc<Mutex<Vec<Called>>>,
    /// How the next calls fail.
    closed: Arc<Mutex<Vec<Class>>>,
}

impl Office {
    fn packing(packs: Any) -> Self {
        Self { packs, calls: Arc::default(), closed: Arc::default() }
    }

    fn call(&self, name: &'static str, attempt: &ParcelAttempt) -> Result<(), Closed> {
        self.calls.lock().unwrap().push((name, attempt.key().to_owned(), attempt.spec().clone()));
        self.closed.lock().unwrap().pop().map_or(Ok(()), |class| Err(Closed(class)))
    }

    fn calls(&self) -> Vec<(&'static str, String, Any)> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl ParcelTransitions for Office {
    type Error = Closed;
    async fn pack(&self, from: Ordered, attempt: &ParcelAttempt) -> Result<Packed, Closed> {
        self.call("pack", attempt)?;
        Ok(from.packed(self.packs.clone()))
    }
    async fn unpack(&self, _: &Packed, attempt: &ParcelAttempt) -> Result<Undone, Closed> {
        self.call("unpack", attempt).map(Undone::from)
    }
    async fn search(&self, _: &Ordered, attempt: &ParcelAttempt) -> Result<Undone, Closed> {
        self.call("search", attempt).map(Undone::from)
    }
    async fn send(&self, from: Packed, attempt: &ParcelAttempt) -> Result<Sent, Closed> {
        self.call("send", attempt)?;
        Ok(from.sent("receipt".to_owned()))
    }
    async fn call_back(&self, _: &Sent, attempt: &ParcelAttempt) -> Result<Undone, Closed> {
        self.call("call_back", attempt).map(Undone::from)
    }
}

struct Desk {
    office: Office,
    clock: ManualClock,
    runner: ParcelRunner<Office>,
}

impl Desk {
    fn packing(packs: Any) -> Self {
        let (office, clock) = (Office::packing(packs), ManualClock::default());
        let runner = ParcelRunner::builder(office.clone(), MemoryStore::new()).clock(clock.clone()).build();
        Self { office, clock, runner }
    }

    async fn pass(&self, parcel: &Parcel) -> Outcome<ParcelState> {
        self.runner.reconcile(parcel).await.unwrap()
    }

    async fn settle(&self, parcel: &Parcel) -> Outcome<ParcelState> {
        for _ in 0..50 {
            match self.pass(parcel).await {
                Outcome::Progressing { after, .. } => self.clock.advance(after),
                outcome => return outcome,
            }
        }
        panic!("it does not settle");
    }

    /// Fails the first pass for one spec, and gives what is sent when the resource has another one.
    async fn edited(&self, class: Class, before: Any, after: Any) -> [(String, Any); 2] {
        self.office.closed.lock().unwrap().push(class);
        let _ = self.pass(&Parcel::of(before)).await;
        self.clock.advance(Duration::from_secs(60));
        let _ = self.settle(&Parcel::of(after)).await;
        let sent = self.office.calls().into_iter().filter(|(name, ..)| *name == "pack");
        let sent: Vec<_> = sent.map(|(_, key, spec)| (key, spec)).collect();
        sent.try_into().unwrap()
    }
}

/// No spec would be the one that the resource has now: another thing under the key of the first.
#[tokio::test]
async fn a_spec_that_is_null_is_repeated_as_null() {
    let large = Any::Text("large".to_owned());
    let [first, repeat] = Desk::packing(Any::Nothing).edited(Class::Unknown, Any::Nothing, large.clone()).await;
    assert_eq!(first, repeat);
    assert_eq!(repeat.1, Any::Nothing);
    let [first, other] = Desk::packing(Any::Nothing).edited(Class::NOT_APPLIED, Any::Nothing, large.clone()).await;
    assert!(first.0 != other.0 && other.1 == large, "another spec has a key of its own");
}

#[tokio::test]
async fn a_fact_that_is_null_is_there() {
    let desk = Desk::packing(Any::Nothing);
    let parcel = Parcel::of(Any::Nothing);
    assert!(matches!(desk.settle(&parcel).await, Outcome::Resting(_)));
    let record = desk.runner.inspect(&parcel.id()).await.unwrap().unwrap();
    assert_eq!(record.facts.value("parcel"), Some(&Value::Null));
    assert!(matches!(desk.settle(&parcel.deleted()).await, Outcome::Gone));
    let calls: Vec<_> = desk.office.calls().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(calls, ["pack", "send", "call_back", "unpack"]);
}

/// The spec that is read is compared with the resource's; one that differs in its last bit is another thing.
#[tokio::test]
async fn a_float_is_the_same_after_a_reload() {
    for float in [51.248_178_375_505_404, -93.311_370_376_880_33, 2.638_344_616_030_823e-256, 0.1, 1e21, -0.0] {
        let spec = Any::Float(float);
        let [first, again] = Desk::packing(spec.clone()).edited(Class::NOT_APPLIED, spec.clone(), spec).await;
        assert_eq!(first, again, "{float}");
    }
}

#[tokio::test]
async fn a_spec_that_cannot_be_recorded_is_refused_before_anything_is_sent() {
    for (spec, why) in unrecordable() {
        let desk = Desk::packing(Any::Nothing);
        let parcel = Parcel::of(spec);
        let Outcome::Held { reason: HeldReason::Unreadable, message } = desk.settle(&parcel).await else {
            panic!("{why}: it is not held")
        };
        assert!(message.contains("`spec`") && message.contains(why), "{message}");
        assert!(desk.runner.inspect(&parcel.id()).await.is_ok(), "{why}: the record is readable");
        assert!(matches!(desk.settle(&parcel.deleted()).await, Outcome::Gone), "{why}");
        assert_eq!(desk.office.calls(), [], "{why}");
    }
}

/// What is undone has nothing to do with what is wanted now.
#[tokio::test]
async fn a_spec_that_became_unrecordable_is_no_obstacle_to_deletion() {
    for (spec, why) in unrecordable() {
        let desk = Desk::packing(Any::Nothing);
        assert!(matches!(desk.settle(&Parcel::of(Any::Nothing)).await, Outcome::Resting(_)));
        assert!(matches!(desk.settle(&Parcel::of(spec).deleted()).await, Outcome::Gone), "{why}");
        let calls: Vec<_> = desk.office.calls().into_iter().map(|(name, ..)| name).collect();
        assert_eq!(calls, ["pack", "send", "call_back", "unpack"], "{why}");
    }
}

#[tokio::test]
async fn a_fact_that_cannot_be_recorded_leaves_a_readable_record_and_is_aborted_on_deletion() {
    for (packs, why) in unrecordable() {
        let desk = Desk::packing(packs);
        let parcel = Parcel::of(Any::Nothing);
        let Outcome::Held { reason: HeldReason::Unreadable, message } = desk.settle(&parcel).await else {
            panic!("{why}: it is not held")
        };
        assert!(message.contains("`parcel`") && message.contains(why), "{message}");
        let record = desk.runner.inspect(&parcel.id()).await.unwrap().unwrap();
        assert!(record.intent.unwrap().in_doubt, "{why}: it was packed");
        assert!(matches!(desk.settle(&parcel.deleted()).await, Outcome::Gone), "{why}");
        let calls: Vec<_> = desk.office.calls().into_iter().map(|(name, ..)| name).collect();
        assert_eq!(calls, ["pack", "search"], "{why}");
    }
}
