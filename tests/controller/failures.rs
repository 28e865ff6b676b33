//! Stores that fail, passes that panic, and how many passes run at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use durable_fsm::controller::{Change, Controller, Directory};
use durable_fsm::store::MemoryStore;
use durable_fsm::testing::TestClock;
use durable_fsm::{Loaded, RecordId, ResourceId, Store, StoreError, Version};

use super::tenant::{Cloud, Running, Tenant, TenantRunner, id};

/// A store that fails when it is told to.
#[derive(Clone, Default)]
struct Flaky {
    store: MemoryStore,
    fails: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
}

impl Flaky {
    fn check(&self) -> Result<(), StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::Unavailable("on strike".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Flaky {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        self.check()?;
        self.store.load(id).await
    }
    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        self.check()?;
        self.store.compare_and_swap(id, expected, bytes).await
    }
    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        self.check()?;
        self.store.remove(id, expected).await
    }
    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.check()?;
        self.store.list(machine).await
    }
}

#[tokio::test]
async fn a_store_that_fails_is_tried_again_later_and_later() {
    let (cloud, store, clock) = (Cloud::default(), Flaky::default(), TestClock::new());
    let (mut running, changes) = Running::follow(&cloud, store.clone(), &clock);
    running.settle().await;
    store.fails.store(true, Ordering::SeqCst);
    changes.send(Change::Wanted(Tenant::new("a", "1"))).unwrap();
    running.settle().await;
    let mut refused = Vec::new();
    for _ in 0..30 {
        clock.advance(Duration::from_secs(1));
        running.settle().await;
        refused.push(store.refused.load(Ordering::SeqCst));
    }
    let tries = *refused.last().unwrap();
    assert!((4..=6).contains(&tries), "1, 2, 4, 8 and 16 s, less a quarter: {refused:?}");
    store.fails.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(60));
    assert_eq!(running.outcome().await, "a: Ready");
    running.drain().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_read_at_the_start_is_waited_for() {
    let (cloud, store, clock) = (Cloud::default(), Flaky::default(), TestClock::new());
    store.fails.store(true, Ordering::SeqCst);
    let (mut running, changes) = Running::follow(&cloud, store.clone(), &clock);
    changes.send(Change::Wanted(Tenant::new("a", "1"))).unwrap();
    while clock.next().is_none() {
        tokio::task::yield_now().await;
    }
    store.fails.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(60));
    assert_eq!(running.outcome().await, "a: Ready");
    running.drain().await;
}

#[tokio::test]
async fn a_pass_that_panics_is_tried_again_and_stops_no_other() {
    let (cloud, clock) = (Cloud::default(), TestClock::new());
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        std::fs::write(folder.path().join(format!("{name}.yaml")), format!("name: {name}\n")).unwrap();
    }
    let runner = TenantRunner::builder(cloud.clone(), MemoryStore::new()).clock(clock.clone()).build();
    let controller = Controller::watch(runner, Directory::new(folder.path()));
    let panics = AtomicUsize::new(0);
    let mut running = Running::with(controller, &clock, move |id, _| {
        assert!(id.name != "b" || panics.fetch_add(1, Ordering::SeqCst) > 1, "a pass of b panics");
    });
    running.settle().await;
    assert_eq!(cloud.accounts().len(), 3);
    running.outcomes();
    clock.advance(Duration::from_secs(1));
    running.settle().await;
    assert_eq!(running.outcomes(), ["b: Ready"]);
    // The third time is well, after two seconds more, and then it is left alone.
    running.settle_in_time().await;
    assert_eq!(running.outcomes(), ["b: Ready"]);
    running.drain().await;
}

#[tokio::test]
async fn no_more_passes_run_at_once_than_are_allowed() {
    for (allowed, most) in [(1, 1), (4, 4), (0, 1)] {
        let (cloud, clock) = (Cloud::default(), TestClock::new());
        let folder = tempfile::tempdir().unwrap();
        for number in 0..20 {
            let name = format!("t{number}");
            std::fs::write(folder.path().join(format!("{name}.yaml")), format!("name: {name}\n")).unwrap();
        }
        let runner = TenantRunner::builder(cloud.clone(), MemoryStore::new()).clock(clock.clone()).build();
        let controller = Controller::watch(runner, Directory::new(folder.path())).concurrency(allowed);
        let running = Running::begin(controller, &clock);
        running.settle().await;
        assert_eq!((cloud.accounts().len(), cloud.inner().most_under_way), (20, most));
        running.drain().await;
    }
}

#[tokio::test]
async fn a_resource_that_has_to_wait_is_due_when_its_outcome_says() {
    let (cloud, clock) = (Cloud::default(), TestClock::new());
    cloud.inner().busy = Some("a".to_owned());
    let (mut running, changes) = Running::follow(&cloud, MemoryStore::new(), &clock);
    changes.send(Change::Wanted(Tenant::new("a", "1"))).unwrap();
    running.settle().await;
    assert_eq!(running.outcomes(), ["a: progressing"]);
    cloud.inner().busy = None;
    running.settle().await;
    assert_eq!(running.outcomes(), Vec::<String>::new());
    clock.advance(Duration::from_secs(10));
    running.settle().await;
    assert_eq!(running.outcomes(), ["a: Ready"]);
    running.drain().await;
}

#[tokio::test]
async fn any_store_is_taken_also_one_that_is_shared_or_boxed() {
    let stores: [Arc<dyn Store>; 2] = [Arc::new(MemoryStore::new()), Arc::new(Flaky::default())];
    for store in stores {
        let (cloud, clock) = (Cloud::default(), TestClock::new());
        let boxed: Box<dyn Store> = Box::new(store);
        let (mut running, changes) = Running::follow(&cloud, boxed, &clock);
        changes.send(Change::Wanted(Tenant::new("a", "1"))).unwrap();
        assert_eq!(running.outcome().await, "a: Ready");
        assert_eq!(running.handle.delete(&id("b")).await.unwrap_err().to_string().split(' ').next(), Some("b"));
        running.drain().await;
    }
}
