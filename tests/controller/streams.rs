//! A stream of changes, wake-ups from outside and from another machine, and deletion by id.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use durable_fsm::controller::{Change, Controller, DeleteError, Directory};
use durable_fsm::store::MemoryStore;
use durable_fsm::testing::TestClock;

use super::tenant::{Cloud, Running, Tenant, TenantRunner, id};

#[tokio::test]
async fn a_stream_tells_what_is_wanted_and_what_is_not() {
    let (cloud, clock) = (Cloud::default(), TestClock::new());
    let (mut running, changes) = Running::follow(&cloud, MemoryStore::new(), &clock);
    changes.send(Change::Wanted(Tenant::new("a", "1"))).unwrap();
    changes.send(Change::Wanted(Tenant::new("b", "1"))).unwrap();
    running.settle().await;
    assert_eq!(cloud.accounts().len(), 2);
    changes.send(Change::Unwanted(id("a"))).unwrap();
    changes.send(Change::Unwanted(id("nobody"))).unwrap();
    running.settle_in_time().await;
    assert_eq!(cloud.accounts(), ["b"]);
    // Another uid is another tenant: the one before goes first.
    changes.send(Change::Wanted(Tenant::new("b", "2"))).unwrap();
    cloud.calls();
    running.settle_in_time().await;
    assert_eq!(cloud.calls(), ["close_room b", "close_account b", "open_account b", "open_room b"]);
    // The end of the stream is not the end of the resources.
    drop(changes);
    running.outcomes();
    running.handle.wake(&id("b"));
    assert_eq!(running.outcome().await, "b: Ready");
    running.drain().await;
}

#[tokio::test]
async fn after_a_restart_it_goes_on_with_what_it_knew() {
    let (cloud, clock, store) = (Cloud::default(), TestClock::new(), MemoryStore::new());
    cloud.inner().busy = Some("a".to_owned());
    let (running, changes) = Running::follow(&cloud, store.clone(), &clock);
    changes.send(Change::Wanted(Tenant::new("a", "1"))).unwrap();
    changes.send(Change::Wanted(Tenant::new("b", "1"))).unwrap();
    running.settle().await;
    running.handle.delete(&id("b")).await.unwrap();
    running.settle().await;
    assert_eq!(cloud.accounts().len(), 2, "the undo waits for late duplicates");
    running.kill().await;
    cloud.inner().busy = None;
    let (running, _changes) = Running::follow(&cloud, store, &clock);
    running.settle_in_time().await;
    assert_eq!(cloud.accounts(), ["a"]);
    assert_eq!(cloud.inner().rooms.len(), 1);
    running.drain().await;
}

#[tokio::test]
async fn a_deletion_by_id_is_refused_with_what_would_do() {
    let (cloud, clock) = (Cloud::default(), TestClock::new());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), "name: a\n").unwrap();
    let running = Running::watch(&cloud, MemoryStore::new(), folder.path(), &clock);
    running.settle().await;
    let handle = running.handle.clone();
    let wanted = DeleteError::Wanted { id: id("a"), file: "a.yaml".to_owned() };
    assert_eq!(handle.delete(&id("a")).await, Err(wanted));
    assert_eq!(handle.delete(&id("b")).await, Err(DeleteError::Unknown(id("b"))));
    std::fs::remove_file(folder.path().join("a.yaml")).unwrap();
    running.settle_in_time().await;
    assert!(cloud.accounts().is_empty());
    running.drain().await;
    assert_eq!(handle.delete(&id("a")).await, Err(DeleteError::Ended));
    // None of these hangs without a controller.
    handle.wake(&id("a"));
    handle.settled().await;
}

#[tokio::test]
async fn one_machine_wakes_another() {
    let clock = TestClock::new();
    let (first, second) = (Cloud::default(), Cloud::default());
    second.inner().busy = Some("a".to_owned());
    let (mut woken, changes) = Running::follow(&second, MemoryStore::new(), &clock);
    changes.send(Change::Wanted(Tenant::new("a", "1"))).unwrap();
    assert_eq!(woken.outcome().await, "a: progressing");
    // Its next attempt is not due. A pass of the other machine makes it look, and it says once more when it is due.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), "name: a\n").unwrap();
    let runner = TenantRunner::builder(first.clone(), MemoryStore::new()).clock(clock.clone()).build();
    let others = woken.handle.clone();
    let controller = Controller::watch(runner, Directory::new(folder.path()));
    let waking = Running::with(controller, &clock, move |id, _| others.wake(id));
    assert_eq!(woken.outcome().await, "a: progressing");
    waking.drain().await;
    woken.drain().await;
}

#[tokio::test]
async fn a_wake_up_during_a_pass_leads_to_another_pass() {
    let (cloud, clock) = (Cloud::default(), TestClock::new());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), "name: a\n").unwrap();
    let runner = TenantRunner::builder(cloud.clone(), MemoryStore::new()).clock(clock.clone()).build();
    let controller = Controller::watch(runner, Directory::new(folder.path()));
    let (handle, passes) = (controller.handle(), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&passes);
    // The observer runs inside the pass.
    let mut running = Running::with(controller, &clock, move |id, _| {
        if seen.fetch_add(1, Ordering::SeqCst) == 0 {
            handle.wake(id);
        }
    });
    running.settle().await;
    running.settle().await;
    assert_eq!(running.outcomes(), ["a: Ready"; 2]);
    assert_eq!(passes.load(Ordering::SeqCst), 2);
    running.handle.wake_all();
    assert_eq!(running.outcome().await, "a: Ready");
    running.drain().await;
}
