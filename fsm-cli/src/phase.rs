//! The phase of a resource: ready, progressing, blocked, held, deleting or paused.
//!
//! Invariant: the words are those of the conditions and metrics of `durable-fsm-kube`.

use clap::ValueEnum;
use durable_fsm::graph::{Graph, Rest};
use durable_fsm::record::{Direction, Record};
use serde::Serialize;

/// The phase of a resource, what needs a person first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// A person has to look.
    Held,
    /// It goes on by itself when something changes.
    Blocked,
    /// No pass runs until it is resumed.
    Paused,
    /// What it made is being undone.
    Deleting,
    /// It goes on by itself.
    Progressing,
    /// It rests.
    Ready,
}

impl Phase {
    /// The phase of this name.
    #[cfg(feature = "cluster")]
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|phase| phase.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::Held => "held",
            Phase::Blocked => "blocked",
            Phase::Paused => "paused",
            Phase::Deleting => "deleting",
            Phase::Progressing => "progressing",
            Phase::Ready => "ready",
        }
    }
}

/// Phase, reason, and a text that explains the reason, as far as the record tells.
pub(crate) fn of(record: &Record, graph: Option<&Graph<'_>>) -> (Phase, String, String) {
    let said = |phase, reason: &str, text: &str| (phase, reason.to_owned(), text.to_owned());
    if record.paused {
        return said(Phase::Paused, "paused", "");
    }
    if let Some(held) = &record.held {
        return said(Phase::Held, &word(held.reason), &held.message);
    }
    let retry = record.next_retry().map(|retry| retry.error.as_str());
    if let Some(blocked) = &record.blocked {
        return said(Phase::Blocked, &word(blocked.reason), &blocked.message);
    }
    match record.direction {
        Direction::Leaving => return said(Phase::Deleting, "leaving", retry.unwrap_or_default()),
        Direction::Deleting => return said(Phase::Deleting, "deleting", retry.unwrap_or_default()),
        Direction::RollingBack => return said(Phase::Progressing, "rolling-back", retry.unwrap_or_default()),
        _ => {}
    }
    if let Some(error) = retry {
        return said(Phase::Progressing, "retrying", error);
    }
    if let Some(intent) = &record.intent {
        return said(Phase::Progressing, "progressing", &format!("{} is under way", intent.transition));
    }
    let state = graph.and_then(|graph| graph.state(&record.state)).map(|(_, state)| state);
    match state {
        Some(state) if state.failed => said(Phase::Ready, "failed", ""),
        Some(state) if state.rest != Rest::Passing => said(Phase::Ready, "as-declared", ""),
        // Without the graph nothing tells whether it rests here.
        Some(_) | None => said(Phase::Progressing, "progressing", ""),
    }
}

/// A reason's word in records.
fn word(reason: impl Serialize) -> String {
    let word = serde_json::to_value(reason).ok();
    word.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}
