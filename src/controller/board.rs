//! What the last pass of each resource has told, and who listens. Invariant: a listener that is too slow loses news and is told so; it never makes a pass
//! wait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::{Position, ResourceId};

/// How many changes a listener may be behind.
const BEHIND: usize = 256;

/// What the last pass has told of a resource.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// The sequence number of the record that it is about.
    pub(super) seq: Option<u64>,
    pub(super) position: Position,
}

pub(super) struct Board {
    /// Whether it is looked at.
    is_open: AtomicBool,
    told: Mutex<BTreeMap<ResourceId, Told>>,
    news: broadcast::Sender<ResourceId>,
}

impl Board {
    pub(super) fn new() -> Self {
        Self { is_open: AtomicBool::new(false), told: Mutex::default(), news: broadcast::Sender::new(BEHIND) }
    }

    /// From here on it is kept.
    pub(super) fn open(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// A pass has ended. `told` is none if the resource is gone.
    pub(super) fn put(&self, id: &ResourceId, told: Option<Told>) {
        match told {
            Some(told) => drop(self.told().insert(id.clone(), told)),
            None => drop(self.told().remove(id)),
        }
        self.changed(id);
    }

    /// Something about the resource has changed.
    pub(super) fn changed(&self, id: &ResourceId) {
        // If there is no listener, sending fails, and nothing is lost.
        drop(self.news.send(id.clone()));
    }

    pub(super) fn get(&self, id: &ResourceId) -> Option<Told> {
        self.told().get(id).cloned()
    }

    pub(super) fn ids(&self) -> Vec<ResourceId> {
        self.told().keys().cloned().collect()
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<ResourceId> {
        self.news.subscribe()
    }

    fn told(&self) -> MutexGuard<'_, BTreeMap<ResourceId, Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
