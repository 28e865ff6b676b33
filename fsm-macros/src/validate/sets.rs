//! Sets that several states keep. Invariant: every state that keeps a set knows it.

use syn::ext::IdentExt as _;

use crate::errors::Errors;
use crate::model::Model;

pub(super) fn validate(model: &Model, errors: &mut Errors) {
    for (index, transition) in model.transitions.iter().enumerate() {
        let Some(set) = transition.for_each() else { continue };
        let fact = set.fact.unraw().to_string();
        for place in transition.places.iter().filter(|place| !model.names[**place].contains(&fact)) {
            let (state, from) = (&model.states()[*place].ident, &model.states()[transition.from].ident);
            errors.at(
                model.span(*place, index),
                format!(
                    "`{}` keeps the set `{fact}`, which not every path to {state} has recorded{}: lead every path through {from}, mark the set with `#[fsm(default)]` where it is declared, or remove this",
                    transition.name,
                    around(model, *place, &fact)
                ),
            );
        }
    }
}

/// A path to this state that does not record the fact.
fn around(model: &Model, state: usize, fact: &str) -> String {
    let states = model.states();
    let recording = model.recording(fact);
    let initial = model.initial();
    let names = |way: Vec<usize>| way.iter().map(|state| states[*state].ident.to_string()).collect::<Vec<_>>();
    model
        .path(initial, state, &recording)
        .map(|way| format!(" (a resource may come to it by {})", names(way).join(", ")))
        .unwrap_or_default()
}
