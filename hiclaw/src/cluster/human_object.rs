//! The Human as a custom resource. Invariant: what the machine sees of an object is its namespace, name, uid, spec and deletion.

use std::collections::BTreeSet;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::ObjectStatus;
use crate::human::{Human, HumanSpec, Level};

/// A person: an account, access to teams and workers, and a mail with the initial password.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::duplicated_attributes, reason = "each column is a `printcolumn` of its own")]
#[kube(
    group = "hiclaw.io",
    version = "v1beta1",
    kind = "Human",
    root = "HumanObject",
    namespaced,
    status = "ObjectStatus",
    printcolumn(name = "State", type_ = "string", json_path = ".status.fsm.state"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.fsm.phase"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.fsm.reason"),
    printcolumn(name = "Step", type_ = "string", json_path = ".status.fsm.step", priority = 1),
    printcolumn(name = "Since", type_ = "date", json_path = ".status.fsm.since", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct HumanObjectSpec {
    /// The name that others see.
    #[schemars(length(min = 1, max = 256))]
    pub display_name: String,
    /// Where the initial password is sent; nowhere if there is no address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What they may reach: 1 everything, 2 the listed teams and workers, 3 the listed workers.
    #[schemars(range(min = 1, max = 3))]
    pub permission_level: u8,
    /// Teams; of no consequence but for level 2.
    #[serde(default)]
    pub accessible_teams: BTreeSet<String>,
    /// Workers beside those of the teams; of no consequence for level 1.
    #[serde(default)]
    pub accessible_workers: BTreeSet<String>,
}

impl From<HumanObject> for Human {
    fn from(object: HumanObject) -> Self {
        let HumanObjectSpec { display_name, email, permission_level, accessible_teams, accessible_workers } =
            object.spec;
        // The schema admits no other number; one that is none reaches the least.
        let level = Level::try_from(permission_level).unwrap_or(Level::Worker);
        Self {
            namespace: object.metadata.namespace.unwrap_or_default(),
            name: object.metadata.name.unwrap_or_default(),
            uid: object.metadata.uid.unwrap_or_default(),
            spec: HumanSpec { display_name, email, level, accessible_teams, accessible_workers },
            deleting: object.metadata.deletion_timestamp.is_some(),
        }
    }
}
