//! The Team as a custom resource. Invariant: a member that has an image and a model is one that the team makes; any other is there without it.

use std::collections::{BTreeMap, BTreeSet};

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ObjectStatus;
use crate::team::{Team, TeamSpec};
use crate::worker::WorkerSpec;

/// A team: a leader and workers, with a room, a place in the store, and a room for the leader.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::duplicated_attributes, reason = "each column is a `printcolumn` of its own")]
#[kube(
    group = "hiclaw.io",
    version = "v1beta1",
    kind = "Team",
    root = "TeamObject",
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
pub struct TeamObjectSpec {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The worker that leads it.
    pub leader: MemberSpec,
    /// The workers that it leads. A worker may be in several teams.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub workers: Vec<MemberSpec>,
}

/// A member: the name of a worker, or with image and model a worker that the team makes, and removes when it goes.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true, "anyOf" = both_or_neither()))]
pub struct MemberSpec {
    /// The worker's name, in the team's namespace.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The image of its container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The model that it talks to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its skills.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(length(max = 64))]
    pub skills: BTreeSet<String>,
}

/// The schema of a member with image and model, or with neither. A rule in CEL would need Kubernetes 1.25.
fn both_or_neither() -> serde_json::Value {
    let one = json!({ "anyOf": [{ "required": ["image"] }, { "required": ["model"] }] });
    json!([{ "required": ["image", "model"] }, { "not": one }])
}

impl From<TeamObject> for Team {
    fn from(object: TeamObject) -> Self {
        let TeamObjectSpec { description, leader, workers } = object.spec;
        let mut employees = BTreeMap::new();
        let mut name = |member: MemberSpec| {
            if let (Some(image), Some(model)) = (member.image, member.model) {
                employees.insert(member.name.clone(), WorkerSpec { image, model, skills: member.skills });
            }
            member.name
        };
        let (leader, workers) = (name(leader), workers.into_iter().map(&mut name).collect());
        Self {
            namespace: object.metadata.namespace.unwrap_or_default(),
            name: object.metadata.name.unwrap_or_default(),
            uid: object.metadata.uid.unwrap_or_default(),
            spec: TeamSpec { description: description.unwrap_or_default(), leader, workers, employees },
            deleting: object.metadata.deletion_timestamp.is_some(),
        }
    }
}
