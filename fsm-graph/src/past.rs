//! What a graph says of records that older versions wrote: names of before, and the effects that lead to a state.
//!
//! Invariant: a name that the graph has now is never taken for another one's old name.

use std::collections::VecDeque;

use crate::model::{Graph, Kind, State, Transition, Upgrade, Upgraded};

/// A way to a state.
#[derive(Clone, Copy)]
struct Way {
    /// How many effects are missing on it.
    missing: usize,
    /// The last step, and the state that it led from.
    last: Option<(usize, usize)>,
}

impl<'a> Graph<'a> {
    /// The state that has this name, or had it before.
    #[must_use]
    pub fn state_once(&self, name: &str) -> Option<(usize, &'a State<'a>)> {
        self.state(name).or_else(|| self.states.iter().enumerate().find(|(_, state)| state.was.contains(&name)))
    }

    /// The transition that has this name, or had it before.
    #[must_use]
    pub fn transition_once(&self, name: &str) -> Option<(usize, &'a Transition<'a>)> {
        let before = || self.transitions.iter().enumerate().find(|(_, step)| step.was.contains(&name));
        self.transition(name).or_else(before)
    }

    /// What a fact is called now that has this name, or had it before.
    #[must_use]
    pub fn fact_once(&self, name: &str) -> Option<&'a str> {
        let facts = || self.states.iter().flat_map(|state| state.facts);
        let now = facts().find(|fact| fact.name == name);
        now.or_else(|| facts().find(|fact| fact.was.contains(&name))).map(|fact| fact.name)
    }

    /// Where a record goes on that this version has left in a state.
    #[must_use]
    pub fn moved(&self, state: usize, version: u32) -> Option<usize> {
        self.upgraded(version, Upgraded::State(state))
    }

    /// Which state a branch has reached for a version for which it was none.
    #[must_use]
    pub fn branched(&self, transition: usize, version: u32) -> Option<usize> {
        self.upgraded(version, Upgraded::Branch(transition))
    }

    fn upgraded(&self, version: u32, of: Upgraded) -> Option<usize> {
        let declared = self.upgrades.iter().filter(|it: &&Upgrade| it.of == of && it.from >= version);
        declared.min_by_key(|it| it.from).map(|it| it.to)
    }

    /// Effects without which no path leads to this state, of those that were not taken. None, if what was taken leads there.
    ///
    /// A path begins in the initial state, or in a retired one to which no transition leads: only an upgrade, or an older version, brings records there.
    #[must_use]
    pub fn missing(&self, state: usize, took: impl Fn(&Transition<'a>) -> bool) -> Vec<usize> {
        // What is missing on the way to each state that lacks the fewest, and the step and state that led there.
        let mut found: Vec<Option<Way>> = vec![None; self.states.len()];
        let mut open = VecDeque::new();
        let is_led_to = |state| self.transitions.iter().any(|step| step.to.contains(&state));
        for (index, start) in self.states.iter().enumerate() {
            if start.initial || start.retired && !is_led_to(index) {
                found[index] = Some(Way { missing: 0, last: None });
                open.push_back(index);
            }
        }
        while let Some(here) = open.pop_front() {
            let Some(Way { missing, .. }) = found[here] else { continue };
            for (index, step) in self.listed(here).filter(|(_, step)| !step.goes_back()) {
                let costs = usize::from(matches!(step.kind, Kind::Effect(_)) && !took(step));
                for to in step.to.iter().copied().filter(|to| *to < self.states.len()) {
                    if found[to].is_none_or(|known| missing + costs < known.missing) {
                        found[to] = Some(Way { missing: missing + costs, last: Some((index, here)) });
                        open.push_back(to);
                    }
                }
            }
        }
        let (mut lacking, mut here) = (Vec::new(), state);
        while let Some(Way { last: Some((step, before)), .. }) = found.get(here).copied().flatten() {
            let is_effect = |step: &Transition<'a>| matches!(step.kind, Kind::Effect(_)) && !took(step);
            lacking.extend(self.transitions.get(step).filter(|it| is_effect(it)).map(|_| step));
            here = before;
        }
        lacking.reverse();
        lacking
    }

    fn listed(&self, state: usize) -> impl Iterator<Item = (usize, &'a Transition<'a>)> + '_ {
        let listed = self.states.get(state).map_or(&[][..], |state| state.transitions);
        listed.iter().filter_map(|index| Some((*index, self.transitions.get(*index)?)))
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Graph;
    use crate::written::{
        INITIAL, NOTHING, PASSING, REPEAT, RESTING, contract, effect, fact, moved, no_effect, rejected, rewind, state,
    };

    const TIMES: [u64; 4] = [1, 1, 1, 1];

    const GRAPH: Graph<'static> = Graph {
        name: "m",
        title: "M",
        version: 3,
        reader: 1,
        doc: "",
        undo_on_rejected: false,
        upgrades: &[moved(2, 3, 4), moved(1, 3, 1)],
        states: &[
            state("Wanted", "", PASSING | INITIAL, &[], &[], &[0]),
            state("Made", "", PASSING, &[fact("id", "String", "").was(&["handle"])], &["id"], &[1, 2, 5]),
            state("Open", "", PASSING, &[], &["id"], &[3]),
            state("Ready", "", RESTING, &[], &["id"], &[6]).was(&["Up"]),
            state("Late", "", PASSING, &[], &["id"], &[4]).retired(),
            state("Refused", "", RESTING, &[], &["id"], &[]),
            state("Closed", "", PASSING, &[], &["id"], &[7]).retired(),
            state("Opened", "", PASSING, &[], &["id"], &[8]).retired(),
            state("Served", "", RESTING, &[], &["id"], &[]),
        ],
        transitions: &[
            effect("make", 0, &[1], None, contract(REPEAT, NOTHING, None, TIMES)).was(&["create"]),
            effect("open", 1, &[2], Some("is_public"), contract(REPEAT, NOTHING, None, TIMES)),
            effect("shut", 1, &[2], None, contract(REPEAT, NOTHING, None, TIMES)),
            no_effect("enter", 2, &[3], None),
            effect("open_late", 4, &[3], None, contract(REPEAT, NOTHING, None, TIMES)),
            rejected("shut_rejected", 1, &[5], 2, false),
            rewind("again", 3, &[1], Some("is_moved")),
            effect("catch_up", 6, &[7], None, contract(REPEAT, NOTHING, None, TIMES)),
            no_effect("serve", 7, &[8], None),
        ],
    };

    #[test]
    fn what_was_taken_leads_somewhere_or_lacks_the_fewest() {
        let missing = |state, took: &[&str]| {
            let steps = GRAPH.missing(state, |step| took.contains(&step.name));
            steps.into_iter().map(|step| GRAPH.transitions[step].name).collect::<Vec<_>>()
        };
        assert_eq!(missing(0, &[]), Vec::<&str>::new());
        assert_eq!(missing(3, &["make", "open"]), Vec::<&str>::new());
        assert_eq!(missing(3, &["make", "shut"]), Vec::<&str>::new());
        assert_eq!(missing(3, &["make"]).len(), 1, "one of three is lacking");
        assert_eq!(missing(3, &["open_late"]), Vec::<&str>::new(), "a retired state was reached before");
        assert_eq!(missing(5, &["make"]), Vec::<&str>::new(), "a bad end needs no effect");
        assert_eq!(missing(2, &[]).len(), 2);
        assert_eq!(missing(8, &["make"]), ["catch_up"], "a retired state that a step leads to is no beginning");
    }

    #[test]
    fn a_name_of_before_leads_to_the_name_of_now_and_a_version_to_its_upgrade() {
        assert_eq!(GRAPH.state_once("Up").map(|it| it.1.name), Some("Ready"));
        assert_eq!(GRAPH.transition_once("create").map(|it| it.1.name), Some("make"));
        assert_eq!(
            (GRAPH.fact_once("handle"), GRAPH.fact_once("id"), GRAPH.fact_once("no")),
            (Some("id"), Some("id"), None)
        );
        assert_eq!((GRAPH.moved(3, 1), GRAPH.moved(3, 2), GRAPH.moved(3, 3)), (Some(1), Some(4), None));
    }
}
