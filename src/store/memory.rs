//! A store in memory, for tests. Invariant: no version is ever issued twice, by any of its records.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Catalogue, Loaded, RecordId, Signals, Store, StoreError, Version};
use crate::ResourceId;

/// Records in memory, with the means to play a cluster: signals, marks and witnesses. Every clone is the same store.
///
/// Nothing in it is durable: it lives as long as its last clone.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<RecordId, Entry>,
    /// The last version issued, and how often something was written or removed.
    version: u64,
    writes: u64,
    limit: Option<usize>,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    bytes: Option<Vec<u8>>,
    version: u64,
    marked: bool,
    witness: Option<u64>,
    signals: Signals,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses records of more than `bytes` bytes, in every clone from here on.
    #[must_use]
    pub fn with_limit(self, bytes: usize) -> Self {
        self.inner().limit = Some(bytes);
        self
    }

    /// How often a record was written or removed.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.inner().writes
    }

    /// Sets what is wanted of a resource, as a cluster would tell it with the next answer.
    pub fn set_signals(&self, id: &RecordId, signals: Signals) {
        self.inner().entries.entry(id.clone()).or_default().signals = signals;
    }

    /// Sets what stands outside the record: the mark that there was one, and the mirrored sequence number.
    pub fn set_signs(&self, id: &RecordId, marked: bool, witness: Option<u64>) {
        let mut inner = self.inner();
        let entry = inner.entries.entry(id.clone()).or_default();
        entry.marked = marked;
        entry.witness = witness;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn loaded(&self) -> Loaded {
        Loaded {
            bytes: self.bytes.clone(),
            version: Version::new(self.version.to_string()),
            marked: self.marked,
            witness: self.witness,
            signals: self.signals,
        }
    }
}

impl Inner {
    /// Changes an entry, if its version is still the expected one. It then has one that was never issued.
    fn change(
        &mut self,
        id: &RecordId,
        expected: &Version,
        change: impl FnOnce(&mut Entry),
    ) -> Result<Loaded, StoreError> {
        let entry = match self.entries.get_mut(id) {
            Some(entry) => entry,
            None => self.entries.entry(id.clone()).or_default(),
        };
        if expected.token().parse() != Ok(entry.version) {
            return Err(StoreError::Conflict);
        }
        self.version += 1;
        self.writes += 1;
        entry.version = self.version;
        change(entry);
        Ok(entry.loaded())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        Ok(self.inner().entries.get(id).map_or_else(|| Entry::default().loaded(), Entry::loaded))
    }

    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        let mut inner = self.inner();
        if let Some(limit) = inner.limit.filter(|limit| bytes.len() > *limit) {
            return Err(StoreError::TooLarge { size: bytes.len(), limit });
        }
        inner.change(id, expected, |entry| {
            let kept = entry.bytes.get_or_insert_default();
            kept.clear();
            kept.extend_from_slice(bytes);
            entry.marked = true;
        })
    }

    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        let mut inner = self.inner();
        if inner.entries.get(id).is_none_or(|entry| entry.bytes.is_none()) {
            return Err(StoreError::Conflict);
        }
        // The entry stays, as the tombstone that makes a late writer conflict.
        inner.change(id, expected, |entry| {
            entry.bytes = None;
            entry.marked = false;
            entry.witness = None;
        })?;
        Ok(())
    }

    fn room(&self, _: &RecordId, _: &Version) -> Option<usize> {
        self.inner().limit
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        let inner = self.inner();
        let kept = inner.entries.iter().filter(|(id, entry)| id.machine == machine && entry.bytes.is_some());
        let mut kept: Vec<ResourceId> = kept.map(|(id, _)| id.resource.clone()).collect();
        kept.sort();
        Ok(kept)
    }
}

#[async_trait]
impl Catalogue for MemoryStore {
    async fn machines(&self) -> Result<Vec<String>, StoreError> {
        let machines: BTreeSet<String> = self.inner().entries.keys().map(|id| id.machine.clone()).collect();
        Ok(machines.into_iter().collect())
    }
}
