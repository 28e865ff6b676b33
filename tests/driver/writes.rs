//! Writes that fail, and writes whose outcome is unknown.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use durable_fsm::store::MemoryStore;
use durable_fsm::{Loaded, Outcome, RecordId, ResourceId, Store, StoreError, Version};

use crate::machine::{Thing, ThingRunner};
use crate::world::{Bench, Provider};

/// What comes of a write.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Write {
    /// It is done.
    Done,
    /// It is done, and the reply is lost.
    ReplyLost,
    /// It is not done, and the reply is lost.
    RequestLost,
    /// It is not done, and neither is the read that asks for it.
    AllLost,
    /// Somebody pauses the resource before it, and the reply is lost.
    Overtaken,
    /// The store is not there.
    Unavailable,
}

/// A store that does with its writes what it is told.
#[derive(Clone)]
struct Scripted {
    inner: MemoryStore,
    script: Arc<Mutex<VecDeque<Write>>>,
    is_deaf: Arc<Mutex<bool>>,
    other: ThingRunner<Provider>,
}

#[async_trait]
impl Store for Scripted {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        if std::mem::take(&mut *self.is_deaf.lock().unwrap()) {
            return Err(StoreError::Unavailable("no connection".to_owned()));
        }
        self.inner.load(id).await
    }
    async fn compare_and_swap(&self, id: &RecordId, version: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        let write = self.script.lock().unwrap().pop_front().unwrap_or(Write::Done);
        let unknown = Err(StoreError::Unknown("no answer".to_owned()));
        match write {
            Write::Done => self.inner.compare_and_swap(id, version, bytes).await,
            Write::ReplyLost => self.inner.compare_and_swap(id, version, bytes).await.and(unknown),
            Write::RequestLost => unknown,
            Write::AllLost => {
                *self.is_deaf.lock().unwrap() = true;
                unknown
            }
            Write::Overtaken => {
                drop(self.other.pause(&id.resource).await.unwrap());
                unknown
            }
            Write::Unavailable => Err(StoreError::Unavailable("no connection".to_owned())),
        }
    }
    async fn remove(&self, id: &RecordId, version: &Version) -> Result<(), StoreError> {
        self.inner.remove(id, version).await
    }
    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.inner.list(machine).await
    }
}

fn thing() -> Thing {
    Thing::new("web:1", &[])
}

type Ended = Result<Outcome<crate::machine::ThingState>, StoreError>;

/// One pass whose writes are answered like this; those that follow are done.
async fn pass(writes: &[Write]) -> (Bench, Ended) {
    let bench = Bench::new();
    let script = Arc::new(Mutex::new(writes.iter().copied().collect()));
    let (inner, other) = (bench.store.clone(), bench.runner.clone());
    let store = Scripted { inner, script: Arc::clone(&script), is_deaf: Arc::default(), other };
    let runner = ThingRunner::builder(bench.provider.clone(), store).clock(bench.clock.clone()).build();
    let ended = runner.reconcile(&thing()).await;
    assert!(script.lock().unwrap().is_empty(), "each of them came to pass");
    (bench, ended)
}

/// What a pass writes when nothing goes wrong.
async fn clean() -> (u64, Vec<String>) {
    let (bench, ended) = pass(&[]).await;
    assert!(matches!(ended, Ok(Outcome::Resting(_))));
    (bench.store.writes(), bench.provider.calls())
}

#[tokio::test]
async fn a_write_that_is_found_to_be_done_is_not_done_again() {
    for before in [&[][..], &[Write::Done][..]] {
        let (bench, ended) = pass(&[before, &[Write::ReplyLost]].concat()).await;
        assert!(matches!(ended, Ok(Outcome::Resting(_))));
        assert_eq!((bench.store.writes(), bench.provider.calls()), clean().await);
        assert_eq!(bench.clock.elapsed(), Duration::ZERO);
    }
}

#[tokio::test]
async fn a_write_that_is_found_not_to_be_done_is_tried_six_times() {
    for lost in [Write::RequestLost, Write::AllLost] {
        let (bench, ended) = pass(&[lost; 5]).await;
        assert!(matches!(ended, Ok(Outcome::Resting(_))), "{lost:?}");
        assert_eq!((bench.store.writes(), bench.provider.calls()), clean().await);
        assert_eq!(bench.clock.elapsed(), Duration::from_millis(100 + 200 + 400 + 800 + 1600));
        let (bench, ended) = pass(&[lost; 6]).await;
        match (lost, ended) {
            (Write::RequestLost, Err(StoreError::Unknown(_))) | (Write::AllLost, Err(StoreError::Unavailable(_))) => {}
            (_, ended) => panic!("{lost:?} ends in {:?}", ended.map(|outcome| outcome.requeue_after())),
        }
        assert_eq!((bench.store.writes(), bench.provider.calls()), (0, Vec::new()));
    }
}

#[tokio::test]
async fn a_write_that_somebody_else_has_overtaken_gives_way() {
    // The pause finds no record before the first write, so that the second one is overtaken.
    let (bench, ended) = pass(&[Write::Done, Write::Overtaken]).await;
    assert!(matches!(ended, Ok(Outcome::Paused)));
    let record = bench.record(&thing()).await;
    assert_eq!((record.state.as_str(), record.undo.len()), ("Accounted", 1));
    assert_eq!(bench.provider.calls(), ["make_account"]);
}

#[tokio::test]
async fn a_store_that_is_not_there_is_waited_for_only_when_something_would_be_lost() {
    let (bench, ended) = pass(&[Write::Unavailable]).await;
    assert!(matches!(ended, Err(StoreError::Unavailable(_))));
    assert_eq!((bench.provider.calls(), bench.clock.elapsed()), (Vec::new(), Duration::ZERO));
    let commit = |times| [&[Write::Done][..], &vec![Write::Unavailable; times]].concat();
    let (bench, ended) = pass(&commit(5)).await;
    assert!(matches!(ended, Ok(Outcome::Resting(_))));
    assert_eq!((bench.store.writes(), bench.provider.calls()), clean().await);
    let (bench, ended) = pass(&commit(6)).await;
    assert!(matches!(ended, Err(StoreError::Unavailable(_))));
    assert!(bench.record(&thing()).await.intent.is_some(), "the intent tells the next pass");
}
