//! Panics in the author's code, and how the pass ends.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_fsm::record::{HeldReason, Record};
use durable_fsm::store::MemoryStore;
use durable_fsm::{
    Class, Classify, Each, Fsm, Lookup, Outcome, Plan, Probe, Resource, ResourceId, Site, StoreError, Undone, Wait,
};

use crate::world::{ManualClock, Patient};

/// What panics, once.
#[derive(Debug, Clone, Default)]
struct Fuse(Arc<Mutex<Option<&'static str>>>);

impl Fuse {
    fn set(&self, method: &'static str) {
        *self.0.lock().unwrap() = Some(method);
    }

    /// Without the panic hook, whose report would be noise here.
    fn blow(&self, method: &'static str) {
        let blows = self.0.lock().unwrap().take_if(|set| *set == method).is_some();
        if blows {
            resume_unwind(Box::new(format!("{method} is broken")));
        }
    }

    fn is_blown(&self) -> bool {
        self.0.lock().unwrap().is_none()
    }
}

#[derive(Clone)]
struct Fleeting {
    name: &'static str,
    fuse: Fuse,
    deleting: bool,
}

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Nothing;

impl Resource for Fleeting {
    type Spec = Nothing;
    fn id(&self) -> ResourceId {
        self.fuse.blow("id");
        ResourceId::new("default", self.name)
    }
    fn uid(&self) -> &str {
        self.name
    }
    fn spec(&self) -> &Nothing {
        self.fuse.blow("spec");
        &Nothing
    }
    fn generation(&self) -> u64 {
        self.fuse.blow("generation");
        1
    }
    fn deleting(&self) -> bool {
        self.fuse.blow("deleting");
        self.deleting
    }
}

#[derive(Fsm)]
#[fsm(name = "test.io/fragile", version = 1, resource = Fleeting)]
enum FragileFlow {
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = lookup, undo = unmake, abort = abort_make, timeout = "10s", settle = "5s")]
    Wanted,
    #[transition(compute -> Computed, no_effect, when = may_compute)]
    #[transition(compute_otherwise -> Computed, no_effect)]
    Made { made: u32 },
    #[transition(look -> Ready, waits)]
    Computed { text: String },
    #[fsm(resting)]
    #[transition(add, for_each = members, in_doubt = repeat, undo = remove, timeout = "10s")]
    Ready { members: Each<String, u32> },
}

#[derive(Debug, thiserror::Error)]
#[error("refused")]
struct Refused(Fuse);

impl Classify for Refused {
    fn classify(&self) -> Class {
        self.0.blow("classify");
        Class::NOT_APPLIED
    }
}

/// A provider of one thing.
#[derive(Clone, Default)]
struct Fragile {
    fuse: Fuse,
    refuses: Arc<Mutex<bool>>,
    live: Arc<Mutex<u32>>,
    made: Arc<Mutex<u32>>,
}

impl FragileTransitions for Fragile {
    type Error = Refused;
    async fn make(&self, from: Wanted, _: &FragileAttempt) -> Result<Made, Refused> {
        if std::mem::take(&mut *self.refuses.lock().unwrap()) {
            return Err(Refused(self.fuse.clone()));
        }
        *self.live.lock().unwrap() += 1;
        *self.made.lock().unwrap() += 1;
        self.fuse.blow("make");
        tokio::task::yield_now().await;
        self.fuse.blow("make, later");
        Ok(from.made(1))
    }
    async fn lookup_make(&self, from: Wanted, _: &FragileAttempt) -> Result<Lookup<Made>, Refused> {
        self.fuse.blow("lookup");
        Ok(if *self.live.lock().unwrap() > 0 { Lookup::Ours(from.made(1)) } else { Lookup::Absent })
    }
    async fn unmake(&self, _: &Made, _: &FragileAttempt) -> Result<Undone, Refused> {
        self.fuse.blow("unmake");
        *self.live.lock().unwrap() = 0;
        Ok(Undone::Done)
    }
    async fn abort_make(&self, _: &Wanted, _: &FragileAttempt) -> Result<Undone, Refused> {
        self.fuse.blow("abort");
        *self.live.lock().unwrap() = 0;
        Ok(Undone::Done)
    }
    fn may_compute(&self, _: &Made, _: &Fleeting) -> bool {
        self.fuse.blow("guard");
        true
    }
    fn compute(&self, from: Made, _: &FragileAttempt) -> Result<Computed, Refused> {
        self.fuse.blow("compute");
        Ok(from.computed("text".to_owned()))
    }
    fn compute_otherwise(&self, from: Made, _: &FragileAttempt) -> Result<Computed, Refused> {
        Ok(from.computed("otherwise".to_owned()))
    }
    async fn look(&self, from: Computed, _: &FragileAttempt) -> Result<Wait<Ready>, Refused> {
        self.fuse.blow("look");
        Ok(Wait::Done(from.ready()))
    }
    fn members(&self, _: &Ready, _: &Fleeting) -> BTreeSet<String> {
        self.fuse.blow("wanted");
        BTreeSet::from(["ann".to_owned()])
    }
    async fn add(&self, _: &Ready, _: &String, _: &FragileAttempt) -> Result<u32, Refused> {
        self.fuse.blow("add");
        Ok(1)
    }
    async fn remove(&self, _: &Ready, _: &String, _: &u32, _: &FragileAttempt) -> Result<Undone, Refused> {
        self.fuse.blow("remove");
        Ok(Undone::Done)
    }
}

struct Bench {
    fragile: Fragile,
    clock: ManualClock,
    runner: FragileRunner<Fragile>,
}

impl Bench {
    fn new() -> Self {
        let (fragile, clock) = (Fragile::default(), ManualClock::default());
        let runner = FragileRunner::builder(fragile.clone(), MemoryStore::new());
        let runner = runner.clock(Patient(clock.clone())).build();
        Self { fragile, clock, runner }
    }

    fn resource(&self) -> Fleeting {
        Fleeting { name: "one", fuse: self.fragile.fuse.clone(), deleting: false }
    }

    async fn record(&self) -> Option<Record> {
        self.runner.inspect(&ResourceId::new("default", "one")).await.unwrap()
    }

    /// Passes until it neither waits nor is held for a panic.
    async fn settle(&self, resource: &Fleeting) -> Outcome<FragileState> {
        for _ in 0..100 {
            match self.runner.reconcile(resource).await.unwrap() {
                Outcome::Progressing { after, .. } => self.clock.advance(after),
                Outcome::Held { reason: HeldReason::Panicked, .. } => {}
                outcome => return outcome,
            }
        }
        panic!("it does not settle");
    }
}

#[tokio::test]
async fn an_effect_that_panics_has_an_unknown_outcome() {
    for method in ["make", "make, later"] {
        let bench = Bench::new();
        bench.fragile.fuse.set(method);
        let outcome = bench.runner.reconcile(&bench.resource()).await.unwrap();
        assert!(outcome.requeue_after().is_some_and(|after| !after.is_zero()), "{method}");
        let record = bench.record().await.unwrap();
        assert!(record.intent.unwrap().in_doubt, "{method}: it may have been sent");
        let retry = record.retry.unwrap();
        assert_eq!((retry.class.as_str(), retry.error), ("unknown", format!("`make` panicked: {method} is broken")));
        assert!(matches!(bench.settle(&bench.resource()).await, Outcome::Resting(_)));
        assert_eq!(*bench.fragile.made.lock().unwrap(), 1, "{method}: it is found, and not made twice");
    }
}

#[tokio::test]
async fn an_error_whose_class_panics_is_unknown() {
    let bench = Bench::new();
    *bench.fragile.refuses.lock().unwrap() = true;
    bench.fragile.fuse.set("classify");
    let _ = bench.runner.reconcile(&bench.resource()).await.unwrap();
    assert_eq!(bench.record().await.unwrap().retry.unwrap().class, "unknown");
    assert!(matches!(bench.settle(&bench.resource()).await, Outcome::Resting(_)));
}

#[tokio::test]
async fn whatever_panics_once_is_overcome() {
    let methods = [
        "id",
        "spec",
        "generation",
        "deleting",
        "lookup",
        "make",
        "guard",
        "compute",
        "look",
        "wanted",
        "add",
        "unmake",
        "remove",
    ];
    for method in methods {
        let bench = Bench::new();
        bench.fragile.fuse.set(method);
        assert!(matches!(bench.settle(&bench.resource()).await, Outcome::Resting(_)), "{method}");
        let record = bench.record().await.unwrap();
        assert!(record.held.is_none() && record.undo.len() == 2, "{method}");
        let deleted = Fleeting { deleting: true, ..bench.resource() };
        assert!(matches!(bench.settle(&deleted).await, Outcome::Gone), "{method}");
        assert!(bench.fragile.fuse.is_blown(), "{method} was never called");
        let record = bench.record().await;
        assert_eq!((*bench.fragile.live.lock().unwrap(), record), (0, None), "{method}");
    }
}

#[tokio::test]
async fn an_abort_that_panics_is_made_again() {
    let bench = Bench::new();
    bench.fragile.fuse.set("make");
    let _ = bench.runner.reconcile(&bench.resource()).await.unwrap();
    bench.fragile.fuse.set("abort");
    let deleted = Fleeting { deleting: true, ..bench.resource() };
    assert!(matches!(bench.settle(&deleted).await, Outcome::Gone));
    assert!(bench.fragile.fuse.is_blown());
    assert_eq!(*bench.fragile.live.lock().unwrap(), 0);
}

#[tokio::test]
async fn what_panics_before_anything_is_sent_is_reported_and_not_recorded() {
    let told = [
        ("id", "the resource panicked"),
        ("generation", "the resource panicked"),
        ("deleting", "the resource panicked"),
        ("spec", "the resource's spec panicked"),
        ("guard", "the guard of `compute` panicked"),
        ("wanted", "the wanted set of `add` panicked"),
    ];
    for (method, expected) in told {
        let bench = Bench::new();
        bench.fragile.fuse.set(method);
        let outcome = bench.runner.reconcile(&bench.resource()).await.unwrap();
        let Outcome::Held { reason: HeldReason::Panicked, message } = outcome else { panic!("{method} is not told") };
        assert!(message.starts_with(expected) && message.contains(&format!("{method} is broken")), "{message}");
        if let Some(record) = bench.record().await {
            assert!(record.held.is_none(), "{method}: the next pass tries again");
            assert!(record.intent.is_none(), "{method}: what was made before it is recorded");
            assert_eq!(record.undo.len(), 1, "{method}");
        }
    }
}

#[tokio::test]
async fn a_plan_says_what_panics() {
    for method in ["id", "generation", "guard"] {
        let bench = Bench::new();
        if method == "guard" {
            bench.fragile.fuse.set("compute");
            let _ = bench.runner.reconcile(&bench.resource()).await.unwrap();
        }
        bench.fragile.fuse.set(method);
        let Plan::Stop(message) = bench.runner.plan(&bench.resource()).await.unwrap() else { panic!("{method}") };
        assert!(message.contains(&format!("{method} is broken")), "{message}");
    }
}

/// Panics in the pass of one resource.
#[derive(Clone)]
struct Broken;

impl Probe for Broken {
    async fn cross(&self, crossing: &durable_fsm::Crossing<'_>) {
        if crossing.site == Site::Effect && crossing.id.resource.name == "two" {
            resume_unwind(Box::new("the probe is broken"));
        }
    }
}

#[tokio::test]
async fn all_others_go_on_when_one_panics() {
    let store = MemoryStore::new();
    let fragile = Fragile::default();
    *fragile.refuses.lock().unwrap() = true;
    let clock = ManualClock::default();
    let resource = |name| Fleeting { name, fuse: fragile.fuse.clone(), deleting: false };
    let first = FragileRunner::builder(fragile.clone(), store.clone()).clock(Patient(clock.clone())).build();
    for name in ["one", "two", "three"] {
        *fragile.refuses.lock().unwrap() = true;
        let _ = first.reconcile(&resource(name)).await.unwrap();
    }
    clock.advance(Duration::from_secs(60));
    for concurrency in [1, 3] {
        let runner =
            FragileRunner::builder(fragile.clone(), store.clone()).clock(Patient(clock.clone())).probe(Broken).build();
        let mut ended = Vec::new();
        let known = |id: ResourceId| {
            let names = ["one", "two", "three"];
            std::future::ready(names.into_iter().find(|name| *name == id.name).map(resource))
        };
        let report = |id: ResourceId, outcome: Result<_, StoreError>| {
            let how = match outcome {
                Ok(Outcome::Resting(_)) => "rests".to_owned(),
                Ok(_) => "goes on".to_owned(),
                Err(error) => error.to_string(),
            };
            ended.push((id.name, how));
        };
        runner.run_all(concurrency, known, report).await.unwrap();
        ended.sort();
        let [(_, one), (_, three), (two, broken)] = ended.as_slice() else { panic!("{ended:?}") };
        assert_eq!((one.as_str(), three.as_str(), two.as_str()), ("rests", "rests", "two"));
        assert!(broken.contains("the pass panicked: the probe is broken"), "{broken}");
    }
}
