//! What the stores do beside the promises that every store keeps.

use std::sync::Arc;

use async_trait::async_trait;
use durable_fsm::store::{Disk, FileOps as _, FileStore, MemoryStore};
use durable_fsm::{Loaded, RecordId, ResourceId, Signals, Store, StoreError, Version};

fn id() -> RecordId {
    RecordId { machine: "test.io/thing".to_owned(), resource: ResourceId::new("team", "blue") }
}

#[test]
fn a_record_is_named_by_machine_and_resource() {
    assert_eq!(id().to_string(), "test.io/thing of team/blue");
}

#[test]
fn a_file_store_is_one_process_alone_and_a_memory_store_plays_many() {
    let folder = tempfile::tempdir().unwrap();
    let files = FileStore::open(folder.path()).unwrap();
    assert!(files.exclusive());
    assert!(Store::exclusive(&Arc::new(files)), "what is shared within a process is still its own");
    assert!(!MemoryStore::new().exclusive());
    assert!(!Store::exclusive(&Arc::new(MemoryStore::new())));
    assert_eq!(MemoryStore::new().uid_of(&Version::new("1")), None, "a version of no object has no uid");
}

#[tokio::test]
async fn a_memory_store_plays_a_cluster() {
    let store = MemoryStore::new().with_limit(3);
    let absent = store.load(&id()).await.unwrap();
    let refused = store.compare_and_swap(&id(), &absent.version, b"four").await;
    assert_eq!(refused, Err(StoreError::TooLarge { size: 4, limit: 3 }));
    assert_eq!(store.writes(), 0, "what is refused is no write");
    let written = store.compare_and_swap(&id(), &absent.version, b"one").await.unwrap();
    let written = store.compare_and_swap(&id(), &written.version, b"two").await.unwrap();
    assert_eq!(store.writes(), 2);
    store.remove(&id(), &written.version).await.unwrap();
    assert_eq!(store.writes(), 3, "a removal is a write");

    let signals = Signals { deleting: true, paused: true, generation: Some(7) };
    store.set_signals(&id(), signals);
    store.set_signs(&id(), true, Some(5));
    let loaded = store.load(&id()).await.unwrap();
    assert_eq!((loaded.signals, loaded.marked, loaded.witness, loaded.bytes), (signals, true, Some(5), None));
}

/// A store whose every answer is its own.
struct Named;

#[async_trait]
impl Store for Named {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        Err(StoreError::Unavailable(format!("load {id}")))
    }
    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        Err(StoreError::Unavailable(format!("write {id} {} {}", expected.token(), bytes.len())))
    }
    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        Err(StoreError::Unavailable(format!("remove {id} {}", expected.token())))
    }
    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        Err(StoreError::Unavailable(format!("list {machine}")))
    }
    fn uid_of(&self, version: &Version) -> Option<String> {
        Some(format!("uid of {}", version.token()))
    }
}

#[tokio::test]
async fn a_shared_store_answers_as_the_store_itself() {
    let (shared, version): (Arc<dyn Store>, _) = (Arc::new(Named), Version::new("v"));
    let said = |text: &str| StoreError::Unavailable(text.to_owned());
    assert_eq!(Store::load(&shared, &id()).await, Err(said("load test.io/thing of team/blue")));
    let written = Store::compare_and_swap(&shared, &id(), &version, b"abc").await;
    assert_eq!(written, Err(said("write test.io/thing of team/blue v 3")));
    assert_eq!(Store::remove(&shared, &id(), &version).await, Err(said("remove test.io/thing of team/blue v")));
    assert_eq!(Store::list(&shared, "m").await, Err(said("list m")));
    assert_eq!(Store::uid_of(&shared, &version).as_deref(), Some("uid of v"));
}

#[test]
fn a_disk_tells_directories_from_files_and_makes_nothing_durable_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, path) = (Disk::default(), |name: &str| folder.path().join(name));
    disk.create(&path("file")).unwrap();
    disk.create_dir(&path("directory")).unwrap();
    disk.create_dir(&path("directory")).expect("one that is there is as good as made");
    assert!(disk.is_dir(&path("directory")) && !disk.is_dir(&path("file")) && !disk.is_dir(&path("nothing")));
    assert_eq!(disk.create_dir(&path("file")).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(disk.create_dir(&path("nothing/below")).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert!(disk.read(&path("directory")).is_err() && disk.read(&path("nothing")).unwrap().is_none());
    assert!(disk.list(&path("file")).is_err() && disk.list(&path("nothing")).unwrap().is_empty());
    disk.sync(&path("file")).unwrap();
    disk.sync_dir(&path("directory")).unwrap();
    assert_eq!(disk.sync(&path("nothing")).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert_eq!(disk.sync_dir(&path("nothing")).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn opening_makes_the_directories_above_and_sweeps_what_a_crash_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("of/many/parts");
    drop(FileStore::open(&root).unwrap());
    assert!(root.is_dir());
    let (left, kept) = (root.join("machine/thing.json.tmp"), root.join("machine/thing.json"));
    std::fs::create_dir(root.join("machine")).unwrap();
    std::fs::write(&left, "half").unwrap();
    std::fs::write(&kept, "whole").unwrap();
    drop(FileStore::open(&root).unwrap());
    assert!(!left.exists() && kept.exists());
}
