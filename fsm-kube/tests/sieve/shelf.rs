//! What exists outside the cluster, and the provider that makes it. Invariant: a second live thing of one kind for one worker is written
//! down at the moment it is made, whatever becomes of it later.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use durable_fsm::{Class, Classify};
use tokio::sync::Notify;

/// How long the provider thinks about each call.
const LATENCY: Duration = Duration::from_millis(20);

/// One thing that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    pub kind: String,
    /// The idempotency key; empty where the provider does not take one.
    pub key: String,
    pub owner: String,
    pub worker: String,
}

#[derive(Default)]
struct Things {
    made: u64,
    calls: u64,
    live: BTreeMap<String, Thing>,
    twice: Vec<String>,
}

/// What exists. Every clone is the same.
#[derive(Clone)]
pub struct Shelf {
    things: Arc<Mutex<Things>>,
    changed: Arc<Notify>,
}

/// This provider never fails: the faults are the API server's.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Never(Infallible);

impl Classify for Never {
    fn classify(&self) -> Class {
        match self.0 {}
    }
}

impl Shelf {
    /// An empty shelf, that tells of every change.
    pub fn new(changed: Arc<Notify>) -> Self {
        Self { things: Arc::default(), changed }
    }

    fn things(&self) -> MutexGuard<'_, Things> {
        self.things.lock().unwrap()
    }

    /// Makes a thing and returns its id. What has a key is made once for each key.
    pub async fn make(&self, thing: Thing) -> String {
        tokio::time::sleep(LATENCY).await;
        let mut things = self.things();
        things.calls += 1;
        let same = |it: &Thing| it.kind == thing.kind && it.worker == thing.worker;
        if !thing.key.is_empty()
            && let Some((id, _)) = things.live.iter().find(|(_, it)| same(it) && it.key == thing.key)
        {
            return id.clone();
        }
        if let Some(id) = things.live.iter().find_map(|(id, it)| same(it).then(|| id.clone())) {
            things.twice.push(format!("{} of {} beside {id}", thing.kind, thing.worker));
        }
        things.made += 1;
        let id = format!("{}-{}", thing.kind, things.made);
        things.live.insert(id.clone(), thing);
        self.changed.notify_one();
        id
    }

    /// The thing of this kind with this owner's tag.
    pub async fn find(&self, kind: &str, owner: &str) -> Option<String> {
        tokio::time::sleep(LATENCY).await;
        let things = self.things();
        things.live.iter().find(|(_, it)| it.kind == kind && it.owner == owner).map(|(id, _)| id.clone())
    }

    /// Removes a thing; one that is not there is none the worse.
    pub async fn remove(&self, id: &str) {
        tokio::time::sleep(LATENCY).await;
        let mut things = self.things();
        things.calls += 1;
        things.live.remove(id);
        self.changed.notify_one();
    }

    /// The kinds of the things that a worker has, in order.
    pub fn kinds_of(&self, worker: &str) -> Vec<String> {
        let mut kinds: Vec<String> =
            self.things().live.values().filter(|it| it.worker == worker).map(|it| it.kind.clone()).collect();
        kinds.sort();
        kinds
    }

    /// The things that were made although the worker had one of that kind.
    pub fn twice(&self) -> Vec<String> {
        self.things().twice.clone()
    }

    /// How often something was to be made or removed.
    pub fn calls(&self) -> u64 {
        self.things().calls
    }
}
