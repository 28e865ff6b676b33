//! The way a record has come. Invariant: a state or an edge is on it only if the record says so, or if no other way leads to what the record
//! says; what is not known is not claimed.

use std::collections::BTreeSet;

use durable_fsm_graph::{Graph, Kind, Step, Undo};

use crate::record::Record;

/// The states that were visited and the edges that were walked, since the beginning or the last roll-back.
pub(super) struct Way {
    pub(super) visited: Vec<usize>,
    pub(super) walked: Vec<Step>,
}

impl Way {
    pub(super) fn of(graph: &Graph<'_>, record: &Record) -> Self {
        let mut found = Found { graph, record, visited: BTreeSet::new(), walked: BTreeSet::new() };
        found.here();
        found.history();
        found.effects();
        found.facts();
        found.no_other_way();
        let walked = found.walked.into_iter().map(|(transition, to)| Step { transition, to }).collect();
        Self { visited: found.visited.into_iter().collect(), walked }
    }
}

struct Found<'f> {
    graph: &'f Graph<'f>,
    record: &'f Record,
    visited: BTreeSet<usize>,
    walked: BTreeSet<(usize, usize)>,
}

impl Found<'_> {
    fn here(&mut self) {
        self.visited.extend(self.graph.state(&self.record.state).map(|(index, _)| index));
    }

    fn walk(&mut self, transition: usize, to: usize) {
        self.visited.extend(self.source(transition));
        self.visited.insert(to);
        self.walked.insert((transition, to));
    }

    /// The state that a transition started from, if one state alone lists it.
    fn source(&self, transition: usize) -> Option<usize> {
        let mut places = self.graph.places(transition);
        places.next().filter(|_| places.next().is_none())
    }

    /// The last lines, each `<time> <state> by <transition>` or `<time> <transition> for <subject>`. What was before a roll-back is not
    /// on this way.
    fn history(&mut self) {
        let lines = self.record.history.iter().filter_map(|line| Some(line.split_once(' ')?.1));
        let lines: Vec<&str> = lines.collect();
        let begun = lines.iter().rposition(|line| *line == "rolled back").map_or(0, |last| last + 1);
        for line in &lines[begun..] {
            if let Some((state, transition)) = line.split_once(" by ") {
                let ends = self.graph.state(state).zip(self.graph.transition(transition));
                if let Some(((to, _), (index, step))) = ends
                    && step.to.contains(&to)
                {
                    self.walk(index, to);
                }
            } else if let Some((transition, _)) = line.split_once(" for ") {
                self.member(transition);
            }
        }
    }

    /// A member of a set was made: on the one state that keeps the set, if there is but one.
    fn member(&mut self, transition: &str) {
        let Some((index, step)) = self.graph.transition(transition) else { return };
        self.visited.insert(step.from);
        if let Some(at) = self.source(index) {
            self.visited.insert(at);
            self.walked.insert((index, at));
        }
    }

    /// The live effects. One that is left behind on purpose outlives a roll-back, and says nothing about this way.
    fn effects(&mut self) {
        let here = self.graph.state(&self.record.state).map(|(_, state)| state.transitions).unwrap_or_default();
        let is_here = |index| here.contains(&index);
        for effect in &self.record.undo {
            let Some((index, step)) = self.graph.transition(&effect.transition) else { continue };
            if !step.contract().is_some_and(|contract| matches!(contract.undo, Undo::Method(_))) {
                continue;
            }
            if step.for_each().is_some() {
                self.member(&effect.transition);
                continue;
            }
            self.visited.extend(self.source(index));
            // On the way back an effect can turn out to have been made, though the machine never moved on from there.
            let moved = self.record.direction.is_forward() || !is_here(index);
            let reached =
                effect.state.as_ref().map_or(step.to.first().copied(), |name| Some(self.graph.state(name)?.0));
            if let Some(to) = reached.filter(|_| moved) {
                self.walk(index, to);
            }
        }
    }

    /// A fact that only one state adds.
    fn facts(&mut self) {
        for (index, state) in self.graph.states.iter().enumerate() {
            let own = |name: &str| {
                let elsewhere =
                    |other: usize| other != index && self.graph.states[other].facts.iter().any(|f| f.name == name);
                self.record.facts.value(name).is_some() && !(0..self.graph.states.len()).any(elsewhere)
            };
            if state.facts.iter().any(|fact| own(fact.name)) {
                self.visited.insert(index);
            }
        }
    }

    /// What every way to a visited state leads through. A state whose facts are not recorded is on none of them.
    fn no_other_way(&mut self) {
        let states = self.graph.states;
        let possible: Vec<bool> = (0..states.len())
            .map(|at| {
                let recorded = |name: &str| self.record.facts.value(name).is_some();
                self.visited.contains(&at) || states[at].facts.iter().all(|fact| fact.each || recorded(fact.name))
            })
            .collect();
        let edges: Vec<(usize, usize, usize)> = self
            .graph
            .transitions
            .iter()
            .enumerate()
            .filter(|(_, step)| !matches!(step.kind, Kind::Rewind | Kind::End(_)))
            .flat_map(|(index, step)| {
                let places = self.graph.places(index);
                places.flat_map(move |from| step.to.iter().map(move |&to| (index, from, to)))
            })
            .filter(|&(_, from, to)| from != to && possible[from] && possible[to])
            .collect();
        let known: Vec<usize> = self.visited.iter().copied().collect();
        let mut out = vec![vec![]; states.len()];
        for (index, &(_, from, to)) in edges.iter().enumerate() {
            out[from].push((index, to));
        }
        let all = self.reachable(&out, None, None);
        // A record that was taken over from elsewhere, or from an older graph, may stand where no way leads.
        if !known.iter().all(|&at| all[at]) {
            return;
        }
        for without in (0..states.len()).filter(|&at| possible[at]) {
            let left = self.reachable(&out, Some(without), None);
            if known.iter().any(|&at| !left[at]) {
                self.visited.insert(without);
            }
        }
        for (without, &(transition, from, to)) in edges.iter().enumerate() {
            let left = self.reachable(&out, None, Some(without));
            if known.iter().any(|&at| !left[at]) {
                self.visited.extend([from, to]);
                self.walked.insert((transition, to));
            }
        }
    }

    /// Where the edges lead from the initial state, without this state and without this edge.
    fn reachable(&self, out: &[Vec<(usize, usize)>], state: Option<usize>, edge: Option<usize>) -> Vec<bool> {
        let mut seen = vec![false; self.graph.states.len()];
        let initial = self.graph.initial();
        let mut open = vec![];
        if Some(initial) != state && initial < seen.len() {
            seen[initial] = true;
            open.push(initial);
        }
        while let Some(at) = open.pop() {
            for &(index, to) in &out[at] {
                if Some(index) != edge && Some(to) != state && !seen[to] {
                    seen[to] = true;
                    open.push(to);
                }
            }
        }
        seen
    }
}
