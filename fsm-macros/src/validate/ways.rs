//! What can come after what. Invariant: no effect is sent again while what it made lives, and a rewind finds a mark, undoes all that it
//! should, and restores what it cannot undo.

use proc_macro2::Span;
use syn::ext::IdentExt as _;

use crate::errors::Errors;
use crate::model::{Model, Transition, Undo};

pub(super) fn validate(model: &Model, errors: &mut Errors) {
    for (index, transition) in model.transitions.iter().enumerate() {
        sent_again(model, transition, errors);
        if !transition.back.is_empty() {
            for from in &transition.places {
                goes_back(model, transition, *from, model.span(*from, index), errors);
            }
        }
    }
}

/// One key is never sent with two specs, so a step with an undo does not run again while its effect lives.
fn sent_again(model: &Model, transition: &Transition, errors: &mut Errors) {
    let Some(undo) = transition.undo().filter(|_| transition.for_each().is_none()) else { return };
    let again = |made: &usize| transition.places.iter().any(|from| model.path(*made, *from, &[]).is_some());
    if transition.to.iter().any(again) {
        errors.at(
            transition.name.span(),
            format!(
                "`{0}` can run again while what it made lives, and `{undo}` would undo only one of them: undo it first (`name -> Earlier, when = …, rewind`), keep what it makes in a set (`for_each`), or make the change a step of its own with `undo = none`",
                transition.name
            ),
        );
    }
}

fn goes_back(model: &Model, rewind: &Transition, from: usize, span: Span, errors: &mut Errors) {
    let states = model.states();
    let name = |state: usize| states[state].ident.unraw().to_string();
    let names = |some: &[usize], by: &str| some.iter().map(|state| name(*state)).collect::<Vec<_>>().join(by);
    let targets = &rewind.back;
    if targets.contains(&from) {
        errors
            .at(span, format!("`{}` goes back to {}, where it stands: name an earlier state", rewind.name, name(from)));
        return;
    }
    let initial = states.iter().position(|state| state.initial.is_some()).unwrap_or(0);
    if let Some(around) = model.path(initial, from, targets) {
        errors.at(
            span,
            format!(
                "`{}` goes back to {}, and a resource may come to {} without it, by {}: name states that lie on every path, as in `{} -> A | B`",
                rewind.name,
                names(targets, " or "),
                name(from),
                names(&around, ", "),
                rewind.name
            ),
        );
        return;
    }
    for target in targets {
        let known: Vec<String> =
            model.known[*target].iter().map(|it| model.fact(*it).ident.unraw().to_string()).collect();
        for step in &model.transitions {
            let stays = step.contract().is_some_and(|it| !matches!(it.undo, Undo::Method(_)) && it.for_each.is_none());
            let between = || {
                step.places.iter().any(|place| model.path(*target, *place, &[]).is_some())
                    && step.to.iter().any(|made| model.path(*made, from, &[*target]).is_some())
            };
            if !stays || !between() {
                continue;
            }
            let written = step.to.iter().flat_map(|made| &states[*made].facts);
            let lost = written.map(|fact| fact.ident.unraw().to_string()).find(|fact| known.contains(fact));
            if let Some(fact) = lost {
                errors.at(
                    span,
                    format!(
                        "`{}` goes back to {1}, and `{2}`, which has no undo, writes `{fact}`, which {1} knows: after the rewind the record would name a value that no longer exists; give `{2}` an undo, or let it record another fact",
                        rewind.name,
                        name(*target),
                        step.name
                    ),
                );
                return;
            }
        }
    }
}
