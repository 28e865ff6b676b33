//! The steps of a deletion. Invariant: only a deletion leads into a leaving state, a leaving state leads only to others, and no
//! deletion skips silently what it begins with in an earlier state.

use std::collections::VecDeque;

use durable_fsm_graph::Upgraded;
use syn::ext::IdentExt as _;

use crate::errors::Errors;
use crate::model::{Kind, Model};

pub(super) fn validate(model: &Model, errors: &mut Errors) {
    marks(model, errors);
    edges(model, errors);
    if errors.is_empty() {
        skipped(model, errors);
    }
}

fn marks(model: &Model, errors: &mut Errors) {
    for (index, state) in model.states().iter().enumerate() {
        let Some(span) = state.leaving else { continue };
        let other = if state.initial.is_some() {
            "initial"
        } else if state.resting {
            "resting"
        } else if state.terminal.is_some() {
            "terminal"
        } else if state.failed {
            "failed"
        } else {
            ""
        };
        if !other.is_empty() {
            errors.at(
                span,
                format!(
                    "{} is a step on the way out of a resource, and cannot be `{other}` too: remove one",
                    state.ident
                ),
            );
        }
        if let Some(set) = model.listed[index].iter().find(|it| model.transitions[**it].for_each().is_some()) {
            errors.at(
                model.span(index, *set),
                format!(
                    "{} is a leaving state, where no set is kept: what is there is undone after it; remove this",
                    state.ident
                ),
            );
        }
        if let Some(span) = state.undo_at_once {
            errors
                .at(span, format!("{} is a leaving state, and has the steps that it lists: remove this", state.ident));
        }
    }
}

fn edges(model: &Model, errors: &mut Errors) {
    let states = model.states();
    for (index, place) in
        model.transitions.iter().enumerate().flat_map(|(index, it)| it.places.iter().map(move |place| (index, *place)))
    {
        let transition = &model.transitions[index];
        let name = &transition.name;
        let from = &states[place];
        let mut to = transition.to.iter().map(|to| &states[*to]);
        let mut back = transition.back.iter().map(|to| &states[*to]);
        let text = if from.leaving.is_some() {
            if transition.on_delete {
                format!(
                    "{} is a leaving state, and all its steps are those of a deletion: remove `on_delete`",
                    from.ident
                )
            } else if !transition.back.is_empty() {
                format!("`{name}` would go back from {}: a deletion is not taken back; remove this", from.ident)
            } else if let Some(other) = to.find(|state| state.leaving.is_none()) {
                format!(
                    "`{name}` leads from {}, which is a leaving state, to {1}: mark {1} with `#[fsm(leaving)]`, or lead elsewhere",
                    from.ident, other.ident
                )
            } else {
                continue;
            }
        } else if transition.on_delete {
            if matches!(transition.kind, Kind::Rewind) {
                format!(
                    "`{name}` is a `rewind`, and a deletion undoes everything anyway: remove `on_delete`, or the step"
                )
            } else if transition.for_each().is_some() {
                format!("`{name}` keeps a set, which a deletion undoes: remove `on_delete`")
            } else if let Some(other) = to.find(|state| state.leaving.is_none()) {
                format!(
                    "`{name}` is a step of a deletion, and leads to {0}: mark {0} with `#[fsm(leaving)]`",
                    other.ident
                )
            } else {
                continue;
            }
        } else if let Some(other) = to.find(|state| state.leaving.is_some()) {
            format!("`{name}` leads to {}, which is a leaving state: add `on_delete`, or lead elsewhere", other.ident)
        } else if let Some(other) = back.find(|state| state.leaving.is_some()) {
            format!("`{name}` would go back to {}, which is a leaving state: name another", other.ident)
        } else {
            continue;
        };
        errors.at(model.span(place, index), text);
    }
}

/// A state behind one where a deletion has steps of its own has some too, or says that it has none.
fn skipped(model: &Model, errors: &mut Errors) {
    let states = model.states();
    let begins = |state: usize| model.listed[state].iter().find(|it| model.transitions[**it].on_delete).copied();
    // For each state, a step that a deletion begins with in a state before it.
    let mut before: Vec<Option<usize>> = vec![None; states.len()];
    let mut open: VecDeque<usize> = (0..states.len()).filter(|state| begins(*state).is_some()).collect();
    while let Some(state) = open.pop_front() {
        let step = begins(state).or(before[state]);
        let edges = model.listed[state].iter().map(|it| &model.transitions[*it]).filter(|it| !it.on_delete);
        // An upgrade takes a record along that could have been deleted where it was.
        let moved = model.upgrades.iter().filter(|it| it.of == Upgraded::State(state)).map(|it| it.to);
        for next in edges.flat_map(|it| it.to.iter().copied()).chain(moved) {
            if before[next].is_none() && states[next].leaving.is_none() {
                before[next] = step;
                open.push_back(next);
            }
        }
    }
    for (index, state) in states.iter().enumerate() {
        match (before[index].filter(|_| begins(index).is_none()), state.undo_at_once) {
            (Some(step), None) => {
                let step = &model.transitions[step];
                let name = step.name.unraw();
                errors.at(
                    state.ident.span(),
                    format!(
                        "a deletion in {} would skip `{name}`, with which it begins in {}: list it here (`#[transition({name})]`), or say that nothing is done first (`#[fsm(undo_at_once)]`)",
                        state.ident, states[step.from].ident
                    ),
                );
            }
            (None, Some(span)) => errors.at(
                span,
                format!(
                    "{} undoes at once anyway: no state before it has a step of a deletion, or it lists one itself; remove this",
                    state.ident
                ),
            ),
            _ => {}
        }
    }
}
