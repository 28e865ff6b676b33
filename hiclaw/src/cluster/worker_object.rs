//! The Worker as a custom resource. Invariant: what the machine sees of an object is its namespace, name, uid, spec and deletion.

use std::collections::BTreeSet;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::ObjectStatus;
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
    status = "ObjectStatus",
    printcolumn(name = "State", type_ = "string", json_path = ".status.fsm.state"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.fsm.phase"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.fsm.reason"),
    printcolumn(name = "Step", type_ = "string", json_path = ".status.fsm.step", priority = 1),
    printcolumn(name = "Since", type_ = "date", json_path = ".status.fsm.since", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
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
