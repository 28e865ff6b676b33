//! Sets that several states keep. Invariant: every state that keeps a set knows it.

use durable_fsm_graph::{InDoubt, Transport};
use quote::quote;
use syn::Ident;
use syn::ext::IdentExt as _;

use crate::errors::Errors;
use crate::model::{ForEach, Kind, Model};
use crate::suggest;

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
        stands(model, index, set, errors);
    }
}

/// What a set depends on has to be there wherever the set is kept, and above it.
fn stands(model: &Model, index: usize, set: &ForEach, errors: &mut Errors) {
    let transition = &model.transitions[index];
    let typed = model.states()[transition.from].transitions.iter().find(|it| it.name == transition.name);
    let surge = typed.and_then(|it| it.surge).map(|(_, span)| span);
    let first = set.on.as_ref().map(Ident::span).or(surge);
    if let (Kind::Effect(contract), Some(span)) = (&transition.kind, first)
        && contract.in_doubt == InDoubt::Repeat
        && contract.transport == Transport::AtLeastOnce
        && contract.abort.is_none()
    {
        let what = match &set.on {
            Some(on) => format!("after the member of `{on}` is gone that it depends on"),
            None => "and be one more than there may be".to_owned(),
        };
        errors.at(
            span,
            format!("a request of `{}` that was refused may still be carried out late, {what}: say `transport = once`, where nothing on the way duplicates a request, or add `abort = method_name`", transition.name),
        );
    }
    let Some(on) = &set.on else {
        if let (Kind::Waits { within: Some(_), .. }, Some((_, within))) =
            (&transition.kind, typed.and_then(|it| it.within))
        {
            let text = "`within` counts from when the thing was made that a member waits for: name its set (`on = fact`), or remove this";
            errors.at(within, text);
        }
        if let (Kind::Waits { .. }, Some(surge)) = (&transition.kind, surge) {
            let text = format!(
                "`{}` makes nothing, so there is nothing to replace: say `surge` where the members are made, or remove this",
                transition.name
            );
            errors.at(surge, text);
        }
        return;
    };
    if let Some(surge) = surge {
        errors.at(
            surge,
            format!(
                "the members of `{}` come and go with those of `{on}`: say `surge` there, and remove this",
                set.fact
            ),
        );
    }
    let sets = || model.transitions.iter().enumerate().filter_map(|(index, it)| Some((index, it.for_each()?)));
    let Some((below, other)) = sets().find(|(_, other)| other.fact == *on && !other.kept) else {
        let names: Vec<String> = sets().filter(|(_, it)| !it.kept).map(|(_, it)| it.fact.unraw().to_string()).collect();
        let text = match suggest::nearest(&on.to_string(), names.iter().map(String::as_str)) {
            Some(meant) => format!("no set `{on}`: did you mean `{meant}`?"),
            None => {
                format!("no set `{on}`: `on` takes the name of a fact that another transition keeps with `for_each`")
            }
        };
        errors.at(on.span(), text);
        return;
    };
    if below == index {
        errors.at(
            on.span(),
            format!("`{on}` cannot depend on itself: name the set that its members need, or remove this"),
        );
        return;
    }
    let is_same = |one: &syn::Type, other: &syn::Type| quote!(#one).to_string() == quote!(#other).to_string();
    if !set.broken && !other.broken && !is_same(&set.subject, &other.subject) {
        let (subject, of) = (&set.subject, &other.subject);
        let text = format!(
            "a member of `{}` depends on the member of `{on}` with the same subject, and their subjects differ: `{}` here and `{}` there; give both sets one type",
            set.fact,
            quote!(#subject),
            quote!(#of)
        );
        errors.at(on.span(), text);
    }
    for place in &transition.places {
        let listed = &model.listed[*place];
        let at = |wanted: usize| listed.iter().position(|it| *it == wanted);
        if at(below).is_none_or(|below| at(index).is_some_and(|here| here < below)) {
            let (state, keeper) = (&model.states()[*place].ident, &model.transitions[below].name);
            errors.at(
                model.span(*place, index),
                format!(
                    "`{}` depends on the set `{on}`: list `{keeper}`, which keeps that set, on {state} too, above this",
                    transition.name
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
