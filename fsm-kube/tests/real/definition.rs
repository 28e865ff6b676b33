//! Definitions that do not fit, and two machines that publish in one place. Invariant: each is said in words, and none ends as if the object were gone.

use durable_fsm::{Outcome, StoreError};
use durable_fsm_kube::{AnnotationStore, DefinitionError, Reconciler};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, CustomResource, CustomResourceExt, Resource};
use kube_api_server::ApiServer;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::chain::{ChainFlow, ChainState};
use crate::cluster::Cluster;
use crate::controller::{events, wait_for};
use crate::provider::Provider;
use crate::worker::{Worker, WorkerSpec};

/// Its definition has no status subresource.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[kube(group = "test.durable-fsm.io", version = "v1", kind = "Bare", namespaced)]
pub struct BareSpec {}

/// The schema of its status knows nothing of machines.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[kube(group = "test.durable-fsm.io", version = "v1", kind = "Pruned", namespaced, status = "PrunedStatus")]
pub struct PrunedSpec {}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub struct PrunedStatus {
    pub note: Option<String>,
}

/// Workers, as by a program that takes them for cluster-scoped.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[kube(group = "test.durable-fsm.io", version = "v1", kind = "Worker", root = "Roaming", plural = "workers")]
pub struct RoamingSpec {}

/// Its definition is not installed.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[kube(group = "test.durable-fsm.io", version = "v1", kind = "Absent", namespaced)]
pub struct AbsentSpec {}

macro_rules! workers {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Worker {
            fn from(object: $kind) -> Self {
                Self { metadata: object.metadata, spec: WorkerSpec::default(), status: None }
            }
        })*
    };
}

workers!(Bare, Pruned, Roaming, Absent);

fn reconciler<K: Resource<DynamicType = ()>>(cluster: &Cluster, client: Client) -> Reconciler<K, ChainFlow, Provider> {
    let store = AnnotationStore::of::<K>(client);
    Reconciler::new(Provider::Here(cluster.shelf.clone()), store).unwrap()
}

/// Installs a definition, and gives its objects.
pub async fn define<K>(cluster: &Cluster) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    K: CustomResourceExt + Clone + std::fmt::Debug + DeserializeOwned,
{
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let params = PatchParams::apply("tests").force();
    definitions.patch(K::crd_name(), &params, &Patch::Apply(K::crd())).await.unwrap();
    await_condition(definitions, K::crd_name(), conditions::is_crd_established()).await.unwrap();
    let objects: Api<K> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    wait_for(|| async { objects.list(&ListParams::default()).await.is_ok() }).await;
    objects
}

async fn told(cluster: &Cluster, reason: &str) -> Vec<String> {
    let told = events(cluster, "alice").await;
    told.into_iter().filter(|(of, _)| of == reason).map(|(_, note)| note).collect()
}

#[tokio::test]
async fn a_definition_without_a_status_is_refused_at_the_start_and_is_not_taken_for_a_deletion() {
    let Some(cluster) = Cluster::join("bare").await else { return };
    let objects = define::<Bare>(&cluster).await;
    let bare = reconciler::<Bare>(&cluster, cluster.client.clone());
    let error = bare.check().await.unwrap_err();
    assert!(matches!(&error, DefinitionError::NoStatus { kind } if kind == "Bare"), "{error}");
    // A controller that does not ask says so all the same, and works.
    let created = objects.create(&PostParams::default(), &Bare::new("alice", BareSpec {})).await.unwrap();
    for _ in 0..2 {
        let object = objects.get("alice").await.unwrap();
        assert!(matches!(bare.pass(&object).await.unwrap().1, Outcome::Resting(ChainState::Ready(_))));
    }
    assert_eq!(cluster.shelf.calls(), 4);
    let told = told(&cluster, "StatusNotPublished").await;
    assert!(matches!(told.as_slice(), [note] if note.contains("no status subresource")), "{told:?}");
    objects.delete("alice", &DeleteParams::default()).await.unwrap();
    assert!(matches!(bare.pass(&created).await.unwrap().1, Outcome::Gone));
    assert!(cluster.shelf.live().is_empty() && objects.get_opt("alice").await.unwrap().is_none());
}

#[tokio::test]
async fn what_a_definition_drops_is_named_at_the_start_and_told_once() {
    let Some(cluster) = Cluster::join("pruned").await else { return };
    let objects = define::<Pruned>(&cluster).await;
    let pruned = reconciler::<Pruned>(&cluster, cluster.client.clone());
    let error = pruned.check().await.unwrap_err();
    assert!(matches!(&error, DefinitionError::Dropped { fields, .. } if fields.len() == 5), "{error}");
    assert!(error.to_string().contains("has no `status.fsm.seq`"), "{error}");
    objects.create(&PostParams::default(), &Pruned::new("alice", PrunedSpec {})).await.unwrap();
    for _ in 0..3 {
        let object = objects.get("alice").await.unwrap();
        assert!(matches!(pruned.pass(&object).await.unwrap().1, Outcome::Resting(ChainState::Ready(_))));
    }
    let [dropped, declared] = [told(&cluster, "StatusNotPublished").await, told(&cluster, "AsDeclared").await];
    assert!(matches!(dropped.as_slice(), [note] if note.contains("no `status.fsm`")), "{dropped:?}");
    assert_eq!(declared.len(), 1);
}

#[tokio::test]
async fn a_definition_that_fits_is_no_error_and_one_that_is_missing_or_elsewhere_is() {
    let Some(cluster) = Cluster::join("fits").await else { return };
    reconciler::<Worker>(&cluster, cluster.client.clone()).check().await.unwrap();
    let error = reconciler::<Absent>(&cluster, cluster.client.clone()).check().await.unwrap_err();
    assert!(matches!(&error, DefinitionError::NotServed { kind, .. } if kind == "Absent"), "{error}");
    let error = reconciler::<Roaming>(&cluster, cluster.client.clone()).check().await.unwrap_err();
    assert!(matches!(&error, DefinitionError::Scope { namespaced: true, .. }), "{error}");
    // A client that may not read definitions learns the rest.
    let client = ApiServer::shared().await.unwrap().client_as("nobody", &[]).await.unwrap();
    reconciler::<Worker>(&cluster, client.clone()).check().await.unwrap();
    let error = reconciler::<Roaming>(&cluster, client).check().await.unwrap_err();
    assert!(matches!(error, DefinitionError::Scope { .. }), "{error}");
}

#[tokio::test]
async fn a_second_machine_in_the_same_field_of_the_status_does_nothing_and_says_why() {
    let Some(cluster) = Cluster::join("taken").await else { return };
    cluster.create("alice").await;
    let _ = cluster.settle(&cluster.reconciler(), "alice").await;
    let (before, calls) = (cluster.workers.get("alice").await.unwrap(), cluster.shelf.calls());
    let second = reconciler::<Worker>(&cluster, cluster.client.clone());
    for object in [before.clone(), cluster.named("alice")] {
        let error = second.pass(&object).await.map(drop).unwrap_err();
        let StoreError::Refused(why) = error else { panic!("{error}") };
        assert!(why.contains("test.durable-fsm.io/worker") && why.contains("mirrored_in"), "{why}");
    }
    // A runner without a reconciler is refused, too.
    assert!(matches!(second.runner().reconcile(&before).await, Err(StoreError::Refused(_))));
    assert_eq!(cluster.shelf.calls(), calls);
    assert_eq!(cluster.workers.get("alice").await.unwrap().metadata, before.metadata);
    assert_eq!(told(&cluster, "StatusFieldTaken").await.len(), 1);
}
