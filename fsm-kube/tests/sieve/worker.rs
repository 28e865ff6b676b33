//! The resource that is reconciled, and what its spec asks for.

use std::collections::BTreeSet;

use durable_fsm_kube::FsmStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[kube(group = "test.durable-fsm.io", version = "v1", kind = "Worker", namespaced, status = "WorkerStatus")]
pub struct WorkerSpec {
    pub skills: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub struct WorkerStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fsm: Option<FsmStatus>,
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// Somebody else's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

durable_fsm_kube::resource!(Worker, WorkerSpec);

/// How the memory server calls the kind.
pub const WORKERS: &str = "workers.test.durable-fsm.io";

/// The kinds of the skills that a stored worker wants.
pub fn wanted_skills(object: &Value) -> Vec<String> {
    let skills = object["spec"]["skills"].as_array().into_iter().flatten();
    skills.filter_map(|it| it.as_str()).map(skill).collect()
}

/// The kind of thing that a skill is.
pub fn skill(name: &str) -> String {
    format!("skill-{name}")
}

/// Whether a stored worker says that it is ready, for the generation that it has.
pub fn says_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|it| {
        it["type"] == "Ready" && it["status"] == "True" && it["observedGeneration"] == object["metadata"]["generation"]
    })
}

/// Whether a stored worker is to be deleted.
pub fn is_deleting(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// The uid of a stored object.
pub fn uid_of(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}
