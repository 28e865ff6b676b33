//! The part of the status that the library writes.
//!
//! Invariant: it is derived from the record after the record was written. Only the sequence number in it is ever read back.

use durable_fsm::graph::Graph;
use durable_fsm::record::Record;
use durable_fsm::{Machine, Outcome, Position, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The field `fsm` of a status. Add it to your status type, with `conditions` beside it:
///
/// ```
/// use durable_fsm_kube::FsmStatus;
/// use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
///
/// #[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// #[serde(rename_all = "camelCase")]
/// pub struct WorkerStatus {
///     #[serde(default)]
///     pub fsm: Option<FsmStatus>,
///     #[serde(default)]
///     pub conditions: Vec<Condition>,
///     /// kstatus reads it. Until it has caught up, the conditions are about an older spec.
///     #[serde(default)]
///     pub observed_generation: Option<i64>,
/// }
/// ```
///
/// If several machines run on one object, each publishes in a field of its own ([`AnnotationStore::mirrored_in`](crate::AnnotationStore::mirrored_in)). They share
/// the conditions Ready, Reconciling and Stalled, which show the worst of them: held, then blocked, deleting, progressing, paused. Ready is true only if all
/// machines are ready. `observedGeneration` is the oldest generation that any of them has looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FsmStatus {
    /// The machine that publishes here. No other one may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The sequence number of the latest record that was published. If the record is older or missing, it counts as lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Ready, Progressing, Blocked, Held, Deleting or Paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Why, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The transition that is under way, with its subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The number of its attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Since when it is in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The generation of the spec that the other fields are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// The summary of a resource after a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Why it is as it is.
    pub(crate) reason: Reason,
    /// The same in a sentence, with the address of the runbook's page if there is one.
    pub(crate) message: String,
    /// The field of the status.
    pub(crate) status: FsmStatus,
}

impl Summary {
    /// Summarises an outcome and the record. None for a resource that is gone or never had a record.
    pub(crate) fn of<M: Machine>(outcome: &Outcome<M::State>, record: Option<&Record>) -> Option<Self> {
        let position = Position::of_outcome(M::GRAPH, outcome, record)?;
        Some(Self::of_position(position, record))
    }

    /// Summarises a record while a pass is under way. None if nothing is under way by what it says.
    pub(crate) fn under_way(graph: &Graph<'_>, record: &Record) -> Option<Self> {
        Position::under_way(graph, record).map(|position| Self::of_position(position, Some(record)))
    }

    fn of_position(position: Position, record: Option<&Record>) -> Self {
        Self::new(position.reason, position.message, record)
    }

    pub(crate) fn new(reason: Reason, message: String, record: Option<&Record>) -> Self {
        let message = match reason.runbook() {
            Some(page) => format!("{message} (see {page})"),
            None => message,
        };
        let intent = record.and_then(|record| record.intent.as_ref());
        let status = FsmStatus {
            machine: None,
            seq: record.map(|record| record.seq),
            state: record.map(|record| record.state.clone()),
            phase: Some(reason.phase().name().to_owned()),
            reason: Some(reason.name().to_owned()),
            step: intent.map(|intent| match &intent.subject {
                Some(subject) => format!("{}({subject})", intent.transition),
                None => intent.transition.clone(),
            }),
            attempt: intent.map(|intent| intent.attempt),
            since: record.map(|record| record.since.to_string()),
            observed_generation: None,
        };
        Self { reason, message, status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(reason: Reason) -> Summary {
        Summary::new(reason, "m".to_owned(), None)
    }

    #[test]
    fn a_reason_that_needs_a_person_names_its_page() {
        assert!(summary(Reason::InDoubt).message.ends_with("/docs/runbook/in-doubt.md)"));
        assert_eq!(summary(Reason::Progressing).message, "m");
    }
}
