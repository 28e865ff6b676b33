//! The conditions of an object, shared by all of its machines.
//!
//! Invariant: whichever machine writes them, they show the worst of what all machines publish, and the oldest generation that any of them has looked at. Two reconcilers
//! therefore never overwrite each other in turn.

use std::cmp::Reverse;

use durable_fsm::{Phase, Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use crate::status::{FsmStatus, Summary};

/// The summary of an object on which several machines may run: the worst of theirs.
///
/// Each machine publishes in a field of the status of its own. Every field that has the phase and a reason of [`FsmStatus`] counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    reason: Reason,
    message: String,
    /// The generation that all of them have looked at.
    pub(crate) generation: Option<i64>,
}

impl Verdict {
    /// `own` is what the machine that publishes in `field` says now, and `status` the status as it is stored.
    pub(crate) fn of(own: &Summary, field: &str, status: &Value) -> Self {
        let stored: Vec<Voice<'_>> = voices(status).collect();
        let now = Voice { field, reason: own.reason, generation: own.status.observed_generation };
        let others = stored.iter().filter(|voice| voice.field != field);
        let all = || others.clone().copied().chain([now]);
        let worst = all().max_by_key(Voice::weight).unwrap_or(now);
        let is_told = || {
            let before = stored.iter().max_by_key(|voice| voice.weight())?;
            (before.field == worst.field && before.reason == worst.reason).then(|| message_in(status, worst.reason))?
        };
        let message = if worst.field == field {
            own.message.clone()
        } else {
            // Only the reconciler of that machine knows the message.
            is_told()
                .unwrap_or_else(|| format!("{}; reported by the machine of `status.{}`", worst.reason, worst.field))
        };
        Self { reason: worst.reason, message, generation: all().filter_map(|voice| voice.generation).min() }
    }

    /// The conditions that kstatus, and everything built on it, understands: Ready, Reconciling and Stalled. `before` are the
    /// object's conditions; those of other types stay, and a condition keeps the time of its last change of status.
    pub(crate) fn conditions(&self, before: &[Condition], now: Timestamp) -> Vec<Condition> {
        let phase = self.reason.phase();
        let ours = [
            ("Ready", phase == Phase::Ready),
            ("Reconciling", matches!(phase, Phase::Progressing | Phase::Deleting)),
            ("Stalled", matches!(phase, Phase::Blocked | Phase::Held)),
        ];
        let is_ours = |condition: &&Condition| ours.iter().any(|(name, _)| condition.type_ == *name);
        let mut conditions: Vec<Condition> = before.iter().filter(|it| !is_ours(it)).cloned().collect();
        // Kubernetes times have whole seconds.
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        for (name, holds) in ours {
            let status = if holds { "True" } else { "False" };
            let since = before.iter().find(|it| it.type_ == name && it.status == status);
            conditions.push(Condition {
                type_: name.to_owned(),
                status: status.to_owned(),
                reason: self.reason.name().to_owned(),
                message: self.message.clone(),
                observed_generation: self.generation,
                last_transition_time: since.map_or(Time(now), |it| it.last_transition_time.clone()),
            });
        }
        conditions
    }
}

/// What one machine says.
#[derive(Debug, Clone, Copy)]
struct Voice<'a> {
    field: &'a str,
    reason: Reason,
    generation: Option<i64>,
}

impl<'a> Voice<'a> {
    /// The worse one wins. Of two equal ones it is always the same.
    fn weight(&self) -> (Phase, Reverse<&'a str>) {
        (self.reason.phase(), Reverse(self.field))
    }
}

/// What the machines of an object say in its status.
fn voices(status: &Value) -> impl Iterator<Item = Voice<'_>> {
    status.as_object().into_iter().flatten().filter_map(|(field, value)| {
        let said: FsmStatus = value.is_object().then(|| serde_json::from_value(value.clone()).ok())??;
        let reason = Reason::named(said.reason.as_deref()?)?;
        let is_whole = said.phase.as_deref() == Some(reason.phase().name());
        is_whole.then_some(Voice { field, reason, generation: said.observed_generation })
    })
}

/// The message that the conditions have for a reason.
fn message_in(status: &Value, reason: Reason) -> Option<String> {
    let conditions = status.get("conditions")?.as_array()?;
    let ready = conditions.iter().find(|it| it["type"] == "Ready" && it["reason"] == reason.name())?;
    ready["message"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn summary(reason: Reason) -> Summary {
        let mut summary = Summary::new(reason, "m".to_owned(), None);
        summary.status.observed_generation = Some(3);
        summary
    }

    fn conditions(reason: Reason, before: &[Condition], now: Timestamp) -> Vec<Condition> {
        Verdict::of(&summary(reason), "fsm", &json!({})).conditions(before, now)
    }

    fn statuses(conditions: &[Condition]) -> Vec<(&str, &str)> {
        conditions.iter().map(|it| (it.type_.as_str(), it.status.as_str())).collect()
    }

    /// The status after this machine has published.
    fn published(status: &Value, field: &str, reason: Reason, message: &str, generation: i64) -> Value {
        let mut own = Summary::new(reason, message.to_owned(), None);
        own.status.observed_generation = Some(generation);
        let verdict = Verdict::of(&own, field, status);
        let mut status = status.clone();
        status[field] = serde_json::to_value(&own.status).unwrap();
        status["conditions"] = serde_json::to_value(verdict.conditions(&[], Timestamp::UNIX_EPOCH)).unwrap();
        status
    }

    fn ready(status: &Value) -> (&str, &str, i64) {
        let ready = &status["conditions"][0];
        let text = |key: &str| ready[key].as_str().unwrap();
        (text("reason"), text("message"), ready["observedGeneration"].as_i64().unwrap())
    }

    #[test]
    fn kstatus_finds_one_thing_true_of_every_phase_but_paused() {
        for reason in Reason::ALL {
            let conditions = conditions(reason, &[], Timestamp::UNIX_EPOCH);
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
            ..conditions(Reason::Paused, &[], Timestamp::UNIX_EPOCH)[0].clone()
        };
        let first = conditions(Reason::Progressing, std::slice::from_ref(&other), Timestamp::UNIX_EPOCH);
        let later = Timestamp::from_second(60).unwrap();
        let second = conditions(Reason::AsDeclared, &first, later);
        assert_eq!(
            statuses(&second),
            [("Synced", "False"), ("Ready", "True"), ("Reconciling", "False"), ("Stalled", "False")]
        );
        let times: Vec<i64> = second.iter().map(|it| it.last_transition_time.0.as_second()).collect();
        assert_eq!(times, [0, 60, 60, 0]);
        assert_eq!(second[0], other);
    }

    #[test]
    fn the_worst_of_two_machines_is_published_by_either() {
        let alone = published(&json!({}), "fsm", Reason::AsDeclared, "a rests", 1);
        assert_eq!(ready(&alone), ("AsDeclared", "a rests", 1));
        let held = published(&alone, "licence", Reason::NotOurs, "not b's", 1);
        assert!(ready(&held).1.starts_with("not b's"));
        // The message of the other machine stays, byte for byte.
        assert_eq!(published(&held, "fsm", Reason::AsDeclared, "a rests", 1), held);
        let both = published(&held, "licence", Reason::AsDeclared, "b rests", 1);
        assert_eq!(ready(&both), ("AsDeclared", "AsDeclared; reported by the machine of `status.fsm`", 1));
        let told = published(&both, "fsm", Reason::AsDeclared, "a rests", 1);
        assert_eq!(ready(&told), ("AsDeclared", "a rests", 1));
        assert_eq!(published(&told, "licence", Reason::AsDeclared, "b rests", 1), told);
    }

    #[test]
    fn a_generation_is_observed_when_every_machine_has_looked_at_it() {
        let first = published(&json!({}), "fsm", Reason::AsDeclared, "a", 1);
        let first = published(&first, "licence", Reason::AsDeclared, "b", 1);
        let half = published(&first, "licence", Reason::AsDeclared, "b", 2);
        assert_eq!(ready(&half).2, 1);
        assert_eq!(ready(&published(&half, "fsm", Reason::AsDeclared, "a", 2)).2, 2);
    }

    #[test]
    fn words_of_one_machine_are_not_taken_for_those_of_another() {
        let both = published(&json!({}), "licence", Reason::InDoubt, "b's doubt", 1);
        let both = published(&both, "fsm", Reason::InDoubt, "a's doubt", 1);
        assert!(ready(&both).1.starts_with("a's doubt"));
        let one = published(&both, "fsm", Reason::AsDeclared, "a rests", 1);
        assert_eq!(ready(&one), ("InDoubt", "InDoubt; reported by the machine of `status.licence`", 1));
    }

    #[test]
    fn what_only_looks_like_a_machine_says_nothing() {
        let status = json!({ "phase": "Held", "other": { "phase": "Held", "reason": "Bankrupt" }, "list": [1],
            "half": { "reason": "InDoubt" } });
        assert_eq!(voices(&status).count(), 0);
    }
}
