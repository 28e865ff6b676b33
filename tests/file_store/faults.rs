//! Each operation fails once, with each errno, and the computer goes on: what was acknowledged is durable, and everything works again.

use durable_fsm::store::{FileStore, Store, StoreError};
use durable_fsm::{RecordId, ResourceId};

use crate::disk::{Fault, SimulatedDisk, Survival};

/// EIO, EACCES, EMFILE, ENOSPC, EROFS.
const ERRNOS: [i32; 5] = [5, 13, 24, 28, 30];

const OLD: &[u8] = b"{\"the\":\"old record\"}";
const NEW: &[u8] = b"{\"the\":\"new record, which is longer\"}";

fn id() -> RecordId {
    RecordId { machine: "test.io/thing".to_owned(), resource: ResourceId::new("default", "thing") }
}

/// What is found after the power was lost, with as little of what was not durable as may be.
async fn after_power_loss(disk: &SimulatedDisk) -> Vec<Option<Vec<u8>>> {
    let mut found = Vec::new();
    for survival in Survival::all() {
        let store = FileStore::open_on(disk.after_crash(survival), "/records").unwrap();
        found.push(store.load(&id()).await.unwrap().bytes);
    }
    found
}

/// Writes or removes as the driver does, until the store says that it is done: after an answer that leaves it open, the record is asked.
async fn carry_through(store: &FileStore<SimulatedDisk>, wanted: Option<&[u8]>) -> Result<u32, String> {
    for tries in 1..=6 {
        let Ok(loaded) = store.load(&id()).await else { continue };
        if loaded.bytes.as_deref() == wanted {
            return Ok(tries);
        }
        let done = match wanted {
            Some(bytes) => store.compare_and_swap(&id(), &loaded.version, bytes).await.map(drop),
            None => store.remove(&id(), &loaded.version).await,
        };
        match done {
            Ok(()) => return Ok(tries),
            Err(StoreError::Unknown(_) | StoreError::Unavailable(_)) => {}
            Err(error) => return Err(format!("{error:?}")),
        }
    }
    Err("it does not work again".to_owned())
}

async fn explore(before: Option<&[u8]>, wanted: Option<&[u8]>) -> usize {
    let mut faults = 0;
    for errno in ERRNOS {
        for applied in [false, true] {
            for operation in 0.. {
                let disk = SimulatedDisk::default();
                let store = FileStore::open_on(disk.clone(), "/records").unwrap();
                if let Some(bytes) = before {
                    let version = store.load(&id()).await.unwrap().version;
                    store.compare_and_swap(&id(), &version, bytes).await.unwrap();
                }
                let fault = Fault { operation, errno, applied };
                disk.fail(fault);
                let tries = carry_through(&store, wanted).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
                let hit = disk.operations().len() > operation;
                let at = disk.operations().get(operation).cloned();
                for found in after_power_loss(&disk).await {
                    assert_eq!(found.as_deref(), wanted, "{fault:?} at {at:?}, told after {tries} tries");
                }
                // The store works as before, and leaves nothing behind.
                carry_through(&store, Some(b"{\"later\":1}"))
                    .await
                    .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
                assert_eq!(store.list(&id().machine).await.unwrap(), [id().resource]);
                if !hit {
                    break;
                }
                faults += 1;
            }
        }
    }
    faults
}

#[tokio::test]
async fn what_was_told_after_a_fault_survives_power_loss() {
    let faults = explore(None, Some(NEW)).await + explore(Some(OLD), Some(NEW)).await + explore(Some(OLD), None).await;
    assert!(faults >= 250, "{faults}");
}

#[tokio::test]
async fn a_record_whose_flush_failed_is_not_told_of_before_it_is_durable() {
    let disk = SimulatedDisk::default();
    let store = FileStore::open_on(disk.clone(), "/records").unwrap();
    let absent = store.load(&id()).await.unwrap().version;
    store.compare_and_swap(&id(), &absent, OLD).await.unwrap();
    disk.break_all(Some("sync-dir"));
    let old = store.load(&id()).await.unwrap();
    assert!(matches!(store.compare_and_swap(&id(), &old.version, NEW).await, Err(StoreError::Unknown(_))));
    assert!(
        matches!(store.load(&id()).await, Err(StoreError::Unavailable(_))),
        "it is open which record will be there"
    );
    disk.break_all(None);
    assert_eq!(store.load(&id()).await.unwrap().bytes.as_deref(), Some(NEW));
    assert!(after_power_loss(&disk).await.iter().all(|found| found.as_deref() == Some(NEW)));
}

#[tokio::test]
async fn what_a_killed_process_has_renamed_is_durable_before_it_is_told() {
    let disk = SimulatedDisk::default();
    let store = FileStore::open_on(disk.clone(), "/records").unwrap();
    let absent = store.load(&id()).await.unwrap().version;
    let old = store.compare_and_swap(&id(), &absent, OLD).await.unwrap().version;
    disk.break_all(Some("sync-dir"));
    store.compare_and_swap(&id(), &old, NEW).await.unwrap_err();
    drop(store);
    disk.break_all(None);
    let store = FileStore::open_on(disk.clone(), "/records").unwrap();
    let told = store.load(&id()).await.unwrap().bytes;
    assert!(after_power_loss(&disk).await.iter().all(|found| *found == told));
}

#[tokio::test]
async fn a_rename_that_fails_has_written_nothing_and_says_so() {
    let disk = SimulatedDisk::default();
    let store = FileStore::open_on(disk.clone(), "/records").unwrap();
    let absent = store.load(&id()).await.unwrap().version;
    disk.break_all(Some("rename"));
    assert!(matches!(store.compare_and_swap(&id(), &absent, NEW).await, Err(StoreError::Unavailable(_))));
    assert_eq!(store.load(&id()).await.unwrap().version, absent, "and the version has not moved");
    disk.break_all(None);
    store.compare_and_swap(&id(), &absent, NEW).await.unwrap();
}

#[tokio::test]
async fn a_root_that_was_moved_is_left_alone() {
    let disk = SimulatedDisk::default();
    let store = FileStore::open_on(disk.clone(), "/records").unwrap();
    let absent = store.load(&id()).await.unwrap().version;
    disk.replace_root();
    let Err(StoreError::Refused(why)) = store.compare_and_swap(&id(), &absent, NEW).await else { panic!("written") };
    assert!(why.contains("/records was moved or replaced"), "{why}");
    assert!(matches!(store.load(&id()).await, Err(StoreError::Refused(_))));
    assert!(matches!(store.remove(&id(), &absent).await, Err(StoreError::Refused(_))));
}

/// Writers of one directory share its flush, and none is answered before a flush that began after its own rename.
#[test]
fn writers_of_different_records_share_a_flush() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let disk = SimulatedDisk::default();
    let flushed = runtime.block_on(async {
        let store = FileStore::open_on(disk.clone(), "/records").unwrap();
        let absent = store.load(&id()).await.unwrap().version;
        store.compare_and_swap(&id(), &absent, OLD).await.unwrap();
        disk.hold_flushes(16);
        let writers: Vec<_> = (0..16)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move {
                    let id = RecordId { resource: ResourceId::new("default", format!("n{number}")), ..id() };
                    let absent = store.load(&id).await.unwrap().version;
                    store.compare_and_swap(&id, &absent, NEW).await.unwrap();
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        disk.operations().iter().filter(|operation| *operation == "sync-dir /records/test%2eio%2fthing/default").count()
    });
    assert!((2..=4).contains(&flushed), "{flushed} flushes for 16 writes");
    let rebooted = disk.after_crash(Survival::all()[0]);
    let store = FileStore::open_on(rebooted, "/records").unwrap();
    assert_eq!(runtime.block_on(store.list(&id().machine)).unwrap().len(), 17);
}
