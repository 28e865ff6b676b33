//! What is asked about where the machine rests, and where a loss leads. Invariant: a loss leads somewhere only from states where it is noticed.

use durable_fsm_graph::{Cause, InDoubt, Lost};
use quote::format_ident;
use syn::Ident;
use syn::ext::IdentExt as _;

use super::{Kind, Model, Transition, Undo, Verify, find_state};
use crate::errors::Errors;
use crate::parse::TransitionDecl;

impl Model {
    /// Resolves what is asked about, and follows the edges.
    pub(super) fn verify(&mut self, errors: &mut Errors) {
        let verifies = self.states().iter().any(|state| state.verify.is_some());
        let count = self.transitions.len();
        for index in 0..count {
            let Some(typed) = self.typed(index).filter(|typed| !typed.broken) else { continue };
            let (by, end) = (typed.verify.clone(), typed.lost.as_ref());
            let end = end.map(|end| (end.key.clone(), end.target.clone(), end.back));
            let is_set = self.transitions[index].for_each().is_some();
            let lost = match &end {
                // What is asked without need is not written to the graph.
                None if verifies && is_set && self.may_be_asked(index) => Lost::Missing,
                None => continue,
                Some((_, target, false)) if target == "remake" => Lost::Remake,
                Some((_, target, false)) if target == "hold" => Lost::Hold,
                Some((_, target, false)) if target == "ignore" => Lost::Ignore,
                Some((key, target, back)) => {
                    let Some(state) = find_state(&self.declaration, target, errors) else { continue };
                    self.lose(index, key, state, *back);
                    Lost::End
                }
            };
            self.transitions[index].verify = Some(Verify { by, lost });
        }
        // A loss may lead to a state where more is asked about.
        loop {
            self.ahead = self.edges();
            let mut changed = false;
            for end in count..self.transitions.len() {
                let Kind::End { of, .. } = self.transitions[end].kind else { continue };
                for place in self.asked_in(of) {
                    if !self.transitions[end].places.contains(&place) {
                        changed = true;
                        self.transitions[end].places.push(place);
                        self.listed[place].push(end);
                    }
                }
                if let Some(first) = self.transitions[end].places.first() {
                    self.transitions[end].from = *first;
                }
            }
            if !changed {
                break;
            }
        }
    }

    /// Adds the end of a transition whose effect is gone. It stands nowhere yet.
    fn lose(&mut self, of: usize, key: &Ident, state: usize, back: bool) {
        let name = format_ident!("{}_{}", self.transitions[of].name.unraw(), key.unraw(), span = key.span());
        let (to, back) = if back { (Vec::new(), vec![state]) } else { (vec![state], Vec::new()) };
        self.transitions.push(Transition {
            name,
            from: self.transitions[of].from,
            places: Vec::new(),
            to,
            back,
            guard: None,
            on_delete: false,
            preempts: false,
            retired: None,
            was: Vec::new(),
            verify: None,
            kind: Kind::End { of, cause: Cause::Lost },
            loose: false,
        });
    }

    /// Whether there is a method that could say whether what a transition made is there, and something to ask about.
    pub(crate) fn may_be_asked(&self, index: usize) -> bool {
        let step = &self.transitions[index];
        let contract = step.contract().filter(|it| it.undo != Undo::None && !step.is_kept());
        let has_look_up = contract.is_some_and(|it| it.in_doubt == InDoubt::Lookup);
        let by = self.typed(index).is_some_and(|typed| typed.verify.is_some());
        contract.is_some() && (has_look_up || by) && step.retired.is_none()
    }

    /// The states that verify, and where what a transition made may live.
    pub(crate) fn asked_in(&self, index: usize) -> Vec<usize> {
        let step = &self.transitions[index];
        let made = if step.for_each().is_some() { &step.places } else { &step.to };
        let states = self.states().iter().enumerate().filter(|(_, state)| state.verify.is_some());
        let lives = |at: usize| made.iter().any(|made| self.path(*made, at, &[]).is_some());
        states.map(|(at, _)| at).filter(|at| lives(*at)).collect()
    }

    /// A transition as it was declared.
    pub(crate) fn typed(&self, index: usize) -> Option<&TransitionDecl> {
        let step = &self.transitions[index];
        let is_end = matches!(step.kind, Kind::End { .. });
        let mut typed = self.declaration.states[step.from].transitions.iter().filter(|_| !is_end);
        typed.find(|it| it.name == step.name && it.declares())
    }
}
