//! The embedded database: a crash or an error at every operation, and what it does that the file store does not.

use durable_fsm::store::{
    Catalogue as _, CopyError, EmbeddedStore, FileReader, FileStore, OpenError, Store, StoreError, copy,
};
use durable_fsm::{RecordId, ResourceId, Version};

use crate::disk::{Fault, SimulatedDisk, Survival};

const OLD: &[u8] = b"{\"the\":\"old record\"}";
const NEW: &[u8] = b"{\"the\":\"new record, which is longer\"}";

fn id(name: &str) -> RecordId {
    RecordId { machine: "test.io/thing".to_owned(), resource: ResourceId::new("default", name) }
}

fn open(disk: &SimulatedDisk) -> Result<EmbeddedStore<SimulatedDisk>, OpenError> {
    EmbeddedStore::open_on(disk.clone(), "/records")
}

async fn set(store: &impl Store, name: &str, wanted: Option<&[u8]>) -> Result<(), StoreError> {
    let loaded = store.load(&id(name)).await?;
    match wanted {
        Some(bytes) => store.compare_and_swap(&id(name), &loaded.version, bytes).await.map(drop),
        None if loaded.bytes.is_some() => store.remove(&id(name), &loaded.version).await,
        None => Ok(()),
    }
}

async fn get(store: &impl Store, name: &str) -> Option<Vec<u8>> {
    store.load(&id(name)).await.unwrap().bytes
}

/// A disk with a record that is about to change, if there is one before, and one that stays.
async fn prepared(before: Option<&[u8]>, lies: bool) -> SimulatedDisk {
    let disk = if lies { SimulatedDisk::default().that_lies() } else { SimulatedDisk::default() };
    let store = open(&disk).unwrap();
    set(&store, "stays", Some(OLD)).await.unwrap();
    set(&store, "thing", before).await.unwrap();
    disk
}

async fn crash_everywhere(before: Option<&[u8]>, wanted: Option<&[u8]>, lies: bool) -> (usize, Vec<String>) {
    let (mut crashes, mut wrong) = (0, Vec::new());
    for operation in 0.. {
        let disk = prepared(before, lies).await;
        disk.crash_at(operation);
        let answer = match open(&disk) {
            Ok(store) => set(&store, "thing", wanted).await,
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        };
        for survival in Survival::all() {
            crashes += 1;
            let at = format!("crash at {:?} with {survival:?}: {answer:?}", disk.operations().last());
            let store = match open(&disk.after_crash(survival)) {
                Ok(store) => store,
                Err(error) => {
                    wrong.push(format!("{at}, {error}"));
                    continue;
                }
            };
            let (found, stays) = (get(&store, "thing").await, get(&store, "stays").await);
            let is_legal = match &answer {
                Ok(()) => found.as_deref() == wanted,
                Err(StoreError::Unavailable(_)) => found.as_deref() == before,
                Err(_) => found.as_deref() == before || found.as_deref() == wanted,
            };
            if !is_legal || stays.as_deref() != Some(OLD) {
                wrong.push(format!("{at}, found {found:?} and {stays:?}"));
            }
        }
        if answer.is_ok() {
            return (crashes, wrong);
        }
    }
    unreachable!("the loop ends when no operation is left to crash at")
}

#[tokio::test]
async fn a_crash_of_the_database_leaves_the_old_record_or_the_new_one() {
    let mut crashes = 0;
    for (before, wanted) in [(None, Some(NEW)), (Some(OLD), Some(NEW)), (Some(OLD), None)] {
        let (count, wrong) = crash_everywhere(before, wanted, false).await;
        assert!(wrong.is_empty(), "{before:?} to {wanted:?}: {wrong:#?}");
        crashes += count;
    }
    assert!(crashes >= 300, "{crashes}");
}

#[tokio::test]
async fn a_database_on_a_disk_that_lies_is_found_out() {
    let (_, wrong) = crash_everywhere(Some(OLD), Some(NEW), true).await;
    assert!(!wrong.is_empty(), "the crash test cannot fail");
}

#[tokio::test]
async fn what_the_database_told_after_a_fault_survives_power_loss() {
    let mut faults = 0;
    for (before, wanted) in [(None, Some(NEW)), (Some(OLD), Some(NEW)), (Some(OLD), None)] {
        // EIO and ENOSPC: redb treats all alike, and the files are opened and renamed as in the other tests.
        for (errno, applied) in [(5, false), (5, true), (28, false)] {
            for operation in 0.. {
                let disk = prepared(before, false).await;
                let store = open(&disk).unwrap();
                let fault = Fault { operation, errno, applied };
                disk.fail(fault);
                let mut tries = 0;
                while let Err(error) = set(&store, "thing", wanted).await {
                    assert!(
                        matches!(error, StoreError::Unknown(_) | StoreError::Unavailable(_)),
                        "{fault:?}: {error:?}"
                    );
                    tries += 1;
                    assert!(tries < 6, "{fault:?}: it does not work again: {error}");
                }
                let (hit, at) = (disk.operations().len() > operation, disk.operations().get(operation).cloned());
                for survival in Survival::all() {
                    let found = get(&open(&disk.after_crash(survival)).unwrap(), "thing").await;
                    assert_eq!(
                        found.as_deref(),
                        wanted,
                        "{fault:?} at {at:?}, told after {tries} failures, {survival:?}"
                    );
                }
                if !hit {
                    break;
                }
                faults += 1;
                set(&store, "later", Some(NEW)).await.unwrap();
                assert_eq!(get(&store, "stays").await.as_deref(), Some(OLD));
            }
        }
    }
    assert!(faults >= 50, "{faults}");
}

#[tokio::test]
async fn a_database_whose_flush_failed_is_not_read_before_it_is_whole_again() {
    let disk = prepared(Some(OLD), false).await;
    let store = open(&disk).unwrap();
    disk.break_all(Some("sync-pages"));
    assert!(matches!(set(&store, "thing", Some(NEW)).await, Err(StoreError::Unknown(_))));
    assert!(matches!(store.load(&id("thing")).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.list(&id("thing").machine).await, Err(StoreError::Unavailable(_))));
    assert!(disk.operations().len() < 500);
    disk.break_all(None);
    let told = get(&store, "thing").await;
    for survival in Survival::all() {
        assert_eq!(get(&open(&disk.after_crash(survival)).unwrap(), "thing").await, told, "{survival:?}");
    }
}

#[tokio::test]
async fn a_database_that_was_moved_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path()).unwrap();
    set(&store, "thing", Some(OLD)).await.unwrap();
    assert!(matches!(EmbeddedStore::open(directory.path()), Err(OpenError::Locked(_))));
    assert!(matches!(FileStore::open(directory.path()), Err(OpenError::Locked(_))), "nor are files kept beside it");
    let (file, away) = (directory.path().join("records.redb"), directory.path().join("away"));
    std::fs::rename(&file, &away).unwrap();
    for refused in [set(&store, "thing", Some(NEW)).await, store.load(&id("thing")).await.map(drop)] {
        let Err(StoreError::Refused(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains("was moved or replaced"), "{why}");
    }
    std::fs::rename(&away, &file).unwrap();
    set(&store, "thing", Some(NEW)).await.unwrap();
    drop(store);
    let again = EmbeddedStore::open(directory.path()).unwrap();
    assert_eq!(get(&again, "thing").await.as_deref(), Some(NEW));
}

#[tokio::test]
async fn writers_of_the_database_share_commits() {
    let disk = SimulatedDisk::default();
    let store = open(&disk).unwrap();
    // The first commit does not end before all others have been sent.
    let held = disk.hold_pages();
    let before = store.commits();
    let (ids, absent) = ((0..64).map(|number| id(&format!("n{number}"))).collect::<Vec<_>>(), Version::new("absent 0"));
    let mut writing: Vec<_> = ids.iter().map(|id| store.compare_and_swap(id, &absent, NEW)).collect();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for write in &mut writing {
        assert!(write.as_mut().poll(&mut context).is_pending());
    }
    drop(held);
    for write in writing {
        write.await.unwrap();
    }
    assert!(store.commits() - before <= 3, "{} commits for 64 writes", store.commits() - before);
    for survival in Survival::all() {
        let listed = open(&disk.after_crash(survival)).unwrap().list(&id("").machine).await.unwrap();
        assert_eq!(listed.len(), 64);
    }
}

#[tokio::test]
async fn a_write_whose_caller_has_gone_is_still_done() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path()).unwrap();
    let absent = store.load(&id("thing")).await.unwrap().version;
    {
        let thing = id("thing");
        let mut writing = Box::pin(store.compare_and_swap(&thing, &absent, NEW));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        drop(writing.as_mut().poll(&mut context));
    }
    drop(store);
    let again = EmbeddedStore::open(directory.path()).unwrap();
    assert_eq!(get(&again, "thing").await.as_deref(), Some(NEW), "a store ends when its writes are done");
}

#[tokio::test]
async fn a_backup_is_taken_while_the_store_is_used_and_can_be_restored() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path().join("live")).unwrap();
    set(&store, "thing", Some(OLD)).await.unwrap();
    let file = directory.path().join("backup.redb");
    store.backup(&file).await.unwrap();
    set(&store, "thing", Some(NEW)).await.unwrap();
    let again = store.backup(&file).await.unwrap_err();
    assert!(again.to_string().contains("there is a file of that name"), "{again}");
    let nowhere = store.backup(directory.path().join("nothing/backup.redb")).await.unwrap_err();
    assert!(nowhere.to_string().contains("cannot write the backup"), "{nowhere}");
    let restored = directory.path().join("restored");
    std::fs::create_dir(&restored).unwrap();
    std::fs::rename(&file, restored.join("records.redb")).unwrap();
    assert_eq!(get(&EmbeddedStore::open(&restored).unwrap(), "thing").await.as_deref(), Some(OLD));
    assert_eq!(get(&store, "thing").await.as_deref(), Some(NEW));
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test]
async fn records_go_from_files_to_a_database_and_back() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let files = FileStore::open(at("files")).unwrap();
    for number in 0..150 {
        set(&files, &format!("n{number}"), Some(format!("{{\"n\":{number}}}").as_bytes())).await.unwrap();
    }
    drop(files);
    let database = EmbeddedStore::open(at("database")).unwrap();
    assert_eq!(copy(FileReader::open(at("files")).unwrap(), database.clone()).await.unwrap(), 150);
    assert_eq!(
        copy(FileReader::open(at("files")).unwrap(), database.clone()).await.unwrap(),
        150,
        "it can be repeated"
    );
    assert_eq!(database.machines().await.unwrap(), ["test.io/thing"]);
    assert_eq!(copy(database.clone(), FileStore::open(at("back")).unwrap()).await.unwrap(), 150);
    let back = FileReader::open(at("back")).unwrap();
    for number in 0..150 {
        assert_eq!(get(&back, &format!("n{number}")).await.unwrap(), format!("{{\"n\":{number}}}").into_bytes());
    }
    set(&database, "n7", Some(OLD)).await.unwrap();
    let differs = copy(back, database.clone()).await.unwrap_err();
    assert_eq!(differs, CopyError::Differs(id("n7")));
    assert_eq!(get(&database, "n7").await.as_deref(), Some(OLD), "nothing is written over");
}
