//! A deletion with steps of its own: what it asks, sends and undoes, and how an operator ends it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_fsm::diagram::Live;
use durable_fsm::record::{BlockedReason, Direction, HeldReason, Record, Resolution};
use durable_fsm::store::MemoryStore;
use durable_fsm::{
    Class, Classify, Clock as _, Fsm, Outcome, Plan, RecordId, Resource, ResourceId, Store as _, Undone, Wait,
};

use crate::golden::check_bytes;
use crate::world::ManualClock;

/// A database whose last backup is taken before anything goes.
#[derive(Clone, Debug)]
pub struct Database {
    spec: Spec,
    deleting: bool,
    protected: bool,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Spec {
    backup: bool,
    size: u32,
}

impl Resource for Database {
    type Spec = Spec;
    fn id(&self) -> ResourceId {
        ResourceId::new("default", "orders")
    }
    fn uid(&self) -> &str {
        "uid-orders"
    }
    fn spec(&self) -> &Spec {
        &self.spec
    }
    fn deleting(&self) -> bool {
        self.deleting
    }
    fn keeps(&self) -> Option<String> {
        self.protected.then(|| "`deletionProtection` is set".to_owned())
    }
}

#[derive(Fsm)]
#[fsm(name = "test.io/database", version = 1, resource = Database)]
pub enum DatabaseFlow {
    #[fsm(initial)]
    #[transition(create -> Serving, in_doubt = repeat, undo = drop_database, timeout = "10s")]
    Requested,
    #[fsm(resting)]
    #[transition(resize -> Resized, when = is_too_small, in_doubt = repeat, undo = shrink, timeout = "10s")]
    #[transition(start_backup -> BackingUp, on_delete, when = wants_backup, in_doubt = hold, undo = retain, timeout = "10s")]
    Serving { database: String },
    #[fsm(resting, undo_at_once)]
    Resized { size: u32 },
    #[fsm(leaving)]
    #[transition(await_backup -> BackedUp, waits, within = "2h")]
    BackingUp { backup: String },
    #[fsm(leaving)]
    BackedUp,
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
    finished: Arc<Mutex<bool>>,
}

impl Host {
    fn call(&self, name: &'static str) -> Result<(), NoAnswer> {
        self.calls.lock().unwrap().push(name.to_owned());
        let silent = self.silent.lock().unwrap().take_if(|silent| *silent == name);
        if silent.is_some() { Err(NoAnswer) } else { Ok(()) }
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl DatabaseTransitions for Host {
    type Error = NoAnswer;
    async fn create(&self, from: Requested, attempt: &DatabaseAttempt) -> Result<Serving, NoAnswer> {
        self.call("create")?;
        Ok(from.serving(attempt.key().to_owned()))
    }
    async fn drop_database(&self, _: &Serving, _: &DatabaseAttempt) -> Result<Undone, NoAnswer> {
        self.call("drop_database").map(Undone::from)
    }
    fn is_too_small(&self, _: &Serving, database: &Database) -> bool {
        database.spec.size > 1
    }
    async fn resize(&self, from: Serving, attempt: &DatabaseAttempt) -> Result<Resized, NoAnswer> {
        self.call("resize")?;
        Ok(from.resized(attempt.spec().size))
    }
    async fn shrink(&self, _: &Resized, _: &DatabaseAttempt) -> Result<Undone, NoAnswer> {
        self.call("shrink").map(Undone::from)
    }
    fn wants_backup(&self, _: &Serving, database: &Database) -> bool {
        database.spec.backup
    }
    async fn start_backup(&self, from: Serving, attempt: &DatabaseAttempt) -> Result<BackingUp, NoAnswer> {
        self.call("start_backup")?;
        Ok(from.backing_up(attempt.key().to_owned()))
    }
    async fn await_backup(&self, from: BackingUp, _: &DatabaseAttempt) -> Result<Wait<BackedUp>, NoAnswer> {
        self.call("await_backup")?;
        Ok(if *self.finished.lock().unwrap() { Wait::Done(from.backed_up()) } else { Wait::NotYet })
    }
}

struct Bench {
    host: Host,
    store: MemoryStore,
    clock: ManualClock,
    runner: DatabaseRunner<Host>,
}

impl Bench {
    /// A database that serves, and whose creation is long over.
    async fn new() -> Self {
        let (host, store, clock) = (Host::default(), MemoryStore::new(), ManualClock::default());
        let runner = DatabaseRunner::builder(host.clone(), store.clone()).clock(clock.clone()).build();
        let bench = Self { host, store, clock, runner };
        assert!(matches!(bench.pass(&database()).await, Outcome::Resting(_)));
        assert_eq!(bench.host.calls(), ["create"]);
        bench.clock.advance(Duration::from_secs(3600));
        bench
    }

    async fn pass(&self, database: &Database) -> Outcome<DatabaseState> {
        self.runner.reconcile(database).await.unwrap()
    }

    async fn settle(&self, database: &Database) -> Outcome<DatabaseState> {
        loop {
            match self.pass(database).await {
                Outcome::Progressing { after, .. } => self.clock.advance(after),
                outcome => return outcome,
            }
        }
    }

    async fn bytes(&self) -> Vec<u8> {
        let id = RecordId { machine: DatabaseFlow::GRAPH.name.to_owned(), resource: database().id() };
        self.store.load(&id).await.unwrap().bytes.unwrap()
    }

    async fn record(&self) -> Record {
        Record::decode(&DatabaseFlow::GRAPH, &self.bytes().await).unwrap()
    }
}

fn database() -> Database {
    Database { spec: Spec { backup: true, size: 1 }, deleting: false, protected: false }
}

fn deleted() -> Database {
    Database { deleting: true, ..database() }
}

#[tokio::test]
async fn a_deletion_begins_with_its_own_steps_and_undoes_what_was_made_after_them() {
    let bench = Bench::new().await;
    assert!(matches!(bench.pass(&database()).await, Outcome::Resting(_)), "it was not deleted");
    let plan = bench.runner.plan(&deleted()).await.unwrap();
    assert_eq!(plan, Plan::Record("begin with the steps of the deletion".to_owned()));
    let Outcome::Progressing { state: DatabaseState::BackingUp(_), reason, .. } = bench.pass(&deleted()).await else {
        panic!("it does not wait for the backup")
    };
    assert!(reason.contains("`await_backup`"), "{reason}");
    check_bytes("leaving", &DatabaseFlow::GRAPH, &bench.bytes().await);
    let record = bench.record().await;
    assert_eq!(record.direction, Direction::Leaving);
    let live = Live::of(&DatabaseFlow::GRAPH, "default/orders", &record, bench.clock.wall());
    assert!(!live.overlay().undoing, "nothing is undone yet");
    assert_eq!(bench.host.calls(), ["start_backup", "await_backup"]);
    *bench.host.finished.lock().unwrap() = true;
    assert!(matches!(bench.settle(&deleted()).await, Outcome::Gone));
    assert_eq!(bench.host.calls(), ["await_backup", "drop_database"]);
}

#[tokio::test]
async fn what_is_not_wanted_is_left_out_and_a_state_may_undo_at_once() {
    let bench = Bench::new().await;
    let unwanted = Database { spec: Spec { backup: false, size: 1 }, ..deleted() };
    assert!(matches!(bench.settle(&unwanted).await, Outcome::Gone));
    assert_eq!(bench.host.calls(), ["drop_database"]);

    let bench = Bench::new().await;
    let larger = Database { spec: Spec { backup: true, size: 2 }, ..database() };
    assert!(matches!(bench.settle(&larger).await, Outcome::Resting(_)));
    bench.host.calls();
    assert!(matches!(bench.settle(&Database { deleting: true, ..larger }).await, Outcome::Gone));
    assert_eq!(bench.host.calls(), ["shrink", "drop_database"]);
}

#[tokio::test]
async fn what_was_in_doubt_when_the_deletion_began_is_settled_in_its_order() {
    let bench = Bench::new().await;
    *bench.host.silent.lock().unwrap() = Some("resize");
    let larger = Database { spec: Spec { backup: true, size: 2 }, ..database() };
    let Outcome::Progressing { .. } = bench.pass(&larger).await else { panic!("it is not tried again") };
    assert_eq!(bench.host.calls(), ["resize"]);
    *bench.host.finished.lock().unwrap() = true;
    assert!(matches!(bench.settle(&Database { deleting: true, ..larger }).await, Outcome::Gone));
    assert_eq!(
        bench.host.calls(),
        ["start_backup", "await_backup", "resize", "shrink", "drop_database"],
        "a repeat finds out what it made, above the database and below the backup"
    );
}

#[tokio::test]
async fn a_step_of_a_deletion_that_is_in_doubt_waits_for_a_person_who_may_waive_it() {
    let bench = Bench::new().await;
    *bench.host.silent.lock().unwrap() = Some("start_backup");
    let Outcome::Held { reason: HeldReason::InDoubt, .. } = bench.settle(&deleted()).await else {
        panic!("it is not held")
    };
    assert_eq!(bench.host.calls(), ["start_backup"]);
    bench.runner.resolve(&database().id(), Resolution::Waive).await.unwrap();
    assert_eq!(bench.record().await.direction, Direction::Deleting);
    assert!(matches!(bench.settle(&deleted()).await, Outcome::Gone));
    assert_eq!(bench.host.calls(), ["drop_database"], "what is left behind on purpose is not sent again");
}

#[tokio::test]
async fn a_wait_that_a_deletion_hangs_on_can_be_waived_and_nothing_else_can() {
    let bench = Bench::new().await;
    let refused = bench.runner.resolve(&database().id(), Resolution::Waive).await.unwrap_err().to_string();
    assert!(refused.contains("not at the steps of a deletion"), "{refused}");
    let Outcome::Progressing { .. } = bench.pass(&deleted()).await else { panic!("it does not wait") };
    bench.runner.resolve(&database().id(), Resolution::Waive).await.unwrap();
    bench.host.calls();
    assert!(matches!(bench.settle(&deleted()).await, Outcome::Gone));
    assert_eq!(bench.host.calls(), ["drop_database"]);
}

#[tokio::test]
async fn a_deletion_that_the_resource_refuses_changes_nothing_and_says_why() {
    let bench = Bench::new().await;
    let before = bench.bytes().await;
    let kept = Database { protected: true, ..deleted() };
    let Outcome::Blocked { reason, message, .. } = bench.pass(&kept).await else { panic!("it is not refused") };
    assert_eq!(reason, BlockedReason::DeletionRefused);
    assert!(message.contains("`deletionProtection` is set"), "{message}");
    assert_eq!(bench.bytes().await, before);
    assert_eq!(bench.host.calls(), [""; 0]);
    // Work goes on meanwhile.
    let larger = Database { spec: Spec { backup: true, size: 2 }, ..kept };
    let Outcome::Blocked { state: DatabaseState::Resized(_), .. } = bench.settle(&larger).await else {
        panic!("nothing goes on")
    };
    assert_eq!(bench.host.calls(), ["resize"]);
    let allowed = Database { protected: false, ..larger };
    assert!(matches!(bench.settle(&allowed).await, Outcome::Gone));
}

#[tokio::test]
async fn what_has_begun_with_its_deletion_is_not_asked_again() {
    let bench = Bench::new().await;
    let Outcome::Progressing { .. } = bench.pass(&deleted()).await else { panic!("it does not wait") };
    *bench.host.finished.lock().unwrap() = true;
    let kept = Database { protected: true, ..deleted() };
    assert!(matches!(bench.settle(&kept).await, Outcome::Gone));
}
