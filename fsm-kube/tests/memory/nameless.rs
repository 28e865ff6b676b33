//! A store that does not tell whose record it is.

use async_trait::async_trait;
use durable_fsm::{Loaded, RecordId, ResourceId, Store, StoreError, Version};
use durable_fsm_kube::AnnotationStore;

pub struct Nameless(pub AnnotationStore);

#[async_trait]
impl Store for Nameless {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        self.0.load(id).await
    }
    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        self.0.compare_and_swap(id, expected, bytes).await
    }
    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        self.0.remove(id, expected).await
    }
    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.0.list(machine).await
    }
}
