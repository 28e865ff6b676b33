//! The store of one pass: tells of each durable write, and counts writes that met a conflict. Invariant: it answers as the store itself would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::board::Board;
use crate::{Loaded, RecordId, ResourceId, Store, StoreError, Version};

/// How many writes of a pass met a conflict.
#[derive(Debug, Clone, Default)]
pub(super) struct Conflicts(Arc<AtomicU64>);

impl Conflicts {
    #[cfg(feature = "metrics")]
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A store that is watched.
pub(super) struct Watched {
    pub(super) store: Arc<dyn Store>,
    pub(super) conflicts: Conflicts,
    pub(super) board: Arc<Board>,
    /// The machine whose records are told of.
    pub(super) machine: &'static str,
}

impl Watched {
    fn see<R>(&self, id: &RecordId, written: Result<R, StoreError>) -> Result<R, StoreError> {
        match &written {
            Ok(_) if id.machine == self.machine => self.board.changed(&id.resource),
            Err(StoreError::Conflict) => {
                self.conflicts.0.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        written
    }
}

#[async_trait]
impl Store for Watched {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        self.store.load(id).await
    }

    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        self.see(id, self.store.compare_and_swap(id, expected, bytes).await)
    }

    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        self.see(id, self.store.remove(id, expected).await)
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.store.list(machine).await
    }

    fn room(&self, id: &RecordId, version: &Version) -> Option<usize> {
        self.store.room(id, version)
    }

    fn exclusive(&self) -> bool {
        self.store.exclusive()
    }

    fn uid_of(&self, version: &Version) -> Option<String> {
        self.store.uid_of(version)
    }
}
