//! Where a resource stands: its reason in one word, and a sentence that explains it.
//!
//! Invariant: conditions, metrics, `fsm` and the admin page get their reasons from here. If nothing stops a resource, the reason for its record equals the reason for
//! the outcome of the pass that wrote the record.

use crate::graph::{Graph, Rest};
use crate::outcome::Outcome;
use crate::reason::Reason;
use crate::record::{Action, Direction, Record};

/// Where a resource stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// Why it is as it is.
    pub reason: Reason,
    /// The same in a sentence, for people. Empty if the reason says everything.
    pub message: String,
}

impl Position {
    /// A position for this reason.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// As far as the record tells. Without the graph that wrote the record, it is not known whether the resource rests; then it counts as progressing.
    #[must_use]
    pub fn of_record(graph: Option<&Graph<'_>>, record: &Record) -> Self {
        if record.paused {
            return Self::new(Reason::Paused, "");
        }
        if let Some(held) = &record.held {
            return Self::new(held.reason.into(), &held.message);
        }
        if let Some(blocked) = &record.blocked {
            return Self::new(blocked.reason.into(), &blocked.message);
        }
        let state = graph.and_then(|graph| graph.state(&record.state)).map(|(_, state)| state);
        let failed = state.is_some_and(|state| state.failed);
        let rests = record.intent.is_none() && state.is_some_and(|state| failed || state.rest != Rest::Passing);
        let reason = Reason::going(record, rests, failed);
        let message = match (record.next_retry(), &record.intent) {
            (Some(retry), _) => retry.error.clone(),
            (None, Some(intent)) if reason == Reason::Progressing => format!("{} is under way", intent.transition),
            (None, _) => String::new(),
        };
        Self::new(reason, message)
    }

    /// After a pass that ended like this and left this record. None for a resource that is gone or never had a record.
    #[must_use]
    pub fn of_outcome<S>(graph: &Graph<'_>, outcome: &Outcome<S>, record: Option<&Record>) -> Option<Self> {
        Some(match outcome {
            Outcome::Gone => return None,
            Outcome::Held { reason, message } => Self::new((*reason).into(), message),
            Outcome::Blocked { reason, message, .. } => Self::new((*reason).into(), message),
            Outcome::Paused => Self::new(Reason::Paused, "no pass runs until it is resumed"),
            Outcome::Resting(_) | Outcome::Watching { .. } => going(graph, record?, true),
            Outcome::Progressing { reason: why, .. } | Outcome::Undoing { reason: why, .. } => {
                let record = record?;
                let Self { reason, message } = going(graph, record, false);
                // A step that is tried again is named already, with its error and its time.
                let is_said = why.is_empty() || record.next_retry().is_some_and(|retry| why.contains(&retry.error));
                Self::new(reason, if is_said { message } else { format!("{message}; {why}") })
            }
        })
    }

    /// While a pass is under way. None if nothing is under way by what the record says.
    #[must_use]
    pub fn under_way(graph: &Graph<'_>, record: &Record) -> Option<Self> {
        let is_stopped = record.paused || record.held.is_some() || record.blocked.is_some();
        (!is_stopped).then(|| going(graph, record, false))
    }
}

/// A resource that is neither stopped nor gone.
fn going(graph: &Graph<'_>, record: &Record, rests: bool) -> Position {
    let state = &record.state;
    let failed = graph.state(state).is_some_and(|(_, state)| state.failed);
    let message = match (record.direction, &record.intent, record.next_retry()) {
        (direction, _, Some(retry)) => {
            let times = if retry.count == 1 { "once".to_owned() } else { format!("{} times", retry.count) };
            let message =
                format!("{} failed {times}, and is tried again at {}: {}", attempted(record), retry.at, retry.error);
            match direction {
                // An undo that fails is a part of the deletion, and not of its own phase.
                Direction::Deleting => format!("{message}; {}", left(record)),
                Direction::Leaving | Direction::Forward | Direction::RollingBack => message,
            }
        }
        (Direction::Leaving, Some(intent), _) => format!("in {state}, `{}` is under way", intent.transition),
        (Direction::Leaving, None, _) => format!("in {state}, before anything is undone"),
        (Direction::Deleting | Direction::RollingBack, ..) => left(record),
        (Direction::Forward, ..) if rests => format!("it rests in {state}"),
        (Direction::Forward, Some(intent), _) => format!("in {state}, `{}` is under way", intent.transition),
        (Direction::Forward, None, _) => format!("in {state}"),
    };
    Position::new(Reason::going(record, rests, failed), message)
}

/// The step that is under way, or else the one that is undone next.
fn attempted(record: &Record) -> String {
    let step = |transition: &str, subject: Option<&String>| {
        let subject = subject.map(|subject| format!(" for {subject}")).unwrap_or_default();
        format!("`{transition}`{subject}")
    };
    if let Some(intent) = &record.intent {
        let step = step(&intent.transition, intent.subject.as_ref());
        return match intent.action {
            Action::Run => step,
            Action::Undo => format!("the undo of {step}"),
            Action::Abort => format!("the abort of {step}"),
        };
    }
    let live = record.undo.iter().max_by_key(|it| it.order()).filter(|_| !record.direction.is_forward());
    live.map_or("the next step".to_owned(), |it| format!("the undo of {}", step(&it.transition, it.subject.as_ref())))
}

/// What is left on the way back: live effects, and steps that were sent and whose outcome is not known or not certain.
fn left(record: &Record) -> String {
    let live = format!("undoing: {} effects left", record.undo.len());
    match record.unconfirmed.last() {
        Some(last) => format!("{live}, {} unconfirmed steps (`{}`)", record.unconfirmed.len(), last.transition),
        None => live,
    }
}
