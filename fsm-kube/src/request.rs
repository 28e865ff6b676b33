//! Parses the requests that operators make with annotations.
//!
//! Invariant: a request is carried out at most once, on the resource and effect that it names, in the same write that removes it. A request that cannot be carried out is removed too,
//! and an Event says why.

use durable_fsm::record::{Expected, Record, Resolution};
use durable_fsm::{Facts, graph::Graph};
use serde::Deserialize;
use serde_json::Value;

use crate::names::Names;
use crate::object::Object;
use crate::verb::Verb;

/// The value of the annotation `…-resolve`: what became of an effect in doubt.
///
/// ```json
/// {"transition": "charge", "outcome": "applied", "facts": {"charge_id": "ch_1"}}
/// ```
///
/// | field | meaning |
/// |---|---|
/// | `outcome` | `applied`, `not-applied`, `roll-back` or `waive` |
/// | `transition` | the effect; required for `applied` and `not-applied` |
/// | `facts` | the facts that the reached state adds |
/// | `state` | the reached state, if the transition is a branch |
/// | `value` | what was made for the subject of a set |
/// | `seq` | the record's sequence number that the operator saw. If the record has moved on, the request is refused |
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ResolveRequest {
    /// The transition whose effect it is about.
    #[serde(default)]
    pub transition: Option<String>,
    /// What became of it.
    pub outcome: ResolveOutcome,
    /// The state that was reached; not needed where there is one only.
    #[serde(default)]
    pub state: Option<String>,
    /// The facts that the state adds.
    #[serde(default)]
    pub facts: Option<Facts>,
    /// What was made for the subject of a set.
    #[serde(default)]
    pub value: Option<Value>,
    /// The record's sequence number that the operator was looking at.
    #[serde(default)]
    pub seq: Option<u64>,
}

/// What became of an effect in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResolveOutcome {
    /// It happened.
    Applied,
    /// It did not happen, and will not any more.
    NotApplied,
    /// Undo everything and begin again, whatever happened.
    RollBack,
    /// Ends the steps that the deletion began with, or leaves behind the thing at which the deletion stands.
    Waive,
}

/// A request as an object has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) verb: Verb,
    pub(crate) annotation: String,
    pub(crate) value: String,
}

/// Why a request cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRequest {
    #[error(
        "cannot read the value as a request: {0}; write, for example, {{\"transition\": \"t\", \"outcome\": \"not-applied\"}}"
    )]
    Value(String),
    #[error("the request names no transition; add `\"transition\": \"…\"`")]
    NoTransition,
    #[error("the machine has no transition `{0}`; use the one that the message of the condition names")]
    UnknownTransition(String),
    #[error("`{transition}` may lead to {targets}; say which with `\"state\": \"…\"`")]
    Ambiguous { transition: String, targets: String },
    #[error("the value `{found}` is not the uid of the record's owner, {owner}; give that, or `any`")]
    OtherOwner { found: String, owner: String },
}

/// The requests on an object, in the order in which they are carried out.
pub(crate) fn on(names: &Names, object: &Object) -> Vec<Request> {
    let found = Verb::ALL.into_iter().filter_map(|verb| {
        let annotation = names.verb(verb);
        let value = object.annotation(&annotation)?.clone();
        Some(Request { verb, annotation, value })
    });
    found.collect()
}

/// What a resolving annotation says, for this machine.
pub(crate) fn resolution(graph: &Graph<'_>, value: &str) -> Result<(Expected, Resolution), BadRequest> {
    let request: ResolveRequest = serde_json::from_str(value).map_err(|error| BadRequest::Value(error.to_string()))?;
    let expected = Expected { transition: request.transition.clone(), seq: request.seq };
    let about = || {
        let name = request.transition.clone().ok_or(BadRequest::NoTransition)?;
        let (_, step) = graph.transition(&name).ok_or_else(|| BadRequest::UnknownTransition(name.clone()))?;
        Ok((name, step))
    };
    let resolution = match request.outcome {
        ResolveOutcome::RollBack => Resolution::RollBack,
        ResolveOutcome::Waive => Resolution::Waive,
        ResolveOutcome::NotApplied => {
            about()?;
            Resolution::NotApplied
        }
        ResolveOutcome::Applied => {
            let (name, step) = about()?;
            if step.for_each().is_some() {
                Resolution::AppliedMember { value: request.value.unwrap_or_default() }
            } else {
                let targets: Vec<&str> =
                    step.to.iter().filter_map(|to| graph.states.get(*to)).map(|state| state.name).collect();
                let state = match (request.state, targets.as_slice()) {
                    (Some(state), _) => state,
                    (None, [only]) => (*only).to_owned(),
                    (None, several) => {
                        return Err(BadRequest::Ambiguous { transition: name, targets: several.join(" or ") });
                    }
                };
                Resolution::Applied { state, facts: request.facts.unwrap_or_default() }
            }
        }
    };
    Ok((expected, resolution))
}

/// Whether a request to rebind is meant for this record: its value is the uid of the owner so far, or `any`.
pub(crate) fn may_rebind(value: &str, record: &Record) -> Result<(), BadRequest> {
    if value == "any" || value == record.owner {
        return Ok(());
    }
    Err(BadRequest::OtherOwner { found: value.to_owned(), owner: record.owner.clone() })
}
