//! A store whose answers are wrong or incomplete.

use async_trait::async_trait;
use durable_fsm::store::MemoryStore;
use durable_fsm::{Loaded, RecordId, ResourceId, Store, StoreError, Version};

/// A memory store whose answers are altered.
pub struct Altered {
    inner: MemoryStore,
    alter: Box<dyn Fn(&mut Loaded) + Send + Sync>,
    exclusive: bool,
}

impl Altered {
    /// A store that tells what it loads and writes like this.
    pub fn telling(inner: &MemoryStore, alter: impl Fn(&mut Loaded) + Send + Sync + 'static) -> Self {
        Self { inner: inner.clone(), alter: Box::new(alter), exclusive: false }
    }

    /// A store of which one process at a time may write.
    pub fn exclusive(inner: &MemoryStore) -> Self {
        Self { exclusive: true, ..Self::telling(inner, |_| {}) }
    }

    fn told(&self, mut loaded: Loaded) -> Loaded {
        (self.alter)(&mut loaded);
        loaded
    }
}

#[async_trait]
impl Store for Altered {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        Ok(self.told(self.inner.load(id).await?))
    }
    async fn compare_and_swap(&self, id: &RecordId, version: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        Ok(self.told(self.inner.compare_and_swap(id, version, bytes).await?))
    }
    async fn remove(&self, id: &RecordId, version: &Version) -> Result<(), StoreError> {
        self.inner.remove(id, version).await
    }
    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.inner.list(machine).await
    }
    fn exclusive(&self) -> bool {
        self.exclusive
    }
}
