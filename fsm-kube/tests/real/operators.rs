//! What operators ask for with annotations.

use durable_fsm::{Outcome, Runner};
use durable_fsm_kube::{AnnotationStore, Metrics, Reconciler, Verb};
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use serde_json::json;

use crate::cluster::{Cluster, WorkerReconciler};
use crate::controller::{condition, events};
use crate::licence::{LicenceFlow, LicenceState};
use crate::provider::Provider;
use crate::worker::Worker;

/// Asks as `kubectl annotate` does.
async fn ask(cluster: &Cluster, reconciler: &WorkerReconciler, verb: Verb, value: &str) {
    let annotation = reconciler.names().verb(verb);
    cluster.patch("alice", json!({ "metadata": { "annotations": { annotation: value } } })).await;
}

async fn is_asked(cluster: &Cluster, reconciler: &WorkerReconciler, verb: Verb) -> bool {
    let worker = cluster.workers.get("alice").await.unwrap();
    worker.annotations().contains_key(&reconciler.names().verb(verb))
}

async fn record(cluster: &Cluster, reconciler: &WorkerReconciler) -> Option<String> {
    let worker = cluster.workers.get("alice").await.unwrap();
    worker.annotations().get(reconciler.names().record()).cloned()
}

#[tokio::test]
async fn a_blocked_resource_is_tried_again_when_asked() {
    let Some(cluster) = Cluster::join("retry").await else { return };
    cluster.create("alice").await;
    let reconciler = cluster.reconciler();
    cluster.shelf.refuse(Some(400));
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Blocked { .. }));
    let worker = cluster.workers.get("alice").await.unwrap();
    let (status, reason, message) = condition(&worker, "Stalled");
    assert_eq!((status, reason), ("True", "Rejected"));
    assert!(message.contains("docs/runbook/rejected.md"), "{message}");
    cluster.shelf.refuse(None);
    // Nothing has changed for the controller yet.
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Blocked { .. }));
    ask(&cluster, &reconciler, Verb::Retry, "").await;
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Resting(_)));
    assert!(!is_asked(&cluster, &reconciler, Verb::Retry).await);
    let told: Vec<String> = events(&cluster, "alice").await.into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(told, ["Rejected", "Retry", "AsDeclared"]);
}

#[tokio::test]
async fn a_bad_request_is_refused_and_nothing_is_lost() {
    let Some(cluster) = Cluster::join("refused").await else { return };
    cluster.create("alice").await;
    let reconciler = cluster.reconciler();
    let _ = cluster.settle(&reconciler, "alice").await;
    let before = record(&cluster, &reconciler).await;
    let rows = [
        (Verb::Resolve, "yes", "cannot read the value as a request"),
        (Verb::Resolve, r#"{"outcome": "applied"}"#, "the request names no transition"),
        (Verb::Resolve, r#"{"outcome": "applied", "transition": "create_rom"}"#, "no transition `create_rom`"),
        (Verb::Resolve, r#"{"outcome": "not-applied", "transition": "create_room"}"#, "nothing is under way"),
        (Verb::Resolve, r#"{"outcome": "roll-back", "seq": 1}"#, "meant for sequence number 1"),
        (Verb::Retry, "", "nothing is held, blocked or waiting"),
        (Verb::Rebind, "another", "is not the uid of the record's owner"),
    ];
    for (verb, value, why) in rows {
        ask(&cluster, &reconciler, verb, value).await;
        assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Resting(_)));
        assert!(!is_asked(&cluster, &reconciler, verb).await, "{verb} {value}");
        let told = events(&cluster, "alice").await;
        assert!(told.iter().any(|(_, note)| note.starts_with("refused: ") && note.contains(why)), "{why}: {told:?}");
        assert_eq!(record(&cluster, &reconciler).await, before, "{verb} {value}");
    }
}

#[tokio::test]
async fn no_pass_runs_on_a_paused_object_not_even_for_deletion() {
    let Some(cluster) = Cluster::join("paused").await else { return };
    cluster.create("alice").await;
    let reconciler = cluster.reconciler();
    // Before there is a record, the request itself keeps everybody away.
    ask(&cluster, &reconciler, Verb::Pause, "").await;
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Paused));
    assert_eq!((cluster.shelf.calls(), record(&cluster, &reconciler).await), (0, None));
    ask(&cluster, &reconciler, Verb::Resume, "").await;
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Resting(_)));
    assert!(
        !is_asked(&cluster, &reconciler, Verb::Pause).await && !is_asked(&cluster, &reconciler, Verb::Resume).await
    );
    // With one, it is written down there, and a tool that takes the annotation away changes nothing.
    ask(&cluster, &reconciler, Verb::Pause, "").await;
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Paused));
    assert!(!is_asked(&cluster, &reconciler, Verb::Pause).await);
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Paused));
    assert_eq!(cluster.shelf.live().len(), 8);
    ask(&cluster, &reconciler, Verb::Resume, "").await;
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Gone));
    assert!(cluster.shelf.live().is_empty());
}

#[tokio::test]
async fn a_released_object_is_left_alone_and_can_be_taken_up_again() {
    let Some(cluster) = Cluster::join("released").await else { return };
    cluster.create("alice").await;
    let reconciler = cluster.reconciler();
    let _ = cluster.settle(&reconciler, "alice").await;
    let (before, calls) = (cluster.shelf.live(), cluster.shelf.calls());
    ask(&cluster, &reconciler, Verb::Release, "").await;
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Paused));
    let worker = cluster.workers.get("alice").await.unwrap();
    assert_eq!((record(&cluster, &reconciler).await, worker.finalizers().len()), (None, 0));
    assert_eq!((cluster.shelf.live(), cluster.shelf.calls()), (before.clone(), calls));
    let told = events(&cluster, "alice").await;
    let (_, note) = told.iter().find(|(reason, _)| reason == "Release").unwrap();
    assert!(note.contains("left behind: register_account ("), "{note}");
    // The keys derive from the same uid, so that what is there is found again.
    let annotation = reconciler.names().verb(Verb::Release);
    cluster.patch("alice", json!({ "metadata": { "annotations": { annotation: null } } })).await;
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Resting(_)));
    assert_eq!(cluster.shelf.live(), before);
}

#[tokio::test]
async fn an_outcome_in_doubt_is_held_until_somebody_says_and_two_machines_share_an_object() {
    let Some(cluster) = Cluster::join("resolve").await else { return };
    let created = cluster.create("alice").await;
    let workers = cluster.reconciler();
    let _ = cluster.settle(&workers, "alice").await;
    let store = AnnotationStore::of::<Worker>(cluster.client.clone()).mirrored_in("licence");
    let runner = Runner::<LicenceFlow, _>::builder(Provider::Here(cluster.shelf.clone()), store.clone()).build();
    let licences = Reconciler::<Worker, LicenceFlow, _>::of(runner, store, Metrics::new()).unwrap();
    cluster.shelf.refuse(Some(500));
    loop {
        let (_, outcome) = licences.pass(&created).await.unwrap();
        match outcome.requeue_after() {
            Some(after) => tokio::time::sleep(after).await,
            None => break,
        }
    }
    let worker = cluster.workers.get("alice").await.unwrap();
    let status = worker.status.as_ref().unwrap().licence.clone().unwrap();
    assert_eq!((status.reason.as_deref(), status.step.as_deref()), (Some("InDoubt"), Some("buy")));
    assert_eq!(worker.finalizers().len(), 2);
    cluster.shelf.refuse(None);
    let resolve = licences.names().verb(Verb::Resolve);
    let value = r#"{"transition": "buy", "outcome": "applied", "facts": {"licence": "L-1"}}"#;
    cluster.patch("alice", json!({ "metadata": { "annotations": { resolve: value } } })).await;
    let (_, outcome) = licences.pass(&created).await.unwrap();
    let Outcome::Resting(LicenceState::Bought(bought)) = outcome else { panic!("it is not resolved") };
    assert_eq!(bought.licence, "L-1");
    assert!(!cluster.shelf.live().values().any(|thing| thing.kind == "licence"));
    // Each undoes its own; the object goes when both have.
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    assert!(matches!(licences.pass(&created).await.unwrap().1, Outcome::Gone));
    assert_eq!(cluster.workers.get("alice").await.unwrap().finalizers().len(), 1);
    assert!(matches!(cluster.settle(&workers, "alice").await, Outcome::Gone));
    assert!(cluster.workers.get_opt("alice").await.unwrap().is_none());
}
