//! The in-cluster mode on a real API server, with no rights but those that the manifests give.

mod kinds;
mod stage;

use std::time::Duration;

use hiclaw::containers::{KEY_LABEL, OWNER_LABEL};
use hiclaw::inventory::Inventory;
use hiclaw::kind::Kind;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::stage::Stage;

async fn the_pod(pods: &Api<Pod>) -> Pod {
    let [pod] = pods.list(&ListParams::default()).await.unwrap().items.try_into().unwrap();
    pod
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_gets_a_pod_of_its_own_and_leaves_nothing_behind() {
    let Some(stage) = Stage::start("way").await else { return };
    let (controllers, workers) = (stage.controllers(2), &stage.workers);
    stage.create("alice", "worker:1").await;
    stage.until("alice", "Ready").await;
    let pods: Api<Pod> = Api::namespaced(stage.admin.clone(), &stage.namespace);
    let pod = the_pod(&pods).await;
    let worker = workers.get("alice").await.unwrap();
    let owner = &pod.owner_references()[0];
    assert_eq!((owner.kind.as_str(), owner.uid.as_str()), ("Worker", worker.metadata.uid.as_deref().unwrap()));
    assert_eq!(owner.controller, Some(true));
    assert!(pod.labels().contains_key(OWNER_LABEL) && pod.labels().contains_key(KEY_LABEL));
    let container = &pod.spec.as_ref().unwrap().containers[0];
    assert_eq!(container.image.as_deref(), Some("worker:1"));
    let variables: Vec<_> =
        container.env.iter().flatten().map(|it| (&*it.name, it.value.as_deref().unwrap())).collect();
    assert!(variables.contains(&("HICLAW_WORKER", "alice")), "{variables:?}");

    let there = stage.inventory("alice").await;
    assert_eq!((there.accounts.len(), there.rooms.len(), there.consumers.len(), there.routes.len()), (1, 1, 1, 1));

    // Another image is another pod.
    workers
        .patch("alice", &PatchParams::default(), &Patch::Merge(json!({ "spec": { "image": "worker:2" } })))
        .await
        .unwrap();
    stage.until_pod(&pods, |it| it.spec.as_ref().unwrap().containers[0].image.as_deref() == Some("worker:2")).await;
    assert_ne!(the_pod(&pods).await.uid(), pod.uid());

    workers.delete("alice", &DeleteParams::default()).await.unwrap();
    stage.until_gone("alice").await;
    assert!(pods.list(&ListParams::default()).await.unwrap().items.is_empty());
    let left = stage.inventory("alice").await;
    // The account's id stays taken forever; it is retained, and so is its password.
    assert_eq!(left, Inventory { accounts: there.accounts, ..Inventory::default() });
    let secrets: Api<Secret> = Api::namespaced(stage.admin.clone(), "hiclaw-system");
    assert!(secrets.get_opt(&format!("hiclaw-worker.{}.alice", stage.namespace)).await.unwrap().is_some());
    controllers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_pod_is_neither_adopted_nor_removed() {
    let Some(stage) = Stage::start("theirs").await else { return };
    let pods: Api<Pod> = Api::namespaced(stage.admin.clone(), &stage.namespace);
    let theirs: Pod = serde_json::from_value(json!({
        "metadata": { "name": "hiclaw-worker-alice" },
        "spec": { "containers": [{ "name": "theirs", "image": "theirs:1" }] },
    }))
    .unwrap();
    let theirs = pods.create(&Default::default(), &theirs).await.unwrap();
    let controllers = stage.controllers(1);
    stage.create("alice", "worker:1").await;
    let worker = stage.until("alice", "NotOurs").await;
    let stalled = worker.status.unwrap().conditions.into_iter().find(|it| it.type_ == "Stalled").unwrap();
    assert!(stalled.message.contains("hiclaw-worker-alice"), "{}", stalled.message);
    stage.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    stage.until_gone("alice").await;
    assert_eq!(the_pod(&pods).await.uid(), theirs.uid());
    controllers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_columns_of_kubectl_show_state_phase_reason_and_age() {
    let Some(stage) = Stage::start("columns").await else { return };
    let controllers = stage.controllers(1);
    stage.create("alice", "worker:1").await;
    stage.until("alice", "Ready").await;
    let path = format!("/apis/hiclaw.io/v1beta1/namespaces/{}/workers", stage.namespace);
    let request = http::Request::get(path).header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    let table: serde_json::Value = stage.admin.request(request.body(Vec::new()).unwrap()).await.unwrap();
    let columns = table["columnDefinitions"].as_array().unwrap();
    let shown: Vec<(&str, &serde_json::Value)> = std::iter::zip(columns, table["rows"][0]["cells"].as_array().unwrap())
        .filter(|(column, _)| column["priority"] == 0)
        .map(|(column, cell)| (column["name"].as_str().unwrap(), cell))
        .collect();
    let names: Vec<&str> = shown.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["Name", "State", "Phase", "Reason", "Age"]);
    let cells: Vec<&str> = shown[..4].iter().map(|(_, cell)| cell.as_str().unwrap()).collect();
    assert_eq!(cells, ["alice", "Ready", "Ready", "AsDeclared"]);
    controllers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_tells_its_metrics_and_stops_when_told() {
    let Some(stage) = Stage::start("metrics").await else { return };
    let controllers = stage.controllers(1);
    stage.create("alice", "worker:1").await;
    stage.until("alice", "Ready").await;
    let text = controllers.get("/metrics").await;
    assert!(
        text.contains(
            "durable_fsm_attempts_total{machine=\"hiclaw.io/worker\",transition=\"create_room\",action=\"run\",class=\"ok\"} 1"
        ),
        "{text}"
    );
    assert_eq!(controllers.get("/healthz").await, "ok");
    // With the rights of its account it has kept the graph for `kubectl fsm`.
    let kept = durable_fsm_kube::KeptMachine::all(&stage.admin, Some("hiclaw-system")).await.unwrap();
    for kind in Kind::ALL {
        let graph = kind.graph();
        let kept = kept.iter().find(|it| it.machine == graph.name && it.kind.plural == kind.directory()).unwrap();
        assert!(kept.graphs.contains_key(&durable_fsm::record::fingerprint(graph)));
    }
    tokio::time::timeout(Duration::from_secs(30), controllers.stop()).await.unwrap();
}

/// Its first list is refused, so no kind of resource has begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_may_list_nothing_stops_when_told() {
    let Some(stage) = Stage::start_as("refused", "account-without-rights").await else { return };
    let controllers = stage.controllers(1);
    controllers.until_healthy().await;
    tokio::time::timeout(Duration::from_secs(30), controllers.stop()).await.unwrap();
}
