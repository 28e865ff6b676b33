//! A crash or an error at every operation: the file always holds the old record or the new one, and what was acknowledged stays.

use durable_fsm::store::{FileStore, Store, StoreError};
use durable_fsm::{RecordId, ResourceId};

use crate::disk::{SimulatedDisk, Survival};

fn id() -> RecordId {
    RecordId { machine: "test.io/thing".to_owned(), resource: ResourceId::new("default", "thing") }
}

const OLD: &[u8] = b"{\"the\":\"old record\"}";
const NEW: &[u8] = b"{\"the\":\"new record, which is longer\"}";

/// What a change does, from a disk on which `before` stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Write,
    Remove,
}

async fn change(disk: &SimulatedDisk, change: Change) -> Result<(), StoreError> {
    let store =
        FileStore::open_on(disk.clone(), "/records").map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let version = store.load(&id()).await?.version;
    match change {
        Change::Write => store.compare_and_swap(&id(), &version, NEW).await.map(drop),
        Change::Remove => store.remove(&id(), &version).await,
    }
}

async fn prepared(before: Option<&[u8]>, lies: bool) -> SimulatedDisk {
    let disk = if lies { SimulatedDisk::default().that_lies() } else { SimulatedDisk::default() };
    if let Some(bytes) = before {
        let store = FileStore::open_on(disk.clone(), "/records").unwrap();
        let version = store.load(&id()).await.unwrap().version;
        store.compare_and_swap(&id(), &version, bytes).await.unwrap();
    }
    disk
}

/// Runs a change with a crash at every operation and gives how many crashes there were, and what was found wrong.
async fn explore(before: Option<&[u8]>, what: Change, lies: bool) -> (usize, Vec<String>) {
    let after = if what == Change::Write { Some(NEW) } else { None };
    let (mut crashes, mut wrong) = (0, Vec::new());
    for operation in 0.. {
        let disk = prepared(before, lies).await;
        disk.crash_at(operation);
        let answer = change(&disk, what).await;
        let finished = answer.is_ok();
        for survival in Survival::all() {
            crashes += 1;
            let rebooted = disk.after_crash(survival);
            let found = match FileStore::open_on(rebooted.clone(), "/records") {
                Ok(store) => store.load(&id()).await.unwrap().bytes,
                Err(error) => panic!("{error}"),
            };
            let legal = if finished {
                found.as_deref() == after
            } else if matches!(answer, Err(StoreError::Unavailable(_))) {
                found.as_deref() == before
            } else {
                found.as_deref() == before || found.as_deref() == after
            };
            if !legal {
                let found = found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                wrong.push(format!(
                    "crash at {:?} with {survival:?}: {answer:?}, found {found:?}",
                    disk.operations().last()
                ));
            }
            let listed = FileStore::open_on(rebooted, "/records").unwrap().list(&id().machine).await.unwrap();
            assert_eq!(listed.len(), usize::from(found_record(&disk, survival).await));
        }
        if finished {
            return (crashes, wrong);
        }
    }
    unreachable!("the loop ends when no operation is left to crash at")
}

async fn found_record(disk: &SimulatedDisk, survival: Survival) -> bool {
    let store = FileStore::open_on(disk.after_crash(survival), "/records").unwrap();
    store.load(&id()).await.unwrap().bytes.is_some()
}

#[tokio::test]
async fn a_crash_at_any_operation_leaves_the_old_record_or_the_new_one() {
    let mut crashes = 0;
    for (before, what) in [(None, Change::Write), (Some(OLD), Change::Write), (Some(OLD), Change::Remove)] {
        let (count, wrong) = explore(before, what, false).await;
        assert!(wrong.is_empty(), "{what:?}: {wrong:#?}");
        crashes += count;
    }
    assert!(crashes >= 300, "{crashes}");
}

#[tokio::test]
async fn a_disk_that_lies_about_fsync_is_found_out() {
    let (_, wrong) = explore(Some(OLD), Change::Write, true).await;
    assert!(!wrong.is_empty(), "the crash test cannot fail");
}

#[tokio::test]
async fn what_is_durable_already_is_left_alone() {
    let disk = prepared(Some(OLD), false).await;
    let before = disk.operations().len();
    let store = FileStore::open_on(disk.clone(), "/records").unwrap();
    let opened = disk.operations()[before..].to_vec();
    assert!(opened.iter().all(|operation| !operation.starts_with("create-dir /records/test")), "{opened:?}");
    let written = store.compare_and_swap(&id(), &store.load(&id()).await.unwrap().version, NEW).await.unwrap();
    let once = disk.operations().len();
    store.compare_and_swap(&id(), &written.version, OLD).await.unwrap();
    let again = disk.operations()[once..].to_vec();
    let names: Vec<&str> = again.iter().filter_map(|operation| operation.split(' ').next()).collect();
    assert_eq!(names, ["is-locked", "stamp", "create", "write", "sync", "rename", "sync-dir", "is-locked"]);
    // What is above the directory is somebody else's.
    let disk = SimulatedDisk::default();
    drop(FileStore::open_on(disk.clone(), "/srv/records").unwrap());
    let made = disk.operations().len();
    drop(FileStore::open_on(disk.clone(), "/srv/records").unwrap());
    let opened = disk.operations()[made..].to_vec();
    assert!(opened.iter().all(|operation| operation != "create-dir /srv" && operation != "sync-dir /"), "{opened:?}");
}
