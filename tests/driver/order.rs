//! The order of undo, and what it waits for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_fsm::record::{Expected, Record, Resolution};
use durable_fsm::store::MemoryStore;
use durable_fsm::{Class, Classify, Fsm, Outcome, RecordId, Resource as _, Store as _, Undone};

use crate::machine::Thing;
use crate::world::{Fault, ManualClock, Refusal};

/// An account, and a room that this account alone can close.
#[derive(Fsm)]
#[fsm(name = "test.io/bot", version = 1, resource = Thing)]
pub enum BotFlow {
    #[fsm(initial)]
    #[transition(register -> Registered, in_doubt = repeat, undo = deregister, timeout = "10s")]
    Requested,
    #[transition(open_room -> Ready, in_doubt = repeat, undo = close_room, timeout = "10s")]
    Registered { account: String },
    #[fsm(resting)]
    Ready { room: String },
}

mod once {
    use durable_fsm::Fsm;

    use crate::machine::Thing;

    /// One step over a transport that delivers once.
    #[derive(Fsm)]
    #[fsm(name = "test.io/once", version = 1, resource = Thing, transport = once)]
    pub enum OnceFlow {
        #[fsm(initial)]
        #[transition(make -> Made, in_doubt = repeat, undo = unmake, timeout = "10s")]
        Wanted,
        #[fsm(resting)]
        Made { id: String },
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
pub struct Refused(Class);

impl Classify for Refused {
    fn classify(&self) -> Class {
        self.0
    }
}

/// Answers calls, and remembers them with their keys.
#[derive(Clone, Default)]
struct Server {
    calls: Arc<Mutex<Vec<(&'static str, String)>>>,
    fails: Arc<Mutex<Vec<Class>>>,
}

impl Server {
    fn failing(fails: &[Class]) -> Self {
        Self { fails: Arc::new(Mutex::new(fails.iter().rev().copied().collect())), ..Self::default() }
    }

    fn call(&self, name: &'static str, key: &str) -> Result<String, Refused> {
        self.calls.lock().unwrap().push((name, key.to_owned()));
        self.fails.lock().unwrap().pop().map_or_else(|| Ok(format!("{name} {key}")), |class| Err(Refused(class)))
    }

    fn names(&self) -> Vec<&'static str> {
        assert!(self.fails.lock().unwrap().is_empty(), "every failure was used");
        std::mem::take(&mut *self.calls.lock().unwrap()).into_iter().map(|(name, _)| name).collect()
    }
}

impl BotTransitions for Server {
    type Error = Refused;
    async fn register(&self, from: Requested, attempt: &BotAttempt) -> Result<Registered, Refused> {
        Ok(from.registered(self.call("register", attempt.key())?))
    }
    async fn deregister(&self, _: &Registered, attempt: &BotAttempt) -> Result<Undone, Refused> {
        self.call("deregister", attempt.key()).map(drop).map(Undone::from)
    }
    async fn open_room(&self, from: Registered, attempt: &BotAttempt) -> Result<Ready, Refused> {
        Ok(from.ready(self.call("open_room", attempt.key())?))
    }
    async fn close_room(&self, _: &Ready, attempt: &BotAttempt) -> Result<Undone, Refused> {
        self.call("close_room", attempt.key()).map(drop).map(Undone::from)
    }
}

impl once::OnceTransitions for Server {
    type Error = Refused;
    async fn make(&self, from: once::Wanted, attempt: &once::OnceAttempt) -> Result<once::Made, Refused> {
        Ok(from.made(self.call("make", attempt.key())?))
    }
    async fn unmake(&self, _: &once::Made, attempt: &once::OnceAttempt) -> Result<Undone, Refused> {
        self.call("unmake", attempt.key()).map(drop).map(Undone::from)
    }
}

struct Bench {
    server: Server,
    store: MemoryStore,
    clock: ManualClock,
}

impl Bench {
    fn new(fails: &[Class]) -> Self {
        Self { server: Server::failing(fails), store: MemoryStore::new(), clock: ManualClock::default() }
    }

    async fn bot(&self, thing: &Thing) -> Outcome<BotState> {
        let runner = BotRunner::builder(self.server.clone(), self.store.clone()).clock(self.clock.clone()).build();
        runner.reconcile(thing).await.unwrap()
    }

    /// Passes of one runner until it does not go on by itself.
    async fn settle(&self, thing: &Thing) -> Outcome<BotState> {
        let runner = BotRunner::builder(self.server.clone(), self.store.clone()).clock(self.clock.clone()).build();
        loop {
            match runner.reconcile(thing).await.unwrap() {
                Outcome::Progressing { after, .. } => self.clock.advance(after),
                outcome => return outcome,
            }
        }
    }

    async fn record(&self, thing: &Thing) -> Record {
        let id = RecordId { machine: BotFlow::GRAPH.name.to_owned(), resource: thing.id() };
        let loaded = self.store.load(&id).await.unwrap();
        Record::decode(&BotFlow::GRAPH, &loaded.bytes.unwrap()).unwrap()
    }
}

fn deleted(thing: &Thing) -> Thing {
    Thing { deleting: true, ..thing.clone() }
}

#[tokio::test]
async fn a_life_that_was_refused_before_an_edit_is_undone_after_what_was_built_since() {
    let bench = Bench::new(&[Class::NOT_APPLIED]);
    let _ = bench.bot(&Thing::new("web:1", &[])).await;
    let edited = Thing::new("web:2", &[]);
    assert!(matches!(bench.settle(&edited).await, Outcome::Resting(_)));
    assert_eq!(bench.record(&edited).await.unconfirmed.len(), 1, "a duplicate of the refused request may still come");
    assert_eq!(bench.server.names(), ["register", "register", "open_room"]);
    assert!(matches!(bench.settle(&deleted(&edited)).await, Outcome::Gone));
    let names = bench.server.names();
    assert_eq!(names[..2], ["close_room", "deregister"], "{names:?}");
}

#[tokio::test]
async fn the_way_back_never_passes_over_an_entry_that_has_to_wait() {
    let bench = Bench::new(&[]);
    let thing = Thing::new("web:1", &[]);
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
    bench.server.names();
    // To this runner both are new; only the room is in question.
    let runner = BotRunner::builder(bench.server.clone(), bench.store.clone()).clock(bench.clock.clone()).build();
    let outcome = runner.reconcile(&deleted(&thing)).await.unwrap();
    assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(10)));
    assert_eq!(bench.server.names(), [""; 0]);
}

#[tokio::test]
async fn a_refusal_is_repeated_on_the_way_back_only_where_its_duplicate_may_come() {
    let bench = Bench::new(&[Class::Rejected]);
    let thing = Thing::new("web:1", &[]);
    assert!(matches!(bench.bot(&thing).await, Outcome::Blocked { .. }));
    assert!(matches!(bench.settle(&deleted(&thing)).await, Outcome::Gone));
    assert_eq!(bench.server.names(), ["register", "register", "deregister"]);
    let bench = Bench::new(&[Class::Rejected]);
    let runner =
        once::OnceRunner::builder(bench.server.clone(), bench.store.clone()).clock(bench.clock.clone()).build();
    assert!(matches!(runner.reconcile(&thing).await.unwrap(), Outcome::Blocked { .. }));
    assert!(matches!(runner.reconcile(&deleted(&thing)).await.unwrap(), Outcome::Gone), "at once");
    assert_eq!(bench.server.names(), ["make"]);
}

#[tokio::test]
async fn what_is_refused_on_the_way_back_too_stays_until_an_operator_has_looked() {
    let bench = Bench::new(&[Class::Rejected, Class::Rejected]);
    let thing = Thing::new("web:1", &[]);
    let _ = bench.bot(&thing).await;
    assert!(matches!(bench.settle(&deleted(&thing)).await, Outcome::Blocked { .. }));
    assert_eq!(bench.record(&thing).await.unconfirmed.len(), 1);
    let runner = BotRunner::builder(bench.server.clone(), bench.store.clone()).clock(bench.clock.clone()).build();
    let of = |transition: &str| Expected { transition: Some(transition.to_owned()), seq: None };
    let id = thing.id();
    let resolve = |it: &'static str| runner.resolve_if(&id, of(it), Resolution::NotApplied);
    assert!(resolve("open_room").await.unwrap_err().to_string().contains("`register` is under way"));
    assert!(resolve("register").await.unwrap_err().to_string().contains("may still be under way (attempt 2)"));
    bench.clock.advance(Duration::from_secs(10));
    resolve("register").await.unwrap();
    assert!(matches!(runner.reconcile(&deleted(&thing)).await.unwrap(), Outcome::Gone));
    assert_eq!(bench.server.names(), ["register", "register"]);
}

#[tokio::test]
async fn where_requests_are_delivered_once_an_undo_waits_only_for_what_was_in_doubt() {
    let thing = Thing::new("web:1", &[]);
    for (fails, waits) in [(&[][..], None), (&[Class::Unknown], Some(Duration::from_secs(10)))] {
        let bench = Bench::new(fails);
        let builder =
            || once::OnceRunner::builder(bench.server.clone(), bench.store.clone()).clock(bench.clock.clone());
        let runner = builder().build();
        while let Outcome::Progressing { after, .. } = runner.reconcile(&thing).await.unwrap() {
            bench.clock.advance(after);
        }
        // Another controller has seen nothing of it.
        let outcome = builder().build().reconcile(&deleted(&thing)).await.unwrap();
        assert_eq!(outcome.requeue_after(), waits);
        assert_eq!(matches!(outcome, Outcome::Gone), waits.is_none());
    }
}

#[tokio::test]
async fn another_spec_waits_until_no_duplicate_of_the_refused_one_can_come() {
    let bench = Bench::new(&[Class::NOT_APPLIED]);
    let runner = BotRunner::builder(bench.server.clone(), bench.store.clone()).clock(bench.clock.clone()).build();
    let _ = runner.reconcile(&Thing::new("web:1", &[])).await.unwrap();
    bench.clock.advance(Duration::from_secs(1));
    let edited = Thing::new("web:2", &[]);
    let outcome = runner.reconcile(&edited).await.unwrap();
    assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(9)));
    assert_eq!(bench.server.names(), ["register"]);
    bench.clock.advance(Duration::from_secs(9));
    assert!(matches!(runner.reconcile(&edited).await.unwrap(), Outcome::Resting(_)));
}

fn reason<S>(outcome: Outcome<S>) -> String {
    let Outcome::Progressing { reason, .. } = outcome else { panic!("it does not wait") };
    reason
}

/// A provider that remembers keys would answer for the first life from memory, and change nothing.
#[tokio::test]
async fn only_the_last_life_of_a_step_is_continued() {
    let bench = Bench::new(&[Class::NOT_APPLIED, Class::NOT_APPLIED]);
    let runner = BotRunner::builder(bench.server.clone(), bench.store.clone()).clock(bench.clock.clone()).build();
    for image in ["web:1", "web:2", "web:1"] {
        bench.clock.advance(Duration::from_secs(3600));
        let _ = runner.reconcile(&Thing::new(image, &[])).await.unwrap();
    }
    let calls = bench.server.calls.lock().unwrap().clone();
    let keys: Vec<_> = calls.iter().filter(|(name, _)| *name == "register").map(|(_, key)| key).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys[0] != keys[2] && keys[1] != keys[2], "{keys:?}");
}

#[tokio::test]
async fn waiting_says_for_what_and_until_when() {
    let thing = Thing::new("web:1", &[]);
    let bench = Bench::new(&[Class::NOT_APPLIED]);
    let why = reason(bench.bot(&thing).await);
    assert_eq!(
        why,
        "the step failed 1 times, last not-applied: NotApplied { retry_after: None }; it is tried again at 2027-01-15T08:00:01.000Z"
    );
    let why = reason(bench.bot(&deleted(&thing)).await);
    assert_eq!(why, "a late request of `register` may still take effect, until 2027-01-15T08:00:10.000Z");
    // Another controller's attempt.
    let mut bench = crate::world::Bench::new();
    bench.provider.will("make_account", &[Fault::Refused(Refusal::Unknown)]);
    let _ = bench.runner.reconcile(&thing).await.unwrap();
    bench.restart();
    let why = reason(bench.runner.reconcile(&thing).await.unwrap());
    let expected =
        "attempt 1 at `make_account`, by 0000000000000000/0.1, may still be under way, until 2027-01-15T08:00:10.000Z";
    assert_eq!(why, expected);
    // Made, and to be deleted at once.
    let bench = Bench::new(&[]);
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
    let why = reason(bench.bot(&deleted(&thing)).await);
    assert_eq!(why, "a late request of `open_room` may still take effect, until 2027-01-15T08:00:10.000Z");
}

mod listed {
    use durable_fsm::{Each, Fsm};

    use crate::machine::Thing;

    /// A set that is listed again above a step of the later state.
    #[derive(Fsm)]
    #[fsm(name = "test.io/listed", version = 1, resource = Thing)]
    pub enum ListedFlow {
        #[fsm(initial)]
        #[transition(start -> Begun, no_effect)]
        Requested,
        #[transition(go -> Ready, no_effect)]
        #[transition(add, for_each = members, in_doubt = repeat, undo = remove)]
        Begun { members: Each<String, String> },
        #[fsm(resting)]
        #[transition(add)]
        #[transition(refresh -> Ready, when = is_stale, in_doubt = repeat, undo = none)]
        Ready,
    }
}

#[test]
fn what_is_listed_again_stands_where_it_is_written() {
    let graph = &listed::ListedFlow::GRAPH;
    let names = |state: &str| {
        let (_, state) = graph.state(state).unwrap();
        state.transitions.iter().map(|index| graph.transitions[*index].name).collect::<Vec<_>>()
    };
    assert_eq!(names("Begun"), ["go", "add"]);
    assert_eq!(names("Ready"), ["add", "refresh"]);
}
