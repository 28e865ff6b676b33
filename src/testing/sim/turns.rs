//! Whose turn it is among the steps of a state. Invariant: judged by the durable record and the wanted sets alone, apart from how the driver decides.

use std::collections::BTreeSet;

use durable_fsm_graph::{Contract, ForEach};

use super::SimSteps;
use crate::probe::Site;
use crate::record::{Direction, Record};
use crate::steps::Ask;

/// A set as it is recorded, and as it is wanted.
struct Members {
    have: BTreeSet<String>,
    wanted: BTreeSet<String>,
}

impl SimSteps {
    /// Why this is not yet to be called: a set that is wanted otherwise comes first, and of a set what is declared to come first.
    pub(super) fn out_of_turn(&self, site: Site, ask: &Ask, contract: &Contract<'_>) -> Option<String> {
        let decoded = self.sim.core().stored.decoded.clone()?;
        let record = &*decoded.record;
        // What was begun is finished, whatever is wanted by now.
        let begun = ask.details.number > 1 || record.unconfirmed.iter().any(|it| it.in_doubt);
        if begun || record.direction != Direction::Forward || !matches!(site, Site::Effect | Site::Undo) {
            return None;
        }
        let step = &self.inner.graph().transitions[ask.transition];
        if let Some(lost) = record.undo.iter().find(|it| it.lost) {
            let (is_it, name) = (record.lost(step.name).is_some() || step.preempts, step.name);
            return (!is_it).then(|| format!("`{name}` is called before `{}` is made again", lost.transition));
        }
        if let Some(set) = &contract.for_each {
            return self.member_out_of_turn(site, ask, set, record);
        }
        let graph = self.inner.graph();
        let name = graph.transitions[ask.transition].name;
        let (_, state) = graph.state(&record.state)?;
        let sets = state.transitions.iter().filter_map(|index| Some((*index, graph.transitions.get(*index)?)));
        // An incomplete set stops what stands below it.
        let above = sets.take_while(|(index, _)| *index != ask.transition);
        above
            .filter_map(|(index, step)| Some((step.name, self.members(index, step.for_each()?.fact, record)?)))
            .find(|(_, members)| members.have != members.wanted)
            .map(|(set, _)| format!("`{name}` is called before the set of `{set}` is complete"))
    }

    fn member_out_of_turn(&self, site: Site, ask: &Ask, set: &ForEach<'_>, record: &Record) -> Option<String> {
        let graph = self.inner.graph();
        let name = graph.transitions[ask.transition].name;
        let subject = ask.subject.as_deref()?;
        let sets = || graph.transitions.iter().filter_map(|step| step.for_each());
        if site == Site::Effect {
            if let Some(on) = set.on.filter(|on| record.facts.member(on, subject).is_none()) {
                return Some(format!("`{name}` is called for {subject}, which is not in `{on}`"));
            }
            let Members { have, wanted } = self.members(ask.transition, set.fact, record)?;
            let most = wanted.len() + set.surge? as usize;
            return (have.len() >= most).then(|| format!("`{name}` makes one more than the {most} that may be there"));
        }
        let mut above = sets().filter(|other| other.on == Some(set.fact));
        if let Some(other) = above.find(|other| record.facts.member(other.fact, subject).is_some()) {
            return Some(format!("{subject} goes from `{}`, and stands in `{}`", set.fact, other.fact));
        }
        let mut bottom = set;
        while let Some(below) = bottom.on.and_then(|on| sets().find(|other| other.fact == on)) {
            bottom = below;
        }
        let Members { have, wanted } = self.members(graph.keeper(bottom.fact)?.0, bottom.fact, record)?;
        let stands_on = |other: &&ForEach<'_>| {
            let mut at = **other;
            while let Some(below) = at.on.and_then(|on| sets().find(|other| other.fact == on)) {
                at = *below;
            }
            at.fact == bottom.fact && other.fact != bottom.fact
        };
        let tower: Vec<&ForEach<'_>> = sets().filter(stands_on).collect();
        let is_complete = |subject: &str| tower.iter().all(|set| record.facts.member(set.fact, subject).is_some());
        let Some(surge) = bottom.surge else {
            let missing = wanted.iter().find(|wanted| !have.contains(*wanted) || !is_complete(wanted))?;
            return Some(format!("a member of `{name}` is undone before {missing} is complete"));
        };
        let least = wanted.len().saturating_sub(usize::from(surge == 0));
        let complete = have.iter().filter(|subject| is_complete(subject)).count();
        let serves = record.facts.member(bottom.fact, subject).is_some() && is_complete(subject);
        (serves && complete <= least)
            .then(|| format!("{subject} goes from `{name}`, and only {complete} of {} are complete", wanted.len()))
    }

    fn members(&self, transition: usize, fact: &str, record: &Record) -> Option<Members> {
        let wanted = self.inner.wanted(transition, &record.facts).ok()?;
        Some(Members { have: record.facts.subjects(fact).into_iter().collect(), wanted })
    }
}
