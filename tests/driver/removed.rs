//! A record that is removed while a pass runs: the pass does not begin anew.

use durable_fsm::record::HeldReason;
use durable_fsm::store::MemoryStore;
use durable_fsm::{Loaded, Outcome, RecordId, ResourceId, Store, StoreError, Version};

use crate::machine::{Thing, ThingRunner};
use crate::world::Bench;

/// A store whose record is removed by somebody just before the third write.
#[derive(Clone)]
struct Removed {
    store: MemoryStore,
    /// Whether records are on the resources themselves, as annotations do.
    on_resources: bool,
    /// Whether the one who removed it also pauses the resource.
    paused: bool,
}

#[async_trait::async_trait]
impl Store for Removed {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        let mut loaded = self.store.load(id).await?;
        loaded.signals.paused = self.paused && self.store.writes() > 2;
        Ok(loaded)
    }
    async fn compare_and_swap(&self, id: &RecordId, version: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        if self.store.writes() == 2 {
            let there = self.store.load(id).await?;
            self.store.remove(id, &there.version).await?;
        }
        self.store.compare_and_swap(id, version, bytes).await
    }
    async fn remove(&self, id: &RecordId, version: &Version) -> Result<(), StoreError> {
        self.store.remove(id, version).await
    }
    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.store.list(machine).await
    }
    fn uid_of(&self, _: &Version) -> Option<String> {
        self.on_resources.then(|| "uid-1".to_owned())
    }
}

#[tokio::test]
async fn a_record_that_is_taken_off_during_a_pass_is_lost_and_not_begun_anew() {
    for (on_resources, paused) in [(true, false), (true, true), (false, false)] {
        let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
        let store = Removed { store: bench.store.clone(), on_resources, paused };
        let runner = ThingRunner::builder(bench.provider.clone(), store).clock(bench.clock.clone()).build();
        let outcome = runner.reconcile(&thing).await.unwrap();
        let calls = bench.provider.calls();
        assert_eq!(calls.iter().filter(|call| *call == "make_account").count(), 1, "{calls:?}");
        assert_eq!(bench.bytes(&thing).await, None);
        match outcome {
            Outcome::Held { reason, message } if on_resources && !paused => {
                assert_eq!(reason, HeldReason::RecordLost);
                assert!(message.contains("restore the record"), "{message}");
            }
            Outcome::Paused => assert!(paused),
            Outcome::Gone => assert!(!on_resources),
            other => panic!("{on_resources} {paused}: {:?}", other.requeue_after()),
        }
    }
}
