//! What is asked for, as the annotation that asks for it.
//!
//! Invariant: a request that decides about an effect names the record that was shown, so that it is refused if the record has moved on.

use durable_fsm::Request;
use durable_fsm::record::{Expected, Resolution};
use durable_fsm_kube::Verb;
use serde_json::{Map, Value, json};

use crate::change::Asked;

/// The verb, and the value of its annotation.
pub(super) fn of(asked: &Asked, record: Option<&str>) -> (Verb, String) {
    let now = || "now".to_owned();
    match asked {
        Asked::Release => (Verb::Release, now()),
        Asked::Verify => (Verb::Verify, now()),
        Asked::Change(Request::Pause, _) => (Verb::Pause, now()),
        Asked::Change(Request::Resume, _) => (Verb::Resume, now()),
        Asked::Change(Request::Rebind { .. }, _) => (Verb::Rebind, owner(record)),
        Asked::Change(Request::Resolve(Resolution::Retry), _) => (Verb::Retry, now()),
        Asked::Change(Request::Resolve(resolution), expected) => (Verb::Resolve, resolved(resolution, expected)),
    }
}

/// The owner that the record has so far.
fn owner(record: Option<&str>) -> String {
    let record = record.and_then(|text| serde_json::from_str::<Value>(text).ok());
    record.and_then(|record| Some(record.get("owner")?.as_str()?.to_owned())).unwrap_or_else(|| "any".to_owned())
}

fn resolved(resolution: &Resolution, expected: &Expected) -> String {
    let mut request = Map::new();
    let outcome = match resolution {
        Resolution::Applied { state, facts } => {
            request.insert("state".to_owned(), json!(state));
            request.insert("facts".to_owned(), json!(facts));
            "applied"
        }
        Resolution::AppliedMember { value } => {
            request.insert("value".to_owned(), value.clone());
            "applied"
        }
        Resolution::NotApplied => "not-applied",
        Resolution::RollBack => "roll-back",
        Resolution::Waive => "waive",
        Resolution::Retry => "retry",
    };
    request.insert("outcome".to_owned(), json!(outcome));
    if let Some(transition) = &expected.transition {
        request.insert("transition".to_owned(), json!(transition));
    }
    if let Some(seq) = expected.seq {
        request.insert("seq".to_owned(), json!(seq));
    }
    Value::Object(request).to_string()
}

#[cfg(test)]
mod tests {
    use durable_fsm_kube::{ResolveOutcome, ResolveRequest};

    use super::*;

    #[test]
    fn the_controller_reads_what_is_asked_for() {
        let asked = |resolution| {
            let expected = Expected { transition: Some("charge".to_owned()), seq: Some(7) };
            let (verb, value) = of(&Asked::Change(Request::Resolve(resolution), expected), None);
            assert_eq!(verb, Verb::Resolve);
            serde_json::from_str::<ResolveRequest>(&value).unwrap()
        };
        let facts = [("receipt".to_owned(), json!("r"))].into_iter().collect();
        let applied = asked(Resolution::Applied { state: "Charged".to_owned(), facts });
        assert_eq!((applied.outcome, applied.seq), (ResolveOutcome::Applied, Some(7)));
        assert_eq!(applied.state.as_deref(), Some("Charged"));
        assert_eq!(applied.facts.unwrap().iter().next().unwrap().1, &json!("r"));
        assert_eq!(asked(Resolution::AppliedMember { value: json!([1]) }).value, Some(json!([1])));
        for (resolution, outcome) in [
            (Resolution::NotApplied, ResolveOutcome::NotApplied),
            (Resolution::RollBack, ResolveOutcome::RollBack),
            (Resolution::Waive, ResolveOutcome::Waive),
        ] {
            let found = asked(resolution);
            assert_eq!((found.outcome, found.transition.as_deref()), (outcome, Some("charge")));
        }
    }

    #[test]
    fn a_record_is_taken_from_the_owner_that_it_has() {
        let rebind = Asked::Change(Request::Rebind { uid: "new".to_owned() }, Expected::default());
        assert_eq!(of(&rebind, Some("{\"owner\":\"old\"}")), (Verb::Rebind, "old".to_owned()));
        assert_eq!(of(&rebind, Some("no record")), (Verb::Rebind, "any".to_owned()));
    }
}
