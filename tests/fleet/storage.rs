//! The store of all releases. Invariant: each durable write is compared with what exists, before anything else happens.

use async_trait::async_trait;
use durable_fsm::record::Record;
use durable_fsm::store::MemoryStore;
use durable_fsm::{Loaded, RecordId, ResourceId, Store, StoreError, Version};

use crate::cloud::Cloud;
use crate::driven::drive;

/// Every clone is the same store.
#[derive(Clone)]
pub struct Storage {
    store: MemoryStore,
    cloud: Cloud,
}

impl Storage {
    pub fn of(cloud: &Cloud) -> Self {
        Self { store: MemoryStore::new(), cloud: cloud.clone() }
    }

    /// The record as it was written, by whichever release.
    pub fn record(&self, machine: &str, resource: ResourceId) -> Option<Record> {
        let id = RecordId { machine: machine.to_owned(), resource };
        let bytes = drive(self.store.load(&id), None)?.ok()?.bytes?;
        serde_json::from_slice(&bytes).ok()
    }

    pub fn writes(&self) -> u64 {
        self.store.writes()
    }
}

#[async_trait]
impl Store for Storage {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        self.store.load(id).await
    }

    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        let written = self.store.compare_and_swap(id, expected, bytes).await?;
        let record: Record = serde_json::from_slice(bytes).expect("a record");
        self.cloud.audit(&id.resource.name, Some(&record));
        Ok(written)
    }

    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        self.store.remove(id, expected).await?;
        self.cloud.audit(&id.resource.name, None);
        Ok(())
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.store.list(machine).await
    }
}
