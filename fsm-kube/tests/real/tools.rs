//! What other tools do to an object, with plain requests in their place. Invariant: each ends held, blocked or refused, with a message and a
//! remedy that works, and never with a second effect.

use std::time::Duration;

use durable_fsm::record::HeldReason;
use durable_fsm::{Outcome, StoreError};
use durable_fsm_kube::Verb;
use http::{Method, Request};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, CustomResourceExt as _, ResourceExt as _};
use serde_json::json;

use crate::cluster::{Cluster, WorkerReconciler};
use crate::controller::{condition, events};
use crate::replica::Replica;
use crate::worker::{Worker, WorkerState};

/// A worker that is ready, and how many calls that took.
pub async fn ready(namespace: &str) -> Option<(Cluster, WorkerReconciler, Worker, u64)> {
    let cluster = Cluster::join(namespace).await?;
    cluster.create("alice").await;
    let reconciler = cluster.reconciler();
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Resting(WorkerState::Ready(_))));
    let worker = cluster.workers.get("alice").await.unwrap();
    let calls = cluster.shelf.calls();
    Some((cluster, reconciler, worker, calls))
}

/// The resource is held for this reason, says so with these words, and nothing is called.
pub async fn is_held(
    cluster: &Cluster,
    reconciler: &WorkerReconciler,
    name: &str,
    reason: HeldReason,
    words: &str,
    calls: u64,
) {
    for _ in 0..2 {
        let outcome = cluster.settle(reconciler, name).await;
        let Outcome::Held { reason: found, message } = outcome else { panic!("it is not held") };
        assert_eq!(found, reason, "{message}");
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(cluster.shelf.calls(), calls);
    let worker = cluster.workers.get(name).await.unwrap();
    let (status, _, message) = condition(&worker, "Stalled");
    assert!(status == "True" && message.contains("docs/runbook/"), "{status}: {message}");
}

pub async fn rests_with(cluster: &Cluster, reconciler: &WorkerReconciler, name: &str, things: usize) {
    assert!(matches!(cluster.settle(reconciler, name).await, Outcome::Resting(WorkerState::Ready(_))));
    assert_eq!(cluster.shelf.live().len(), things);
    assert_eq!(cluster.shelf.duplicates(), Vec::<String>::new());
}

#[tokio::test]
async fn a_replace_that_drops_record_and_finalizer_is_seen_by_the_status() {
    let Some((cluster, reconciler, worker, calls)) = ready("replace").await else { return };
    let record = worker.annotations()[reconciler.names().record()].clone();
    let mut replaced = worker.clone();
    replaced.metadata.annotations = None;
    replaced.metadata.finalizers = None;
    replaced.status = None;
    cluster.workers.replace("alice", &PostParams::default(), &replaced).await.unwrap();
    is_held(&cluster, &reconciler, "alice", HeldReason::RecordLost, "is still mirrored", calls).await;
    cluster.patch("alice", json!({ "metadata": { "annotations": { reconciler.names().record(): record } } })).await;
    rests_with(&cluster, &reconciler, "alice", 8).await;
    // The next write brings the finalizer back, so a deletion undoes everything.
    cluster.patch("alice", json!({ "spec": { "image": "web:2" } })).await;
    rests_with(&cluster, &reconciler, "alice", 8).await;
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Gone));
    assert!(cluster.shelf.live().is_empty());
}

#[tokio::test]
async fn a_replace_during_the_first_pass_leaves_no_sign_and_is_seen_by_the_pass() {
    let Some(cluster) = Cluster::join("replace-first").await else { return };
    let worker = cluster.create("alice").await;
    let replica = Replica::stopped_after(&cluster, &worker, "account").await;
    let begun = cluster.workers.get("alice").await.unwrap();
    let names = cluster.reconciler().names().clone();
    let record = begun.annotations()[names.record()].clone();
    let mut replaced = begun;
    replaced.metadata.annotations = None;
    replaced.metadata.finalizers = None;
    cluster.workers.replace("alice", &PostParams::default(), &replaced).await.unwrap();
    let outcome = replica.go_on().await;
    assert!(matches!(outcome, Outcome::Held { reason: HeldReason::RecordLost, .. }));
    // It is a sign from now on, also for a replica that was not there.
    let (reconciler, calls) = (cluster.reconciler(), cluster.shelf.calls());
    assert_eq!(calls, 1);
    is_held(&cluster, &reconciler, "alice", HeldReason::RecordLost, "is still mirrored", calls).await;
    cluster.patch("alice", json!({ "metadata": { "annotations": { names.record(): record } } })).await;
    rests_with(&cluster, &reconciler, "alice", 8).await;
}

#[tokio::test]
async fn pruning_the_annotation_alone_is_seen_by_the_finalizer_too() {
    let Some((cluster, reconciler, worker, calls)) = ready("prune").await else { return };
    let record = worker.annotations()[reconciler.names().record()].clone();
    cluster.patch("alice", json!({ "metadata": { "annotations": { reconciler.names().record(): null } } })).await;
    is_held(&cluster, &reconciler, "alice", HeldReason::RecordLost, "there is none", calls).await;
    // Also when it is deleted: what is not known cannot be undone.
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    is_held(&cluster, &reconciler, "alice", HeldReason::RecordLost, "there is none", calls).await;
    cluster.patch("alice", json!({ "metadata": { "annotations": { reconciler.names().record(): record } } })).await;
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Gone));
    assert!(cluster.shelf.live().is_empty());
}

#[tokio::test]
async fn a_record_that_is_lost_for_good_can_be_released_and_the_object_deleted() {
    let Some((cluster, reconciler, _, calls)) = ready("lost").await else { return };
    cluster.patch("alice", json!({ "metadata": { "annotations": { reconciler.names().record(): null } } })).await;
    is_held(&cluster, &reconciler, "alice", HeldReason::RecordLost, "there is none", calls).await;
    cluster
        .patch("alice", json!({ "metadata": { "annotations": { reconciler.names().verb(Verb::Release): "" } } }))
        .await;
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Paused));
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    assert!(cluster.workers.get_opt("alice").await.unwrap().is_none());
    assert_eq!(cluster.shelf.calls(), calls);
}

#[tokio::test]
async fn an_older_record_that_comes_back_is_not_obeyed_until_somebody_says_so() {
    let Some((cluster, reconciler, first, _)) = ready("older").await else { return };
    let older = first.annotations()[reconciler.names().record()].clone();
    cluster.patch("alice", json!({ "spec": { "image": "web:2" } })).await;
    rests_with(&cluster, &reconciler, "alice", 8).await;
    let calls = cluster.shelf.calls();
    cluster.patch("alice", json!({ "metadata": { "annotations": { reconciler.names().record(): older } } })).await;
    is_held(&cluster, &reconciler, "alice", HeldReason::RecordLost, "was written", calls).await;
    let accept = Patch::Merge(json!({ "status": { "fsm": { "seq": null } } }));
    cluster.workers.patch_status("alice", &PatchParams::default(), &accept).await.unwrap();
    rests_with(&cluster, &reconciler, "alice", 8).await;
}

#[tokio::test]
async fn a_copy_under_another_name_is_not_obeyed() {
    let Some((cluster, reconciler, worker, calls)) = ready("copy").await else { return };
    let mut copy = Worker::new("bob", worker.spec.clone());
    copy.metadata.annotations = worker.metadata.annotations.clone();
    copy.metadata.finalizers = worker.metadata.finalizers.clone();
    cluster.workers.create(&PostParams::default(), &copy).await.unwrap();
    is_held(&cluster, &reconciler, "bob", HeldReason::Unreadable, "remove the copied record", calls).await;
    let names = reconciler.names();
    let remedy = json!({ "metadata": { "annotations": { names.record(): null }, "finalizers": null } });
    cluster.patch("bob", remedy).await;
    rests_with(&cluster, &reconciler, "bob", 16).await;
    rests_with(&cluster, &reconciler, "alice", 16).await;
}

#[tokio::test]
async fn a_restore_with_a_new_uid_is_rebound_and_keeps_what_it_has() {
    let Some((cluster, reconciler, worker, calls)) = ready("restore").await else { return };
    let (before, old_uid) = (cluster.shelf.live(), worker.uid().unwrap());
    cluster.patch("alice", json!({ "metadata": { "finalizers": null } })).await;
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    let mut restored = Worker::new("alice", worker.spec.clone());
    restored.metadata.annotations = worker.metadata.annotations.clone();
    restored.metadata.finalizers = worker.metadata.finalizers.clone();
    cluster.workers.create(&PostParams::default(), &restored).await.unwrap();
    is_held(&cluster, &reconciler, "alice", HeldReason::Unreadable, "rebind it", calls).await;
    let rebind = reconciler.names().verb(Verb::Rebind);
    cluster.patch("alice", json!({ "metadata": { "annotations": { rebind: old_uid } } })).await;
    rests_with(&cluster, &reconciler, "alice", 8).await;
    assert_eq!((cluster.shelf.live(), cluster.shelf.calls()), (before, calls));
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Gone));
    assert!(cluster.shelf.live().is_empty());
}

#[tokio::test]
async fn a_webhook_that_strips_the_record_lets_no_effect_begin() {
    let Some(cluster) = Cluster::join("strip").await else { return };
    cluster.create("alice").await;
    let webhook = cluster.reconciler_through(stripped);
    is_held(&cluster, &webhook, "alice", HeldReason::NotKept, "find what removes or changes it", 0).await;
    // The remedy is to let the record alone.
    let reconciler = cluster.reconciler();
    rests_with(&cluster, &reconciler, "alice", 8).await;
}

/// What a mutating webhook leaves of a patch when it takes annotations out.
async fn stripped(mut request: Request<Vec<u8>>) -> Request<Vec<u8>> {
    if request.method() == Method::PATCH {
        let mut patch: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
        patch["metadata"].as_object_mut().map(|metadata| metadata.remove("annotations"));
        *request.body_mut() = serde_json::to_vec(&patch).unwrap();
    }
    request
}

#[tokio::test]
async fn a_manager_that_strips_foreign_annotations_causes_no_second_effect() {
    let Some(cluster) = Cluster::join("manager").await else { return };
    cluster.create("alice").await;
    let reconciler = cluster.reconciler();
    let (mut stripped, mut restored) = (0, 0);
    // It strips whenever it sees the record, and an operator puts it back, over and over, until the worker is ready.
    loop {
        let object = cluster.workers.get("alice").await.unwrap();
        if object.status.as_ref().and_then(|status| status.fsm.as_ref()?.state.clone()).as_deref() == Some("Ready") {
            break;
        }
        let record = object.annotations().get(reconciler.names().record()).cloned();
        if let Some(record) = record {
            cluster.patch("alice", json!({ "metadata": { "annotations": null } })).await;
            stripped += 1;
            assert!(matches!(
                cluster.settle(&reconciler, "alice").await,
                Outcome::Held { reason: HeldReason::RecordLost, .. }
            ));
            cluster
                .patch("alice", json!({ "metadata": { "annotations": { reconciler.names().record(): record } } }))
                .await;
            restored += 1;
        }
        // One effect at a time: the next is refused.
        let refuse_after = cluster.shelf.calls() + 1;
        cluster.shelf.refuse_from(Some(refuse_after));
        let (_, outcome) = reconciler.pass(&cluster.named("alice")).await.unwrap();
        if let Some(after) = outcome.requeue_after() {
            tokio::time::sleep(after).await;
        }
    }
    assert!(stripped >= 4 && stripped == restored, "{stripped} stripped, {restored} restored");
    cluster.shelf.refuse_from(None);
    rests_with(&cluster, &reconciler, "alice", 8).await;
}

#[tokio::test]
async fn a_terminating_namespace_takes_no_events_and_still_lets_everything_be_undone() {
    let Some((cluster, reconciler, _, _)) = ready("terminating").await else { return };
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    namespaces.delete(&cluster.namespace, &DeleteParams::default()).await.unwrap();
    let before = events(&cluster, "alice").await;
    let refused = cluster.workers.create(&PostParams::default(), &Worker::new("bob", Default::default())).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 403));
    // Nothing but a controller manager empties a namespace; here the object is deleted by hand.
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Gone));
    assert!(cluster.workers.get_opt("alice").await.unwrap().is_none());
    assert!(cluster.shelf.live().is_empty());
    assert_eq!(events(&cluster, "alice").await, before);
}

#[tokio::test]
async fn an_object_that_a_tightened_definition_made_invalid_is_left_as_it_is_until_it_is_mended() {
    let Some(cluster) = Cluster::join("tightened").await else { return };
    cluster.create("alice").await;
    cluster.patch("alice", json!({ "spec": { "notes": "longer than will be allowed" } })).await;
    let reconciler = cluster.reconciler();
    cluster.shelf.refuse_from(Some(3));
    let (_, outcome) = reconciler.pass(&cluster.workers.get("alice").await.unwrap()).await.unwrap();
    assert!(matches!(outcome, Outcome::Progressing { .. }));
    tighten(&cluster, Some(20)).await;
    // The definition takes a moment to be in force.
    let (dry, long) =
        (PatchParams::default().dry_run(), json!({ "spec": { "notes": "still longer than is allowed" } }));
    while cluster.workers.patch("alice", &dry, &Patch::Merge(&long)).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cluster.shelf.refuse_from(None);
    let calls = cluster.shelf.calls();
    // What is tried again later is written at its time.
    let refused = async {
        loop {
            match reconciler.pass(&cluster.workers.get("alice").await.unwrap()).await {
                Err(StoreError::Invalid(why)) => return why,
                Ok((_, outcome)) => {
                    assert_eq!(cluster.shelf.calls(), calls, "it went on: {:?}", outcome.requeue_after());
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    let why = refused.await;
    assert!(why.contains("notes"), "{why}");
    assert_eq!(cluster.shelf.calls(), calls);
    let told = events(&cluster, "alice").await;
    assert!(told.iter().any(|(reason, note)| reason == "ObjectInvalid" && note.contains("notes")), "{told:?}");
    // It is told once, however often it is tried.
    for _ in 0..3 {
        assert!(matches!(reconciler.pass(&cluster.named("alice")).await, Err(StoreError::Invalid(_))));
    }
    assert_eq!(events(&cluster, "alice").await, told);
    cluster.patch("alice", json!({ "spec": { "notes": "short" } })).await;
    rests_with(&cluster, &reconciler, "alice", 8).await;
    tighten(&cluster, None).await;
}

/// Lets notes be this long at most.
async fn tighten(cluster: &Cluster, longest: Option<u64>) {
    let mut definition = serde_json::to_value(Worker::crd()).unwrap();
    let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"]["properties"]["notes"]["maxLength"] = json!(longest);
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let params = PatchParams::apply("tests").force();
    definitions.patch(Worker::crd_name(), &params, &Patch::Apply(definition)).await.unwrap();
}
