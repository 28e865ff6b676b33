//! A boxed store is a store.

use async_trait::async_trait;

use super::{Loaded, RecordId, Store, StoreError, Version};
use crate::ResourceId;

#[async_trait]
impl<S: Store + ?Sized> Store for Box<S> {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        (**self).load(id).await
    }

    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        (**self).compare_and_swap(id, expected, bytes).await
    }

    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        (**self).remove(id, expected).await
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        (**self).list(machine).await
    }

    fn room(&self, id: &RecordId, version: &Version) -> Option<usize> {
        (**self).room(id, version)
    }

    fn exclusive(&self) -> bool {
        (**self).exclusive()
    }

    fn uid_of(&self, version: &Version) -> Option<String> {
        (**self).uid_of(version)
    }
}
