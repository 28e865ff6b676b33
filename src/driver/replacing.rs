//! How many members of a set may be made and undone at once. Invariants: with `surge = n`, a set has at most n members more than are wanted, and members that may
//! still come count. A complete member is undone only while at least as many complete members remain as are wanted, or one less with `surge = 0`.
//!
//! A member is complete if every set that depends on its set has it too: a machine that has joined is complete, and one that was only made is not. In a chain of
//! sets, all numbers are those of the first set, which depends on no other. The rule is that of a rolling update in Kubernetes: `maxSurge`, and
//! `maxUnavailable = 1` with `surge = 0`.

use std::collections::BTreeSet;

use durable_fsm_graph::{ForEach, Graph};

use super::decision::Surroundings;
use super::sets::{Difference, Sets};
use crate::FactError;
use crate::record::{Effect, Record, Unconfirmed, is_certainly_absent};

/// What may be replaced in one set now.
pub(super) struct Replacing {
    /// The sets that depend on this one directly, by transition and fact.
    above: Vec<(&'static str, &'static str)>,
    bound: Bound,
    tower: Tower,
}

/// The bound on a set.
enum Bound {
    /// A set without `surge` and without dependencies: all wanted members are made before one is undone.
    Free,
    /// A chain of sets without `surge`: all wanted members have to be complete before one is undone.
    MakeFirst { is_complete: bool },
    /// Whether another member may be made, and whether a complete one may be undone.
    Surge { has_room: bool, spare: bool },
}

impl Replacing {
    pub(super) fn of(
        record: &Record,
        around: &Surroundings<'_>,
        sets: &mut Sets,
        transition: usize,
        set: &ForEach<'static>,
    ) -> Result<Self, FactError> {
        let (steps, graph) = (around.steps, around.steps.graph());
        let above = standing_on(graph, set.fact).collect();
        let (bottom, of) = bottom(graph, transition, set);
        let tower = Tower::of(graph, of, bottom.fact);
        if tower.0.len() == 1 && bottom.surge.is_none() {
            return Ok(Self { above, bound: Bound::Free, tower });
        }
        let Difference { missing, surplus } = sets.difference(record, steps, of, bottom.fact)?;
        let there = record.facts.subjects(bottom.fact);
        let wanted = there.len() + missing.len() - surplus.len();
        let is_complete = |subject: &String| tower.is_complete(record, subject);
        let complete = there.iter().filter(|subject| is_complete(subject)).count();
        let bound = match bottom.surge {
            None => {
                let kept = there.iter().filter(|subject| !surplus.contains(*subject));
                Bound::MakeFirst { is_complete: missing.is_empty() && kept.into_iter().all(is_complete) }
            }
            Some(surge) => {
                let least = wanted.saturating_sub(usize::from(surge == 0));
                // Only the first set of a chain is counted. The others follow it.
                let has_room = of != transition || there.len() + under_way(graph, record, of) < wanted + surge as usize;
                Bound::Surge { has_room, spare: complete > least }
            }
        };
        Ok(Self { above, bound, tower })
    }

    /// The live effect that made the member that this one waits for.
    pub(super) fn made<'r>(
        graph: &'static Graph<'static>,
        record: &'r Record,
        transition: usize,
        subject: &str,
    ) -> Option<&'r Effect> {
        let mut at = graph.transitions.get(transition)?;
        for _ in graph.transitions {
            at = graph.keeper(at.for_each()?.on?)?.1;
            if at.contract().is_some() {
                return record.effect(at.name, Some(subject));
            }
        }
        None
    }

    /// Whether members are undone only when all wanted ones are made.
    pub(super) fn is_unbounded(&self) -> bool {
        !matches!(self.bound, Bound::Surge { .. })
    }

    /// Whether another member may begin.
    pub(super) fn has_room(&self) -> bool {
        !matches!(self.bound, Bound::Surge { has_room: false, .. })
    }

    /// Whether a refused request that may still be carried out is settled like one in doubt. Otherwise its member could come late: one too many, or without the
    /// member that it depends on.
    pub(super) fn settles_refused(set: &ForEach<'_>) -> bool {
        set.on.is_some() || set.surge.is_some()
    }

    /// Whether a member that is not wanted may be undone.
    pub(super) fn may_go(&self, graph: &Graph<'_>, record: &Record, subject: &str) -> bool {
        let stands = |(step, fact): &(&str, &str)| {
            let is_sent = |it: &Unconfirmed| {
                it.transition == *step && it.subject.as_deref() == Some(subject) && !is_certainly_absent(graph, it)
            };
            record.facts.member(fact, subject).is_some() || record.unconfirmed.iter().any(is_sent)
        };
        if self.above.iter().any(stands) {
            return false;
        }
        match self.bound {
            Bound::Free => true,
            Bound::MakeFirst { is_complete } => is_complete,
            // A member that is not complete is not counted among those that remain.
            Bound::Surge { spare, .. } => spare || !self.tower.is_complete(record, subject),
        }
    }
}

/// The first set of a chain, and all sets that depend on it, directly or not, by transition and fact.
struct Tower(Vec<(&'static str, &'static str)>);

impl Tower {
    fn of(graph: &'static Graph<'static>, transition: usize, fact: &'static str) -> Self {
        let mut found = vec![(graph.transitions[transition].name, fact)];
        let mut next = 0;
        // Bounded, because a graph that was written by hand may have a cycle.
        while next < found.len() && found.len() <= graph.transitions.len() {
            let above: Vec<_> = standing_on(graph, found[next].1).collect();
            found.extend(above);
            next += 1;
        }
        Self(found)
    }

    /// Whether every set has this member. A member whose undo has begun does not count, because it may be gone already.
    fn is_complete(&self, record: &Record, subject: &str) -> bool {
        self.0.iter().all(|(step, fact)| {
            let goes = || {
                record.effect(step, Some(subject)).is_some_and(|live| live.unmaking)
                    || record.retrying(step, Some(subject)).is_some()
            };
            record.facts.member(fact, subject).is_some() && !goes()
        })
    }
}

/// How many members are not made, and may still come from a request that was sent.
fn under_way(graph: &Graph<'_>, record: &Record, of: usize) -> usize {
    let name = graph.transitions[of].name;
    let sent = record.unconfirmed.iter().filter(|sent| sent.transition == name);
    let sent = sent.filter(|sent| record.effect(name, sent.subject.as_deref()).is_none());
    let may_come = sent.filter(|sent| !is_certainly_absent(graph, sent));
    may_come.map(|sent| &sent.subject).collect::<BTreeSet<_>>().len()
}

/// The sets that depend on this one directly, each with its transition.
fn standing_on(graph: &'static Graph<'static>, fact: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let sets = graph.transitions.iter().filter_map(|step| Some((step.name, step.for_each()?)));
    sets.filter(move |(_, set)| set.on == Some(fact)).map(|(name, set)| (name, set.fact))
}

/// The first set of the chain to which this set belongs.
fn bottom(graph: &'static Graph<'static>, transition: usize, set: &ForEach<'static>) -> (ForEach<'static>, usize) {
    let (mut at, mut of) = (*set, transition);
    // Bounded, because a graph that was written by hand may have a cycle.
    for _ in graph.transitions {
        match at.on.and_then(|on| graph.keeper(on)) {
            Some((index, step)) => {
                (at, of) = (step.for_each().copied().unwrap_or(at), index);
            }
            None => break,
        }
    }
    (at, of)
}
