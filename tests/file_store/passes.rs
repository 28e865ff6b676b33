//! Passes on a disk that fails: they end, and what they report is durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use durable_fsm::store::FileStore;
use durable_fsm::{Class, Classify, Clock, Fsm, Outcome, Resource, ResourceId, StoreError};

use crate::disk::SimulatedDisk;

#[derive(Clone)]
struct Lamp;

impl Resource for Lamp {
    type Spec = ();
    fn id(&self) -> ResourceId {
        ResourceId::new("default", "lamp")
    }
    fn uid(&self) -> &str {
        "uid-1"
    }
    fn spec(&self) -> &() {
        &()
    }
}

/// One effect that cannot be repeated.
#[derive(Fsm)]
#[fsm(name = "test.io/lamp", version = 1, resource = Lamp)]
enum LampFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(light -> Lit, in_doubt = hold, undo = none, timeout = "10s")]
    Dark,
    /// It is lit.
    #[fsm(resting)]
    Lit { at: u32 },
}

/// A provider that counts, and never fails.
#[derive(Clone, Default)]
struct Provider(Arc<AtomicU32>);

#[derive(Debug, thiserror::Error)]
#[error("it never fails")]
struct Never;

impl Classify for Never {
    fn classify(&self) -> Class {
        Class::Unknown
    }
}

impl LampTransitions for Provider {
    type Error = Never;
    async fn light(&self, from: Dark, _attempt: &LampAttempt) -> Result<Lit, Never> {
        Ok(from.lit(self.0.fetch_add(1, Ordering::SeqCst)))
    }
}

/// A clock on which every sleep is over at once, and counted.
#[derive(Clone, Default)]
struct Slept(Arc<AtomicU32>);

impl Clock for Slept {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.monotonic()
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst).into())
    }
    fn sleep(&self, time: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.fetch_add(u32::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }
    fn chance(&self) -> u64 {
        1
    }
}

#[tokio::test]
async fn a_disk_on_which_one_operation_always_fails_ends_every_pass() {
    for broken in ["rename", "sync-dir", "sync", "write", "create", "stamp", "read", "is-dir", "is-locked", "remove"] {
        let disk = SimulatedDisk::default();
        let (provider, clock) = (Provider::default(), Slept::default());
        let store = FileStore::open_on(disk.clone(), "/records").unwrap();
        let runner = LampRunner::builder(provider.clone(), store).clock(clock.clone()).build();
        disk.break_all(Some(broken));
        for _ in 0..3 {
            let ended = runner.reconcile(&Lamp).await;
            let is_error = matches!(ended, Err(StoreError::Unavailable(_) | StoreError::Unknown(_)));
            assert!(is_error, "{broken}: {:?}", ended.err());
        }
        assert_eq!(provider.0.load(Ordering::SeqCst), 0, "{broken}: no effect without a durable intent");
        assert!(disk.operations().len() < 500, "{broken}: {} operations", disk.operations().len());
        disk.break_all(None);
        let mended = runner.reconcile(&Lamp).await.unwrap();
        assert!(matches!(mended, Outcome::Resting(_)), "{broken}: again in {:?}", mended.requeue_after());
        assert_eq!(provider.0.load(Ordering::SeqCst), 1, "{broken}");
    }
}
