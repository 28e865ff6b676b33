//! What is published in the status. Invariant: it is told from the record after that was written, and nothing of it is ever read back but the
//! sequence number, as a tripwire.

use durable_fsm::graph::Graph;
use durable_fsm::record::{Direction, Record};
use durable_fsm::{Machine, Outcome};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reason::{Phase, Reason};

/// The field `fsm` of a status. Put it there, with `conditions` beside it, and the columns of `kubectl get` have something to show:
///
/// ```
/// use durable_fsm_kube::FsmStatus;
/// use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
///
/// #[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// pub struct WorkerStatus {
///     #[serde(default)]
///     pub fsm: Option<FsmStatus>,
///     #[serde(default)]
///     pub conditions: Vec<Condition>,
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FsmStatus {
    /// The sequence number of the latest record that was published. A record that is older, or missing, is lost.
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
}

/// What there is to say of a resource after a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Why it is as it is.
    pub reason: Reason,
    /// The same in a sentence, with the address of the runbook's page where there is one.
    pub message: String,
    /// What stands in the status.
    pub status: FsmStatus,
}

impl Summary {
    /// What an outcome and the record say. Nothing is to be said of a resource that is gone, or that has never had a record.
    #[must_use]
    pub fn of<M: Machine>(outcome: &Outcome<M::State>, record: Option<&Record>) -> Option<Self> {
        let (reason, message) = match outcome {
            Outcome::Gone => return None,
            Outcome::Held { reason, message } => (Reason::from(*reason), message.clone()),
            Outcome::Blocked { reason, message, .. } => (Reason::from(*reason), message.clone()),
            Outcome::Paused => (Reason::Paused, "nobody acts on it until it is resumed".to_owned()),
            Outcome::Resting(_) | Outcome::Progressing { .. } => {
                going(M::GRAPH, record?, matches!(outcome, Outcome::Resting(_)))
            }
        };
        Some(Self::new(reason, message, record))
    }

    pub(crate) fn new(reason: Reason, message: String, record: Option<&Record>) -> Self {
        let message = match reason.runbook() {
            Some(page) => format!("{message} (see {page})"),
            None => message,
        };
        let intent = record.and_then(|record| record.intent.as_ref());
        let status = FsmStatus {
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
        };
        Self { reason, message, status }
    }

    /// The conditions that kstatus, and everything built on it, understands: Ready, Reconciling and Stalled. `before` are the
    /// object's conditions; those of other types stay, and a condition keeps the time of its last change of status.
    #[must_use]
    pub fn conditions(&self, before: &[Condition], generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
        let phase = self.reason.phase();
        let ours = [
            ("Ready", phase == Phase::Ready),
            ("Reconciling", matches!(phase, Phase::Progressing | Phase::Deleting)),
            ("Stalled", matches!(phase, Phase::Blocked | Phase::Held)),
        ];
        let is_ours = |condition: &&Condition| ours.iter().any(|(name, _)| condition.type_ == *name);
        let mut conditions: Vec<Condition> = before.iter().filter(|it| !is_ours(it)).cloned().collect();
        // A status is good for seconds; finer times would be cut off by the server's clients.
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        for (name, holds) in ours {
            let status = if holds { "True" } else { "False" };
            let since = before.iter().find(|it| it.type_ == name && it.status == status);
            conditions.push(Condition {
                type_: name.to_owned(),
                status: status.to_owned(),
                reason: self.reason.name().to_owned(),
                message: self.message.clone(),
                observed_generation: generation,
                last_transition_time: since.map_or(Time(now), |it| it.last_transition_time.clone()),
            });
        }
        conditions
    }
}

/// A resource that is neither stopped nor gone.
fn going(graph: &Graph<'_>, record: &Record, rests: bool) -> (Reason, String) {
    let state = &record.state;
    match (record.direction, &record.intent, &record.retry) {
        (_, _, Some(retry)) => {
            let step = record.intent.as_ref().map_or("the next step".to_owned(), |it| format!("`{}`", it.transition));
            let message =
                format!("{step} failed {} times, and is tried again at {}: {}", retry.count, retry.at, retry.error);
            (Reason::Retrying, message)
        }
        (Direction::Deleting, ..) => (Reason::Deleting, format!("{} effects are left to undo", record.undo.len())),
        (Direction::RollingBack, ..) => {
            (Reason::RollingBack, format!("{} effects are left to undo", record.undo.len()))
        }
        (Direction::Forward, ..) if rests => {
            let failed = graph.state(state).is_some_and(|(_, state)| state.failed);
            let reason = if failed { Reason::Failed } else { Reason::AsDeclared };
            (reason, format!("it rests in {state}"))
        }
        (Direction::Forward, Some(intent), _) => {
            (Reason::Progressing, format!("in {state}, `{}` is under way", intent.transition))
        }
        (Direction::Forward, None, _) => (Reason::Progressing, format!("in {state}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(reason: Reason) -> Summary {
        Summary::new(reason, "m".to_owned(), None)
    }

    fn statuses(conditions: &[Condition]) -> Vec<(&str, &str)> {
        conditions.iter().map(|it| (it.type_.as_str(), it.status.as_str())).collect()
    }

    #[test]
    fn kstatus_finds_one_thing_true_of_every_phase_but_paused() {
        for reason in Reason::ALL {
            let conditions = summary(reason).conditions(&[], Some(3), Timestamp::UNIX_EPOCH);
            let holds: Vec<&str> =
                conditions.iter().filter(|it| it.status == "True").map(|it| it.type_.as_str()).collect();
            let expected: &[&str] = match reason.phase() {
                Phase::Ready => &["Ready"],
                Phase::Progressing | Phase::Deleting => &["Reconciling"],
                Phase::Blocked | Phase::Held => &["Stalled"],
                Phase::Paused => &[],
            };
            assert_eq!(holds, expected, "{reason}");
            assert!(conditions.iter().all(|it| it.observed_generation == Some(3) && it.reason == reason.name()));
        }
    }

    #[test]
    fn conditions_of_others_stay_and_times_change_only_with_the_status() {
        let other = Condition {
            type_: "Synced".to_owned(),
            ..summary(Reason::Paused).conditions(&[], None, Timestamp::UNIX_EPOCH)[0].clone()
        };
        let first =
            summary(Reason::Progressing).conditions(std::slice::from_ref(&other), Some(1), Timestamp::UNIX_EPOCH);
        let later = Timestamp::from_second(60).unwrap();
        let second = summary(Reason::AsDeclared).conditions(&first, Some(1), later);
        assert_eq!(
            statuses(&second),
            [("Synced", "False"), ("Ready", "True"), ("Reconciling", "False"), ("Stalled", "False")]
        );
        let times: Vec<i64> = second.iter().map(|it| it.last_transition_time.0.as_second()).collect();
        assert_eq!(times, [0, 60, 60, 0]);
        assert_eq!(second[0], other);
    }

    #[test]
    fn a_reason_that_needs_a_person_names_its_page() {
        assert!(summary(Reason::InDoubt).message.ends_with("/docs/runbook/in-doubt.md)"));
        assert_eq!(summary(Reason::Progressing).message, "m");
    }
}
