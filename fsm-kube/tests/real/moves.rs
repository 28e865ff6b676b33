//! Objects that are moved to another cluster, step by step as `clusterctl move` does it; another namespace stands in for the other cluster.

use durable_fsm::Outcome;
use durable_fsm::record::HeldReason;
use durable_fsm_kube::Verb;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use crate::cluster::Cluster;
use crate::tools::{is_held, ready, rests_with};
use crate::worker::Worker;

#[tokio::test]
async fn a_move_undoes_nothing() {
    let Some((source, reconciler, worker, calls)) = ready("source").await else { return };
    let before = source.shelf.live();
    let ask = |cluster: &Cluster, verb: Verb, value: &str| {
        let patch = json!({ "metadata": { "annotations": { reconciler.names().verb(verb): value } } });
        let workers = cluster.workers.clone();
        async move {
            let merge = kube::api::Patch::Merge(patch);
            workers.patch("alice", &kube::api::PatchParams::default(), &merge).await.unwrap();
        }
    };
    // It is paused, and the copy with it.
    ask(&source, Verb::Pause, "").await;
    assert!(matches!(source.settle(&reconciler, "alice").await, Outcome::Paused));
    let paused = source.workers.get("alice").await.unwrap();
    let target = Cluster { shelf: source.shelf.clone(), ..Cluster::on(source.client.clone(), "target").await };
    let mut copy = Worker::new("alice", paused.spec.clone());
    copy.metadata.annotations = paused.metadata.annotations.clone();
    copy.metadata.finalizers = paused.metadata.finalizers.clone();
    target.workers.create(&PostParams::default(), &copy).await.unwrap();
    assert!(matches!(source.settle(&reconciler, "alice").await, Outcome::Paused));
    is_held(&target, &reconciler, "alice", HeldReason::Unreadable, "rebind it", calls).await;
    // The source is deleted: first marked, with the controller looking, then stripped of its finalizers.
    source.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    assert!(matches!(source.settle(&reconciler, "alice").await, Outcome::Paused));
    source.patch("alice", json!({ "metadata": { "finalizers": null } })).await;
    assert!(source.workers.get_opt("alice").await.unwrap().is_none());
    assert!(matches!(source.settle(&reconciler, "alice").await, Outcome::Gone));
    // The copy is given the record, and goes on when it is resumed.
    ask(&target, Verb::Rebind, &worker.uid().unwrap()).await;
    assert!(matches!(target.settle(&reconciler, "alice").await, Outcome::Paused));
    ask(&target, Verb::Resume, "").await;
    rests_with(&target, &reconciler, "alice", 8).await;
    assert_eq!((target.shelf.live(), target.shelf.calls()), (before, calls));
    // It is the one that undoes.
    target.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    assert!(matches!(target.settle(&reconciler, "alice").await, Outcome::Gone));
    assert!(target.shelf.live().is_empty());
}
