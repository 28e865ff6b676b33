//! One run's world: an API server, a shelf, and controllers of which one after the other dies. Invariant: everything in it happens on one
//! thread, on virtual time, so that one plan is one history.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kube::Resource as _;
use kube_memory_server::{Delivery, Fault as Served, Kind, MemoryServer, Refusal, Seen, SeenEvent, Verb, When, Write};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::controller::Operate;
use crate::fault::Fault;
use crate::ledger::Ledger;
use crate::oracle::Oracle;
use crate::place::{self, annotation};
use crate::shelf::Shelf;
use crate::worker::{WORKERS, Worker, uid_of};

/// How long it takes until another controller runs after one has died.
const RESTART: Duration = Duration::from_secs(2);

/// How late a late request is served: when the controller has tried again.
const LATE: Duration = Duration::from_secs(30);

/// So many requests are more than any run has that comes to an end.
const RESTLESS: u64 = 5_000;

/// The only worker's name.
pub const NAME: &str = "alice";
pub const NAMESPACE: &str = "default";

/// The names of the controllers, one after the other.
const CONTROLLERS: [&str; 8] = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"];

/// A world. Clones are the same.
#[derive(Clone)]
pub struct World {
    pub server: MemoryServer,
    pub shelf: Shelf,
    ledger: Arc<Mutex<Ledger>>,
    oracle: Option<Arc<Mutex<Oracle>>>,
    /// Something durable has changed.
    pub changed: Arc<Notify>,
    /// The controller is to die.
    killed: Arc<Notify>,
    /// Whether there is to be a controller.
    wanted: Arc<tokio::sync::watch::Sender<bool>>,
    started: Instant,
}

impl World {
    /// A world without any worker, for a run of this account.
    pub fn new(ledger: Ledger, oracle: impl FnOnce(Shelf) -> Option<Oracle>) -> Self {
        let events = Kind::new("events.k8s.io", "v1", "Event", "events").without_status().without_generation();
        let changed = Arc::new(Notify::new());
        let shelf = Shelf::new(changed.clone());
        let world = Self {
            server: MemoryServer::new([Kind::of::<Worker>(), events]),
            oracle: oracle(shelf.clone()).map(|it| Arc::new(Mutex::new(it))),
            shelf,
            ledger: Arc::new(Mutex::new(ledger)),
            changed,
            killed: Arc::default(),
            wanted: Arc::new(tokio::sync::watch::Sender::new(true)),
            started: Instant::now(),
        };
        debug_assert_eq!(format!("{}.{}", Worker::plural(&()), Worker::group(&())), WORKERS);
        let it = world.clone();
        world.server.on_request(move |seen| it.request(seen));
        let it = world.clone();
        world.server.on_event(move |event| it.event(event));
        let it = world.clone();
        world.server.on_write(move |write| it.write(write));
        world
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// The worker as it is stored.
    pub fn worker(&self) -> Option<Arc<serde_json::Value>> {
        self.server.object(WORKERS, NAMESPACE, NAME)
    }

    /// How old the world is.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The kinds of things that the stored worker wants, where there is an oracle that knows.
    pub fn wants(&self, object: &serde_json::Value) -> Option<Vec<String>> {
        self.oracle.as_ref().map(|it| it.lock().unwrap().wanted(object))
    }

    /// The names of the machine's annotations, where there is an oracle that knows.
    pub fn names(&self) -> Option<durable_fsm_kube::Names> {
        self.oracle.as_ref().map(|it| it.lock().unwrap().names().clone())
    }

    /// Lets there be a controller from here on, or none.
    pub fn want_controller(&self, wanted: bool) {
        self.wanted.send_replace(wanted);
    }

    /// Runs one controller after the other, for as long as the run goes on.
    pub async fn run_controllers(&self, operate: Operate) {
        let mut wanted = self.wanted.subscribe();
        for (number, name) in CONTROLLERS.iter().enumerate() {
            let _ = wanted.wait_for(|it| *it).await;
            self.ledger().alive = Some((*name).to_owned());
            let client = self.server.client_named(name);
            let controller = operate(client, self.shelf.clone(), number as u64 + 1);
            let died = tokio::select! {
                biased;
                () = self.killed.notified() => true,
                _ = wanted.wait_for(|it| !*it) => false,
                () = controller => unreachable!("a controller runs until it dies"),
            };
            self.ledger().alive = None;
            if died {
                tokio::time::sleep(RESTART).await;
            }
        }
        panic!("there are no more than {} controllers", CONTROLLERS.len());
    }

    /// What becomes of a request.
    fn request(&self, seen: &Seen) -> Served {
        let is_controllers = CONTROLLERS.contains(&&*seen.client);
        if !is_controllers {
            return Served::None;
        }
        let fault = {
            let mut ledger = self.ledger();
            if ledger.alive.as_deref() != Some(&*seen.client) {
                return Served::Hang;
            }
            assert!(seen.sequence < RESTLESS, "a controller never rests: {} requests", seen.sequence);
            let kind = place::kind_of(seen, ledger.versions.len());
            ledger.come_by(place::name_of(seen), kind, self.worker().is_some(), self.now())
        };
        match fault {
            None => Served::None,
            Some(fault) => self.strike(fault, seen),
        }
    }

    fn strike(&self, fault: Fault, seen: &Seen) -> Served {
        match fault {
            Fault::Previous => Served::ReadAt(self.version(<[u64]>::last) - 1),
            Fault::First => Served::ReadAt(self.version(<[u64]>::first)),
            Fault::Unborn => Served::ReadAt(self.version(<[u64]>::first) - 1),
            Fault::Crash | Fault::CrashAfter => {
                self.ledger().alive = None;
                self.killed.notify_one();
                if fault == Fault::Crash { Served::Hang } else { Served::HangReply }
            }
            Fault::LoseReply => Served::LoseReply,
            Fault::LoseRequest => Served::LoseRequest,
            Fault::RefuseConnection => Served::RefuseConnection,
            Fault::Late => Served::ServeLate(When::After(LATE)),
            Fault::Label => self.meddle(&json!({ "metadata": { "labels": { "edited": "meanwhile" } } })),
            Fault::Edit => self.meddle(&json!({ "spec": { "skills": ["meanwhile"] } })),
            Fault::Throttle => Served::Answer(Refusal::too_many_requests(1)),
            Fault::Unavailable => Served::Answer(Refusal::unavailable()),
            Fault::Expired => Served::Answer(Refusal::expired()),
            Fault::Invalid => Served::Answer(Refusal::invalid("spec.skills", "not now")),
            Fault::TooLong => {
                let because = ("FieldValueTooLong", "metadata.annotations", "must have at most 262144 bytes");
                Served::Answer(Refusal::new(422, "Invalid", "too long").because(because.0, because.1, because.2))
            }
            Fault::TooLarge => Served::Answer(Refusal::new(413, "RequestEntityTooLarge", "limit is 3145728")),
            Fault::Strip => {
                self.ledger().stripped = Some(seen.sequence);
                Served::strip_annotations("test.durable-fsm.io/")
            }
            Fault::Revert => {
                let stored = self.worker();
                let was = stored.map_or_else(|| json!({}), |it| it["metadata"]["annotations"].clone());
                Served::Change(Arc::new(move |object| object["metadata"]["annotations"] = was.clone()))
            }
            Fault::Drop | Fault::Merge | Fault::Disconnect | Fault::Expire => {
                unreachable!("{fault} is a fault of events")
            }
        }
    }

    /// Lets somebody else be faster.
    fn meddle(&self, patch: &serde_json::Value) -> Served {
        if let Err(refusal) = self.server.merge("meddler", WORKERS, NAMESPACE, NAME, patch) {
            let now = self.now();
            self.ledger().wrong(now, format!("the meddler is refused: {}", refusal.message));
        }
        Served::None
    }

    fn version(&self, which: impl FnOnce(&[u64]) -> Option<&u64>) -> u64 {
        which(&self.ledger().versions).copied().unwrap_or_default()
    }

    /// What becomes of an event.
    fn event(&self, event: &SeenEvent) -> Delivery {
        let fault = {
            let mut ledger = self.ledger();
            if ledger.alive.as_deref() != Some(&*event.client) {
                return Delivery::Deliver;
            }
            let now = self.now();
            ledger.come_by(place::name_of_event(event), place::Kind::Event, self.worker().is_some(), now)
        };
        match fault {
            None => Delivery::Deliver,
            Some(Fault::Drop) => Delivery::Drop,
            Some(Fault::Merge) => Delivery::Merge,
            Some(Fault::Disconnect) => Delivery::Disconnect,
            Some(Fault::Expire) => Delivery::Expire,
            Some(fault) => unreachable!("{fault} is no fault of events"),
        }
    }

    /// Takes account of a durable write.
    fn write(&self, write: &Write) {
        let now = self.now();
        let mut ledger = self.ledger();
        if &*write.kind != WORKERS {
            return;
        }
        ledger.versions.push(write.version);
        let oracle = self.oracle.as_ref().map(|it| it.lock().unwrap());
        let record = oracle.as_ref().and_then(|it| {
            let record = annotation(write.after.as_deref()?, it.names().record())?;
            Some(record.to_owned())
        });
        if let (Some(record), Some(after)) = (&record, &write.after) {
            ledger.backup = (uid_of(after).to_owned(), record.clone());
        }
        let subresource = write.subresource.as_deref().unwrap_or_default();
        let (client, verb, version) = (&write.client, write.verb, write.version);
        let text = record.as_deref().unwrap_or("no record");
        ledger.note(now, format_args!("    {client}: {verb} {subresource} made version {version}: {text}"));
        if let Some(mut oracle) = oracle {
            let is_controllers = CONTROLLERS.contains(&&*write.client);
            let is_stripped = ledger.stripped == Some(write.request);
            for wrong in oracle.judge(write, is_controllers, is_stripped) {
                ledger.wrong(now, wrong);
            }
        }
        self.changed.notify_one();
    }

    /// Ends the world: its server no longer holds on to it.
    pub fn end(&self) {
        self.server.stop_faults();
        self.server.on_write(|_| {});
    }

    /// How many writes the controllers have made of workers.
    pub fn controllers_writes(&self) -> usize {
        let writes = self.server.history();
        let is_controllers = |it: &&Arc<Write>| CONTROLLERS.contains(&&*it.client) && &*it.kind == WORKERS;
        writes.iter().filter(is_controllers).filter(|it| it.verb != Verb::Create).count()
    }
}
