//! A store of the author's own, and what a controller is told by it. Invariant: nothing is changed on the way.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Core, Sim};
use crate::record::HeldReason;
use crate::testing::oracle::{Oracle, Violation};
use crate::testing::plan::Fault;
use crate::{Loaded, RecordId, ResourceId, Store, StoreError, Version};

pub(crate) struct Observed {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sim: Sim,
}

#[async_trait]
impl Store for Observed {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        let loaded = self.store.load(id).await?;
        let mut core = self.sim.core();
        core.has_loaded(&loaded);
        core.tell(&loaded.signals);
        Ok(loaded)
    }

    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        let loaded = self.store.compare_and_swap(id, expected, bytes).await?;
        self.sim.core().tell(&loaded.signals);
        Ok(loaded)
    }

    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        {
            let mut core = self.sim.core();
            if let Some(why) = core.is_kept_away() {
                core.violate(Violation::new(Oracle::Finalizer, format!("the record is to be removed: {why}")));
            }
        }
        self.store.remove(id, expected).await
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.store.list(machine).await
    }

    fn exclusive(&self) -> bool {
        self.store.exclusive()
    }

    fn uid_of(&self, version: &Version) -> Option<String> {
        self.store.uid_of(version)
    }
}

impl Core {
    /// What a controller has read, and what that is a reason for.
    fn has_loaded(&mut self, loaded: &Loaded) {
        let actor = self.actor;
        self.stored.poisoned[actor] = self.stored.tampered.is_some();
        if let Some(tampered) = &self.stored.tampered {
            self.books.may_hold(tampered.reason);
        }
        // Where a record was not kept, its mark can be left.
        let unkept = self.plan.iter().any(|planned| planned.fired && planned.fault == Fault::NotKept);
        if unkept && loaded.marked && loaded.bytes.is_none() {
            self.books.may_hold(HeldReason::RecordLost);
        }
    }
}
