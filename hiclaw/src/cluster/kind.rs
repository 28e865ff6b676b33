//! The custom resource. Invariant: what the machine sees of an object is its namespace, name, uid, spec and deletion.

use std::collections::BTreeSet;

use durable_fsm_kube::FsmStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::worker::{Worker, WorkerSpec};

/// A worker: an agent with an account, a room, gateway access, configuration, skills and a pod.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::duplicated_attributes, reason = "each column is a `printcolumn` of its own")]
#[kube(
    group = "hiclaw.io",
    version = "v1beta1",
    kind = "Worker",
    root = "WorkerObject",
    namespaced,
    status = "WorkerStatus",
    printcolumn(name = "State", type_ = "string", json_path = ".status.fsm.state"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.fsm.phase"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.fsm.reason"),
    printcolumn(name = "Step", type_ = "string", json_path = ".status.fsm.step", priority = 1),
    printcolumn(name = "Since", type_ = "date", json_path = ".status.fsm.since", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct WorkerObjectSpec {
    /// The image of its container.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// The model that it talks to.
    #[schemars(length(min = 1, max = 253))]
    pub model: String,
    /// Its skills.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub skills: BTreeSet<String>,
}

/// Where a worker is. Nothing here is ever read back but the sequence number.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Where its machine is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fsm: Option<FsmStatus>,
    /// Ready, Reconciling and Stalled.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
    /// The generation of the spec that all this is about.
    #[serde(default, rename = "observedGeneration", skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl From<WorkerObject> for Worker {
    fn from(object: WorkerObject) -> Self {
        let WorkerObjectSpec { image, model, skills } = object.spec;
        Self {
            namespace: object.metadata.namespace.unwrap_or_default(),
            name: object.metadata.name.unwrap_or_default(),
            uid: object.metadata.uid.unwrap_or_default(),
            spec: WorkerSpec { image, model, skills },
            deleting: object.metadata.deletion_timestamp.is_some(),
        }
    }
}
