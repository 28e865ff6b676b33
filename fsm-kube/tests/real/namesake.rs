//! An object that is made again under its name while a replica still acts for the one that was there before.

use durable_fsm::Outcome;
use kube::ResourceExt as _;
use kube::api::DeleteParams;

use crate::cluster::Cluster;
use crate::replica::Replica;
use crate::worker::WorkerState;

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
