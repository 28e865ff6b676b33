//! Resources that were provisioned before there were records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_fsm::record::HeldReason;
use durable_fsm::store::MemoryStore;
use durable_fsm::{
    Each, Fsm, Import, Imported, Loaded, Lookup, Outcome, Plan, RecordId, Resource as _, ResourceId, Store, StoreError,
    Undone, Version,
};

use crate::machine::{Refused, Thing};
use crate::world::{ManualClock, Refusal};

/// An account, a room that is looked up by its tag, an e-mail, and one container for each image.
#[derive(Fsm)]
#[fsm(name = "test.io/office", version = 1, resource = Thing, import)]
pub enum OfficeFlow {
    #[fsm(initial)]
    #[transition(register -> Registered, in_doubt = repeat, undo = sign_out, timeout = "10s")]
    Wanted,
    #[transition(open_room -> Roomed, in_doubt = lookup, undo = close_room, timeout = "10s")]
    Registered { account: String },
    #[transition(send_mail -> Ready, in_doubt = hold, undo = none, timeout = "10s")]
    Roomed { room: String },
    #[fsm(resting)]
    #[transition(run, for_each = containers, in_doubt = repeat, undo = stop, timeout = "10s")]
    Ready { containers: Each<String, String> },
}

/// What was made by hand, and what is called.
#[derive(Clone, Default)]
struct Hand(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What exists: by the resource, its account, its room, and its container.
    made: BTreeMap<String, [String; 3]>,
    calls: Vec<String>,
    refuses: Option<String>,
    fails: bool,
    halfway: bool,
}

impl Hand {
    fn call(&self, call: String) {
        self.0.lock().unwrap().calls.push(call);
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }
}

impl OfficeTransitions for Hand {
    type Error = Refused;
    async fn import(&self, resource: &Thing) -> Result<Import<OfficeFlow>, Refused> {
        let state = self.0.lock().unwrap();
        if state.fails {
            return Err(Refused(Refusal::Unknown, "connection reset".to_owned()));
        }
        if let Some(why) = &state.refuses {
            return Ok(Import::Refuse(why.clone()));
        }
        let Some([account, room, container]) = state.made.get(&resource.name).cloned() else {
            return Ok(Import::Fresh);
        };
        let roomed = Wanted::start().registered(account).roomed(room);
        if state.halfway {
            return Ok(Import::At(Imported::at(roomed).owns("register").owns("open_room")));
        }
        let image = &resource.spec.image;
        let imported = Imported::at(roomed.ready()).owns("register").owns("open_room");
        Ok(Import::At(imported.owns_member("run", "containers", image, &container)))
    }
    async fn register(&self, from: Wanted, _: &OfficeAttempt) -> Result<Registered, Refused> {
        self.call("register".to_owned());
        Ok(from.registered("new".to_owned()))
    }
    async fn sign_out(&self, made: &Registered, _: &OfficeAttempt) -> Result<Undone, Refused> {
        self.call(format!("sign out {}", made.account));
        Ok(Undone::Done)
    }
    async fn open_room(&self, from: Registered, _: &OfficeAttempt) -> Result<Roomed, Refused> {
        self.call("open room".to_owned());
        Ok(from.roomed("new".to_owned()))
    }
    async fn lookup_open_room(&self, _: Registered, _: &OfficeAttempt) -> Result<Lookup<Roomed>, Refused> {
        // What was made by hand has no tag.
        Ok(Lookup::Absent)
    }
    async fn close_room(&self, made: &Roomed, _: &OfficeAttempt) -> Result<Undone, Refused> {
        self.call(format!("close {}", made.room));
        Ok(Undone::Done)
    }
    async fn send_mail(&self, from: Roomed, _: &OfficeAttempt) -> Result<Ready, Refused> {
        self.call("send mail".to_owned());
        Ok(from.ready())
    }
    fn containers(&self, _: &Ready, thing: &Thing) -> BTreeSet<String> {
        BTreeSet::from([thing.spec.image.clone()])
    }
    async fn run(&self, _: &Ready, image: &String, _: &OfficeAttempt) -> Result<String, Refused> {
        self.call(format!("run {image}"));
        Ok("new".to_owned())
    }
    async fn stop(&self, _: &Ready, _: &String, made: &String, _: &OfficeAttempt) -> Result<Undone, Refused> {
        self.call(format!("stop {made}"));
        Ok(Undone::Done)
    }
}

struct Place {
    hand: Hand,
    store: MemoryStore,
    clock: ManualClock,
    runner: OfficeRunner<Hand>,
}

impl Place {
    fn new() -> Self {
        let (hand, store, clock) = (Hand::default(), MemoryStore::new(), ManualClock::default());
        let runner = OfficeRunner::builder(hand.clone(), store.clone()).clock(clock.clone()).build();
        Self { hand, store, clock, runner }
    }

    fn has_made(&self, name: &str) {
        let made = ["account", "room", "container"].map(|it| format!("{it} of {name}"));
        self.hand.0.lock().unwrap().made.insert(name.to_owned(), made);
    }

    async fn gone(&self, thing: &Thing) {
        let deleted = Thing { deleting: true, ..thing.clone() };
        for _ in 0..20 {
            match self.runner.reconcile(&deleted).await.unwrap() {
                Outcome::Gone => return,
                Outcome::Progressing { after, .. } => self.clock.advance(after + Duration::from_millis(1)),
                _ => panic!("it stays"),
            }
        }
        panic!("it stays")
    }
}

fn thing(name: &str) -> Thing {
    Thing { name: name.to_owned(), uid: format!("uid of {name}"), ..Thing::new("web:1", &[]) }
}

#[tokio::test]
async fn a_fleet_is_taken_over_without_a_call_and_deleted_cleanly() {
    let place = Place::new();
    let fleet: Vec<Thing> = (0..1000).map(|number| thing(&format!("t{number}"))).collect();
    fleet.iter().for_each(|thing| place.has_made(&thing.name));
    for thing in &fleet {
        assert!(matches!(place.runner.reconcile(thing).await.unwrap(), Outcome::Resting(OfficeState::Ready(_))));
        assert!(matches!(place.runner.reconcile(thing).await.unwrap(), Outcome::Resting(_)));
    }
    assert_eq!(place.hand.calls(), Vec::<String>::new(), "nothing is made, changed or sent");
    assert_eq!(place.store.writes(), 1000, "and it is imported once");
    for thing in &fleet {
        place.gone(thing).await;
        let name = &thing.name;
        let undone = [
            format!("stop container of {name}"),
            format!("close room of {name}"),
            format!("sign out account of {name}"),
        ];
        assert_eq!(place.hand.calls(), undone);
    }
}

/// A resource whose first writes are overtaken, because somebody else edits a label of it.
#[derive(Clone)]
struct Edited(MemoryStore, Arc<Mutex<u32>>);

#[async_trait::async_trait]
impl Store for Edited {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        self.0.load(id).await
    }
    async fn compare_and_swap(&self, id: &RecordId, version: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        {
            let mut left = self.1.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return Err(StoreError::Conflict);
            }
        }
        self.0.compare_and_swap(id, version, bytes).await
    }
    async fn remove(&self, id: &RecordId, version: &Version) -> Result<(), StoreError> {
        self.0.remove(id, version).await
    }
    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.0.list(machine).await
    }
    /// The record is on the resource itself.
    fn uid_of(&self, _: &Version) -> Option<String> {
        Some("uid of a".to_owned())
    }
}

/// Once the import was dropped with the write that was overtaken, and everything was made and sent again.
#[tokio::test]
async fn an_import_whose_write_is_overtaken_is_asked_again() {
    for conflicts in [1, 3] {
        let (hand, clock) = (Hand::default(), ManualClock::default());
        let store = Edited(MemoryStore::new(), Arc::new(Mutex::new(conflicts)));
        let runner = OfficeRunner::builder(hand.clone(), store.clone()).clock(clock.clone()).build();
        let place = Place { hand, store: store.0.clone(), clock, runner };
        place.has_made("a");
        let thing = thing("a");
        let outcome = place.runner.reconcile(&thing).await.unwrap();
        assert!(matches!(outcome, Outcome::Resting(OfficeState::Ready(_))));
        assert_eq!((place.hand.calls(), place.store.writes()), (Vec::new(), 1), "{conflicts}");
    }
}

#[tokio::test]
async fn a_plan_says_what_would_be_taken_over_and_takes_nothing() {
    let place = Place::new();
    let thing = thing("a");
    let plan = async || place.runner.plan(&thing).await.unwrap();
    assert!(matches!(plan().await, Plan::Run { transition, .. } if transition == "register"), "nothing is there");
    place.has_made("a");
    let Plan::Import { state, owns } = plan().await else { panic!("nothing is imported") };
    let member = ("run".to_owned(), Some("web:1".to_owned()));
    assert_eq!(state, "Ready");
    assert_eq!(owns, [("register".to_owned(), None), ("open_room".to_owned(), None), member]);
    place.hand.0.lock().unwrap().refuses = Some("it is another team's".to_owned());
    assert!(matches!(plan().await, Plan::Stop(why) if why.contains("the import is refused: it is another team's")));
    place.hand.0.lock().unwrap().refuses = None;
    place.hand.0.lock().unwrap().fails = true;
    assert!(matches!(plan().await, Plan::Wait { reason, .. } if reason.contains("the import failed")));
    place.hand.0.lock().unwrap().fails = false;
    assert_eq!((place.hand.calls(), place.store.writes()), (Vec::new(), 0));
    assert!(matches!(place.runner.reconcile(&thing).await.unwrap(), Outcome::Resting(_)));
    assert_eq!(plan().await, Plan::Rest);
}

#[tokio::test]
async fn an_imported_thing_is_changed_like_every_other() {
    let place = Place::new();
    let thing = thing("a");
    place.has_made("a");
    let _ = place.runner.reconcile(&thing).await.unwrap();
    let record = place.runner.inspect(&thing.id()).await.unwrap().unwrap();
    assert!(record.undo.iter().all(|it| it.imported && !it.clean));
    assert_eq!((record.took, record.undo.len()), (vec!["send_mail".to_owned()], 3));
    let edited = Thing { spec: Thing::new("web:2", &[]).spec, ..thing };
    for _ in 0..5 {
        if let Outcome::Progressing { after, .. } = place.runner.reconcile(&edited).await.unwrap() {
            place.clock.advance(after + Duration::from_millis(1));
        }
    }
    assert_eq!(place.hand.calls(), ["run web:2", "stop container of a"]);
}

#[tokio::test]
async fn what_has_a_record_or_is_fresh_is_not_imported() {
    let place = Place::new();
    let thing = thing("a");
    assert!(matches!(place.runner.reconcile(&thing).await.unwrap(), Outcome::Resting(_)));
    assert_eq!(place.hand.calls(), ["register", "open room", "send mail", "run web:1"]);
    place.has_made("a");
    assert!(matches!(place.runner.reconcile(&thing).await.unwrap(), Outcome::Resting(_)));
    place.gone(&thing).await;
    assert_eq!(place.hand.calls(), ["stop new", "sign out new"], "the look-up says that the room is gone");
}

#[tokio::test]
async fn nothing_is_done_for_what_is_refused_or_cannot_be_found_out() {
    let place = Place::new();
    let thing = thing("a");
    place.has_made("a");
    let held = |outcome: Outcome<OfficeState>| match outcome {
        Outcome::Held { reason, message } => (reason, message),
        _ => panic!("it goes on"),
    };
    place.hand.0.lock().unwrap().refuses = Some("it is another team's".to_owned());
    let (reason, message) = held(place.runner.reconcile(&thing).await.unwrap());
    assert!(reason == HeldReason::NotOurs && message.contains("another team's"), "{message}");
    place.hand.0.lock().unwrap().refuses = None;
    place.hand.0.lock().unwrap().fails = true;
    let Outcome::Progressing { after, reason, .. } = place.runner.reconcile(&thing).await.unwrap() else {
        panic!("it goes on")
    };
    assert!(after > Duration::ZERO && reason.contains("connection reset"), "{reason}");
    place.hand.0.lock().unwrap().fails = false;
    place.hand.0.lock().unwrap().halfway = true;
    let (_, message) = held(place.runner.reconcile(&thing).await.unwrap());
    assert!(message.contains("`send_mail` lies ahead of Roomed"), "{message}");
    assert_eq!((place.hand.calls(), place.store.writes()), (Vec::new(), 0));
}
