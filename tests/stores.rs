//! What the stores do beside the promises that every store keeps.

use std::sync::Arc;

use async_trait::async_trait;
use durable_fsm::store::{Catalogue, Disk, FileOps as _, FileReader, FileStore, MemoryStore};
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
    let mut file = disk.create(&path("file")).unwrap();
    disk.create_dir(&path("directory")).unwrap();
    disk.create_dir(&path("directory")).expect("one that is there is as good as made");
    let is_dir = |name: &str| disk.is_dir(&path(name)).unwrap();
    assert!(is_dir("directory") && !is_dir("file") && !is_dir("nothing") && !is_dir("file/below"));
    assert_eq!(disk.create(&path("file")).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(disk.create_dir(&path("file")).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(disk.create_dir(&path("nothing/below")).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert!(disk.read(&path("directory")).is_err() && disk.read(&path("nothing")).unwrap().is_none());
    assert!(disk.list(&path("nothing")).unwrap().is_empty());
    disk.write(&mut file, b"four").unwrap();
    let stamp = disk.sync(&mut file).unwrap();
    assert_eq!(disk.stamp(&path("file")).unwrap(), Some(stamp));
    assert_eq!(disk.read(&path("file")).unwrap(), Some((b"four".to_vec(), stamp)));
    assert_eq!(stamp.length, 4);
    disk.sync_dir(&path("directory")).unwrap();
    assert_eq!(disk.sync_dir(&path("nothing")).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert!(!disk.is_locked(folder.path()).unwrap() && disk.lock(folder.path()).unwrap());
    assert!(disk.is_locked(folder.path()).unwrap() && !disk.is_locked(&path("directory")).unwrap());
}

#[test]
fn opening_makes_the_directories_above_and_sweeps_its_own_leftovers_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("of/many/parts");
    drop(FileStore::open(&root).unwrap());
    assert!(root.is_dir());
    let left = root.join(".tmp/17");
    std::fs::create_dir_all(root.join("machine")).unwrap();
    let kept = [root.join("machine/thing.json.tmp"), root.join("machine/thing.json"), root.join(".tmp/notes")];
    for path in kept.iter().chain([&left]) {
        std::fs::write(path, "half").unwrap();
    }
    drop(FileStore::open(&root).unwrap());
    assert!(!left.exists());
    for path in kept {
        assert!(path.exists(), "{} is another program's", path.display());
    }
}

#[tokio::test]
async fn every_clone_of_a_file_store_is_the_same_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path()).unwrap();
    let clone = store.clone();
    let absent = clone.load(&id()).await.unwrap().version;
    store.compare_and_swap(&id(), &absent, b"{}").await.unwrap();
    assert_eq!(clone.compare_and_swap(&id(), &absent, b"{}").await, Err(StoreError::Conflict));
    drop(store);
    assert!(FileStore::open(folder.path()).is_err(), "the lock lives as long as the last clone");
}

#[tokio::test]
async fn a_reader_reads_beside_the_writer_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path()).unwrap();
    let absent = store.load(&id()).await.unwrap().version;
    store.compare_and_swap(&id(), &absent, b"{\"a\":[1,2]}").await.unwrap();
    let text = std::fs::read_to_string(store.path(&id())).unwrap();
    assert_eq!(text, "{\n  \"a\": [\n    1,\n    2\n  ]\n}\n");
    let reader = FileReader::open(folder.path()).unwrap();
    let loaded = reader.load(&id()).await.unwrap();
    assert_eq!(loaded.bytes.as_deref(), Some(&b"{\"a\":[1,2]}"[..]));
    assert_eq!(reader.machines().await.unwrap(), ["test.io/thing"]);
    assert_eq!(reader.list("test.io/thing").await.unwrap(), [id().resource]);
    let refused = reader.compare_and_swap(&id(), &loaded.version, b"{}").await.unwrap_err();
    assert!(refused.to_string().contains("opened for reading"), "{refused}");
    assert!(matches!(reader.remove(&id(), &loaded.version).await, Err(StoreError::Refused(_))));
    assert!(!reader.exclusive() && FileReader::open(folder.path().join("nothing")).is_err());
}

#[tokio::test]
async fn a_catalogue_names_the_machines_of_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let (files, memory) = (FileStore::open(folder.path()).unwrap(), MemoryStore::new());
    let stores: [&dyn Catalogue; 2] = [&files, &memory];
    for store in stores {
        assert!(store.machines().await.unwrap().is_empty());
        let long = "m".repeat(900);
        for machine in [&*long, "test.io/a", "test.io/b", "", "."] {
            for name in ["x", "y"] {
                let id = RecordId { machine: machine.to_owned(), resource: ResourceId::new("", name) };
                let absent = store.load(&id).await.unwrap().version;
                store.compare_and_swap(&id, &absent, b"{}").await.unwrap();
            }
        }
        let mut machines = store.machines().await.unwrap();
        machines.sort();
        assert_eq!(machines, ["", ".", &*long, "test.io/a", "test.io/b"]);
    }
}

#[tokio::test]
async fn a_name_that_no_path_can_have_is_refused_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path()).unwrap();
    let long = RecordId { machine: "test.io/thing".to_owned(), resource: ResourceId::new("n", "x".repeat(5000)) };
    let refusals = [
        store.load(&long).await.map(drop),
        store.compare_and_swap(&long, &Version::new("0 absent"), b"{}").await.map(drop),
        store.remove(&long, &Version::new("0 absent")).await,
    ];
    for refused in refusals {
        let Err(StoreError::Refused(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains("shorten the name of the resource") && why.len() < 400, "{why}");
    }
}

/// The store's work leaves the runtime's only thread, so that other tasks go on while the disk is slow.
#[tokio::test]
async fn a_file_store_blocks_no_thread_of_the_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path()).unwrap();
    let path = store.path(&id());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    // Reading a pipe lasts until somebody writes, which another task of the same thread asks for. The time is for a store that fails.
    let (ask, asked) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        let was_asked = asked.recv_timeout(std::time::Duration::from_secs(10)).is_ok();
        std::fs::write(path, b"{}").unwrap();
        was_asked
    });
    let reading = tokio::spawn(async move { store.load(&id()).await });
    tokio::spawn(async move { ask.send(()).unwrap() });
    assert_eq!(reading.await.unwrap().unwrap().bytes.as_deref(), Some(&b"{}"[..]));
    assert!(writer.join().unwrap(), "the runtime's thread was blocked");
}

#[test]
fn a_file_store_works_outside_a_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path()).unwrap();
    let id = id();
    let mut load = std::pin::pin!(store.load(&id));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(loaded) = load.as_mut().poll(&mut context) else { panic!("it was pending") };
    assert_eq!(loaded.unwrap().bytes, None);
}
