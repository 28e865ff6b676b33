//! What must hold of a whole machine. Invariant: each check reports on the token that has to change.

mod defaults;
mod ends;
mod leaving;
mod sets;
mod upgrade;
mod verify;
mod ways;

use std::collections::BTreeMap;

use syn::ext::IdentExt as _;

use crate::errors::Errors;
use crate::model::{Kind, Model, Transition};
use crate::names;

/// Checks a machine; every violation is reported.
pub(crate) fn validate(model: &Model, errors: &mut Errors) {
    initial(model, errors);
    facts(model, errors);
    upgrade::validate(model, errors);
    // Reachability says nothing about a graph whose edges are already known to be wrong.
    if errors.is_empty() {
        reachability(model, errors);
    }
    choices(model, errors);
    methods(model, errors);
    names(model, errors);
    edges(model, errors);
    defaults::validate(model, errors);
    if errors.is_empty() {
        leaving::validate(model, errors);
    }
    if errors.is_empty() {
        ends::validate(model, errors);
        sets::validate(model, errors);
        ways::validate(model, errors);
        verify::validate(model, errors);
    }
}

fn initial(model: &Model, errors: &mut Errors) {
    let mut marked = model.states().iter().filter_map(|state| state.initial.map(|span| (state, span)));
    match (marked.next(), marked.next()) {
        // A mark that could not be read may have been this one.
        (None, _) if model.states().iter().any(|state| state.broken) => {}
        (None, _) => errors.at(
            model.declaration.ident.span(),
            format!(
                "no state is initial: mark the one in which nothing exists yet, {} perhaps, with `#[fsm(initial)]`",
                model.states()[0].ident
            ),
        ),
        (Some((first, _)), Some((_, span))) => {
            errors.at(
                span,
                format!("{} is initial already, and a machine has one initial state: remove this", first.ident),
            );
        }
        (Some((state, _)), None) => {
            if let Some(fact) = state.facts.first() {
                errors.at(fact.ident.span(), format!("{} is where nothing is known yet, so it has no facts; what the author wants is in the resource's spec", state.ident));
            }
        }
    }
}

fn facts(model: &Model, errors: &mut Errors) {
    let mut types: BTreeMap<String, (&String, &syn::Ident)> = BTreeMap::new();
    for state in model.states() {
        for fact in &state.facts {
            let ty = &fact.ty;
            let name = fact.ident.unraw().to_string();
            match types.get(&name) {
                Some((first, on)) if **first != fact.written => errors.at(
                    syn::spanned::Spanned::span(ty),
                    format!("`{name}` has another type on {on}; facts are recorded by name, so one name has one type in the whole machine: rename one"),
                ),
                Some(_) => {}
                None => {
                    types.insert(name.clone(), (&fact.written, &state.ident));
                }
            }
            let kept = model.transitions.iter().any(|it| it.for_each().is_some_and(|set| set.fact == fact.ident));
            // A `for_each` that names no fact of this state probably meant this one.
            let astray = state.transitions.iter().any(|it| {
                it.broken
                    || it.keep.is_some() && it.for_each.is_some()
                    || it.kept_fact().is_some_and(|name| state.facts.iter().all(|fact| fact.ident != *name))
            });
            if fact.each.is_some() && !kept && !astray {
                let text = if fact.kept {
                    format!(
                        "nothing keeps the value `{name}`: add `#[transition(…, keep = {name}, in_doubt = repeat, undo = none)]` to {}",
                        state.ident
                    )
                } else {
                    format!(
                        "nothing keeps the set `{name}`: add `#[transition(…, for_each = {name}, in_doubt = …, undo = …)]` to {}",
                        state.ident
                    )
                };
                errors.at(fact.ident.span(), text);
            }
        }
    }
}

fn reachability(model: &Model, errors: &mut Errors) {
    let count = model.states().len();
    let pairs = |it: &Transition, to: &[usize]| -> Vec<(usize, usize)> {
        it.places.iter().flat_map(|from| to.iter().map(|to| (*from, *to))).collect()
    };
    // A retired state leads nowhere.
    let begun = model.transitions.iter().filter(|it| it.retired.is_none());
    let edges: Vec<(usize, usize)> = begun.flat_map(|it| pairs(it, &it.to)).collect();
    let back: Vec<(usize, usize)> = model.transitions.iter().flat_map(|it| pairs(it, &it.back)).collect();
    let spread = |from: Vec<usize>, forward: bool| {
        let edges: Vec<(usize, usize)> = edges.iter().chain(back.iter().filter(|_| !forward)).copied().collect();
        let mut reached = vec![false; count];
        let mut open = from;
        while let Some(state) = open.pop() {
            if !std::mem::replace(&mut reached[state], true) {
                let next = edges.iter().map(|(a, b)| if forward { (*a, *b) } else { (*b, *a) });
                open.extend(next.filter(|(a, _)| *a == state).map(|(_, b)| b));
            }
        }
        reached
    };
    let is_start = |state: &crate::parse::StateDecl| state.initial.is_some() || state.retired.is_some();
    let starts = (0..count).filter(|index| is_start(&model.states()[*index])).collect();
    // From a leaving state the undo list runs, wherever its own steps end.
    let is_end = |state: &crate::parse::StateDecl| state.resting || state.terminal.is_some() || state.leaving.is_some();
    let ends = (0..count).filter(|index| is_end(&model.states()[*index]));
    let reached = spread(starts, true);
    let ending = spread(ends.collect(), false);
    for (index, state) in model.states().iter().enumerate() {
        if !reached[index] {
            errors.at(state.ident.span(), unreached(model, index));
        }
    }
    // The states that lead to a dead end share its fate; the dead end is where the mistake is.
    let stuck = |index: &usize| reached[*index] && !ending[*index];
    let leads_on = |index: &usize| edges.iter().chain(&back).any(|(from, _)| from == index);
    let dead_ends: Vec<usize> = (0..count).filter(stuck).filter(|index| !leads_on(index)).collect();
    let circle = (0..count).rev().find(stuck).filter(|_| dead_ends.is_empty());
    for index in dead_ends.into_iter().chain(circle) {
        let state = &model.states()[index].ident;
        errors.at(
            state.span(),
            format!("{state} never comes to rest: mark it, or a state that it leads to, with `#[fsm(resting)]` or `#[fsm(terminal)]`"),
        );
    }
}

fn unreached(model: &Model, index: usize) -> String {
    let state = &model.states()[index].ident;
    if model.transitions.iter().any(|it| it.to.contains(&index)) {
        return format!(
            "only retired transitions lead to {state}, so only records of older versions can be there: mark it with `#[fsm(retired)]`, or add a transition with `-> {state}`"
        );
    }
    format!("no transition leads to {state}: add one with `-> {state}`, or remove the state")
}

fn choices(model: &Model, errors: &mut Errors) {
    for (index, state) in model.states().iter().enumerate() {
        let listed = || {
            let listed = model.listed[index].iter().map(|it| (*it, &model.transitions[*it]));
            listed.filter(|(_, it)| it.retired.is_none())
        };
        let mut unguarded: Option<usize> = None;
        let begins = |first: usize| model.transitions[first].on_delete;
        let deletion = listed().filter(|(_, it)| it.on_delete);
        for (listed, transition) in deletion.chain(listed().filter(|(_, it)| !it.on_delete)) {
            let guard = model.guard(index, listed);
            let looks = state.resting && guard.is_none() && looks_at_rest(transition);
            if transition.for_each().is_some() || matches!(transition.kind, Kind::End { .. }) || looks {
                continue;
            }
            if !transition.on_delete && unguarded.is_some_and(begins) {
                unguarded = None;
            }
            if let Some(first) = unguarded.map(|first| &model.transitions[first].name) {
                let text = if guard.is_some() {
                    format!(
                        "`{}` is never tried, because `{first}` stands before it and always runs; put it first, or give `{first}` a guard",
                        transition.name
                    )
                } else {
                    format!(
                        "{} has two unguarded transitions, `{first}` and this: give one a guard (`when = …`), or make them one branch (`{first} -> A | B`)",
                        state.ident
                    )
                };
                errors.at(model.span(index, listed), text);
            } else if guard.is_none() && !matches!(transition.kind, Kind::Rewind) {
                unguarded = Some(listed);
            }
        }
        unguarded = unguarded.filter(|first| !begins(*first));
        let leads_on = listed().map(|(_, it)| it).find(|it| !it.on_delete && !matches!(it.kind, Kind::End { .. }));
        if let (Some(span), Some(first)) = (state.terminal, leads_on) {
            errors.at(
                span,
                format!(
                    "{} is terminal, and `{}` leads on: remove it, or call the state `resting`",
                    state.ident, first.name
                ),
            );
        }
        if let (true, Some(first)) = (state.resting, unguarded)
            && !state.transitions.iter().any(|it| it.broken || it.preempts.is_some())
        {
            let name = &model.transitions[first].name;
            let looks = if matches!(model.transitions[first].kind, Kind::Waits { .. }) {
                ", let it look while the machine rests (`every = \"30s\"`, without `within`)"
            } else {
                ""
            };
            errors.at(
                model.span(index, first),
                format!(
                    "{} is resting, and `{name}` leads on at once: give it a guard (`when = …`){looks}, or remove `resting`",
                    state.ident
                ),
            );
        }
    }
}

/// Whether a transition that nothing asks for may look while the machine rests.
fn looks_at_rest(step: &Transition) -> bool {
    matches!(step.kind, Kind::Waits { every: Some(_), within: None, for_each: None }) && !step.on_delete
}

/// All methods of the transitions trait: no two may share a name.
fn methods(model: &Model, errors: &mut Errors) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut claim = |ident: &syn::Ident, name: String, role: String, shared: bool| match seen.get(&name) {
        Some(first) if *first == role && shared => {}
        Some(first) => errors
            .at(ident.span(), format!("`{name}` is {role}, and already {first}; each method needs a name of its own")),
        None => {
            seen.insert(name, role);
        }
    };
    let mut declared: BTreeMap<String, &syn::Ident> = BTreeMap::new();
    let mut again = Vec::new();
    if let Some(span) = model.declaration.import {
        claim(&syn::Ident::new("import", span), "import".to_owned(), "the import".to_owned(), false);
    }
    for transition in &model.transitions {
        if matches!(transition.kind, Kind::End { .. }) {
            continue;
        }
        let (name, state) = (&transition.name, &model.states()[transition.from].ident);
        match declared.get(&name.unraw().to_string()) {
            Some(first) if *first == state => again.push((name, format!("`{name}` is declared twice on {state}: give one another name, or remove it"))),
            Some(first) => again.push((name, format!("`{name}` is declared on {first} already: list it here by its name alone (`#[transition({name})]`), or give this one another name"))),
            None => {
                declared.insert(name.unraw().to_string(), state);
                claim(name, name.unraw().to_string(), "a transition".to_owned(), false);
            }
        }
    }
    for (index, transition) in model.transitions.iter().enumerate() {
        let name = transition.name.unraw();
        if matches!(transition.kind, Kind::End { .. }) {
            continue;
        }
        if let Some(undo) = transition.undo() {
            claim(undo, undo.unraw().to_string(), format!("the undo of `{name}`"), false);
        }
        if let Some(contract) = transition.contract() {
            if contract.in_doubt == durable_fsm_graph::InDoubt::Lookup {
                claim(&transition.name, format!("lookup_{name}"), format!("the look-up of `{name}`"), false);
            }
            if let Some(by) = transition.verify.as_ref().and_then(|verify| verify.by.as_ref()) {
                let role = format!("what says whether what `{name}` made is there");
                claim(by, by.unraw().to_string(), role, false);
            }
            if let Some(abort) = &contract.abort {
                claim(abort, abort.unraw().to_string(), format!("the abort of `{name}`"), false);
            }
        }
        // What depends on another set has no wanted set of its own.
        if let Some(set) = transition.for_each().filter(|set| set.on.is_none()) {
            claim(
                &set.fact,
                set.fact.unraw().to_string(),
                format!("the wanted {} `{}`", if set.kept { "value" } else { "set" }, set.fact),
                false,
            );
        }
        if let Some(retain_when) = transition.contract().and_then(|contract| contract.retain_when.as_ref()) {
            // One may serve several transitions.
            claim(
                retain_when,
                retain_when.unraw().to_string(),
                "what says whether things are left behind".to_owned(),
                true,
            );
        }
        for (guard, places) in model.guards_of(index) {
            // One guard may serve several transitions of one state, or one transition on several states.
            let role = match places.as_slice() {
                [only] => format!("a guard of {}", model.states()[*only].ident),
                _ => format!("a guard of `{name}`"),
            };
            claim(guard, guard.unraw().to_string(), role, true);
        }
    }
    for (name, text) in again {
        errors.at(name.span(), text);
    }
}

/// Names that generated items take.
fn names(model: &Model, errors: &mut Errors) {
    let machine = &model.declaration.ident;
    let foreign = model.foreign();
    if foreign.contains_key(&machine.unraw().to_string()) {
        errors.fatal(
            machine.span(),
            format!("the machine has the name of its resource, or of the type of a fact: call it `{machine}Flow`"),
        );
    }
    let prefix = names::prefix(machine);
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for item in ["State", "Transitions", "Attempt", "Runner"] {
        taken.insert(format!("{prefix}{item}"), "an item of the machine".to_owned());
    }
    for transition in model.transitions.iter().filter(|it| it.is_branch()) {
        for item in ["Next", "Made"] {
            taken
                .insert(names::pascal(&transition.name, item).to_string(), format!("an item of `{}`", transition.name));
        }
    }
    for view in model.views() {
        let name = &model.transitions[view.transition].name;
        for item in ["", "Data"] {
            taken.insert(format!("{}{item}", view.ident), format!("an item of `{name}`"));
        }
        if let Some(used) = foreign.get(&view.ident.to_string()) {
            errors.fatal(
                name.span(),
                format!("`{name}` is listed on several states, so its method is given a struct `{0}`, and {used} is of a type {0}: rename the transition", view.ident),
            );
        }
    }
    for state in model.states() {
        for item in ["", "Data", "Facts"] {
            let name = format!("{}{item}", state.ident.unraw());
            let role = if item.is_empty() { "a state".to_owned() } else { format!("an item of {}", state.ident) };
            if let Some(first) = taken.insert(name.clone(), role) {
                errors.fatal(
                    state.ident.span(),
                    format!("the struct `{name}` that this state becomes is {first} already; rename the state"),
                );
                break;
            }
        }
        let prelude = ["String", "Vec", "Option", "Some", "None", "Result", "Ok", "Err", "Box", "Self", "Each"];
        if prelude.contains(&state.ident.unraw().to_string().as_str()) {
            errors.fatal(state.ident.span(), format!("a state becomes a struct beside the enum, and `{}` would hide the type of that name; rename the state", state.ident));
        }
        if let Some(used) = foreign.get(&state.ident.unraw().to_string()) {
            errors.fatal(
                state.ident.span(),
                format!(
                    "the state {0} becomes a struct of that name, and {used} is of a type {0}: rename the state",
                    state.ident
                ),
            );
        }
        if state.ident == model.declaration.ident {
            errors.fatal(
                state.ident.span(),
                "a state becomes a struct beside the enum, so it cannot have the enum's name; rename one",
            );
        }
    }
}

/// The edges that leave one state: each is a method, named like its target.
fn edges(model: &Model, errors: &mut Errors) {
    let mut seen: BTreeMap<String, &syn::Ident> = BTreeMap::new();
    for (index, state) in model.states().iter().enumerate() {
        let method = names::snake(&state.ident).to_string();
        let begun = model
            .transitions
            .iter()
            .flat_map(|it| it.places.iter().map(move |place| (it, &model.states()[*place])))
            .find(|(it, from)| from.initial.is_some() && it.to.contains(&index) && method == "start");
        if let Some((_, from)) = begun {
            errors.fatal(
                state.ident.span(),
                format!(
                    "the edge to {} is a method `start`, and {}::start() begins a chain: rename the state",
                    state.ident, from.ident
                ),
            );
        }
        match seen.get(&method) {
            Some(first) if **first != state.ident => errors.fatal(
                state.ident.span(),
                format!("the edges to {} and {first} are methods of one name, `{method}`: rename one", state.ident),
            ),
            _ => drop(seen.insert(method, &state.ident)),
        }
    }
}
