//! A house with rooms, and a provider that lists whose everything is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use durable_fsm::store::MemoryStore;
use durable_fsm::{Each, Fsm, Lookup, Outcome, RecordId, Resource as _, Store as _, Sweep, Tagged, Undone};

use crate::machine::{Refused, Thing};
use crate::world::{ManualClock, Refusal};

/// One step for each contract.
#[derive(Fsm)]
#[fsm(name = "test.io/yard", version = 1, resource = Thing, debug)]
pub enum YardFlow {
    #[fsm(initial)]
    #[transition(build -> Built, in_doubt = repeat, undo = raze, timeout = "10s")]
    Wanted,
    #[transition(tell -> Open, in_doubt = hold, undo = none)]
    Built { house: String },
    #[fsm(resting)]
    #[transition(add_room, for_each = rooms, in_doubt = lookup, undo = drop_room, timeout = "10s", settle = "5s")]
    #[transition(add_door, for_each = doors, in_doubt = repeat, undo = drop_door, timeout = "10s")]
    Open { rooms: Each<String, String>, doors: Each<String, String> },
}

/// Something that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub step: &'static str,
    pub subject: Option<String>,
    pub tag: String,
    pub key: String,
}

#[derive(Default)]
pub struct Plot {
    /// By id.
    pub items: BTreeMap<String, Item>,
    /// What was made under a key is answered for it again.
    keys: BTreeMap<String, String>,
    pub calls: Vec<String>,
    /// How many were told that a house is built.
    pub told: usize,
    /// What undos answer, one after the other; then that it is done.
    pub answers: Vec<Result<Undone, Refused>>,
    /// Undos do not answer while this is set.
    pub is_shut: bool,
    /// How many undos wait for their answer.
    pub waiting: usize,
    /// Whether what is listed says what is recorded of it.
    pub is_terse: bool,
    made: usize,
}

/// The provider; every clone is the same one.
#[derive(Clone, Default)]
pub struct Town(Arc<Mutex<Plot>>);

impl Town {
    pub fn plot(&self) -> MutexGuard<'_, Plot> {
        self.0.lock().unwrap()
    }

    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.plot().calls)
    }

    /// How many things a step has made that exist.
    pub fn count(&self, step: &str) -> usize {
        self.plot().items.values().filter(|item| item.step == step).count()
    }

    fn make(&self, step: &'static str, subject: Option<&str>, attempt: &YardAttempt) -> String {
        let mut plot = self.plot();
        plot.made += 1;
        let id = format!("{step} {}", plot.made);
        plot.calls.push(id.clone());
        let (tag, key) = (attempt.owner_tag().to_owned(), attempt.key().to_owned());
        plot.items.insert(id.clone(), Item { step, subject: subject.map(str::to_owned), tag, key });
        id
    }

    async fn remove(&self, id: &str) -> Result<Undone, Refused> {
        let waits = Waits::begin(self);
        while self.plot().is_shut {
            tokio::task::yield_now().await;
        }
        drop(waits);
        let mut plot = self.plot();
        plot.calls.push(format!("remove {id}"));
        let answer = if plot.answers.is_empty() { Ok(Undone::Done) } else { plot.answers.remove(0) };
        if answer.as_ref().is_ok_and(|answer| *answer == Undone::Done) {
            plot.items.remove(id);
        }
        answer
    }
}

/// An undo that waits for its answer.
struct Waits<'t>(&'t Town);

impl<'t> Waits<'t> {
    fn begin(town: &'t Town) -> Self {
        town.plot().waiting += 1;
        Self(town)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.plot().waiting -= 1;
    }
}

impl YardTransitions for Town {
    type Error = Refused;
    async fn build(&self, from: Wanted, attempt: &YardAttempt) -> Result<Built, Refused> {
        let known = self.plot().keys.get(attempt.key()).cloned();
        let id = known.unwrap_or_else(|| self.make("build", None, attempt));
        self.plot().keys.insert(attempt.key().to_owned(), id.clone());
        Ok(from.built(id))
    }
    async fn raze(&self, made: &Built, _: &YardAttempt) -> Result<Undone, Refused> {
        self.remove(&made.house).await
    }
    async fn tell(&self, from: Built, _: &YardAttempt) -> Result<Open, Refused> {
        self.plot().told += 1;
        Ok(from.open())
    }
    fn rooms(&self, _: &Open, thing: &Thing) -> BTreeSet<String> {
        thing.spec.members.clone()
    }
    async fn add_room(&self, _: &Open, room: &String, attempt: &YardAttempt) -> Result<String, Refused> {
        Ok(self.make("add_room", Some(room), attempt))
    }
    async fn lookup_add_room(&self, _: &Open, room: &String, attempt: &YardAttempt) -> Result<Lookup<String>, Refused> {
        let plot = self.plot();
        let is_it = |item: &Item| item.tag == attempt.owner_tag() && item.subject.as_ref() == Some(room);
        let found = plot.items.iter().find(|(_, item)| is_it(item));
        Ok(found.map_or(Lookup::Absent, |(id, _)| Lookup::Ours(id.clone())))
    }
    /// The provider knows keys of doors.
    fn doors(&self, _: &Open, thing: &Thing) -> BTreeSet<String> {
        thing.spec.image.strip_prefix("door:").map(str::to_owned).into_iter().collect()
    }
    async fn add_door(&self, _: &Open, door: &String, attempt: &YardAttempt) -> Result<String, Refused> {
        let known = self.plot().keys.get(attempt.key()).cloned();
        let id = known.unwrap_or_else(|| self.make("add_door", Some(door), attempt));
        self.plot().keys.insert(attempt.key().to_owned(), id.clone());
        Ok(id)
    }
    async fn drop_door(&self, _: &Open, _: &String, made: &String, _: &YardAttempt) -> Result<Undone, Refused> {
        self.remove(made).await
    }
    async fn drop_room(&self, _: &Open, _: &String, made: &String, _: &YardAttempt) -> Result<Undone, Refused> {
        self.remove(made).await
    }
}

impl Sweep for Town {
    type Error = Refused;
    fn covers(&self) -> Vec<String> {
        ["build", "add_room", "add_door"].map(str::to_owned).to_vec()
    }
    async fn list(&self) -> Result<Vec<Tagged>, Refused> {
        let plot = self.plot();
        // Who undoes a room is told of the house that it is in.
        let house_of = |tag: &String| plot.items.iter().find(|(_, item)| item.step == "build" && item.tag == *tag);
        let tagged = |(id, item): (&String, &Item)| {
            let thing = Tagged::new(item.step, &item.tag, id).keyed(&item.key);
            match &item.subject {
                Some(room) if plot.is_terse => thing.of(room),
                None if plot.is_terse => thing,
                Some(room) => {
                    let thing = thing.of(room).member(id);
                    house_of(&item.tag).map_or(thing.clone(), |(house, _)| thing.fact("house", house))
                }
                None => thing.fact("house", id),
            }
        };
        Ok(plot.items.iter().map(tagged).collect())
    }
}

/// A controller with its store, clock and provider.
pub struct Yard {
    pub town: Town,
    pub store: MemoryStore,
    pub clock: ManualClock,
    pub runner: YardRunner<Town>,
}

impl Yard {
    pub fn new() -> Self {
        Self::at(Town::default())
    }

    /// A cluster of its own at the same provider.
    pub fn at(town: Town) -> Self {
        let (store, clock) = (MemoryStore::new(), ManualClock::default());
        let runner = YardRunner::builder(town.clone(), store.clone()).clock(clock.clone()).build();
        Self { town, store, clock, runner }
    }

    /// Reconciles until there is nothing more to do.
    pub async fn settle(&self, thing: &Thing) -> Outcome<YardState> {
        for _ in 0..50 {
            match self.runner.reconcile(thing).await.unwrap() {
                Outcome::Progressing { after, .. } => self.clock.advance(after + Duration::from_millis(1)),
                outcome => return outcome,
            }
        }
        panic!("it does not settle");
    }

    pub async fn rests(&self, thing: &Thing) {
        assert!(matches!(self.settle(thing).await, Outcome::Resting(_)));
    }

    pub async fn gone(&self, thing: &Thing) {
        let deleted = Thing { deleting: true, ..thing.clone() };
        assert!(matches!(self.settle(&deleted).await, Outcome::Gone));
    }

    pub async fn bytes(&self, thing: &Thing) -> Option<Vec<u8>> {
        self.store.load(&id(thing)).await.unwrap().bytes
    }

    /// Puts this record there, or none, with everything that tells of it.
    pub async fn put(&self, thing: &Thing, bytes: Option<&[u8]>) {
        let version = self.store.load(&id(thing)).await.unwrap().version;
        match bytes {
            Some(bytes) => drop(self.store.compare_and_swap(&id(thing), &version, bytes).await.unwrap()),
            None => self.store.remove(&id(thing), &version).await.unwrap(),
        }
    }
}

pub fn id(thing: &Thing) -> RecordId {
    RecordId { machine: YardFlow::GRAPH.name.to_owned(), resource: thing.id() }
}

pub fn house(name: &str, rooms: &[&str]) -> Thing {
    Thing { name: name.to_owned(), uid: format!("uid of {name}"), ..Thing::new("web:1", rooms) }
}

pub fn refused() -> Refused {
    Refused(Refusal::Unknown, "connection reset".to_owned())
}
