//! One machine, resolved: names to indices, defaults filled in, facts followed along the edges. Invariant: every index is in range, and
//! whatever could not be resolved was reported and replaced by something that expands.

mod contract;

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::{Ident, Type};

pub(crate) use contract::{Contract, ForEach, Kind, Undo};

use crate::errors::Errors;
use crate::parse::{Declaration, FactDecl, StateDecl, TransitionDecl};
use crate::suggest;

/// A machine.
pub(crate) struct Model {
    pub(crate) declaration: Declaration,
    pub(crate) transitions: Vec<Transition>,
    /// For each state, the transitions that stand on it.
    pub(crate) listed: Vec<Vec<usize>>,
    /// For each state, all facts that can be read there, in the order in which they were declared.
    pub(crate) known: Vec<Vec<FactRef>>,
    /// The names of these.
    pub(crate) names: Vec<BTreeSet<String>>,
}

/// A fact, as the index of a state and of a field in it.
pub(crate) type FactRef = (usize, usize);

/// A transition.
pub(crate) struct Transition {
    pub(crate) name: Ident,
    pub(crate) from: usize,
    /// Empty for `for_each`.
    pub(crate) to: Vec<usize>,
    /// The states whose marks a rewind goes back to. They are no targets: what is known there is what led there first.
    pub(crate) back: Vec<usize>,
    pub(crate) guard: Option<Ident>,
    /// It is a step of a deletion.
    pub(crate) on_delete: bool,
    pub(crate) kind: Kind,
    /// It contradicts itself or leads nowhere, so nothing is known of what its method gives.
    pub(crate) loose: bool,
}

impl Transition {
    pub(crate) fn contract(&self) -> Option<&Contract> {
        match &self.kind {
            Kind::Effect(contract) => Some(contract),
            Kind::NoEffect | Kind::Waits { .. } | Kind::Rewind => None,
        }
    }

    pub(crate) fn for_each(&self) -> Option<&ForEach> {
        self.contract().and_then(|contract| contract.for_each.as_ref())
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
            for typed in &state.transitions {
                if typed.bare {
                    continue;
                }
                listed[from].push(transitions.len());
                transitions.push(resolve(&declaration, from, typed, errors));
            }
        }
        let mut model = Self { known: Vec::new(), names: Vec::new(), declaration, transitions, listed };
        (model.known, model.names) = model.follow();
        let again: Vec<(usize, Ident)> = model
            .declaration
            .states
            .iter()
            .enumerate()
            .flat_map(|(from, state)| {
                state.transitions.iter().filter(|typed| typed.bare).map(move |typed| (from, typed.name.clone()))
            })
            .collect();
        for (from, name) in again {
            model.list_again(from, &name, errors);
        }
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
            if let Kind::Effect(contract) = &mut transition.kind
                && let Some(set) = contract.for_each.as_mut().filter(|set| set.broken)
            {
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

    /// A `for_each` transition that stands on a later state, by name alone.
    fn list_again(&mut self, from: usize, name: &Ident, errors: &mut Errors) {
        let Some(index) = self.transitions.iter().position(|transition| transition.name == *name) else {
            let sets = self.transitions.iter().filter(|it| it.for_each().is_some()).map(|it| it.name.to_string());
            let sets: Vec<String> = sets.collect();
            let text = match suggest::nearest(&name.to_string(), sets.iter().map(String::as_str)) {
                Some(meant) => format!("no transition `{name}`: did you mean `{meant}`?"),
                None => format!(
                    "`{name}` leads nowhere: write `{name} -> Target, in_doubt = …, undo = …`, or the name alone of a `for_each` transition that an earlier state declares"
                ),
            };
            errors.at(name.span(), text);
            // Its method may be written already.
            let (name, kind) = (name.clone(), Kind::NoEffect);
            self.transitions.push(Transition {
                name,
                from,
                to: vec![from],
                back: Vec::new(),
                guard: None,
                on_delete: false,
                kind,
                loose: true,
            });
            return;
        };
        let Some(for_each) = self.transitions[index].for_each() else {
            errors.at(name.span(), format!("`{name}` is declared already, and only a `for_each` transition can stand on several states; give this one another name"));
            return;
        };
        let fact = for_each.fact.to_string();
        if !self.known[from].iter().any(|known| self.fact(*known).ident == fact) {
            errors.at(
                name.span(),
                format!(
                    "`{name}` keeps the set `{fact}`, which not every path to {} has recorded: remove this, or lead every path through {}",
                    self.states()[from].ident,
                    self.states()[self.transitions[index].from].ident
                ),
            );
            return;
        }
        if !self.listed[from].contains(&index) {
            self.listed[from].push(index);
        }
    }

    /// What every path to a state has recorded: its own facts, and the intersection over its incoming edges, to a fixed point.
    fn follow(&self) -> (Vec<Vec<FactRef>>, Vec<BTreeSet<String>>) {
        let states = self.states();
        let own = |state: usize| (0..states[state].facts.len()).map(move |field| (state, field));
        let name = |fact: FactRef| states[fact.0].facts[fact.1].ident.unraw().to_string();
        let everything: BTreeSet<String> = (0..states.len()).flat_map(own).map(name).collect();
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
                for transition in self.transitions.iter().filter(|it| it.to.contains(&target)) {
                    let source = &names[transition.from];
                    meet =
                        Some(meet.map_or_else(|| source.clone(), |meet| meet.intersection(source).cloned().collect()));
                }
                let mut known = meet.unwrap_or_default();
                known.extend(own(target).map(name));
                if known != names[target] {
                    names[target] = known;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        // Each name once, by its first declaration; a state's own declaration goes before others.
        let known = names
            .iter()
            .enumerate()
            .map(|(state, names)| {
                let all = (0..states.len()).flat_map(own);
                let mut seen = BTreeSet::new();
                let mut facts: Vec<FactRef> = Vec::new();
                for fact in own(state).chain(all) {
                    if names.contains(&name(fact)) && seen.insert(name(fact)) {
                        facts.push(fact);
                    }
                }
                facts.sort_unstable();
                facts
            })
            .collect();
        (known, names)
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
    let is_set = matches!(&kind, Kind::Effect(contract) if contract.for_each.is_some());
    let mut to: Vec<usize> = Vec::new();
    for target in &typed.targets {
        let index = find_state(declaration, target, errors).unwrap_or_else(|| {
            loose = true;
            (from + 1).min(declaration.states.len() - 1)
        });
        if to.contains(&index) {
            errors.at(target.span(), format!("{target} stands twice among the targets of `{}`", typed.name));
        } else {
            to.push(index);
        }
    }
    if is_set && !to.is_empty() {
        errors.at(
            typed.targets[0].span(),
            format!("`{}` keeps a set and stays in its state: leave the target out", typed.name),
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
        errors.at(guard.span(), "a `for_each` transition has no guard: its wanted set says when it runs");
    }
    let guard = typed.when.clone().filter(|_| !is_set);
    let is_rewind = matches!(kind, Kind::Rewind);
    let back = if is_rewind { std::mem::take(&mut to) } else { Vec::new() };
    let on_delete = typed.on_delete.is_some();
    Transition { name: typed.name.clone(), from, to, back, guard, on_delete, kind, loose }
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
