//! The conformance suite on our stores, and on stores that each break one promise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use durable_fsm::store::{FileStore, MemoryStore};
use durable_fsm::testing::{StoreFixture, check_store, store_conformance};
use durable_fsm::{Loaded, RecordId, ResourceId, Store, StoreError, Version};

struct Memory(MemoryStore);

impl StoreFixture for Memory {
    type Store = MemoryStore;
    async fn open(&mut self) -> MemoryStore {
        self.0.clone()
    }
}

#[tokio::test]
async fn the_memory_store_keeps_its_promises() {
    store_conformance(&mut Memory(MemoryStore::new())).await;
}

struct Files(tempfile::TempDir);

impl StoreFixture for Files {
    type Store = FileStore;
    async fn open(&mut self) -> FileStore {
        FileStore::open(self.0.path()).unwrap()
    }
}

#[tokio::test]
async fn the_file_store_keeps_its_promises() {
    store_conformance(&mut Files(tempfile::tempdir().unwrap())).await;
}

#[cfg(feature = "embedded")]
struct Database(tempfile::TempDir);

#[cfg(feature = "embedded")]
impl StoreFixture for Database {
    type Store = durable_fsm::store::EmbeddedStore;
    async fn open(&mut self) -> Self::Store {
        Self::Store::open(self.0.path()).unwrap()
    }
}

#[cfg(feature = "embedded")]
#[tokio::test]
async fn the_embedded_store_keeps_its_promises() {
    store_conformance(&mut Database(tempfile::tempdir().unwrap())).await;
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Bug {
    NoCompare,
    ReusedVersions,
    AbsentIsAlwaysTheSame,
    RemoveDoesNotCompare,
    RemoveForgotten,
    ReplyIsEmpty,
    NoMark,
    ListsEverything,
    ForgetsOnRestart,
    ComparesThenWrites,
}

/// Where threads that are between comparing and writing meet.
#[derive(Clone, Default)]
struct Meeting(Arc<AtomicUsize>);

impl Meeting {
    /// Returns when another thread is here too, or when none has come for a while.
    fn meet(&self) {
        let before = self.0.fetch_add(1, Ordering::SeqCst);
        for _ in 0..10_000 {
            if self.0.load(Ordering::SeqCst) > before + 1 {
                break;
            }
            std::thread::yield_now();
        }
    }
}

/// A memory store with one bug.
#[derive(Clone)]
struct Buggy(MemoryStore, Bug, Meeting);

impl Buggy {
    fn version(&self, loaded: &mut Loaded) {
        match self.1 {
            Bug::ReusedVersions => loaded.version = Version::new(loaded.bytes.as_ref().map_or(0, Vec::len).to_string()),
            Bug::AbsentIsAlwaysTheSame if loaded.bytes.is_none() => loaded.version = Version::new("absent"),
            _ => {}
        }
    }

    /// The true version behind one that a caller has.
    async fn expected(&self, id: &RecordId, expected: &Version) -> Result<Version, StoreError> {
        let mut loaded = self.0.load(id).await?;
        let real = loaded.version.clone();
        self.version(&mut loaded);
        Ok(if self.1 == Bug::NoCompare || loaded.version == *expected { real } else { Version::new("stale") })
    }
}

#[async_trait]
impl Store for Buggy {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        let mut loaded = self.0.load(id).await?;
        self.version(&mut loaded);
        Ok(loaded)
    }
    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        let mut expected = self.expected(id, expected).await?;
        if self.1 == Bug::ComparesThenWrites {
            if self.0.load(id).await?.version != expected {
                return Err(StoreError::Conflict);
            }
            self.2.meet();
            expected = self.0.load(id).await?.version;
        }
        let mut loaded = self.0.compare_and_swap(id, &expected, bytes).await?;
        self.version(&mut loaded);
        match self.1 {
            Bug::ReplyIsEmpty => loaded.bytes = None,
            Bug::NoMark => loaded.marked = false,
            _ => {}
        }
        Ok(loaded)
    }
    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        match self.1 {
            Bug::RemoveForgotten => Ok(()),
            Bug::RemoveDoesNotCompare => self.0.remove(id, &self.0.load(id).await?.version).await,
            _ => self.0.remove(id, &self.expected(id, expected).await?).await,
        }
    }
    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        let mut all = self.0.list(machine).await?;
        if self.1 == Bug::ListsEverything {
            all.push(ResourceId::new("default", "stranger"));
        }
        Ok(all)
    }
}

struct BuggyFixture(Buggy);

impl StoreFixture for BuggyFixture {
    type Store = Buggy;
    async fn open(&mut self) -> Buggy {
        if self.0.1 == Bug::ForgetsOnRestart {
            self.0.0 = MemoryStore::new();
        }
        self.0.clone()
    }
}

#[tokio::test]
async fn each_broken_promise_is_found() {
    let bugs = [
        (Bug::NoCompare, "a write with an old version is a conflict"),
        (Bug::ReusedVersions, "no version is issued twice, even for the same bytes"),
        (Bug::AbsentIsAlwaysTheSame, "a writer that is late by a whole life is a conflict"),
        (Bug::RemoveDoesNotCompare, "a removal with an old version is a conflict"),
        (Bug::RemoveForgotten, "a removal with an old version is a conflict"),
        (Bug::ReplyIsEmpty, "the answer to a write is what is stored"),
        (Bug::NoMark, "the first write sets the mark"),
        (Bug::ListsEverything, "the list has every resource with a record of that machine, once, and no other"),
        (Bug::ForgetsOnRestart, "a record survives a restart"),
        (Bug::ComparesThenWrites, "of writers at the same time exactly one wins"),
    ];
    for (bug, promise) in bugs {
        let found = check_store(&mut BuggyFixture(Buggy(MemoryStore::new(), bug, Meeting::default()))).await;
        let broken = found.expect_err(&format!("{bug:?} is not found"));
        assert_eq!(broken.promise, promise, "{bug:?}");
    }
}
