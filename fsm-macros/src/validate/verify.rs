//! What is asked about where the machine rests. Invariant: whatever is asked about says what happens when it is gone, and what is made again is
//! named by nothing that stays.

use durable_fsm_graph::{Cause, InDoubt, Lost};
use syn::ext::IdentExt as _;

use crate::errors::Errors;
use crate::model::{Kind, Model, Transition, Undo};

/// What a transition whose effect is asked about can say.
const WAYS: &str = "`lost = remake` (this step runs again), `lost = rewind(State)`, `lost = State`, `lost = hold`, or `lost = ignore` (it is not asked about)";

pub(super) fn validate(model: &Model, errors: &mut Errors) {
    for (index, state) in model.states().iter().enumerate() {
        let Some((_, span)) = state.verify else { continue };
        if !state.resting {
            errors.at(
                span,
                format!("`verify` asks about things while a resource rests, and {} is not `resting`: say `resting` too, or remove this", state.ident),
            );
            continue;
        }
        let mut steps = 0..model.transitions.len();
        if !steps.any(|step| model.may_be_asked(step) && model.asked_in(step).contains(&index)) {
            errors.at(
                span,
                format!("nothing can be asked about in {}: no step before it has a look-up (`in_doubt = lookup`) or says `verify = method_name`; add one, or remove this", state.ident),
            );
        }
    }
    for (index, step) in model.transitions.iter().enumerate() {
        if is_declared_well(model, index, step, errors) {
            asked(model, index, step, errors);
        }
    }
}

/// Whether the keys of a transition fit what it is.
fn is_declared_well(model: &Model, index: usize, step: &Transition, errors: &mut Errors) -> bool {
    let Some(typed) = model.typed(index) else { return false };
    let name = &step.name;
    let keys =
        [typed.verify.as_ref().map(|it| (it.span(), "verify")), typed.lost.as_ref().map(|it| (it.key.span(), "lost"))];
    let Some((span, key)) = keys.into_iter().flatten().next() else { return true };
    let mut wrong = |text: String| {
        errors.at(span, text);
        false
    };
    let contract = match &step.kind {
        Kind::Effect(contract) if !step.is_kept() => contract,
        _ => return wrong(format!("`{name}` makes nothing that could be gone, so `{key}` says nothing: remove this")),
    };
    if contract.undo == Undo::None {
        return wrong(format!(
            "`{name}` has `undo = none`, so it made nothing of its own that could be gone: remove `{key}`, or say how it is undone"
        ));
    }
    if let (Some(verify), InDoubt::Lookup) = (&typed.verify, contract.in_doubt) {
        errors.at(verify.span(), format!("`{name}` has a look-up, which is asked at rest too: remove this"));
        return false;
    }
    if let (Some(lost), true) = (&typed.lost, step.for_each().is_some()) {
        errors.at(
            lost.key.span(),
            format!(
                "a member of `{name}` that is gone leaves its set, and is made again if it is still wanted: remove this"
            ),
        );
        return false;
    }
    if !model.may_be_asked(index) {
        return wrong(format!(
            "nothing says whether what `{name}` made is there: add `verify = method_name`, or remove this"
        ));
    }
    if model.asked_in(index).is_empty() {
        return wrong(format!(
            "`{name}` leads to no state that asks: say `#[fsm(resting, verify = \"10m\")]` on one, or remove this"
        ));
    }
    true
}

fn asked(model: &Model, index: usize, step: &Transition, errors: &mut Errors) {
    let places = model.asked_in(index);
    let (Some(place), true) = (places.first(), model.may_be_asked(index)) else { return };
    let place = &model.states()[*place].ident;
    let Some(verify) = &step.verify else {
        errors.at(
            step.name.span(),
            format!("what `{}` made is asked about in {place} (`verify`), and nothing says what happens when it is gone: add {WAYS}", step.name),
        );
        return;
    };
    let span = model.typed(index).and_then(|typed| typed.lost.as_ref()).map_or(step.name.span(), |it| it.target.span());
    match verify.lost {
        Lost::Remake => {
            if let Some(why) = not_alone(model, index, step) {
                errors.at(span, why);
            }
        }
        Lost::Missing => {
            if let Some(above) = unasked_above(model, step) {
                let (name, above) = (&step.name, &model.transitions[above].name);
                errors.at(
                    above.span(),
                    format!("members of `{above}` depend on members of `{name}`, which are asked about in {place}, so these have to be too: add `verify = method_name`"),
                );
            }
        }
        Lost::End => too_late(model, index, step, errors),
        Lost::Hold | Lost::Ignore => {}
    }
}

/// Why a step cannot run again by itself.
fn not_alone(model: &Model, index: usize, step: &Transition) -> Option<String> {
    let name = &step.name;
    let first = &model.states()[step.from].ident;
    let rewind = format!("say `lost = rewind({first})`, which makes again what was made since");
    if step.is_branch() {
        return Some(format!("`{name}` may lead to another state when it runs again: {rewind}"));
    }
    let made = step.to.first()?;
    let facts: Vec<String> = model.states()[*made].facts.iter().map(|fact| fact.ident.unraw().to_string()).collect();
    let known = |fact: &&String| step.places.iter().any(|place| model.names[*place].contains(*fact));
    if let Some(fact) = facts.iter().find(known) {
        return Some(format!(
            "`{name}` overwrites `{fact}`, which it is given, so it cannot run again from what it was given: {rewind}"
        ));
    }
    // What follows the machine asks about, or sends again.
    let follows = |other: usize| {
        let it = &model.transitions[other];
        let is_set = it.for_each().is_some();
        it.is_kept() || is_set && model.may_be_asked(other) || matches!(it.kind, Kind::Rewind | Kind::End { .. })
    };
    let records = |it: &Transition| {
        let adds = |to: &usize| model.states()[*to].facts.iter().any(|fact| fact.each.is_none());
        it.contract().is_some() || it.for_each().is_some() || it.to.iter().any(adds)
    };
    let mut later =
        model.transitions.iter().enumerate().filter(|(other, it)| *other != index && !follows(*other) && records(it));
    let holds = |it: &Transition| {
        let places = || it.places.iter().filter(|place| model.path(*made, **place, &[]).is_some());
        facts.iter().find(|fact| places().any(|place| model.names[*place].contains(*fact))).cloned()
    };
    let (later, fact) = later.find_map(|(_, it)| holds(it).map(|fact| (&it.name, fact)))?;
    Some(format!(
        "`{later}` is given `{fact}`, and may have recorded or sent it; made again, it is another one: {rewind}, or let `{name}` record nothing, if it is known by name"
    ))
}

/// An effect that keeps a set on top of this one, and is not asked about.
fn unasked_above(model: &Model, step: &Transition) -> Option<usize> {
    let mut below = vec![step.for_each()?.fact.clone()];
    let mut next = 0;
    while next < below.len() {
        let on = below[next].clone();
        next += 1;
        for (index, it) in model.transitions.iter().enumerate() {
            let Some(set) = it.for_each().filter(|set| set.on.as_ref() == Some(&on)) else { continue };
            let is_effect = it.contract().is_some_and(|contract| contract.undo != Undo::None);
            if is_effect && !model.may_be_asked(index) {
                return Some(index);
            }
            if !below.contains(&set.fact) {
                below.push(set.fact.clone());
            }
        }
    }
    None
}

/// A rewind undoes and makes again what was lost only if it goes back to before it was made.
fn too_late(model: &Model, index: usize, step: &Transition, errors: &mut Errors) {
    let is_it = |it: &&Transition| matches!(it.kind, Kind::End { of, cause: Cause::Lost } if of == index);
    let Some(end) = model.transitions.iter().find(is_it) else { return };
    let is_before = |target: &usize| step.places.iter().any(|place| model.path(*target, *place, &[]).is_some());
    if let Some(target) = end.back.iter().find(|target| !is_before(target)) {
        errors.at(
            end.name.span(),
            format!(
                "what `{}` made stays when the machine goes back to {}, which comes after it: name {}, or a state before it",
                step.name,
                model.states()[*target].ident,
                model.states()[step.from].ident
            ),
        );
    }
}
