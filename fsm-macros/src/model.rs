//! One machine, resolved: names to indices, defaults filled in, facts followed along the edges. Invariant: every index is in range, and
//! whatever could not be resolved was reported and replaced by something that expands.

mod contract;
mod ends;
mod listing;
mod paths;
mod upgrade;
mod verify;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::{Ident, LitStr, Type};

pub(crate) use contract::{Contract, ForEach, Kind, Undo, Verify};

pub(crate) use view::View;

use crate::errors::Errors;
use crate::parse::{Declaration, FactDecl, StateDecl, TransitionDecl};
use crate::suggest;

/// A machine.
pub(crate) struct Model {
    pub(crate) declaration: Declaration,
    pub(crate) transitions: Vec<Transition>,
    /// For each state, the transitions that it lists.
    pub(crate) listed: Vec<Vec<usize>>,
    /// By state and transition, the guards that transitions have in place of their own.
    pub(crate) guards: BTreeMap<(usize, usize), Ident>,
    /// For each state, all facts that can be read there, in the order in which they were declared.
    pub(crate) known: Vec<Vec<FactRef>>,
    /// The names of these.
    pub(crate) names: Vec<BTreeSet<String>>,
    /// Where records of older versions go on.
    pub(crate) upgrades: Vec<durable_fsm_graph::Upgrade>,
    /// For each state, those that its transitions lead to, but for itself.
    pub(crate) ahead: Vec<Vec<usize>>,
    /// For each state, facts that some paths to it record and not all, each with the last state before it on a path that does not.
    pub(crate) missing: Vec<Vec<(String, usize)>>,
}

/// A fact, as the index of a state and of a field in it.
pub(crate) type FactRef = (usize, usize);

/// A transition.
pub(crate) struct Transition {
    pub(crate) name: Ident,
    pub(crate) from: usize,
    /// The states that list it, `from` first.
    pub(crate) places: Vec<usize>,
    /// Empty for `for_each`.
    pub(crate) to: Vec<usize>,
    /// The states whose marks a rewind goes back to. They are no targets: what is known there is what led there first.
    pub(crate) back: Vec<usize>,
    pub(crate) guard: Option<Ident>,
    /// It is a step of a deletion.
    pub(crate) on_delete: bool,
    /// It runs although a step listed below it is in doubt, or waits to be tried again.
    pub(crate) preempts: bool,
    /// It is never begun any more.
    pub(crate) retired: Option<Span>,
    /// Names of before.
    pub(crate) was: Vec<LitStr>,
    /// How what it made is asked about at rest.
    pub(crate) verify: Option<Verify>,
    pub(crate) kind: Kind,
    /// It contradicts itself or leads nowhere, so nothing is known of what its method gives.
    pub(crate) loose: bool,
}

impl Transition {
    pub(crate) fn contract(&self) -> Option<&Contract> {
        match &self.kind {
            Kind::Effect(contract) | Kind::Deferred(contract) => Some(contract),
            Kind::NoEffect | Kind::Waits { .. } | Kind::Rewind | Kind::End { .. } => None,
        }
    }

    pub(crate) fn for_each(&self) -> Option<&ForEach> {
        match &self.kind {
            Kind::Waits { for_each, .. } => for_each.as_deref(),
            _ => self.contract().and_then(|contract| contract.for_each.as_ref()),
        }
    }

    /// Whether it keeps one value.
    pub(crate) fn is_kept(&self) -> bool {
        self.for_each().is_some_and(|set| set.kept)
    }

    pub(crate) fn undo(&self) -> Option<&Ident> {
        match self.contract().map(|contract| &contract.undo) {
            Some(Undo::Method(method)) => Some(method),
            _ => None,
        }
    }

    pub(crate) fn is_branch(&self) -> bool {
        self.to.len() > 1
    }
}

impl Model {
    /// Resolves a declaration.
    pub(crate) fn new(declaration: Declaration, errors: &mut Errors) -> Self {
        let mut transitions = Vec::new();
        let mut listed = vec![Vec::new(); declaration.states.len()];
        for (from, state) in declaration.states.iter().enumerate() {
            for typed in state.transitions.iter().filter(|typed| !declaration.is_listing(typed)) {
                listed[from].push(transitions.len());
                transitions.push(resolve(&declaration, from, typed, errors));
            }
        }
        let (known, names, guards) = (Vec::new(), Vec::new(), BTreeMap::new());
        let (ahead, missing, upgrades) = (Vec::new(), Vec::new(), Vec::new());
        let mut model = Self { known, names, declaration, transitions, listed, guards, upgrades, ahead, missing };
        model.list_again(errors);
        model.end(errors);
        model.upgrade(errors);
        model.verify(errors);
        (model.known, model.names) = model.follow();
        model.missing = model.missing();
        model.order();
        model
    }

    /// What a state lists stands in declared order, whether it is declared there or listed again.
    fn order(&mut self) {
        for (from, listed) in self.listed.iter_mut().enumerate() {
            let typed = &self.declaration.states[from].transitions;
            let place = |index: &usize| typed.iter().position(|it| it.name == self.transitions[*index].name);
            listed.sort_by_key(place);
        }
    }

    /// Where a state lists a transition.
    pub(crate) fn span(&self, state: usize, transition: usize) -> Span {
        let name = &self.transitions[transition].name;
        let typed = self.declaration.states[state].transitions.iter().find(|it| it.name == *name);
        typed.map_or(name, |it| &it.name).span()
    }

    /// The names of the types that the declaration uses, each with what is of it: no generated item can have such a name.
    pub(crate) fn foreign(&self) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        for fact in self.declaration.states.iter().flat_map(|state| &state.facts) {
            for name in type_names(&fact.ty) {
                names.entry(name).or_insert_with(|| format!("the fact `{}`", fact.ident.unraw()));
            }
        }
        for name in self.declaration.resource.iter().flat_map(type_names) {
            names.entry(name).or_insert_with(|| "the resource".to_owned());
        }
        names
    }

    /// Puts an erroneous type, which rustc takes for any, where a type is not known: what uses it is not a mistake too.
    pub(crate) fn blur(&mut self, unknown: &Type) {
        let mut types: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for fact in self.declaration.states.iter().flat_map(|state| &state.facts) {
            types.entry(fact.ident.to_string()).or_default().insert(fact.written.clone());
        }
        for fact in self.declaration.states.iter_mut().flat_map(|state| &mut state.facts) {
            if fact.broken || types.get(&fact.ident.to_string()).is_some_and(|types| types.len() > 1) {
                fact.ty = unknown.clone();
                fact.each = None;
            }
        }
        for transition in &mut self.transitions {
            let set = match &mut transition.kind {
                Kind::Effect(contract) => contract.for_each.as_mut(),
                Kind::Waits { for_each, .. } => for_each.as_deref_mut(),
                _ => None,
            };
            if let Some(set) = set.filter(|set| set.broken) {
                (set.subject, set.member) = (unknown.clone(), unknown.clone());
            }
        }
        let machine = self.declaration.ident.unraw().to_string();
        let resource = self.declaration.resource.take().filter(|resource| !type_names(resource).contains(&machine));
        self.declaration.resource = Some(resource.unwrap_or_else(|| unknown.clone()));
    }

    pub(crate) fn states(&self) -> &[StateDecl] {
        &self.declaration.states
    }

    pub(crate) fn fact(&self, (state, field): FactRef) -> &FactDecl {
        &self.declaration.states[state].facts[field]
    }

    /// What every path to a state has recorded: its own facts, and the intersection over its incoming edges, to a fixed point.
    fn follow(&self) -> (Vec<Vec<FactRef>>, Vec<BTreeSet<String>>) {
        let states = self.states();
        let own = |state: usize| (0..states[state].facts.len()).map(move |field| (state, field));
        let name = |fact: FactRef| states[fact.0].facts[fact.1].ident.unraw().to_string();
        let everything: BTreeSet<String> = (0..states.len()).flat_map(own).map(name).collect();
        let defaults = self.defaults();
        let mut names: Vec<BTreeSet<String>> = states
            .iter()
            .enumerate()
            .map(
                |(index, state)| {
                    if state.initial.is_some() { own(index).map(name).collect() } else { everything.clone() }
                },
            )
            .collect();
        loop {
            let mut changed = false;
            for (target, state) in states.iter().enumerate() {
                if state.initial.is_some() && !self.transitions.iter().any(|it| it.to.contains(&target)) {
                    continue;
                }
                let mut meet: Option<BTreeSet<String>> = state.initial.map(|_| BTreeSet::new());
                let leading = self.transitions.iter().filter(|it| it.to.contains(&target));
                for source in leading.flat_map(|it| &it.places).map(|place| &names[*place]) {
                    meet =
                        Some(meet.map_or_else(|| source.clone(), |meet| meet.intersection(source).cloned().collect()));
                }
                let mut known = meet.unwrap_or_default();
                known.extend(own(target).map(name).chain(defaults[target].iter().cloned()));
                if known != names[target] {
                    names[target] = known;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        let known = names.iter().enumerate().map(|(state, names)| self.declared(names, Some(state))).collect();
        (known, names)
    }

    /// The facts of these names, each once, by its first declaration; the declaration of this state goes before others.
    fn declared(&self, names: &BTreeSet<String>, state: Option<usize>) -> Vec<FactRef> {
        let states = self.states();
        let own = |state: usize| (0..states[state].facts.len()).map(move |field| (state, field));
        let all = (0..states.len()).flat_map(own);
        let mut seen = BTreeSet::new();
        let mut facts: Vec<FactRef> = Vec::new();
        for fact in state.into_iter().flat_map(own).chain(all) {
            let name = self.fact(fact).ident.unraw().to_string();
            if names.contains(&name) && seen.insert(name) {
                facts.push(fact);
            }
        }
        facts.sort_unstable();
        facts
    }

    /// Whether a fact of this name has a default.
    pub(crate) fn has_default(&self, name: &str) -> bool {
        let mut facts = self.states().iter().flat_map(|state| &state.facts);
        facts.any(|fact| fact.default && fact.ident.unraw() == name)
    }

    /// For each state, the facts with a default that any path to it has recorded.
    fn defaults(&self) -> Vec<BTreeSet<String>> {
        let states = self.states();
        let mut found = vec![BTreeSet::new(); states.len()];
        let all = states.iter().flat_map(|state| &state.facts).filter(|fact| fact.default);
        let all: BTreeSet<String> = all.map(|fact| fact.ident.unraw().to_string()).collect();
        for name in all {
            let declares = |state: &usize| states[*state].facts.iter().any(|fact| fact.ident.unraw() == name.as_str());
            let mut open: Vec<usize> = (0..states.len()).filter(declares).collect();
            while let Some(state) = open.pop() {
                // Where nothing is known yet, nothing was recorded.
                if states[state].initial.is_none() && found[state].insert(name.clone()) {
                    let leaving = self.transitions.iter().filter(|it| it.places.contains(&state));
                    open.extend(leaving.flat_map(|it| it.to.iter().copied()));
                }
            }
        }
        found
    }
}

/// The names in a type that are looked up where it stands: those that no `::` leads to.
fn type_names(ty: &Type) -> Vec<String> {
    fn walk(tokens: TokenStream, names: &mut Vec<String>) {
        let mut inside_path = false;
        for token in tokens {
            match &token {
                TokenTree::Ident(name) if !inside_path => names.push(name.unraw().to_string()),
                TokenTree::Group(group) => walk(group.stream(), names),
                _ => {}
            }
            inside_path = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ':');
        }
    }
    let mut names = Vec::new();
    walk(quote::quote!(#ty), &mut names);
    names
}

fn resolve(declaration: &Declaration, from: usize, typed: &TransitionDecl, errors: &mut Errors) -> Transition {
    let (kind, mut loose) = contract::kind(declaration, from, typed, errors);
    let is_set = match &kind {
        Kind::Effect(contract) => contract.for_each.is_some(),
        Kind::Waits { for_each, .. } => for_each.is_some(),
        _ => false,
    };
    let mut to: Vec<usize> = Vec::new();
    for target in &typed.targets {
        let index = find_state(declaration, target, errors).unwrap_or_else(|| {
            loose = true;
            (from + 1).min(declaration.states.len() - 1)
        });
        if to.contains(&index) {
            errors.at(
                target.span(),
                format!("{target} is listed twice among the targets of `{}`: remove one", typed.name),
            );
        } else {
            to.push(index);
        }
    }
    if is_set && !to.is_empty() {
        errors.at(
            typed.targets[0].span(),
            format!(
                "`{}` keeps a {} and stays in its state: leave the target out",
                typed.name,
                if typed.keep.is_some() { "value" } else { "set" }
            ),
        );
        to.clear();
    }
    if !is_set && to.is_empty() {
        if !typed.broken {
            errors.at(typed.name.span(), format!("`{0}` has no target: write `{0} -> Target, …`", typed.name));
        }
        loose = true;
        to.push((from + 1).min(declaration.states.len() - 1));
    }
    if is_set && let Some(guard) = &typed.when {
        errors.at(guard.span(), contract::no_guard(typed.keep.is_some()));
    }
    let guard = typed.when.clone().filter(|_| !is_set);
    let is_rewind = matches!(kind, Kind::Rewind);
    let back = if is_rewind { std::mem::take(&mut to) } else { Vec::new() };
    let (on_delete, preempts) = (typed.on_delete.is_some(), typed.preempts.is_some());
    if let (Some(preempts), true) = (typed.preempts, guard.is_none() || on_delete) {
        errors.at(
            preempts,
            format!("`preempts` lets a guarded step run before a step below it is settled, and `{}` is none: add a guard (`when = …`), or remove this", typed.name),
        );
    }
    let (name, places) = (typed.name.clone(), vec![from]);
    let (retired, was) = (typed.retired, typed.was.clone().unwrap_or_default());
    let verify = None;
    Transition { name, from, places, to, back, guard, on_delete, preempts, retired, was, verify, kind, loose }
}

/// The state of this name, or the one that was probably meant.
fn find_state(declaration: &Declaration, target: &Ident, errors: &mut Errors) -> Option<usize> {
    let states = &declaration.states;
    if let Some(index) = states.iter().position(|state| state.ident == *target) {
        return Some(index);
    }
    let names: Vec<String> = states.iter().map(|state| state.ident.to_string()).collect();
    let meant = suggest::nearest(&target.to_string(), names.iter().map(String::as_str));
    let text = match meant {
        Some(meant) => format!("no state {target}: did you mean {meant}?"),
        None => format!("no state {target}; the states are {}", names.join(", ")),
    };
    errors.at(target.span(), text);
    meant.and_then(|meant| names.iter().position(|name| name == meant))
}
