//! Undos that take some time, things that are retained, and undos of steps that sent nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_fsm::record::{HeldReason, Record, Resolution, RetainedBy};
use durable_fsm::store::MemoryStore;
use durable_fsm::{Class, Classify, Fsm, Outcome, Plan, RecordId, Resource as _, Store as _, Undone};

use crate::golden::check_bytes;
use crate::machine::Thing;
use crate::world::ManualClock;

/// A cluster with a backup, which serves until it is drained.
#[derive(Fsm)]
#[fsm(name = "test.io/cluster", version = 1, resource = Thing)]
pub enum ClusterFlow {
    #[fsm(initial)]
    #[transition(create -> Built, in_doubt = repeat, undo = remove, timeout = "10s", retry = "2s..1m")]
    Requested,
    #[transition(back_up -> BackedUp, in_doubt = repeat, undo = discard, retain_when = keeps_backups, timeout = "10s")]
    Built { cluster: String },
    #[transition(hand_over -> Serving, no_effect, undo = drain)]
    BackedUp { backup: String },
    #[fsm(resting)]
    Serving { since: u64 },
}

#[derive(Debug, thiserror::Error)]
#[error("it failed")]
pub struct Failed(Class);

impl Classify for Failed {
    fn classify(&self) -> Class {
        self.0
    }
}

#[derive(Clone, Default)]
struct Host {
    calls: Arc<Mutex<Vec<String>>>,
    /// What the undo of the cluster answers, in turn; then it is done.
    removal: Arc<Mutex<Vec<Result<Undone, Class>>>>,
    silent: Arc<Mutex<Option<&'static str>>>,
}

impl Host {
    fn call(&self, name: &'static str) -> Result<(), Failed> {
        self.calls.lock().unwrap().push(name.to_owned());
        let silent = self.silent.lock().unwrap().take_if(|silent| *silent == name);
        if silent.is_some() { Err(Failed(Class::Unknown)) } else { Ok(()) }
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl ClusterTransitions for Host {
    type Error = Failed;
    async fn create(&self, from: Requested, attempt: &ClusterAttempt) -> Result<Built, Failed> {
        self.call("create")?;
        Ok(from.built(attempt.key().to_owned()))
    }
    async fn remove(&self, _: &Built, _: &ClusterAttempt) -> Result<Undone, Failed> {
        self.call("remove")?;
        let mut removal = self.removal.lock().unwrap();
        if removal.is_empty() { Ok(Undone::Done) } else { removal.remove(0).map_err(Failed) }
    }
    async fn back_up(&self, from: Built, attempt: &ClusterAttempt) -> Result<BackedUp, Failed> {
        self.call("back_up")?;
        Ok(from.backed_up(attempt.key().to_owned()))
    }
    async fn discard(&self, _: &BackedUp, _: &ClusterAttempt) -> Result<Undone, Failed> {
        self.call("discard").map(Undone::from)
    }
    fn keeps_backups(&self, thing: &Thing) -> bool {
        thing.spec.image == "kept"
    }
    fn hand_over(&self, from: BackedUp, _: &ClusterAttempt) -> Result<Serving, Failed> {
        Ok(from.serving(7))
    }
    async fn drain(&self, made: &Serving, _: &ClusterAttempt) -> Result<Undone, Failed> {
        assert_eq!(made.since, 7);
        self.call("drain").map(Undone::from)
    }
}

struct Bench {
    host: Host,
    store: MemoryStore,
    clock: ManualClock,
    runner: ClusterRunner<Host>,
}

impl Bench {
    async fn new(thing: &Thing) -> Self {
        let (host, store, clock) = (Host::default(), MemoryStore::new(), ManualClock::default());
        let runner = ClusterRunner::builder(host.clone(), store.clone()).clock(clock.clone()).build();
        let bench = Self { host, store, clock, runner };
        assert!(matches!(bench.pass(thing).await, Outcome::Resting(_)));
        assert_eq!(bench.host.calls(), ["create", "back_up"]);
        bench.clock.advance(Duration::from_secs(3600));
        bench
    }

    async fn pass(&self, thing: &Thing) -> Outcome<ClusterState> {
        self.runner.reconcile(thing).await.unwrap()
    }

    async fn settle(&self, thing: &Thing) -> Outcome<ClusterState> {
        loop {
            match self.pass(thing).await {
                Outcome::Progressing { after, .. } => self.clock.advance(after),
                outcome => return outcome,
            }
        }
    }

    async fn bytes(&self) -> Vec<u8> {
        let id = RecordId { machine: ClusterFlow::GRAPH.name.to_owned(), resource: of("v1").id() };
        self.store.load(&id).await.unwrap().bytes.unwrap()
    }

    async fn record(&self) -> Record {
        Record::decode(&ClusterFlow::GRAPH, &self.bytes().await).unwrap()
    }
}

fn of(image: &str) -> Thing {
    Thing::new(image, &[])
}

fn deleted(image: &str) -> Thing {
    Thing { deleting: true, ..of(image) }
}

#[tokio::test]
async fn what_was_listed_without_being_sent_is_undone_at_its_place_and_at_once() {
    let bench = Bench::new(&of("v1")).await;
    assert!(matches!(bench.settle(&deleted("v1")).await, Outcome::Gone));
    assert_eq!(bench.host.calls(), ["drain", "discard", "remove"]);
    // Right after it was made: the others wait until they are quiet, and it does not.
    let (host, clock) = (Host::default(), ManualClock::default());
    let runner = ClusterRunner::builder(host.clone(), MemoryStore::new()).clock(clock.clone()).build();
    assert!(matches!(runner.reconcile(&of("v1")).await.unwrap(), Outcome::Resting(_)));
    host.calls();
    let Outcome::Progressing { .. } = runner.reconcile(&deleted("v1")).await.unwrap() else { panic!("it is over") };
    assert_eq!(host.calls(), ["drain"]);
}

#[tokio::test]
async fn an_undo_that_is_not_done_is_asked_again_when_its_time_has_come() {
    let bench = Bench::new(&of("v1")).await;
    let minute = Undone::NotYetFor(Duration::from_secs(60));
    *bench.host.removal.lock().unwrap() = vec![Ok(minute.clone()), Ok(minute), Ok(Undone::NotYet)];
    let Outcome::Progressing { after, reason, .. } = bench.pass(&deleted("v1")).await else { panic!("it is over") };
    assert_eq!(after, Duration::from_secs(60));
    assert!(reason.contains("the undo of `create` is not done yet"), "{reason}");
    assert_eq!(bench.host.calls(), ["drain", "discard", "remove"]);
    check_bytes("unmaking", &ClusterFlow::GRAPH, &bench.bytes().await);
    let plan = bench.runner.plan(&deleted("v1")).await.unwrap();
    assert_eq!(plan, Plan::Undo { transition: "create".to_owned(), subject: None });
    bench.clock.advance(after);
    let Outcome::Progressing { .. } = bench.pass(&deleted("v1")).await else { panic!("it is over") };
    let Outcome::Progressing { after, .. } = bench.pass(&deleted("v1")).await else { panic!("it is over") };
    assert_eq!(after, Duration::from_secs(5));
    assert!(matches!(bench.pass(&deleted("v1")).await, Outcome::Gone));
    assert_eq!(bench.host.calls(), ["remove", "remove", "remove"]);
}

#[tokio::test]
async fn an_undo_that_fails_while_it_is_asked_again_is_counted_and_can_be_waived() {
    let bench = Bench::new(&of("v1")).await;
    *bench.host.removal.lock().unwrap() = vec![Ok(Undone::NotYet), Err(Class::Unknown), Err(Class::Rejected)];
    let Outcome::Progressing { .. } = bench.pass(&deleted("v1")).await else { panic!("it is over") };
    let Outcome::Progressing { reason, .. } = bench.pass(&deleted("v1")).await else { panic!("it is over") };
    assert!(reason.contains("may still be under way"), "{reason}");
    let Outcome::Blocked { message, .. } = bench.settle(&deleted("v1")).await else { panic!("it is not blocked") };
    assert!(message.starts_with("the undo of `create` was rejected") && message.contains("`waive`"), "{message}");
    let early = bench.runner.resolve(&of("v1").id(), Resolution::Waive).await.unwrap_err().to_string();
    assert!(early.contains("may still be under way"), "{early}");
    bench.clock.advance(Duration::from_secs(10));
    bench.runner.resolve(&of("v1").id(), Resolution::Waive).await.unwrap();
    let retained = bench.record().await.retained;
    assert_eq!((retained[0].transition.as_str(), retained[0].by), ("create", RetainedBy::Operator));
    assert!(retained[0].made.value("cluster").is_some(), "by it a person finds the thing");
    bench.host.calls();
    assert!(matches!(bench.pass(&deleted("v1")).await, Outcome::Gone));
    assert_eq!(bench.host.calls(), [""; 0]);
}

#[tokio::test]
async fn what_the_machine_keeps_is_listed_and_what_was_made_before_it_goes() {
    let bench = Bench::new(&of("kept")).await;
    *bench.host.removal.lock().unwrap() = vec![Ok(Undone::NotYet)];
    let Outcome::Progressing { .. } = bench.pass(&deleted("kept")).await else { panic!("it is over") };
    assert_eq!(bench.host.calls(), ["drain", "remove"]);
    let record = bench.record().await;
    check_bytes("left-behind", &ClusterFlow::GRAPH, &bench.bytes().await);
    assert_eq!(record.retained[0].by, RetainedBy::Machine);
    assert_eq!(record.retained[0].why, "`keeps_backups` says so");
    assert!(matches!(bench.settle(&deleted("kept")).await, Outcome::Gone));
}

#[tokio::test]
async fn what_is_in_doubt_is_kept_without_being_sent_again() {
    let (host, clock) = (Host::default(), ManualClock::default());
    let runner = ClusterRunner::builder(host.clone(), MemoryStore::new()).clock(clock.clone()).build();
    *host.silent.lock().unwrap() = Some("back_up");
    let Outcome::Progressing { .. } = runner.reconcile(&of("kept")).await.unwrap() else { panic!("it is known") };
    host.calls();
    loop {
        match runner.reconcile(&deleted("kept")).await.unwrap() {
            Outcome::Progressing { after, .. } => clock.advance(after),
            outcome => break assert!(matches!(outcome, Outcome::Gone)),
        }
    }
    assert_eq!(host.calls(), ["remove"]);
}

#[tokio::test]
async fn what_the_provider_will_not_give_back_stays_and_is_listed() {
    let bench = Bench::new(&of("v1")).await;
    *bench.host.removal.lock().unwrap() =
        vec![Ok(Undone::NotYet), Ok(Undone::Left("a tenant still uses it".to_owned()))];
    let Outcome::Progressing { .. } = bench.pass(&deleted("v1")).await else { panic!("it is over") };
    assert!(matches!(bench.pass(&deleted("v1")).await, Outcome::Gone), "nothing stands below it");
    let bench = Bench::new(&of("v1")).await;
    *bench.host.removal.lock().unwrap() = vec![Ok(Undone::Left("a tenant still uses it".to_owned()))];
    assert!(matches!(bench.pass(&deleted("v1")).await, Outcome::Gone));
    assert_eq!(bench.host.calls(), ["drain", "discard", "remove"]);
}

#[tokio::test]
async fn nothing_is_waived_that_is_not_being_undone() {
    let bench = Bench::new(&of("v1")).await;
    let refused = bench.runner.resolve(&of("v1").id(), Resolution::Waive).await.unwrap_err().to_string();
    assert!(refused.contains("nothing is being undone"), "{refused}");
    let held = bench.record().await.held.map(|held| held.reason);
    assert_ne!(held, Some(HeldReason::InDoubt));
}
