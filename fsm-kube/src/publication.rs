//! What a status becomes.
//!
//! Invariant: what is published is about the generation that the pass was for, and never about a later one. The sequence number in the status never goes back, and conditions of
//! others stay as they are.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::conditions::Verdict;
use crate::object::Object;
use crate::status::Summary;

/// A status that differs from the one that is stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Publication {
    /// The merge patch of the status.
    pub(crate) status: Value,
    /// The reason that was published before.
    pub(crate) before: Option<String>,
}

impl Publication {
    /// What a machine that publishes in this field has to write. None if it is there already, if somebody has published a later generation, or if another machine
    /// publishes there.
    pub(crate) fn of(
        object: &Object,
        (machine, field): (&str, &str),
        generation: Option<i64>,
        mut summary: Summary,
    ) -> Option<Self> {
        if object.publisher(field).is_some_and(|publisher| publisher != machine) {
            return None;
        }
        let none = Value::Null;
        let status = object.status.as_ref().unwrap_or(&none);
        let before = status.get(field).unwrap_or(&none);
        let is_outdated = before.get("observedGeneration").and_then(Value::as_i64).is_some_and(|published| {
            generation.is_some_and(|ours| published > ours)
                && object.metadata.generation.is_some_and(|latest| published <= latest)
        });
        if is_outdated {
            return None;
        }
        (summary.status.machine, summary.status.observed_generation) = (Some(machine.to_owned()), generation);
        let verdict = Verdict::of(&summary, field, status);
        let conditions = conditions_in(status);
        let new_conditions = verdict.conditions(&conditions, Timestamp::now());
        let own = own_status(&summary, before.get("seq").and_then(Value::as_u64));
        let observed = json!(verdict.generation);
        // A definition without this field drops it.
        let is_observed = status.get("observedGeneration").is_none_or(|it| *it == observed);
        let is_same = is_observed
            && new_conditions == conditions
            && own.iter().all(|(key, value)| before.get(key).unwrap_or(&Value::Null) == value);
        if is_same {
            return None;
        }
        let before = before.get("reason").and_then(Value::as_str).map(str::to_owned);
        let status = json!({ field: own, "conditions": new_conditions, "observedGeneration": observed });
        Some(Self { status, before })
    }
}

pub(crate) fn conditions_in(status: &Value) -> Vec<Condition> {
    status.get("conditions").and_then(|it| serde_json::from_value(it.clone()).ok()).unwrap_or_default()
}

/// The fields of the status as a merge patch. Fields without a value are removed. The sequence number never goes back.
fn own_status(summary: &Summary, before: Option<u64>) -> Map<String, Value> {
    let Ok(Value::Object(mut own)) = serde_json::to_value(&summary.status) else { return Map::new() };
    for key in ["state", "phase", "reason", "step", "attempt", "since", "observedGeneration"] {
        own.entry(key).or_insert(Value::Null);
    }
    if summary.status.seq.is_none_or(|seq| before.is_some_and(|before| before > seq)) {
        own.remove("seq");
    }
    own
}
