//! Writes the caption beside an edge.

use crate::edges::Edge;
use crate::model::{Cause, Graph, Kind, Undo};
use crate::overlay::{Back, Overlay};
use crate::text;

/// The transition's name, and in a muted tone its guard, set and undo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Caption {
    pub(crate) name: String,
    pub(crate) note: String,
}

/// The caption of an edge, and how the undo of its transition stands to a live resource.
pub(crate) fn caption(graph: &Graph<'_>, live: Option<&Overlay<'_>>, edge: &Edge) -> Caption {
    let index = edge.transition;
    let Some(transition) = graph.transitions.get(index) else { return Caption::default() };
    let mut notes = vec![];
    if let Some(guard) = graph.guard(edge.from, index) {
        notes.push(format!("if {guard}"));
    }
    if let Some(set) = transition.for_each() {
        notes.push(format!("{} {}", if set.kept { "keeps" } else { "each of" }, set.fact));
    }
    match transition.kind {
        Kind::Effect(contract) | Kind::Deferred(contract) => match contract.undo {
            Undo::Method(undo) => notes.push(match live.and_then(|live| live.back(index)) {
                None => format!("⟲ {undo}"),
                Some(Back::Undone) => format!("⟲ {undo}: undone"),
                Some(Back::UnderWay) => format!("◀ {undo}: under way"),
                Some(Back::Pending) => format!("⟲ {undo}: to undo"),
            }),
            Undo::Retain => notes.push("retained".to_owned()),
            Undo::None => {}
        },
        Kind::Waits { .. } => notes.push("waits".to_owned()),
        Kind::Rewind => notes.push("rewind".to_owned()),
        Kind::End(end) => notes.extend(cause(end.cause).into_iter().chain(end.back.then(|| "rewind".to_owned()))),
        Kind::NoEffect => {}
    }
    if let Some(live) = live.filter(|live| live.under_way == Some(index)) {
        let what = if live.in_doubt { "in doubt" } else { "under way" };
        notes.extend((!live.undoing).then(|| what.to_owned()));
    }
    Caption { name: text::line(transition.name, 48), note: text::line(&notes.join(", "), 64) }
}

/// When a bad end is taken, where its name does not say it.
fn cause(cause: Cause) -> Option<String> {
    match cause {
        Cause::Rejected | Cause::Overdue => None,
        Cause::Exhausted { attempts, give_up_after } => {
            let attempts = attempts.map(|attempts| format!("after {attempts} attempts"));
            attempts.or(give_up_after.map(|time| format!("after {} s", time.as_secs())))
        }
    }
}
