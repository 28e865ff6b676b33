//! How many members of a set may come and go at once. Invariant: with `surge = n` there are never more than n members above the wanted number, those under way
//! included, and a complete member goes only while as many complete ones as are wanted stay, or with `surge = 0` one less.
//!
//! A member is complete when every set that stands on its own has it too: a machine that has joined, not one that was only made. The numbers are those of
//! the set at the bottom, for all sets that stand on it. The rule is that of a rolling update in Kubernetes (`maxSurge`, and `maxUnavailable = 1` where
//! nothing may surge).

use std::collections::BTreeSet;

use durable_fsm_graph::{ForEach, Graph};

use super::decision::Surroundings;
use super::sets::{Difference, Sets};
use crate::FactError;
use crate::record::{Effect, Record, Unconfirmed, is_certainly_absent};

/// What may be replaced in one set now.
pub(super) struct Replacing {
    /// The sets that stand on this one, directly: by transition and fact.
    above: Vec<(&'static str, &'static str)>,
    bound: Bound,
    tower: Tower,
}

/// What bounds it.
enum Bound {
    /// Nothing stands on it, it stands on nothing, and it says nothing: as much as is wanted is made first.
    Free,
    /// All that is wanted has to be complete before anything goes.
    MakeFirst { is_complete: bool },
    /// There is room for another, and so many complete ones may go.
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
                // What stands on another set follows it, and adds nothing to its number.
                let has_room = of != transition || there.len() + under_way(graph, record, of) < wanted + surge as usize;
                Bound::Surge { has_room, spare: complete > least }
            }
        };
        Ok(Self { above, bound, tower })
    }

    /// What a member that waits stands on: the effect that has made it, if there is one.
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

    /// Whether members go only when all that is wanted has come.
    pub(super) fn is_unbounded(&self) -> bool {
        !matches!(self.bound, Bound::Surge { .. })
    }

    /// Whether another member may begin.
    pub(super) fn has_room(&self) -> bool {
        !matches!(self.bound, Bound::Surge { has_room: false, .. })
    }

    /// Whether what was refused and may be carried out late is settled like what is in doubt: it would be one too many, or stand on what is gone.
    pub(super) fn settles_refused(set: &ForEach<'_>) -> bool {
        set.on.is_some() || set.surge.is_some()
    }

    /// Whether a member that is not wanted may go.
    pub(super) fn may_go(&self, graph: &Graph<'_>, record: &Record, subject: &str) -> bool {
        let stands = |(step, fact): &(&str, &str)| {
            let is_sent = |it: &Unconfirmed| {
                it.transition == *step
                    && it.subject.as_deref() == Some(subject)
                    && (it.in_doubt || !is_certainly_absent(graph, it))
            };
            record.facts.member(fact, subject).is_some() || record.unconfirmed.iter().any(is_sent)
        };
        if self.above.iter().any(stands) {
            return false;
        }
        match self.bound {
            Bound::Free => true,
            Bound::MakeFirst { is_complete } => is_complete,
            // What is not complete serves nobody, so nothing is lost with it.
            Bound::Surge { spare, .. } => spare || !self.tower.is_complete(record, subject),
        }
    }
}

/// A set that stands on no other, and all that stand on it at any height: by transition and fact.
struct Tower(Vec<(&'static str, &'static str)>);

impl Tower {
    fn of(graph: &'static Graph<'static>, transition: usize, fact: &'static str) -> Self {
        let mut found = vec![(graph.transitions[transition].name, fact)];
        let mut next = 0;
        // No more than there are, whatever was written by hand.
        while next < found.len() && found.len() <= graph.transitions.len() {
            let above: Vec<_> = standing_on(graph, found[next].1).collect();
            found.extend(above);
            next += 1;
        }
        Self(found)
    }

    /// Whether every set has this member. One whose undo has begun may be gone by now.
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

/// How many members were sent, are not there, and may come.
fn under_way(graph: &Graph<'_>, record: &Record, of: usize) -> usize {
    let name = graph.transitions[of].name;
    let sent = record.unconfirmed.iter().filter(|sent| sent.transition == name);
    let sent = sent.filter(|sent| record.effect(name, sent.subject.as_deref()).is_none());
    let may_come = sent.filter(|sent| sent.in_doubt || !is_certainly_absent(graph, sent));
    may_come.map(|sent| &sent.subject).collect::<BTreeSet<_>>().len()
}

/// The sets that stand on this one directly, each with its transition.
fn standing_on(graph: &'static Graph<'static>, fact: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let sets = graph.transitions.iter().filter_map(|step| Some((step.name, step.for_each()?)));
    sets.filter(move |(_, set)| set.on == Some(fact)).map(|(name, set)| (name, set.fact))
}

/// The set on which this one stands in the end; itself, if it stands on none.
fn bottom(graph: &'static Graph<'static>, transition: usize, set: &ForEach<'static>) -> (ForEach<'static>, usize) {
    let (mut at, mut of) = (*set, transition);
    // No longer than there are sets, whatever was written by hand.
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
