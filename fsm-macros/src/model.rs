//! One machine, resolved: names to indices, defaults filled in, facts followed along the edges. Invariant: every index is in range, and
//! whatever could not be resolved was reported and replaced by something that expands.

use std::collections::BTreeSet;
use std::time::Duration;

use durable_fsm_graph::{InDoubt, Order, Predecessor};
use syn::ext::IdentExt as _;
use syn::{Ident, Type};

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
}

/// A fact, as the index of a state and of a field in it.
pub(crate) type FactRef = (usize, usize);

/// A transition.
pub(crate) struct Transition {
    pub(crate) name: Ident,
    pub(crate) from: usize,
    /// Empty for `for_each`.
    pub(crate) to: Vec<usize>,
    pub(crate) guard: Option<Ident>,
    pub(crate) kind: Kind,
}

/// What it does to the world.
pub(crate) enum Kind {
    Effect(Box<Contract>),
    NoEffect,
    Waits { within: Option<Duration> },
}

/// What is declared about an effect.
pub(crate) struct Contract {
    pub(crate) in_doubt: InDoubt,
    pub(crate) undo: Undo,
    pub(crate) abort: Option<Ident>,
    pub(crate) timeout: Duration,
    pub(crate) settle: Duration,
    pub(crate) retry: (Duration, Duration),
    pub(crate) look_first: bool,
    pub(crate) predecessor: Predecessor,
    pub(crate) for_each: Option<ForEach>,
}

/// How it is undone.
#[derive(PartialEq)]
pub(crate) enum Undo {
    Method(Ident),
    Retain,
    None,
}

/// The set that it keeps true.
pub(crate) struct ForEach {
    pub(crate) fact: Ident,
    pub(crate) subject: Type,
    pub(crate) member: Type,
    pub(crate) order: Order,
}

impl Transition {
    pub(crate) fn contract(&self) -> Option<&Contract> {
        match &self.kind {
            Kind::Effect(contract) => Some(contract),
            Kind::NoEffect | Kind::Waits { .. } => None,
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
        let mut model = Self { known: Vec::new(), declaration, transitions, listed };
        model.known = model.follow();
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
        model
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
                    "`{name}` keeps the set `{fact}`, which not every path to {} has recorded",
                    self.states()[from].ident
                ),
            );
            return;
        }
        if !self.listed[from].contains(&index) {
            self.listed[from].push(index);
        }
    }

    /// What every path to a state has recorded: its own facts, and the intersection over its incoming edges, to a fixed point.
    fn follow(&self) -> Vec<Vec<FactRef>> {
        let states = self.states();
        let own = |state: usize| (0..states[state].facts.len()).map(move |field| (state, field));
        let name = |fact: FactRef| states[fact.0].facts[fact.1].ident.to_string();
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
        names
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
            .collect()
    }
}

fn resolve(declaration: &Declaration, from: usize, typed: &TransitionDecl, errors: &mut Errors) -> Transition {
    let kind = kind(declaration, from, typed, errors);
    let is_set = matches!(&kind, Kind::Effect(contract) if contract.for_each.is_some());
    let mut to: Vec<usize> = Vec::new();
    for target in &typed.targets {
        let index = find_state(declaration, from, target, errors);
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
        to.push((from + 1).min(declaration.states.len() - 1));
    }
    if is_set && let Some(guard) = &typed.when {
        errors.at(guard.span(), "a `for_each` transition has no guard: its wanted set says when it runs");
    }
    Transition { name: typed.name.clone(), from, to, guard: typed.when.clone().filter(|_| !is_set), kind }
}

fn find_state(declaration: &Declaration, from: usize, target: &Ident, errors: &mut Errors) -> usize {
    let states = &declaration.states;
    if let Some(index) = states.iter().position(|state| state.ident == *target) {
        return index;
    }
    let names: Vec<String> = states.iter().map(|state| state.ident.to_string()).collect();
    let meant = suggest::nearest(&target.to_string(), names.iter().map(String::as_str));
    let text = match meant {
        Some(meant) => format!("no state {target}: did you mean {meant}?"),
        None => format!("no state {target}; the states are {}", names.join(", ")),
    };
    errors.at(target.span(), text);
    meant.and_then(|meant| names.iter().position(|name| name == meant)).unwrap_or((from + 1).min(states.len() - 1))
}

const IN_DOUBT: &str = "say what happens when its outcome is in doubt: `in_doubt = repeat` (call again with the same idempotency key, because the provider names or keys the thing), `in_doubt = lookup` (ask the provider, and call again only when the thing is absent) or `in_doubt = hold` (stop until an operator says)";
const UNDO: &str = "say how it is undone: `undo = method_name`, `undo = retain` (the thing is left behind on purpose, and listed) or `undo = none` (it made nothing of its own)";
const NO_EFFECT: &str =
    "; if it touches nothing outside the record, say `no_effect` instead, and if it only looks, `waits`";

fn kind(declaration: &Declaration, from: usize, typed: &TransitionDecl, errors: &mut Errors) -> Kind {
    let name = &typed.name;
    if let (Some(_), Some(waits)) = (typed.no_effect, typed.waits) {
        errors.at(waits, "`waits` and `no_effect` exclude each other: what waits looks at the world");
    }
    if let Some(flag) = typed.no_effect.or(typed.waits) {
        let word = if typed.no_effect.is_some() { "no_effect" } else { "waits" };
        let keys = [&typed.in_doubt, &typed.undo, &typed.abort, &typed.for_each, &typed.order, &typed.predecessor];
        if let Some(key) = keys.into_iter().flatten().next() {
            errors.at(
                key.span(),
                format!("`{name}` is `{word}`, so there is nothing to resolve or undo; remove this, or `{word}`"),
            );
        } else if typed.timeout.is_some()
            || typed.settle.is_some()
            || typed.retry.is_some()
            || typed.look_first.is_some()
        {
            errors.at(
                flag,
                format!("`{name}` is `{word}` and takes neither `timeout`, `settle`, `retry` nor `look_first`"),
            );
        }
        if typed.no_effect.is_some() {
            if typed.within.is_some() {
                errors.at(name.span(), "`within` bounds a transition that `waits`");
            }
            return Kind::NoEffect;
        }
        return Kind::Waits { within: typed.within };
    }
    if typed.within.is_some() {
        errors.at(name.span(), "`within` bounds a transition that `waits`; an effect has a `timeout`");
    }
    let in_doubt = match &typed.in_doubt {
        Some(value) if value == "repeat" => InDoubt::Repeat,
        Some(value) if value == "lookup" => InDoubt::Lookup,
        Some(value) if value == "hold" => InDoubt::Hold,
        Some(value) => {
            errors.at(value.span(), format!("no contract `{value}`; `in_doubt` takes `repeat`, `lookup` or `hold`"));
            InDoubt::Lookup
        }
        None => {
            if !typed.broken {
                let both = if typed.undo.is_none() { format!("; and {UNDO}") } else { String::new() };
                errors.at(name.span(), format!("`{name}` touches the world: {IN_DOUBT}{both}{NO_EFFECT}"));
            }
            InDoubt::Lookup
        }
    };
    let undo = match &typed.undo {
        Some(value) if value == "retain" => Undo::Retain,
        Some(value) if value == "none" => Undo::None,
        Some(method) => Undo::Method(method.clone()),
        None => {
            if !typed.broken && typed.in_doubt.is_some() {
                errors.at(name.span(), format!("`{name}` touches the world: {UNDO}{NO_EFFECT}"));
            }
            Undo::None
        }
    };
    if in_doubt == InDoubt::Hold
        && typed.abort.is_none()
        && let Undo::Method(method) = &undo
    {
        errors.at(method.span(), format!("`{name}` is held when in doubt and has an undo, so a deletion could wait for an operator for ever: add `abort = method_name`, which removes whatever an attempt may have made"));
    }
    let for_each = typed.for_each.as_ref().and_then(|fact| for_each(&declaration.states[from], fact, typed, errors));
    Kind::Effect(Box::new(Contract {
        in_doubt,
        undo,
        abort: typed.abort.clone(),
        timeout: typed.timeout.unwrap_or(Duration::from_secs(60)),
        settle: typed.settle.unwrap_or(if in_doubt == InDoubt::Lookup {
            Duration::from_secs(5)
        } else {
            Duration::ZERO
        }),
        retry: typed.retry.unwrap_or((Duration::from_secs(1), Duration::from_secs(300))),
        look_first: typed.look_first.as_ref().is_none_or(syn::LitBool::value),
        predecessor: match &typed.predecessor {
            Some(value) if value == "adopt" => Predecessor::Adopt,
            Some(value) if value == "hold" => Predecessor::Hold,
            Some(value) => {
                errors.at(value.span(), "`predecessor` takes `adopt` or `hold`");
                Predecessor::Hold
            }
            None => Predecessor::Hold,
        },
        for_each,
    }))
}

fn for_each(state: &StateDecl, fact: &Ident, typed: &TransitionDecl, errors: &mut Errors) -> Option<ForEach> {
    let order = match &typed.order {
        Some(value) if value == "undo_first" => Order::UndoFirst,
        Some(value) if value == "make_first" => Order::MakeFirst,
        Some(value) => {
            errors.at(value.span(), "`order` takes `make_first` or `undo_first`");
            Order::MakeFirst
        }
        None => Order::MakeFirst,
    };
    let unknown = (syn::parse_quote!(()), syn::parse_quote!(()));
    let (subject, member) = match state.facts.iter().find(|it| it.ident == *fact) {
        Some(found) => match &found.each {
            Some(types) => types.clone(),
            None => {
                errors.at(fact.span(), format!("`{fact}` is not a set; give it the type `Each<Subject, Made>`"));
                unknown
            }
        },
        None => {
            let names: Vec<String> = state.facts.iter().map(|it| it.ident.unraw().to_string()).collect();
            let hint = match suggest::nearest(&fact.to_string(), names.iter().map(String::as_str)) {
                Some(meant) => format!(": did you mean `{meant}`?"),
                None => format!("; declare `{fact}: Each<Subject, Made>` on this state"),
            };
            errors.at(fact.span(), format!("{} has no fact `{fact}`{hint}", state.ident));
            unknown
        }
    };
    Some(ForEach { fact: fact.clone(), subject, member, order })
}
