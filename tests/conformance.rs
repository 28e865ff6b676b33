//! The conformance suite on our stores, and on stores that each break one promise.

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
}

/// A memory store with one bug.
#[derive(Clone)]
struct Buggy(MemoryStore, Bug);

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
        let expected = self.expected(id, expected).await?;
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
        (Bug::ReusedVersions, "no version is issued twice, also not for the same bytes"),
        (Bug::AbsentIsAlwaysTheSame, "a writer that is late by a whole life is a conflict"),
        (Bug::RemoveDoesNotCompare, "a removal with an old version is a conflict"),
        (Bug::RemoveForgotten, "a removal with an old version is a conflict"),
        (Bug::ReplyIsEmpty, "the answer to a write is what is stored"),
        (Bug::NoMark, "the first write sets the mark"),
        (Bug::ListsEverything, "the list has every resource with a record of that machine, once, and no other"),
        (Bug::ForgetsOnRestart, "a record survives a restart"),
    ];
    for (bug, promise) in bugs {
        let found = check_store(&mut BuggyFixture(Buggy(MemoryStore::new(), bug))).await;
        let broken = found.expect_err(&format!("{bug:?} is not found"));
        assert_eq!(broken.promise, promise, "{bug:?}");
    }
}
