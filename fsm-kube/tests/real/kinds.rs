//! Objects outside namespaces, and objects whose names the server makes. Kubernetes 1.20 refuses Events about the former in the namespace `default`, so nothing is said of these here.

use durable_fsm::Outcome;
use durable_fsm_kube::{AnnotationStore, Reconciler};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, CustomResource, CustomResourceExt as _, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::chain::{ChainFlow, ChainState, EFFECTS};
use crate::cluster::Cluster;
use crate::controller::wait_for;
use crate::provider::Provider;
use crate::worker::{Worker, WorkerSpec, WorkerStatus};

/// It is in no namespace.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[kube(group = "test.durable-fsm.io", version = "v1", kind = "Zone", status = "WorkerStatus")]
pub struct ZoneSpec {
    pub image: String,
}

impl From<Zone> for Worker {
    fn from(zone: Zone) -> Self {
        let spec = WorkerSpec { image: zone.spec.image, notes: None };
        Self { metadata: zone.metadata, spec, status: zone.status }
    }
}

#[tokio::test]
async fn an_object_outside_namespaces_is_provisioned_edited_and_deleted() {
    let Some(cluster) = Cluster::join("zones").await else { return };
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let params = PatchParams::apply("tests").force();
    definitions.patch(Zone::crd_name(), &params, &Patch::Apply(Zone::crd())).await.unwrap();
    await_condition(definitions, Zone::crd_name(), conditions::is_crd_established()).await.unwrap();
    let zones: Api<Zone> = Api::all(cluster.client.clone());
    wait_for(|| async { zones.list(&ListParams::default()).await.is_ok() }).await;

    let store = AnnotationStore::of::<Zone>(cluster.client.clone());
    let reconciler: Reconciler<Zone, ChainFlow, _> =
        Reconciler::new(Provider::Here(cluster.shelf.clone()), store).unwrap();
    reconciler.check().await.unwrap();
    let made = zones.create(&PostParams::default(), &Zone::new("north", ZoneSpec { image: "web:1".to_owned() })).await;
    let made = made.unwrap();
    assert!(matches!(reconciler.pass(&made).await.unwrap().1, Outcome::Resting(ChainState::Ready(_))));
    let ready = zones.get("north").await.unwrap();
    let status = ready.status.as_ref().and_then(|status| status.fsm.as_ref()).unwrap();
    assert_eq!((status.phase.as_deref(), cluster.shelf.calls()), (Some("Ready"), EFFECTS as u64));

    let edit = Patch::Merge(json!({ "spec": { "image": "web:2" } }));
    let edited = zones.patch("north", &PatchParams::default(), &edit).await.unwrap();
    let Outcome::Resting(ChainState::Ready(at)) = reconciler.pass(&edited).await.unwrap().1 else { panic!() };
    assert_eq!(at.image, "web:2");

    zones.delete("north", &DeleteParams::default()).await.unwrap();
    let (_, outcome) = reconciler.pass(&zones.get("north").await.unwrap()).await.unwrap();
    assert!(matches!(outcome, Outcome::Gone));
    assert!(cluster.shelf.live().is_empty() && zones.get_opt("north").await.unwrap().is_none());
}

#[tokio::test]
async fn objects_whose_names_the_server_makes_have_things_of_their_own() {
    let Some(cluster) = Cluster::join("generated").await else { return };
    let reconciler = cluster.reconciler();
    let mut unnamed = Worker::new("", WorkerSpec { image: "web:1".to_owned(), notes: None });
    unnamed.metadata = ObjectMeta { generate_name: Some("worker-".to_owned()), ..ObjectMeta::default() };
    let mut made = Vec::new();
    for _ in 0..2 {
        made.push(cluster.workers.create(&PostParams::default(), &unnamed).await.unwrap());
    }
    for worker in &made {
        assert!(matches!(cluster.settle(&reconciler, &worker.name_any()).await, Outcome::Resting(_)));
    }
    let live = cluster.shelf.live();
    assert_eq!(live.len(), 16);
    cluster.workers.delete(&made[0].name_any(), &DeleteParams::default()).await.unwrap();
    assert!(matches!(cluster.settle(&reconciler, &made[0].name_any()).await, Outcome::Gone));
    let left = cluster.shelf.live();
    assert_eq!(left.len(), 8);
    assert!(matches!(cluster.settle(&reconciler, &made[1].name_any()).await, Outcome::Resting(_)));
}
