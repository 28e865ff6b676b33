//! What a person does after a restore that was not noticed: a sweep, and the removal of each orphan. Invariant: it is the library's own sweep, by the list of the world.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use durable_fsm_graph::InDoubt;

use super::Runner;
use crate::machine::Boxed;
use crate::steps::{Steps as _, Typed};
use crate::sweep::{Known, Swept, ask, compare, life_ahead};
use crate::testing::oracle::{Oracle, Violation};
use crate::testing::world::{Sweeper, World};
use crate::{Machine, Tagged, Undone};

/// How many sweeps it takes at most until nothing is left: more than there are things.
const SWEEPS: usize = 64;

impl<W: World> Runner<'_, W> {
    /// Sweeps and removes orphans, one by one, until there is none.
    pub(super) fn sweep(&mut self) {
        let Some(sweeper) = self.world.sweep().filter(|_| self.sim.core().books.has_forgotten()) else { return };
        let quiet = self.sim.quiet_at() + self.pause;
        self.sim.advance_to(quiet);
        self.sim.check_world();
        let mut is_first = true;
        for _ in 0..SWEEPS {
            let Some(swept) = self.swept(&sweeper, is_first) else { return };
            is_first = false;
            let Some(orphan) = swept.orphans.into_iter().next() else { return };
            if !self.remove(&orphan.thing) {
                return;
            }
        }
        self.violate(Oracle::Orphan, "the sweep finds one orphan after the other, and there is no end".to_owned());
    }

    /// What a sweep finds. None if that is wrong.
    fn swept(&self, sweeper: &Sweeper, is_first: bool) -> Option<Swept> {
        let graph = <W::Machine as Machine>::GRAPH;
        let things = match self.answer(sweeper.list()) {
            Some(Ok(things)) => things,
            Some(Err(failure)) => {
                self.violate(Oracle::Author, format!("the world cannot list what there is: {failure:?}"));
                return None;
            }
            None => return None,
        };
        if let Some(message) = self.unlisted(sweeper, &things).or_else(|| twice::<W>(&things).filter(|_| is_first)) {
            self.violate(Oracle::SingleEffect, message);
            return None;
        }
        let mut known = Known::default();
        if let Some(record) = self.sim.core().stored.record() {
            known.records.insert(self.id.resource.clone(), record.clone());
        }
        Some(compare(graph, things, sweeper.covers(), [&known, &known], self.sim.time()))
    }

    /// What exists and is not listed.
    fn unlisted(&self, sweeper: &Sweeper, things: &[Tagged]) -> Option<String> {
        let core = self.sim.core();
        sweeper.covers().iter().find_map(|name| {
            let is_its = |key: &String| core.books.made_by(key).is_some_and(|step| step.name == name);
            let there = core.things.iter().filter(|thing| thing.key.as_ref().is_some_and(is_its)).count();
            let listed = things.iter().filter(|thing| thing.transition == *name).count();
            (listed < there).then(|| format!("`{name}` has made {there} things, and the sweep lists {listed}"))
        })
    }

    /// Removes one by its undo. False if that is wrong.
    fn remove(&mut self, orphan: &Tagged) -> bool {
        let graph = <W::Machine as Machine>::GRAPH;
        let (edit, record) = {
            let core = self.sim.core();
            (core.edit, core.stored.record().cloned())
        };
        let owner =
            record.filter(|record| crate::record::owner_tag(&record.origin, &record.machine) == orphan.owner_tag);
        let wall = SystemTime::UNIX_EPOCH + self.sim.time();
        let ask = match ask(graph, orphan, owner.as_ref(), wall) {
            Ok((ask, _)) => ask,
            Err(why) => {
                self.violate(Oracle::Orphan, format!("an orphan cannot be removed: {why}"));
                return false;
            }
        };
        if let Some(past) = owner.as_ref().and_then(|record| life_ahead(orphan, record)) {
            self.sim.core().renumber(past);
        }
        self.sim.core().note(|| format!("a person removes {}, which `{}` has made", orphan.handle, orphan.transition));
        let resource = Arc::new(self.rig.resources[edit].clone());
        let typed = Typed::<W::Machine, W::Transitions>::new(Arc::clone(&self.transitions), resource);
        let wait = match self.answer(typed.undo(ask)) {
            Some(Ok(Undone::Done)) => Duration::ZERO,
            Some(Ok(Undone::NotYet)) => Duration::from_secs(5),
            Some(Ok(Undone::NotYetFor(after))) => after,
            Some(Ok(Undone::Left(_))) => return false,
            Some(Err(failure)) => {
                self.violate(Oracle::Orphan, format!("the undo of an orphan fails: {failure:?}"));
                return false;
            }
            None => return false,
        };
        let now = self.sim.time();
        self.sim.advance_to(now + wait);
        self.sim.check_world();
        !self.sim.core().is_over()
    }

    /// The answer of a call in which nothing goes wrong.
    fn answer<A>(&self, mut call: Boxed<A>) -> Option<A> {
        for _ in 0..1000 {
            if let Poll::Ready(answer) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Some(answer);
            }
        }
        self.violate(Oracle::Quiescent, "a method that a sweep calls never answers".to_owned());
        None
    }

    fn violate(&self, oracle: Oracle, message: String) {
        self.sim.core().violate(Violation::new(oracle, message));
    }
}

/// Two things of a step whose look-up finds what was made before.
fn twice<W: World>(things: &[Tagged]) -> Option<String> {
    let graph = <W::Machine as Machine>::GRAPH;
    let is_found = |name: &str| {
        let contract = graph.transition(name).and_then(|(_, step)| step.contract());
        contract.is_some_and(|contract| contract.in_doubt == InDoubt::Lookup && contract.look_first)
    };
    let mut counts: BTreeMap<(&str, Option<&str>, &str), usize> = BTreeMap::new();
    for thing in things.iter().filter(|thing| is_found(&thing.transition)) {
        *counts.entry((&thing.transition, thing.subject.as_deref(), &thing.owner_tag)).or_default() += 1;
    }
    let ((name, ..), _) = counts.into_iter().find(|(_, count)| *count > 1)?;
    Some(format!(
        "two things of `{name}` exist, and its look-up should have found the first; let it search by the owner tag"
    ))
}
