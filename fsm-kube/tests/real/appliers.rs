//! Tools that apply manifests again and again, with the requests that they make in their place. Invariant: the record, which is in no
//! manifest, survives each of them, because it is owned by a field manager of its own.

use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::cluster::{Cluster, WorkerReconciler};
use crate::tools::{ready, rests_with};
use crate::worker::Worker;

/// What Git has.
fn manifest(name: &str, notes: &str) -> Value {
    json!({
        "apiVersion": "test.durable-fsm.io/v1",
        "kind": "Worker",
        "metadata": { "name": name, "labels": { "from": "git" } },
        "spec": { "image": "web:1", "notes": notes },
    })
}

/// Applies on the server's side, as Argo CD and Flux do.
async fn apply(cluster: &Cluster, manager: &str, manifest: &Value) -> Worker {
    let params = PatchParams::apply(manager).force();
    cluster.workers.patch("alice", &params, &Patch::Apply(manifest)).await.unwrap()
}

/// Record and finalizer are what they were, and nothing is called.
async fn is_untouched(cluster: &Cluster, reconciler: &WorkerReconciler, before: &Worker, calls: u64) {
    let names = reconciler.names();
    let after = cluster.workers.get("alice").await.unwrap();
    assert_eq!(after.annotations().get(names.record()), before.annotations().get(names.record()));
    assert!(after.annotations().contains_key(names.record()));
    assert_eq!(after.finalizers(), [names.finalizer()]);
    rests_with(cluster, reconciler, "alice", 8).await;
    assert_eq!(cluster.shelf.calls(), calls);
}

#[tokio::test]
async fn an_apply_by_force_leaves_the_record() {
    let Some((cluster, reconciler, before, calls)) = ready("applied").await else { return };
    for notes in ["first", "second"] {
        let applied = apply(&cluster, "argocd-controller", &manifest("alice", notes)).await;
        assert_eq!((applied.spec.notes.as_deref(), applied.labels()["from"].as_str()), (Some(notes), "git"));
        is_untouched(&cluster, &reconciler, &before, calls).await;
    }
}

#[tokio::test]
async fn a_manager_that_takes_over_what_kubectl_set_does_not_take_the_record() {
    let Some((cluster, reconciler, before, calls)) = ready("taken-over").await else { return };
    let by_hand = PatchParams { field_manager: Some("kubectl-annotate".to_owned()), ..PatchParams::default() };
    let note = Patch::Merge(json!({ "metadata": { "annotations": { "note": "by hand" } } }));
    cluster.workers.patch("alice", &by_hand, &note).await.unwrap();
    let record = format!("f:{}", reconciler.names().record());
    let owners: Vec<String> = managed(&cluster).await.iter().filter(|it| owns(it, &record)).map(manager).collect();
    assert_eq!(owners, ["durable-fsm"]);

    // Fields that kubectl has set become the manager's, and what Git does not have of them is removed by its next apply.
    apply(&cluster, "kustomize-controller", &manifest("alice", "git")).await;
    let (taken, mut kept): (Vec<Value>, Vec<Value>) = managed(&cluster).await.into_iter().partition(|entry| {
        manager(entry).starts_with("kubectl")
            || (manager(entry) == "kustomize-controller" && entry["operation"] == "Apply")
    });
    assert!(taken.iter().any(|entry| owns(entry, "f:note")), "{taken:?}");
    let mut own = taken.iter().find(|entry| entry["operation"] == "Apply").unwrap().clone();
    for entry in &taken {
        merge(&mut own["fieldsV1"], &entry["fieldsV1"]);
    }
    kept.push(own);
    cluster.patch("alice", json!({ "metadata": { "managedFields": kept } })).await;
    let applied = apply(&cluster, "kustomize-controller", &manifest("alice", "git")).await;
    assert!(!applied.annotations().contains_key("note"), "nothing was taken over");
    is_untouched(&cluster, &reconciler, &before, calls).await;
}

async fn managed(cluster: &Cluster) -> Vec<Value> {
    let worker = serde_json::to_value(cluster.workers.get("alice").await.unwrap()).unwrap();
    worker["metadata"]["managedFields"].as_array().unwrap().clone()
}

fn manager(entry: &Value) -> String {
    entry["manager"].as_str().unwrap().to_owned()
}

fn owns(entry: &Value, annotation: &str) -> bool {
    entry["fieldsV1"]["f:metadata"]["f:annotations"].get(annotation).is_some()
}

fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        match into.get_mut(key) {
            Some(inner) => merge(inner, value),
            None => into[key] = value.clone(),
        }
    }
}

#[tokio::test]
async fn a_patch_from_one_chart_to_the_next_leaves_the_record() {
    let Some((cluster, reconciler, before, calls)) = ready("chart").await else { return };
    let mut charts = ["first", "second"].map(|notes| manifest("alice", notes));
    charts[0]["metadata"]["annotations"] = json!({ "chart/only-in-the-first": "yes" });
    cluster.patch("alice", two_way(&json!({}), &charts[0])).await;
    let patch = two_way(&charts[0], &charts[1]);
    let removed = json!({ "chart/only-in-the-first": null });
    assert_eq!(patch, json!({ "metadata": { "annotations": removed, "labels": {} }, "spec": { "notes": "second" } }));
    let upgraded = cluster.patch("alice", patch).await;
    assert_eq!(upgraded.spec.notes.as_deref(), Some("second"));
    assert!(!upgraded.annotations().contains_key("chart/only-in-the-first"));
    is_untouched(&cluster, &reconciler, &before, calls).await;
}

/// What Helm sends for a custom resource: the difference of two manifests, whatever the object is by now.
fn two_way(old: &Value, new: &Value) -> Value {
    let none = serde_json::Map::new();
    let (old, new) = (old.as_object().unwrap_or(&none), new.as_object().unwrap_or(&none));
    let mut patch = json!({});
    for (key, before) in old {
        if before.is_object() {
            patch[key] = two_way(before, new.get(key).unwrap_or(&Value::Null));
        } else if !new.contains_key(key) {
            patch[key] = Value::Null;
        }
    }
    for (key, after) in new.iter().filter(|(key, after)| old.get(*key) != Some(after)) {
        if !(after.is_object() && old.get(key).is_some_and(Value::is_object)) {
            patch[key] = after.clone();
        }
    }
    patch
}
