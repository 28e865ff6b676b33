//! Sets that wait for their members, and depend on other sets: who is asked, who goes on, and what is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_fsm::record::{BlockedReason, Record};
use durable_fsm::store::MemoryStore;
use durable_fsm::{
    Class, Classify, Each, Fsm, Outcome, Plan, RecordId, Resource, ResourceId, Store as _, Undone, Wait,
};

use crate::world::ManualClock;

/// Machines that join a fleet.
#[derive(Clone, Debug)]
pub struct Fleet(BTreeSet<String>);

impl Resource for Fleet {
    type Spec = BTreeSet<String>;
    fn id(&self) -> ResourceId {
        ResourceId::new("default", "fleet")
    }
    fn uid(&self) -> &str {
        "uid-fleet"
    }
    fn spec(&self) -> &BTreeSet<String> {
        &self.0
    }
}

#[derive(Fsm)]
#[fsm(name = "test.io/fleet", version = 1, resource = Fleet, transport = once, debug, timeout = "10s")]
pub enum FleetFlow {
    #[fsm(initial)]
    #[transition(open -> Open, no_effect)]
    Requested,
    #[fsm(resting)]
    #[transition(boot, for_each = machines, surge = 0, in_doubt = repeat, undo = stop)]
    #[transition(await_join, for_each = joined, on = machines, waits, every = "30s", within = "10m")]
    Open { machines: Each<String, String>, joined: Each<String, u32> },
}

#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Joined,
    NotYet,
    Fails(Class),
}

#[derive(Debug, thiserror::Error)]
#[error("no answer")]
pub struct NoAnswer(Class);

impl Classify for NoAnswer {
    fn classify(&self) -> Class {
        self.0
    }
}

#[derive(Clone, Default)]
struct Site {
    calls: Arc<Mutex<Vec<String>>>,
    /// What machines answer that have not joined at once.
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
}

impl Site {
    fn call(&self, what: &str, subject: &str) {
        self.calls.lock().unwrap().push(format!("{what} {subject}"));
    }

    fn will(&self, subject: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(subject.to_owned(), answer);
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl FleetTransitions for Site {
    type Error = NoAnswer;
    fn open(&self, from: Requested, _: &FleetAttempt) -> Result<Open, NoAnswer> {
        Ok(from.open())
    }
    fn machines(&self, _: &Open, fleet: &Fleet) -> BTreeSet<String> {
        fleet.0.clone()
    }
    async fn boot(&self, _: &Open, subject: &String, attempt: &FleetAttempt) -> Result<String, NoAnswer> {
        self.call("boot", subject);
        Ok(attempt.key().to_owned())
    }
    async fn stop(&self, _: &Open, subject: &String, _: &String, _: &FleetAttempt) -> Result<Undone, NoAnswer> {
        self.call("stop", subject);
        Ok(Undone::Done)
    }
    async fn await_join(&self, at: &Open, subject: &String, _: &FleetAttempt) -> Result<Wait<u32>, NoAnswer> {
        assert!(at.machines.contains_key(subject), "it depends on a machine");
        self.call("look at", subject);
        match self.answers.lock().unwrap().get(subject) {
            None | Some(Answer::Joined) => Ok(Wait::Done(7)),
            Some(Answer::NotYet) => Ok(Wait::NotYet),
            Some(Answer::Fails(class)) => Err(NoAnswer(*class)),
        }
    }
}

struct Bench {
    site: Site,
    store: MemoryStore,
    clock: ManualClock,
    runner: FleetRunner<Site>,
}

impl Bench {
    fn new() -> Self {
        let (site, store, clock) = (Site::default(), MemoryStore::new(), ManualClock::default());
        let runner = FleetRunner::builder(site.clone(), store.clone()).clock(clock.clone()).build();
        Self { site, store, clock, runner }
    }

    async fn pass(&self, machines: &[&str]) -> Outcome<FleetState> {
        self.runner.reconcile(&fleet(machines)).await.unwrap()
    }

    async fn writes(&self) -> u64 {
        let id = RecordId { machine: "test.io/fleet".to_owned(), resource: fleet(&[]).id() };
        let bytes = self.store.load(&id).await.unwrap().bytes.expect("a record");
        Record::decode(&FleetFlow::GRAPH, &bytes).unwrap().seq
    }
}

fn fleet(machines: &[&str]) -> Fleet {
    Fleet(machines.iter().map(|name| (*name).to_owned()).collect())
}

#[tokio::test]
async fn a_member_that_is_not_there_yet_lets_the_others_go_on_and_writes_nothing() {
    let bench = Bench::new();
    bench.site.will("a", Answer::NotYet);
    let outcome = bench.pass(&["a", "b"]).await;
    assert_eq!(bench.site.calls(), ["boot a", "boot b", "look at a", "look at b"]);
    let Outcome::Progressing { reason, .. } = &outcome else { panic!("{outcome:?}") };
    assert!(reason.starts_with("`await_join` for a is not done yet; it may take until "), "{reason}");
    assert!(outcome.requeue_after().unwrap() <= Duration::from_secs(30));
    let written = bench.writes().await;
    bench.clock.advance(outcome.requeue_after().unwrap());
    let outcome = bench.pass(&["a", "b"]).await;
    assert_eq!(bench.site.calls(), ["look at a"], "b has joined");
    assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(30)));
    assert_eq!(bench.writes().await, written, "nothing has come");
    assert!(matches!(bench.runner.plan(&fleet(&["a", "b"])).await.unwrap(),
        Plan::Run { transition, subject: Some(subject) } if transition == "await_join" && subject == "a"));
    bench.site.will("a", Answer::Joined);
    assert!(matches!(bench.pass(&["a", "b"]).await, Outcome::Resting(_)));
}

#[tokio::test]
async fn a_member_that_takes_too_long_is_reported_once_and_looked_at_all_the_same() {
    let bench = Bench::new();
    bench.site.will("a", Answer::NotYet);
    assert!(matches!(bench.pass(&["a"]).await, Outcome::Progressing { .. }));
    bench.clock.advance(Duration::from_secs(599));
    let outcome = bench.pass(&["a"]).await;
    assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(1)));
    bench.clock.advance(Duration::from_secs(1));
    let outcome = bench.pass(&["a"]).await;
    let Outcome::Blocked { reason, message, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(*reason, BlockedReason::Overdue);
    assert!(message.starts_with("`await_join` for a has waited for more than 600 s"), "{message}");
    let written = bench.writes().await;
    bench.clock.advance(Duration::from_secs(30));
    bench.site.calls();
    assert!(matches!(bench.pass(&["a"]).await, Outcome::Blocked { .. }));
    assert_eq!((bench.site.calls(), bench.writes().await), (vec!["look at a".to_owned()], written));
    bench.site.will("a", Answer::Joined);
    assert!(matches!(bench.pass(&["a"]).await, Outcome::Resting(_)));
}

#[tokio::test]
async fn a_look_that_fails_is_tried_again_and_one_that_is_refused_is_reported() {
    let bench = Bench::new();
    bench.site.will("a", Answer::Fails(Class::Unknown));
    let outcome = bench.pass(&["a"]).await;
    let Outcome::Progressing { reason, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(reason, "`await_join` for a failed, and is tried again: no answer");
    bench.site.will("a", Answer::Fails(Class::Rejected));
    let outcome = bench.pass(&["a"]).await;
    let Outcome::Blocked { reason, message, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(*reason, BlockedReason::Rejected);
    assert_eq!(message, "`await_join` for a was refused: no answer");
}

/// One machine is replaced at a time, and while the new one does not come up, the others stay.
#[tokio::test]
async fn with_no_surge_one_member_is_missing_at_most() {
    let bench = Bench::new();
    assert!(matches!(bench.pass(&["a1", "b1", "c1"]).await, Outcome::Resting(_)));
    bench.site.calls();
    bench.site.will("a2", Answer::NotYet);
    let wanted = ["a2", "b2", "c2"];
    assert!(matches!(bench.pass(&wanted).await, Outcome::Progressing { .. }));
    assert_eq!(bench.site.calls(), ["stop a1", "boot a2", "look at a2"]);
    bench.clock.advance(Duration::from_secs(30));
    assert!(matches!(bench.pass(&wanted).await, Outcome::Progressing { .. }));
    assert_eq!(bench.site.calls(), ["look at a2"]);
    bench.site.will("a2", Answer::Joined);
    assert!(matches!(bench.pass(&wanted).await, Outcome::Resting(_)));
    let rest = ["look at a2", "stop b1", "boot b2", "look at b2", "stop c1", "boot c2", "look at c2"];
    assert_eq!(bench.site.calls(), rest);
}
