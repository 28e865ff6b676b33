//! Rewinds: what was made after the mark is undone, what was made before it stays, and what is made again is a new life.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_fsm::record::{Direction, Record, Resolution};
use durable_fsm::store::MemoryStore;
use durable_fsm::{Class, Classify, Fsm, Outcome, Plan, RecordId, Resource as _, Store as _, Undone};

use crate::golden::check_bytes;
use crate::machine::Thing;
use crate::world::ManualClock;

/// A page on a site. Another image is another page on the same site.
#[derive(Fsm)]
#[fsm(name = "test.io/page", version = 1, resource = Thing)]
pub enum PageFlow {
    #[fsm(initial)]
    #[transition(open_site -> Opened, in_doubt = repeat, undo = close_site, timeout = "10s")]
    Requested,
    #[transition(publish -> Shown, in_doubt = repeat, undo = unpublish, timeout = "10s")]
    Opened { site: String },
    #[fsm(resting)]
    #[transition(describe -> Shown, when = is_undescribed, in_doubt = repeat, undo = none, timeout = "10s")]
    #[transition(replace -> Opened, when = is_outdated, rewind)]
    Shown { page: String, image: String },
}

#[derive(Debug, thiserror::Error)]
#[error("no answer")]
pub struct NoAnswer;

impl Classify for NoAnswer {
    fn classify(&self) -> Class {
        Class::Unknown
    }
}

#[derive(Clone, Default)]
struct Host {
    calls: Arc<Mutex<Vec<String>>>,
    silent: Arc<Mutex<Option<&'static str>>>,
}

impl Host {
    fn call(&self, name: &'static str, what: &str) -> Result<(), NoAnswer> {
        self.calls.lock().unwrap().push(format!("{name} {what}").trim_end().to_owned());
        let silent = self.silent.lock().unwrap().take_if(|silent| *silent == name);
        if silent.is_some() { Err(NoAnswer) } else { Ok(()) }
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl PageTransitions for Host {
    type Error = NoAnswer;
    async fn open_site(&self, from: Requested, attempt: &PageAttempt) -> Result<Opened, NoAnswer> {
        self.call("open_site", "")?;
        Ok(from.opened(attempt.key().to_owned()))
    }
    async fn close_site(&self, _: &Opened, _: &PageAttempt) -> Result<Undone, NoAnswer> {
        self.call("close_site", "").map(Undone::from)
    }
    async fn publish(&self, from: Opened, attempt: &PageAttempt) -> Result<Shown, NoAnswer> {
        let image = attempt.spec().image.clone();
        self.call("publish", &image)?;
        Ok(from.shown(ShownFacts { page: attempt.key().to_owned(), image }))
    }
    async fn unpublish(&self, made: &Shown, _: &PageAttempt) -> Result<Undone, NoAnswer> {
        self.call("unpublish", &made.image).map(Undone::from)
    }
    fn is_undescribed(&self, _: &Shown, _: &Thing) -> bool {
        false
    }
    async fn describe(&self, from: Shown, _: &PageAttempt) -> Result<Shown, NoAnswer> {
        let (page, image) = (from.page.clone(), from.image.clone());
        Ok(from.shown(ShownFacts { page, image }))
    }
    fn is_outdated(&self, at: &Shown, thing: &Thing) -> bool {
        at.image != thing.spec.image
    }
}

struct Bench {
    host: Host,
    store: MemoryStore,
    clock: ManualClock,
    runner: PageRunner<Host>,
}

impl Bench {
    fn new() -> Self {
        let (host, store, clock) = (Host::default(), MemoryStore::new(), ManualClock::default());
        let runner = PageRunner::builder(host.clone(), store.clone()).clock(clock.clone()).build();
        Self { host, store, clock, runner }
    }

    async fn settle(&self, thing: &Thing) -> Outcome<PageState> {
        loop {
            match self.runner.reconcile(thing).await.unwrap() {
                Outcome::Progressing { after, .. } => self.clock.advance(after),
                outcome => return outcome,
            }
        }
    }

    async fn bytes(&self) -> Vec<u8> {
        let id = RecordId { machine: PageFlow::GRAPH.name.to_owned(), resource: of("v1").id() };
        self.store.load(&id).await.unwrap().bytes.unwrap()
    }

    async fn record(&self) -> Record {
        Record::decode(&PageFlow::GRAPH, &self.bytes().await).unwrap()
    }
}

fn of(image: &str) -> Thing {
    Thing::new(image, &[])
}

#[tokio::test]
async fn a_rewind_replaces_what_was_made_since_its_mark_and_nothing_else() {
    let bench = Bench::new();
    assert!(matches!(bench.settle(&of("v1")).await, Outcome::Resting(_)));
    let before = bench.record().await;
    check_bytes("marked", &PageFlow::GRAPH, &bench.bytes().await);
    assert_eq!(bench.host.calls(), ["open_site", "publish v1"]);
    assert_eq!(bench.runner.plan(&of("v2")).await.unwrap(), Plan::Record("turn back to Opened".to_owned()));
    bench.clock.advance(Duration::from_secs(3600));
    let Outcome::Resting(PageState::Shown(shown)) = bench.settle(&of("v2")).await else { panic!("it does not rest") };
    assert_eq!(bench.host.calls(), ["unpublish v1", "publish v2"]);
    let after = bench.record().await;
    assert_eq!((shown.image.as_str(), &shown.site), ("v2", &before.facts.get::<String>("site").unwrap()));
    assert_ne!(after.facts.value("page"), before.facts.value("page"), "what is made again has a key of its own");
    assert_eq!(after.undo[0], before.undo[0]);
    assert!(matches!(bench.settle(&Thing { deleting: true, ..of("v2") }).await, Outcome::Gone));
    assert_eq!(bench.host.calls(), ["unpublish v2", "close_site"]);
}

#[tokio::test]
async fn a_rewind_that_was_begun_is_finished_whatever_is_wanted_by_then() {
    let bench = Bench::new();
    let _ = bench.settle(&of("v1")).await;
    bench.clock.advance(Duration::from_secs(3600));
    *bench.host.silent.lock().unwrap() = Some("unpublish");
    let _ = bench.runner.reconcile(&of("v2")).await.unwrap();
    assert!(bench.host.silent.lock().unwrap().is_none());
    check_bytes("rewinding", &PageFlow::GRAPH, &bench.bytes().await);
    bench.host.calls();
    // The guard would not hold any more.
    assert!(matches!(bench.settle(&of("v1")).await, Outcome::Resting(_)));
    assert_eq!(bench.host.calls(), ["unpublish v1", "publish v1"]);
}

#[tokio::test]
async fn a_deletion_in_the_middle_of_a_rewind_undoes_the_rest_too() {
    let bench = Bench::new();
    let _ = bench.settle(&of("v1")).await;
    bench.clock.advance(Duration::from_secs(3600));
    *bench.host.silent.lock().unwrap() = Some("unpublish");
    let _ = bench.runner.reconcile(&of("v2")).await.unwrap();
    bench.host.calls();
    assert!(matches!(bench.settle(&Thing { deleting: true, ..of("v2") }).await, Outcome::Gone));
    assert_eq!(bench.host.calls(), ["unpublish v1", "close_site"]);
}

#[tokio::test]
async fn a_record_without_the_mark_is_held_before_anything_is_undone() {
    let bench = Bench::new();
    let _ = bench.settle(&of("v1")).await;
    let mut record = bench.record().await;
    record.marks.clear();
    let id = RecordId { machine: PageFlow::GRAPH.name.to_owned(), resource: of("v1").id() };
    let loaded = bench.store.load(&id).await.unwrap();
    bench.store.compare_and_swap(&id, &loaded.version, &serde_json::to_vec(&record).unwrap()).await.unwrap();
    bench.host.calls();
    let Outcome::Held { message, .. } = bench.settle(&of("v2")).await else { panic!("it is not held") };
    assert!(message.contains("no mark of it") && message.contains("`replace`"), "{message}");
    assert_eq!(bench.host.calls(), [""; 0]);
    assert_eq!(bench.record().await.direction, Direction::Forward);
    // The remedy that it names is accepted.
    bench.runner.resolve(&of("v2").id(), Resolution::RollBack).await.unwrap();
    bench.clock.advance(Duration::from_secs(3600));
    assert!(matches!(bench.settle(&of("v2")).await, Outcome::Resting(_)));
    assert_eq!(bench.host.calls(), ["unpublish v1", "close_site", "open_site", "publish v2"]);
}
