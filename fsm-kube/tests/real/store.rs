//! The store's promises, kept by a real API server.

use durable_fsm::testing::{StoreFixture, store_conformance};
use durable_fsm::{Outcome, RecordId, ResourceId, Store as _, StoreError};
use durable_fsm_kube::{ANNOTATIONS_LIMIT, AnnotationStore};
use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use kube::api::{DeleteParams, WatchParams};
use kube::{Resource as _, ResourceExt as _};
use serde_json::json;

use crate::cluster::Cluster;
use crate::worker::WorkerState;

struct Annotations(Cluster);

impl StoreFixture for Annotations {
    type Store = AnnotationStore;

    async fn open(&mut self) -> AnnotationStore {
        self.0.store()
    }

    async fn prepare(&mut self, id: &RecordId) {
        if self.0.workers.get_opt(&id.resource.name).await.unwrap().is_none() {
            self.0.create(&id.resource.name).await;
        }
    }
}

#[tokio::test]
async fn the_annotation_store_keeps_every_promise() {
    let Some(cluster) = Cluster::join("default").await else { return };
    store_conformance(&mut Annotations(cluster)).await;
}

fn id(cluster: &Cluster, name: &str) -> RecordId {
    RecordId { machine: "test.durable-fsm.io/worker".to_owned(), resource: ResourceId::new(&cluster.namespace, name) }
}

/// Every version of an object that a watch from `since` delivers, up to the present one.
async fn versions(cluster: &Cluster, name: &str, since: &str) -> Vec<serde_json::Value> {
    let latest = cluster.workers.get(name).await.unwrap().resource_version().unwrap();
    let namespace = &cluster.namespace;
    let path = format!(
        "/apis/test.durable-fsm.io/v1/namespaces/{namespace}/workers?watch=true&fieldSelector=metadata.name%3D{name}&resourceVersion={since}"
    );
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    let mut lines = Box::pin(cluster.client.request_stream(request).await.unwrap()).lines();
    let mut seen = Vec::new();
    while let Some(line) = lines.try_next().await.unwrap() {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        let version = event["object"]["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        seen.push(event["object"].clone());
        if version == latest {
            break;
        }
    }
    seen
}

#[tokio::test]
async fn a_chain_of_eight_effects_makes_nine_patches_and_the_first_brings_the_finalizer() {
    let Some(cluster) = Cluster::join("patches").await else { return };
    let created = cluster.create("alice").await;
    let reconciler = cluster.reconciler();
    let outcome = reconciler.runner().reconcile(&created).await.unwrap();
    assert!(
        matches!(outcome, Outcome::Resting(WorkerState::Ready(_))),
        "{}",
        outcome.state().map_or("", |it| it.name())
    );
    let versions = versions(&cluster, "alice", &created.resource_version().unwrap()).await;
    assert_eq!(versions.len(), 9, "resource versions after {:?}", created.resource_version());
    let names = reconciler.names();
    let record = |object: &serde_json::Value| object["metadata"]["annotations"][names.record()].as_str().map(str::len);
    assert!(record(&versions[0]).is_some());
    assert_eq!(versions[0]["metadata"]["finalizers"], json!([names.finalizer()]));
    let largest = versions.iter().filter_map(record).max().unwrap();
    println!("patches: 9; largest record: {largest} bytes, resting record: {} bytes", record(&versions[8]).unwrap());
    assert!(largest < 4096, "{largest} bytes");
}

#[tokio::test]
async fn a_controllers_pass_adds_two_writes_of_the_status_to_the_nine_patches() {
    let Some(cluster) = Cluster::join("writes").await else { return };
    let created = cluster.create("alice").await;
    let reconciler = cluster.reconciler();
    let (_, outcome) = reconciler.pass(&created).await.unwrap();
    assert!(matches!(outcome, Outcome::Resting(WorkerState::Ready(_))));
    let versions = versions(&cluster, "alice", &created.resource_version().unwrap()).await;
    let reasons: Vec<_> = versions.iter().map(|object| object["status"]["fsm"]["reason"].as_str()).collect();
    // One after the first intent, before the first effect, and one at the end.
    assert_eq!(reasons, [&[None], [Some("Progressing"); 9].as_slice(), &[Some("AsDeclared")]].concat());
    let annotations = |version: usize| &versions[version]["metadata"]["annotations"];
    assert_eq!((annotations(0), annotations(9)), (annotations(1), annotations(10)));
}

#[tokio::test]
async fn edits_of_others_are_never_lost_and_never_stop_a_pass() {
    let Some(cluster) = Cluster::join("edits").await else { return };
    let created = cluster.create("alice").await;
    let reconciler = cluster.reconciler();
    let edits = async {
        for number in 0..40 {
            let metadata =
                json!({ "labels": { "edit": number.to_string() }, "annotations": { format!("note-{number}"): "x" } });
            cluster.patch("alice", json!({ "metadata": metadata, "spec": { "notes": number.to_string() } })).await;
        }
    };
    let passes = async {
        let mut worker = created.clone();
        loop {
            // A pass ends early when the spec changes under it.
            let outcome = reconciler.runner().reconcile(&worker).await.unwrap();
            if matches!(outcome, Outcome::Resting(_)) {
                return;
            }
            worker = cluster.workers.get("alice").await.unwrap();
        }
    };
    tokio::join!(edits, passes);
    let after = cluster.workers.get("alice").await.unwrap();
    assert_eq!(after.labels().get("edit").map(String::as_str), Some("39"));
    assert_eq!(after.spec.notes.as_deref(), Some("39"));
    assert_eq!(after.annotations().keys().filter(|key| key.starts_with("note-")).count(), 40);
    assert_eq!(cluster.shelf.live().len(), 8);
    assert_eq!(cluster.shelf.duplicates(), Vec::<String>::new());
}

#[tokio::test]
async fn a_record_shares_the_limit_with_all_annotations() {
    let Some(cluster) = Cluster::join("limit").await else { return };
    cluster.create("alice").await;
    let (store, id) = (cluster.store(), id(&cluster, "alice"));
    cluster.patch("alice", json!({ "metadata": { "annotations": { "others": "x".repeat(200_000) } } })).await;
    let version = store.load(&id).await.unwrap().version;
    let room = ANNOTATIONS_LIMIT - "others".len() - 200_000 - "test.durable-fsm.io/worker-record".len();
    let too_large = store.compare_and_swap(&id, &version, "x".repeat(room + 1).as_bytes()).await;
    assert_eq!(too_large, Err(StoreError::TooLarge { size: ANNOTATIONS_LIMIT + 1, limit: ANNOTATIONS_LIMIT }));
    // To the byte what the server takes.
    assert!(store.compare_and_swap(&id, &version, "x".repeat(room).as_bytes()).await.is_ok());
    let version = store.load(&id).await.unwrap().version;
    let params = kube::api::PatchParams::default();
    let over = json!({ "metadata": { "annotations": { "one": "more" } } });
    let refused = cluster.workers.patch("alice", &params, &kube::api::Patch::Merge(over)).await;
    assert!(refused.is_err(), "the server's limit is another one");
    assert_eq!(store.load(&id).await.unwrap().version, version);
}

#[tokio::test]
async fn an_object_that_was_made_again_is_another_one() {
    let Some(cluster) = Cluster::join("again").await else { return };
    let (store, id) = (cluster.store(), id(&cluster, "alice"));
    cluster.create("alice").await;
    let before = store.load(&id).await.unwrap().version;
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    assert_eq!(store.load(&id).await, Err(StoreError::Gone));
    assert_eq!(store.compare_and_swap(&id, &before, b"{}").await, Err(StoreError::Gone));
    cluster.create("alice").await;
    assert_eq!(store.compare_and_swap(&id, &before, b"{}").await, Err(StoreError::Conflict));
    assert_eq!(store.remove(&id, &before).await, Err(StoreError::Conflict));
    assert_eq!(store.load(&id).await.unwrap().bytes, None);
}

#[tokio::test]
async fn an_object_that_is_being_deleted_gets_no_finalizer() {
    let Some(cluster) = Cluster::join("deleting").await else { return };
    let (store, id) = (cluster.store(), id(&cluster, "alice"));
    cluster.create("alice").await;
    cluster.patch("alice", json!({ "metadata": { "finalizers": ["example.io/other"] } })).await;
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    let loaded = store.load(&id).await.unwrap();
    assert!(loaded.signals.deleting);
    let written = store.compare_and_swap(&id, &loaded.version, b"{\"n\":1}").await.unwrap();
    assert!(!written.marked);
    store.remove(&id, &written.version).await.unwrap();
    let object = cluster.workers.get("alice").await.unwrap();
    assert_eq!(object.meta().finalizers, Some(vec!["example.io/other".to_owned()]));
    cluster.patch("alice", json!({ "metadata": { "finalizers": null } })).await;
}

#[tokio::test]
async fn a_watch_sees_what_the_versions_above_are_counted_from() {
    let Some(cluster) = Cluster::join("watched").await else { return };
    let created = cluster.create("alice").await;
    let mut events = std::pin::pin!(
        cluster.workers.watch(&WatchParams::default(), &created.resource_version().unwrap()).await.unwrap()
    );
    cluster.patch("alice", json!({ "metadata": { "labels": { "a": "b" } } })).await;
    let first = events.try_next().await.unwrap();
    assert!(matches!(first, Some(kube::core::WatchEvent::Modified(worker)) if worker.labels().contains_key("a")));
}
