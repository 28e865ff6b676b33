//! The custom resource. Invariant: `manifests/definition.yaml` is what [`definition`] prints; a test compares them.

use durable_fsm_kube::FsmStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, CustomResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A project in the cloud.
#[derive(CustomResource, Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[expect(clippy::duplicated_attributes, reason = "each column is a `printcolumn` of its own")]
#[kube(
    group = "example.io",
    version = "v1",
    kind = "Project",
    namespaced,
    status = "ProjectStatus",
    printcolumn(name = "State", type_ = "string", json_path = ".status.fsm.state"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.fsm.phase"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.fsm.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct ProjectSpec {
    /// How much it may store, in gigabytes.
    #[schemars(range(min = 1, max = 10_000))]
    pub quota: u32,
}

/// What the controller publishes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectStatus {
    /// Where the machine is.
    pub fsm: Option<FsmStatus>,
    /// `Ready`, `Reconciling` and `Stalled`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The generation of the spec that the status is about.
    pub observed_generation: Option<i64>,
}

durable_fsm_kube::resource!(Project, ProjectSpec);

/// The definition of the kind, as YAML for `kubectl apply -f -`.
///
/// # Errors
/// If it cannot be written as YAML.
pub fn definition() -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(&Project::crd())
}
