//! The bad ends of transitions. Invariant: each is a transition of its own that has no method and stands wherever the one stands that it ends.

use std::time::Duration;

use durable_fsm_graph::Cause;
use proc_macro2::Span;
use quote::format_ident;
use syn::Ident;
use syn::ext::IdentExt as _;

use super::{Kind, Model, Transition, find_state};
use crate::errors::Errors;
use crate::parse::{Defaults, EndDecl, TransitionDecl};

/// How often a step may fail, and for how long.
type Limits = (Option<(u32, Span)>, Option<(Duration, Span)>);

impl Model {
    /// Adds the bad ends of all transitions.
    pub(super) fn end(&mut self, errors: &mut Errors) {
        let defaults = self.default_ends(errors);
        for index in 0..self.transitions.len() {
            let (from, name) = (self.transitions[index].from, self.transitions[index].name.clone());
            let typed = self.declaration.states[from].transitions.iter().find(|it| it.name == name && it.declares());
            let Some(typed) = typed else { continue };
            check(typed, &self.transitions[index], &defaults, errors);
            let mut found = Vec::new();
            for (end, cause) in self.ends_of(&self.transitions[index], typed, &defaults) {
                let state = if end.holds() { None } else { find_state(&self.declaration, &end.target, errors) };
                if state.is_some() || end.holds() {
                    let ident = format_ident!("{}_{}", name.unraw(), end.key.unraw(), span = end.key.span());
                    found.push((ident, cause, Vec::from_iter(state), end.back));
                }
            }
            for (name, cause, state, back) in found {
                let places = self.transitions[index].places.clone();
                for place in &places {
                    self.listed[*place].push(self.transitions.len());
                }
                let (to, back) = if back { (Vec::new(), state) } else { (state, Vec::new()) };
                self.transitions.push(Transition {
                    name,
                    from,
                    places,
                    to,
                    back,
                    guard: None,
                    on_delete: false,
                    preempts: false,
                    retired: None,
                    was: Vec::new(),
                    verify: None,
                    kind: Kind::End { of: index, cause },
                    loose: false,
                });
            }
        }
    }

    /// The ends that the enum gives every transition that can have one and gives none of its own.
    fn default_ends(&self, errors: &mut Errors) -> Defaults {
        let typed = &self.declaration.defaults;
        // A state that is not there is one mistake, and not one for each transition.
        let mut known = |end: &Option<EndDecl>| {
            let end = end.as_ref()?;
            let is_known = end.holds() || find_state(&self.declaration, &end.target, errors).is_some();
            is_known.then(|| end.clone())
        };
        let (rejected, exhausted, overdue) = (known(&typed.rejected), known(&typed.exhausted), known(&typed.overdue));
        let (attempts, give_up_after) = (typed.attempts, typed.give_up_after);
        given_up(&typed.exhausted, (attempts, give_up_after), "an effect", errors);
        Defaults { rejected, exhausted, overdue, attempts, give_up_after, ..Defaults::default() }
    }

    fn ends_of(&self, step: &Transition, typed: &TransitionDecl, defaults: &Defaults) -> Vec<(EndDecl, Cause)> {
        let (effect, waits) = can_end(step);
        let is_leaving = step.places.iter().any(|place| self.states()[*place].leaving.is_some());
        let given = |own: &Option<EndDecl>, default: &Option<EndDecl>, can: bool| {
            let default = default.as_ref().filter(|_| can && !is_leaving && !typed.broken);
            // What is wrong with it here is for this transition to mend.
            let here = |it: &EndDecl| EndDecl { key: Ident::new(&it.key.to_string(), typed.name.span()), ..it.clone() };
            own.clone().or(default.map(here))
        };
        let own = (typed.attempts, typed.give_up_after);
        let (attempts, after) =
            if own.0.is_none() && own.1.is_none() { (defaults.attempts, defaults.give_up_after) } else { own };
        let exhausted = Cause::Exhausted { attempts: attempts.map(|it| it.0), give_up_after: after.map(|it| it.0) };
        let ends = [
            (given(&typed.rejected, &defaults.rejected, effect), Cause::Rejected),
            (given(&typed.exhausted, &defaults.exhausted, effect), exhausted),
            (given(&typed.overdue, &defaults.overdue, waits && typed.within.is_some()), Cause::Overdue),
        ];
        ends.into_iter().filter_map(|(end, cause)| Some((end?, cause))).collect()
    }
}

/// Whether a transition can end as an effect, and as one that waits.
fn can_end(step: &Transition) -> (bool, bool) {
    let is_one = step.for_each().is_none() && !step.on_delete;
    let (effect, waits) = (matches!(step.kind, Kind::Effect(_)), matches!(step.kind, Kind::Waits { .. }));
    (is_one && effect, is_one && waits)
}

/// Whether these ends can be.
fn check(typed: &TransitionDecl, transition: &Transition, defaults: &Defaults, errors: &mut Errors) {
    if typed.broken {
        return;
    }
    let name = &typed.name;
    let ends = [&typed.rejected, &typed.exhausted, &typed.overdue];
    let first = ends.into_iter().flatten().map(|end| end.key.span()).next();
    if let Some(span) = first.filter(|_| transition.for_each().is_some()) {
        errors.at(
            span,
            format!("a member or value of `{name}` that fails is put aside, and the machine goes on: remove this"),
        );
        return;
    }
    if let Some(span) = first.filter(|_| transition.on_delete) {
        errors.at(span, format!("`{name}` is a step of a deletion, which ends with `waive`: remove this"));
        return;
    }
    let (waits, effect) = (matches!(transition.kind, Kind::Waits { .. }), matches!(transition.kind, Kind::Effect(_)));
    if let Some(end) = typed.overdue.as_ref().filter(|_| !waits || typed.within.is_none()) {
        errors.at(
            end.key.span(),
            format!("`overdue` is where `{name}` ends when it has waited for longer than `within`: say `waits, within = …`, or remove this"),
        );
    }
    if let Some(end) = [&typed.rejected, &typed.exhausted].into_iter().flatten().find(|_| !effect) {
        let text = if waits {
            format!(
                "`{name}` waits, and looks again after every error: say `within = …, overdue = {}`, or remove this",
                end.target
            )
        } else {
            format!("`{name}` touches nothing outside the record, so it cannot end with `{}`: remove this", end.key)
        };
        errors.at(end.key.span(), text);
    }
    let limits = (typed.attempts, typed.give_up_after);
    let is_said = if typed.exhausted.is_some() {
        defaults.attempts.is_some() || defaults.give_up_after.is_some()
    } else {
        defaults.exhausted.is_some()
    };
    if !is_said {
        given_up(&typed.exhausted, limits, &format!("`{name}`"), errors);
    }
}

/// Whether it is said both where a step ends that is given up, and when that is.
fn given_up(exhausted: &Option<EndDecl>, limits: Limits, what: &str, errors: &mut Errors) {
    match (exhausted, limits.0.map(|it| it.1).or(limits.1.map(|it| it.1))) {
        (Some(end), None) => errors.at(
            end.key.span(),
            format!("say when {what} is given up: `attempts = 5`, `give_up_after = \"30m\"`, or both"),
        ),
        (None, Some(span)) => errors.at(
            span,
            format!("say where {what} ends when it is given up: `exhausted = State`, `exhausted = rewind(State)`, or `exhausted = hold`"),
        ),
        _ => {}
    }
}
