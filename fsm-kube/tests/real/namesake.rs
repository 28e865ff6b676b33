//! An object that is made again under its name while a replica still acts for the one that was there before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use durable_fsm::Outcome;
use http::Method;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, PostParams};
use kube::runtime::controller::Action;
use tokio::sync::OnceCell;

use crate::cluster::Cluster;
use crate::replica::Replica;
use crate::worker::{Worker, WorkerSpec, WorkerState};

#[tokio::test]
async fn a_pass_that_comes_back_to_a_namesake_ends_and_leaves_it_alone() {
    let Some(cluster) = Cluster::join("namesake").await else { return };
    let old = cluster.create("alice").await;
    let replica = Replica::stopped_after(&cluster, &old, "account").await;
    // Another one undoes what there is, and lets the object go.
    let reconciler = cluster.reconciler();
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Gone));
    assert!(cluster.shelf.live().is_empty());
    let (namesake, calls) = (cluster.create("alice").await, cluster.shelf.calls());
    assert_ne!(namesake.uid(), old.uid());

    let outcome = replica.go_on().await;
    assert!(matches!(outcome, Outcome::Gone), "it went on: {:?}", outcome.state().map(WorkerState::name));
    let found = cluster.workers.get("alice").await.unwrap();
    assert_eq!(found.resource_version(), namesake.resource_version());
    assert_eq!(cluster.shelf.calls(), calls);
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Resting(_)));
}

#[tokio::test]
async fn a_pass_that_begins_on_a_namesake_ends_and_leaves_it_alone() {
    let Some(cluster) = Cluster::join("replaced").await else { return };
    cluster.create("alice").await;
    let (patches, remade) = (Arc::new(AtomicU32::new(0)), Arc::new(OnceCell::new()));
    let (workers, count, cell) = (cluster.workers.clone(), Arc::clone(&patches), Arc::clone(&remade));
    // Between the controller's look at the object and the first write of its record, the object is made again.
    let reconciler = cluster.reconciler_through(move |request| {
        let (workers, count, cell) = (workers.clone(), Arc::clone(&count), Arc::clone(&cell));
        async move {
            if request.method() == Method::PATCH && count.fetch_add(1, Ordering::SeqCst) == 0 {
                workers.delete("alice", &DeleteParams::default()).await.unwrap();
                let namesake = Worker::new("alice", WorkerSpec { image: "web:1".to_owned(), notes: None });
                cell.set(workers.create(&PostParams::default(), &namesake).await.unwrap()).unwrap();
            }
            request
        }
    });
    let (action, outcome) = reconciler.pass(&cluster.named("alice")).await.unwrap();
    assert!(matches!(outcome, Outcome::Gone), "it went on: {:?}", outcome.state().map(WorkerState::name));
    // The namesake's turn is next, whether or not an event tells of it.
    assert_eq!(action, Action::requeue(Duration::ZERO));
    let found = cluster.workers.get("alice").await.unwrap();
    assert_eq!(found.resource_version(), remade.get().and_then(Worker::resource_version));
    assert_eq!(cluster.shelf.calls(), 0);
}
