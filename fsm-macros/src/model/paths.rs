//! The paths through a machine. Invariant: a rewind is no path; what is known where it leads is what led there first.

use std::collections::{BTreeSet, VecDeque};

use syn::ext::IdentExt as _;

use super::Model;

/// How many facts at most are named that a state does not know.
const MISSING: usize = 8;

impl Model {
    /// Where nothing is known yet.
    pub(crate) fn initial(&self) -> usize {
        self.states().iter().position(|state| state.initial.is_some()).unwrap_or(0)
    }

    /// The states that record a fact.
    pub(crate) fn recording(&self, fact: &str) -> Vec<usize> {
        let states = self.states();
        let records = |state: &usize| states[*state].facts.iter().any(|own| own.ident.unraw() == fact);
        (0..states.len()).filter(records).collect()
    }

    /// For each state, the states that its transitions lead to.
    pub(super) fn edges(&self) -> Vec<Vec<usize>> {
        let mut ahead = vec![Vec::new(); self.states().len()];
        for step in &self.transitions {
            for place in &step.places {
                for to in step.to.iter().filter(|to| *to != place) {
                    if !ahead[*place].contains(to) {
                        ahead[*place].push(*to);
                    }
                }
            }
        }
        ahead
    }

    /// For each state, facts that some paths to it record and not all, each with the last state before it on a path that does not.
    pub(super) fn missing(&self) -> Vec<Vec<(String, usize)>> {
        let count = self.states().len();
        let mut missing = vec![Vec::new(); count];
        // Where each state is entered from one other at most, there is one path.
        if (0..count).all(|state| self.ahead.iter().filter(|next| next.contains(&state)).count() < 2) {
            return missing;
        }
        let all = self.states().iter().flat_map(|state| &state.facts).map(|fact| fact.ident.unraw().to_string());
        let all: BTreeSet<String> = all.collect();
        let behind: Vec<Vec<bool>> = (0..count).map(|state| self.behind(state)).collect();
        for fact in all {
            let recording = self.recording(&fact);
            for state in (0..count).filter(|state| !self.names[*state].contains(&fact)) {
                if missing[state].len() == MISSING || !recording.iter().any(|from| behind[*from][state]) {
                    continue;
                }
                let around = self.path(self.initial(), state, &recording).unwrap_or_default();
                if let [.., before, _] = around.as_slice() {
                    missing[state].push((fact.clone(), *before));
                }
            }
        }
        missing
    }

    /// The states that paths from a state lead to.
    fn behind(&self, state: usize) -> Vec<bool> {
        let mut behind = vec![false; self.states().len()];
        let mut open = self.ahead[state].clone();
        while let Some(next) = open.pop() {
            if !std::mem::replace(&mut behind[next], true) {
                open.extend(&self.ahead[next]);
            }
        }
        behind
    }

    /// The states on a way from one state to another, both included, that passes through none of the others.
    pub(crate) fn path(&self, from: usize, to: usize, except: &[usize]) -> Option<Vec<usize>> {
        if except.contains(&from) {
            return None;
        }
        let mut came: Vec<Option<usize>> = vec![None; self.states().len()];
        let mut open = VecDeque::from([from]);
        came[from] = Some(from);
        while let Some(state) = open.pop_front() {
            if state == to {
                let mut way = vec![to];
                while let Some(before) = way.last().and_then(|last| came[*last]).filter(|_| way.last() != Some(&from)) {
                    way.push(before);
                }
                way.reverse();
                return Some(way);
            }
            for next in self.ahead[state].iter().copied() {
                if came[next].is_none() && !except.contains(&next) {
                    came[next] = Some(state);
                    open.push_back(next);
                }
            }
        }
        None
    }
}
