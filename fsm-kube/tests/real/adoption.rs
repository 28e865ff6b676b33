//! An operator that has a finalizer of its own already, on objects that have no record yet.

use durable_fsm::Outcome;
use durable_fsm::record::HeldReason;
use durable_fsm_kube::{Names, Reconciler, Verb};
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use serde_json::json;

use crate::cluster::{Cluster, WorkerReconciler};
use crate::controller::events;
use crate::provider::Provider;
use crate::worker::WorkerState;

const FINALIZER: &str = "hiclaw.io/cleanup";
const RECORD: &str = "hiclaw.io/state";

/// An object as the operator left it before it kept records.
async fn before(namespace: &str) -> Option<(Cluster, WorkerReconciler)> {
    let cluster = Cluster::join(namespace).await?;
    cluster.create("alice").await;
    cluster.patch("alice", json!({ "metadata": { "finalizers": [FINALIZER] } })).await;
    let names = Names::of("test.durable-fsm.io/worker").unwrap().with_record(RECORD).with_finalizer(FINALIZER);
    let store = cluster.store().named(names);
    let reconciler = Reconciler::new(Provider::Here(cluster.shelf.clone()), store).unwrap();
    Some((cluster, reconciler))
}

#[tokio::test]
async fn a_finalizer_that_an_operator_had_before_is_used_and_is_no_sign_of_a_lost_record() {
    let Some((cluster, reconciler)) = before("adopted").await else { return };
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Resting(WorkerState::Ready(_))));
    let worker = cluster.workers.get("alice").await.unwrap();
    assert_eq!(worker.finalizers(), [FINALIZER]);
    assert_eq!(worker.annotations().keys().collect::<Vec<_>>(), [RECORD]);
    // A record that is lost is known by the sequence number.
    let (record, calls) = (worker.annotations()[RECORD].clone(), cluster.shelf.calls());
    cluster.patch("alice", json!({ "metadata": { "annotations": { RECORD: null } } })).await;
    let outcome = cluster.settle(&reconciler, "alice").await;
    assert!(
        matches!(&outcome, Outcome::Held { reason: HeldReason::RecordLost, message } if message.contains("mirrored"))
    );
    assert_eq!(cluster.shelf.calls(), calls);
    cluster.patch("alice", json!({ "metadata": { "annotations": { RECORD: record } } })).await;
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Gone));
    assert!(cluster.workers.get_opt("alice").await.unwrap().is_none() && cluster.shelf.live().is_empty());
}

#[tokio::test]
async fn what_was_never_recorded_keeps_a_finalizer_that_may_be_somebody_elses() {
    let Some((cluster, reconciler)) = before("unrecorded").await else { return };
    // Also when it is released.
    let release = reconciler.names().verb(Verb::Release);
    cluster.patch("alice", json!({ "metadata": { "annotations": { release.as_str(): "" } } })).await;
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Paused));
    assert_eq!(cluster.workers.get("alice").await.unwrap().finalizers(), [FINALIZER]);
    cluster.patch("alice", json!({ "metadata": { "annotations": { release: null } } })).await;
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Gone));
    }
    assert_eq!(cluster.workers.get("alice").await.unwrap().finalizers(), [FINALIZER]);
    assert_eq!(cluster.shelf.calls(), 0);
    let told: Vec<_> =
        events(&cluster, "alice").await.into_iter().filter(|(reason, _)| reason == "NothingRecorded").collect();
    assert!(matches!(told.as_slice(), [(_, note)] if note.contains(FINALIZER)), "{told:?}");
    cluster.patch("alice", json!({ "metadata": { "finalizers": null } })).await;
}
