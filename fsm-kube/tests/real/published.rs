//! What is published about an object, and about whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use durable_fsm::{Outcome, Runner};
use durable_fsm_kube::{AnnotationStore, Metrics, Names, Reconciler};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::cluster::Cluster;
use crate::controller::condition;
use crate::licence::LicenceFlow;
use crate::provider::Provider;
use crate::worker::{Worker, WorkerState};

pub type LicenceReconciler = Reconciler<Worker, LicenceFlow, Provider>;

/// A controller for the second machine, as a process that has just begun.
pub fn licences(cluster: &Cluster) -> LicenceReconciler {
    let store = AnnotationStore::of::<Worker>(cluster.client.clone()).mirrored_in("licence");
    let runner = Runner::<LicenceFlow, _>::builder(Provider::Here(cluster.shelf.clone()), store.clone()).build();
    Reconciler::of(runner, store, Metrics::new()).unwrap()
}

/// The generations that the conditions and the status are said to be about.
fn observed(worker: &Worker) -> Vec<Option<i64>> {
    let status = worker.status.as_ref().unwrap();
    let conditions = status.conditions.iter().map(|it| it.observed_generation);
    conditions.chain([status.observed_generation]).collect()
}

#[tokio::test]
async fn what_is_published_is_of_the_spec_that_the_pass_was_for() {
    let Some(cluster) = Cluster::join("observed").await else { return };
    let created = cluster.create("alice").await;
    let statuses = Arc::new(AtomicU32::new(0));
    let (workers, count) = (cluster.workers.clone(), Arc::clone(&statuses));
    // An edit comes between the pass and its last status; the first is written before the first effect.
    let reconciler = cluster.reconciler_through(move |request| {
        let (workers, count) = (workers.clone(), Arc::clone(&count));
        async move {
            if request.uri().path().ends_with("/status") && count.fetch_add(1, Ordering::SeqCst) == 1 {
                let edit = Patch::Merge(json!({ "spec": { "image": "web:2" } }));
                workers.patch("alice", &PatchParams::default(), &edit).await.unwrap();
            }
            request
        }
    });
    let (_, outcome) = reconciler.pass(&created).await.unwrap();
    let Outcome::Resting(WorkerState::Ready(at)) = outcome else { panic!("it does not rest") };
    assert_eq!((at.image.as_str(), statuses.load(Ordering::SeqCst)), ("web:1", 3));
    let worker = cluster.workers.get("alice").await.unwrap();
    assert_eq!((worker.metadata.generation, condition(&worker, "Ready").0), (Some(2), "True"));
    assert_eq!(observed(&worker), [Some(1); 4]);
    // The next pass is for the new spec.
    let (_, outcome) = reconciler.pass(&created).await.unwrap();
    let Outcome::Resting(WorkerState::Ready(at)) = outcome else { panic!("it does not rest") };
    assert_eq!(at.image, "web:2");
    assert_eq!(observed(&cluster.workers.get("alice").await.unwrap()), [Some(2); 4]);
}

#[tokio::test]
async fn a_replica_that_is_late_does_not_take_back_what_was_told_of_a_newer_spec() {
    let Some(cluster) = Cluster::join("late").await else { return };
    let created = cluster.create("alice").await;
    let reconciler = cluster.reconciler();
    let statuses = Arc::new(AtomicU32::new(0));
    let (workers, other, object, count) =
        (cluster.workers.clone(), reconciler.clone(), created.clone(), Arc::clone(&statuses));
    let late = cluster.reconciler_through(move |request| {
        let (workers, other, object) = (workers.clone(), other.clone(), object.clone());
        let count = Arc::clone(&count);
        async move {
            if request.uri().path().ends_with("/status") && count.fetch_add(1, Ordering::SeqCst) == 1 {
                let edit = Patch::Merge(json!({ "spec": { "image": "web:2" } }));
                workers.patch("alice", &PatchParams::default(), &edit).await.unwrap();
                let _ = other.pass(&object).await.unwrap();
            }
            request
        }
    });
    let _ = late.pass(&created).await.unwrap();
    assert_eq!(statuses.load(Ordering::SeqCst), 2, "it does not write the last one again");
    assert_eq!(observed(&cluster.workers.get("alice").await.unwrap()), [Some(2); 4]);
}

#[tokio::test]
async fn two_machines_on_one_object_tell_the_worst_of_both_and_do_not_write_back_and_forth() {
    let Some(cluster) = Cluster::join("both").await else { return };
    cluster.create("alice").await;
    let (workers, licences) = (cluster.reconciler(), licences(&cluster));
    let _ = cluster.settle(&workers, "alice").await;
    cluster.shelf.refuse(Some(500));
    assert!(matches!(cluster.settle(&licences, "alice").await, Outcome::Held { .. }));
    let held = cluster.workers.get("alice").await.unwrap();
    assert!(condition(&held, "Stalled").2.contains("`buy`"), "{:?}", condition(&held, "Stalled"));
    for _ in 0..2 {
        let _ = cluster.settle(&workers, "alice").await;
        let _ = cluster.settle(&licences, "alice").await;
    }
    let after = cluster.workers.get("alice").await.unwrap();
    assert_eq!(after.resource_version(), held.resource_version());
    assert_eq!((condition(&after, "Ready").0, condition(&after, "Ready").1), ("False", "InDoubt"));

    cluster.shelf.refuse(None);
    let resolve = licences.names().verb(durable_fsm_kube::Verb::Resolve);
    let value = r#"{"transition": "buy", "outcome": "not-applied"}"#;
    cluster.patch("alice", json!({ "metadata": { "annotations": { resolve: value } } })).await;
    assert!(matches!(cluster.settle(&licences, "alice").await, Outcome::Resting(_)));
    let both = cluster.workers.get("alice").await.unwrap();
    assert_eq!((condition(&both, "Ready").0, condition(&both, "Stalled").0), ("True", "False"));
    // A new spec is observed when both have looked at it.
    cluster.patch("alice", json!({ "spec": { "image": "web:2" } })).await;
    let _ = cluster.settle(&workers, "alice").await;
    assert_eq!(observed(&cluster.workers.get("alice").await.unwrap()), [Some(1); 4]);
    let _ = cluster.settle(&licences, "alice").await;
    assert_eq!(observed(&cluster.workers.get("alice").await.unwrap()), [Some(2); 4]);
}

/// The gauge of the resource that is held for longest.
fn oldest_held(metrics: &Metrics) -> i64 {
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let line = text.lines().find(|line| line.starts_with("durable_fsm_oldest_held_timestamp_seconds{")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_new_process_knows_since_when_a_resource_is_held() {
    let Some(cluster) = Cluster::join("since").await else { return };
    cluster.create("alice").await;
    cluster.shelf.refuse(Some(500));
    assert!(matches!(cluster.settle(&licences(&cluster), "alice").await, Outcome::Held { .. }));
    // The record says so. It has been there for some time.
    let annotation = licences(&cluster).names().record().to_owned();
    let text = cluster.workers.get("alice").await.unwrap().annotations()[&annotation].clone();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    record["held"]["since"] = json!("2024-05-06T07:08:09Z");
    cluster.patch("alice", json!({ "metadata": { "annotations": { annotation: record.to_string() } } })).await;
    let restarted = licences(&cluster);
    let _ = cluster.settle(&restarted, "alice").await;
    let expected: Timestamp = "2024-05-06T07:08:09Z".parse().unwrap();
    assert_eq!(oldest_held(restarted.metrics()), expected.as_second());

    // Without a record, the condition does.
    cluster.create("bob").await;
    let workers = cluster.reconciler();
    cluster.shelf.refuse(None);
    let _ = cluster.settle(&workers, "bob").await;
    let lost = Names::of("test.durable-fsm.io/worker").unwrap().record().to_owned();
    cluster.patch("bob", json!({ "metadata": { "annotations": { lost: null } } })).await;
    assert!(matches!(cluster.settle(&workers, "bob").await, Outcome::Held { .. }));
    let mut status = serde_json::to_value(cluster.workers.get("bob").await.unwrap().status).unwrap();
    for condition in status["conditions"].as_array_mut().unwrap() {
        condition["lastTransitionTime"] = json!("2024-06-07T08:09:10Z");
    }
    let patch = Patch::Merge(json!({ "status": { "conditions": status["conditions"] } }));
    cluster.workers.patch_status("bob", &PatchParams::default(), &patch).await.unwrap();
    let restarted = cluster.reconciler();
    let _ = cluster.settle(&restarted, "bob").await;
    let expected: Timestamp = "2024-06-07T08:09:10Z".parse().unwrap();
    assert_eq!(oldest_held(restarted.metrics()), expected.as_second());
}
