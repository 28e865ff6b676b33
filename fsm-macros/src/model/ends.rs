//! The bad ends of transitions. Invariant: each is a transition of its own that has no method and stands wherever the one stands that it ends.

use durable_fsm_graph::Cause;
use quote::format_ident;
use syn::ext::IdentExt as _;

use super::{Kind, Model, Transition, find_state};
use crate::errors::Errors;
use crate::parse::{EndDecl, TransitionDecl};

impl Model {
    /// Adds the bad ends of all transitions.
    pub(super) fn end(&mut self, errors: &mut Errors) {
        for index in 0..self.transitions.len() {
            let (from, name) = (self.transitions[index].from, self.transitions[index].name.clone());
            let typed = self.declaration.states[from].transitions.iter().find(|it| it.name == name && it.declares());
            let Some(typed) = typed else { continue };
            let mut found = Vec::new();
            check(typed, &self.transitions[index], errors);
            let limits = (typed.attempts.map(|it| it.0), typed.give_up_after.map(|it| it.0));
            let exhausted = Cause::Exhausted { attempts: limits.0, give_up_after: limits.1 };
            let ends =
                [(&typed.rejected, Cause::Rejected), (&typed.exhausted, exhausted), (&typed.overdue, Cause::Overdue)];
            for (end, cause) in ends {
                let Some(EndDecl { key, target, back }) = end.as_ref() else { continue };
                let Some(state) = find_state(&self.declaration, target, errors) else { continue };
                let ident = format_ident!("{}_{}", name.unraw(), key.unraw(), span = key.span());
                found.push((ident, cause, state, *back));
            }
            for (name, cause, state, back) in found {
                let places = self.transitions[index].places.clone();
                for place in &places {
                    self.listed[*place].push(self.transitions.len());
                }
                let (to, back_to) = if back { (Vec::new(), vec![state]) } else { (vec![state], Vec::new()) };
                self.transitions.push(Transition {
                    name,
                    from,
                    places,
                    to,
                    back: back_to,
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
}

/// Whether these ends can be.
fn check(typed: &TransitionDecl, transition: &Transition, errors: &mut Errors) {
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
    match (&typed.exhausted, typed.attempts.map(|it| it.1).or(typed.give_up_after.map(|it| it.1))) {
        (Some(end), None) => errors.at(
            end.key.span(),
            format!("say when `{name}` is given up: `attempts = 5`, `give_up_after = \"30m\"`, or both"),
        ),
        (None, Some(span)) => errors.at(
            span,
            format!("say where `{name}` ends when it is given up: `exhausted = State`, or `exhausted = rewind(State)`"),
        ),
        _ => {}
    }
}
