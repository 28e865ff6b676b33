//! What a machine says of its older versions. Invariant: a name means one thing, whichever version wrote it, and what is retired is never begun.

use std::collections::BTreeMap;

use durable_fsm_graph::Upgraded;
use syn::LitStr;
use syn::ext::IdentExt as _;

use crate::errors::Errors;
use crate::model::{Kind, Model};

pub(super) fn validate(model: &Model, errors: &mut Errors) {
    let states = model.states().iter();
    names("state", states.map(|state| (state.ident.unraw().to_string(), &state.was)), errors);
    let steps = model.transitions.iter().filter(|step| !matches!(step.kind, Kind::End { .. }));
    names("transition", steps.map(|step| (step.name.unraw().to_string(), &step.was)), errors);
    let facts = model.states().iter().flat_map(|state| &state.facts);
    names("fact", facts.map(|fact| (fact.ident.unraw().to_string(), &fact.was)), errors);
    machine(model, errors);
    upgrades(model, errors);
    states_of_before(model, errors);
    steps_of_before(model, errors);
}

/// Names of before are of one thing, and nothing has them now.
fn names<'m>(what: &str, all: impl Iterator<Item = (String, &'m Vec<LitStr>)> + Clone, errors: &mut Errors) {
    let mut claimed: BTreeMap<String, String> = BTreeMap::new();
    for (name, was) in all.clone() {
        for before in was {
            let text = before.value();
            if text == name {
                errors.at(
                    before.span(),
                    format!("{what} `{name}` has this name now: `was` gives names of before; remove it"),
                );
            } else if all.clone().any(|(other, _)| other == text) {
                errors.at(
                    before.span(),
                    format!(
                        "there is a {what} `{text}` now, and a record could mean either: give that one another name"
                    ),
                );
            } else if let Some(first) = claimed.get(&text).filter(|first| **first != name) {
                errors.at(before.span(), format!("`{text}` is a name that `{first}` had before; remove one"));
            }
            claimed.entry(text).or_insert_with(|| name.clone());
        }
    }
}

fn machine(model: &Model, errors: &mut Errors) {
    let declaration = &model.declaration;
    let (Some(name), Some(was)) = (&declaration.name, &declaration.was) else { return };
    if let Some(same) = was.iter().find(|before| before.value() == name.value()) {
        errors.at(same.span(), "the machine has this name now: `was` gives names of before; remove it");
    }
}

fn upgrades(model: &Model, errors: &mut Errors) {
    let version = model.declaration.version.unwrap_or(u32::MAX);
    for typed in &model.declaration.upgrades {
        if typed.from == 0 || typed.from >= version {
            errors.at(
                typed.span,
                format!("`from` is the last version whose records go on there, so it is from 1 to {}: raise `version` if this is a change", version.saturating_sub(1).max(1)),
            );
        }
    }
    // One that was not resolved is not listed.
    if model.upgrades.len() != model.declaration.upgrades.len() {
        return;
    }
    let states = model.states();
    for (typed, upgrade) in model.declaration.upgrades.iter().zip(&model.upgrades) {
        let (of, to) = (&typed.of, &typed.to);
        match upgrade.of {
            Upgraded::State(state) if state == upgrade.to => {
                errors.at(to.span(), format!("records in {of} are there already: name another state, or remove this"));
            }
            Upgraded::State(state) if states[state].leaving.is_some() || states[upgrade.to].leaving.is_some() => {
                errors.at(
                    to.span(),
                    format!("a deletion goes its own way: {of} => {to} is not for leaving states; remove this"),
                );
            }
            Upgraded::State(_) => {}
            Upgraded::Branch(step) if !model.transitions[step].is_branch() => {
                errors.at(of.span(), format!("`{of}` is no branch, so all that it made has reached the same state: remove this, or name a state"));
            }
            Upgraded::Branch(step) if !model.transitions[step].to.contains(&upgrade.to) => {
                errors.at(to.span(), format!("`{of}` does not lead to {to}: name one of its targets"));
            }
            Upgraded::Branch(_) => {}
        }
    }
}

fn states_of_before(model: &Model, errors: &mut Errors) {
    for (index, state) in model.states().iter().enumerate() {
        let Some(span) = state.retired else { continue };
        let other = if state.initial.is_some() {
            "initial"
        } else if state.resting {
            "resting"
        } else if state.terminal.is_some() {
            "terminal"
        } else if state.leaving.is_some() {
            "leaving"
        } else {
            ""
        };
        if !other.is_empty() {
            errors.at(
                span,
                format!("{} is retired, so records of older versions lead on from it, and it cannot be `{other}`: remove one", state.ident),
            );
            continue;
        }
        let is_moved = model.upgrades.iter().any(|it| it.of == Upgraded::State(index));
        let mut listed = model.listed[index].iter().map(|it| &model.transitions[*it]);
        if !is_moved && !listed.any(|it| it.retired.is_none() && it.to.iter().any(|to| *to != index)) {
            errors.at(
                span,
                format!("{} is retired, and nothing leads its records on: list a transition here, or say where they go on with `upgrade(from = …, {0} => …)`", state.ident),
            );
        }
    }
}

fn steps_of_before(model: &Model, errors: &mut Errors) {
    for (index, step) in model.transitions.iter().enumerate() {
        let name = &step.name;
        if step.retired.is_none() {
            let place = model.transitions[index].places.first().copied().unwrap_or_default();
            let into = step.to.iter().find(|to| model.states()[**to].retired.is_some());
            if let Some(into) = into.filter(|into| !step.places.contains(into)) {
                // Among retired states records go on.
                if step.places.iter().any(|place| model.states()[*place].retired.is_none()) {
                    errors.at(
                        model.span(place, index),
                        format!("`{name}` leads to {}, which is retired: only records of older versions are there; say `retired` here too, or lead elsewhere", model.states()[*into].ident),
                    );
                }
            }
            continue;
        }
        let Some(span) = step.retired else { continue };
        let typed = model.states()[step.from].transitions.iter().find(|it| it.name == *name);
        if !matches!(step.kind, Kind::Effect(_) | Kind::Deferred(_)) {
            errors.at(span, format!("`{name}` makes nothing, so nothing of it is left to undo: remove the transition"));
        } else if let Some(key) = typed.and_then(|typed| {
            let useless = ["when", "preempts", "on_delete", "rejected", "exhausted", "attempts", "give_up_after"];
            typed.keys.iter().find(|key| useless.iter().any(|it| *key == it))
        }) {
            errors.at(key.span(), format!("`{name}` is retired and never begun, so this has no effect: remove it"));
        }
    }
}
