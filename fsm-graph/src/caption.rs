//! Writes the caption beside an edge.

use crate::edges::Edge;
use crate::model::{Cause, Contract, Graph, InDoubt, Kind, Lost, Transition, Transport, Undo};
use crate::overlay::{Back, Overlay, span};
use crate::text;

/// The transition's name, its contract in single words, and in a muted tone its guard, set, times and undo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Caption {
    pub(crate) name: String,
    pub(crate) badges: Vec<&'static str>,
    pub(crate) note: String,
}

impl Caption {
    /// Badges and note in one text, for pictures that draw no badges.
    pub(crate) fn terms(&self) -> String {
        let note = (!self.note.is_empty()).then_some(self.note.as_str());
        self.badges.iter().copied().chain(note).collect::<Vec<_>>().join(", ")
    }
}

/// The caption of an edge, and how the undo of its transition stands to a live resource.
pub(crate) fn caption(graph: &Graph<'_>, live: Option<&Overlay<'_>>, edge: &Edge) -> Caption {
    let notes = notes(graph, live, edge);
    let Some(transition) = graph.transitions.get(edge.transition) else { return Caption::default() };
    Caption {
        name: text::line(transition.name, 48),
        badges: badges(transition),
        note: text::line(&notes.join(", "), 64),
    }
}

/// As [`caption`], for pictures in which an edge to a failed state has no caption of its own: says here when that edge is taken.
pub(crate) fn caption_with_ends(graph: &Graph<'_>, live: Option<&Overlay<'_>>, edge: &Edge) -> Caption {
    let mut notes = notes(graph, live, edge);
    for transition in graph.transitions {
        let fails = || transition.to.iter().any(|to| graph.states.get(*to).is_some_and(|state| state.failed));
        if let Kind::End(end) = transition.kind
            && end.of == edge.transition
            && !end.back
            && fails()
        {
            notes.push(match end.cause {
                Cause::Rejected => "✘ rejected".to_owned(),
                Cause::Exhausted { .. } => format!("✘ {}", given_up(end.cause).unwrap_or_default()),
                Cause::Overdue => "✘ overdue".to_owned(),
                Cause::Lost => "✘ lost".to_owned(),
            });
        }
    }
    Caption { note: text::line(&notes.join(", "), 80), ..caption(graph, live, edge) }
}

/// The contract, each part of it in a word or two.
fn badges(transition: &Transition<'_>) -> Vec<&'static str> {
    let mut badges = vec![];
    let mut say = |when: bool, what| badges.extend(when.then_some(what));
    say(transition.on_delete, "on delete");
    match transition.kind {
        Kind::Effect(contract) => {
            say(
                true,
                match contract.in_doubt {
                    InDoubt::Repeat => "repeat",
                    InDoubt::Lookup => "lookup",
                    InDoubt::Hold => "hold",
                },
            );
            say(contract.in_doubt == InDoubt::Repeat && contract.transport == Transport::Once, "once");
            say(contract.abort.is_some(), "abort");
            say(contract.undo == Undo::Retain, "retained");
            say(transition.is_kept(), "kept");
        }
        Kind::Waits { .. } => say(true, "waits"),
        Kind::Rewind => say(true, "rewind"),
        Kind::End(end) => say(end.back, "rewind"),
        Kind::NoEffect | Kind::Deferred(_) => {}
    }
    say(transition.preempts, "preempts");
    say(transition.retired, "retired");
    say(transition.is_asked(), "verified");
    badges
}

fn notes(graph: &Graph<'_>, live: Option<&Overlay<'_>>, edge: &Edge) -> Vec<String> {
    let index = edge.transition;
    let Some(transition) = graph.transitions.get(index) else { return vec![] };
    let mut notes = vec![];
    if let Some(guard) = graph.guard(edge.from, index) {
        notes.push(format!("if {guard}"));
    }
    if let Some(set) = transition.for_each() {
        notes.push(format!("{} {}", if set.kept { "value" } else { "each of" }, set.fact));
        notes.extend(set.on.map(|on| format!("on {on}")));
        notes.extend(set.surge.map(|surge| format!("surge {surge}")));
    }
    match &transition.kind {
        Kind::Effect(contract) | Kind::Deferred(contract) => notes.extend(undo(contract, live, index)),
        Kind::Waits { every, within, .. } => {
            notes.extend(every.map(|time| format!("every {}", span(time))));
            notes.extend(within.map(|time| format!("within {}", span(time))));
        }
        Kind::End(end) => notes.extend(given_up(end.cause)),
        Kind::Rewind | Kind::NoEffect => {}
    }
    // An end that leads somewhere is an edge of its own.
    notes.extend(held_ends(graph, index));
    notes.extend(transition.verify.and_then(|verify| match verify.lost {
        Lost::Remake => Some("remade if lost".to_owned()),
        Lost::Hold => Some("held if lost".to_owned()),
        Lost::Missing | Lost::End | Lost::Ignore => None,
    }));
    if let Some(live) = live {
        notes.extend(live.imported.contains(&index).then(|| "imported".to_owned()));
        notes.extend(live.lost.contains(&index).then(|| "lost".to_owned()));
    }
    if let Some(live) = live.filter(|live| live.under_way == Some(index)) {
        let what = if live.in_doubt { "in doubt" } else { "under way" };
        notes.extend((!live.undoing).then(|| what.to_owned()));
    }
    notes
}

/// How the effect is undone, and when it is not.
fn undo(contract: &Contract<'_>, live: Option<&Overlay<'_>>, index: usize) -> Vec<String> {
    let mut notes = vec![];
    if let Undo::Method(undo) = contract.undo {
        notes.push(match live.and_then(|live| live.back(index)) {
            None => format!("⟲ {undo}"),
            Some(Back::Undone) => format!("⟲ {undo}: undone"),
            Some(Back::UnderWay) => format!("◀ {undo}: under way"),
            Some(Back::Pending) => format!("⟲ {undo}: to undo"),
        });
    }
    notes.extend(contract.retain_when.map(|method| format!("retained if {method}")));
    notes
}

/// What a person is asked about when the transition ends badly.
fn held_ends(graph: &Graph<'_>, of: usize) -> Vec<String> {
    let ends = graph.transitions.iter().filter(|step| step.to.is_empty());
    let ends = ends.filter_map(|step| match step.kind {
        Kind::End(end) if end.of == of => Some(end.cause),
        _ => None,
    });
    ends.map(|cause| match cause {
        Cause::Rejected => "held if rejected".to_owned(),
        Cause::Overdue => "held if overdue".to_owned(),
        Cause::Lost => "held if lost".to_owned(),
        Cause::Exhausted { .. } => format!("held {}", given_up(cause).unwrap_or_default()),
    })
    .collect()
}

/// When a bad end is taken, where its name does not say it.
fn given_up(cause: Cause) -> Option<String> {
    match cause {
        Cause::Rejected | Cause::Overdue | Cause::Lost => None,
        Cause::Exhausted { attempts, give_up_after } => {
            let attempts = attempts.map(|attempts| format!("after {attempts} attempts"));
            attempts.or(give_up_after.map(|time| format!("after {}", span(time))))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Graph;
    use crate::written::{INITIAL, NOTHING, PASSING, REPEAT, RESTING, contract, effect, fact, state};
    use crate::{dot, mermaid, svg, terminal};

    const TIMES: [u64; 4] = [1, 1, 1, 1];

    const GRAPH: Graph<'static> = Graph {
        name: "m",
        title: "M",
        version: 2,
        reader: 1,
        doc: "",
        undo_on_rejected: false,
        upgrades: &[],
        states: &[
            state("Wanted", "", PASSING | INITIAL, &[], &[], &[0]),
            state("Made", "", RESTING, &[fact("id", "String", "")], &["id"], &[]),
            state("Checked", "", PASSING, &[], &["id"], &[1]).retired(),
        ],
        transitions: &[
            effect("make", 0, &[1], None, contract(REPEAT, NOTHING, None, TIMES)),
            effect("accept", 2, &[1], None, contract(REPEAT, NOTHING, None, TIMES)).retired(),
        ],
    };

    #[test]
    fn what_only_records_of_older_versions_know_is_marked_in_every_picture() {
        let terminal = terminal::write(&GRAPH, None, &terminal::Options::default());
        for picture in [&terminal, &svg::file(&GRAPH, None), &dot::write(&GRAPH, None), &mermaid::flat(&GRAPH, None)] {
            // Mermaid writes brackets as codes.
            let plain = picture.replace("#40;", "(").replace("#41;", ")");
            assert_eq!(plain.matches("(retired)").count(), 1, "{picture}");
        }
        let line = terminal.lines().find(|line| line.contains("accept")).unwrap_or_default();
        assert!(line.contains("retired"), "{terminal}");
        assert!(!terminal.lines().any(|line| line.contains("make") && line.contains("retired")), "{terminal}");
    }
}
