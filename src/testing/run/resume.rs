//! Runs that go on from where others have been. Invariant: a run that goes on from a checkpoint does what it would have done from its beginning; nothing is judged
//! again that was judged on the way there.
//!
//! The record, the clock and the controllers are copied. A world is the author's and cannot be: a new one is asked what the old one was asked.

use std::sync::{Arc, Mutex, PoisonError};

use super::Runner;
use super::checkpoint::Checkpoint;
use super::course::Course;
use crate::testing::sim::Journal;
use crate::testing::world::World;

impl<W: World> Runner<'_, W> {
    /// Takes note of this place, if nothing is under way.
    pub(super) fn check_point(&mut self, course: Course) {
        if !self.records || self.actors.iter().any(|actor| actor.pass.is_some()) {
            return;
        }
        let mut core = self.sim.core();
        if !core.may_fork() {
            return;
        }
        let Some(asked) = core.journal.as_mut().and_then(Journal::asked) else { return };
        let [one, other] = &self.actors;
        let checkpoint = Checkpoint {
            passed: core.seen.len(),
            struck: core.plan.len(),
            core: Mutex::new(core.fork()),
            asked,
            incarnations: [one.driver.copied_incarnation(), other.driver.copied_incarnation()],
            course,
            lead: self.lead,
            passes: self.passes,
            rests: self.rests.clone(),
            outdated: self.outdated,
            behind: self.behind,
            asked_at: self.asked_at,
        };
        self.checkpoints.push(Arc::new(checkpoint));
    }

    /// Goes on from there, in a world that is new.
    pub(super) fn go_on_from(&mut self, checkpoint: &Checkpoint) -> Course {
        let (sim, world) = (self.sim.clone(), self.world.clone());
        checkpoint.asked.ask(&sim, |edit| self.typed(edit), |event| world.happen(event));
        {
            let fork = checkpoint.core.lock().unwrap_or_else(PoisonError::into_inner);
            let journal = self.records.then(|| Journal::after(Some(Arc::clone(&checkpoint.asked))));
            self.sim.core().go_on_from(&fork, checkpoint.struck, journal);
        }
        for (actor, incarnation) in self.actors.iter_mut().zip(&checkpoint.incarnations) {
            actor.driver = Arc::new(actor.driver.going_on_as(incarnation));
        }
        self.lead = checkpoint.lead;
        self.passes = checkpoint.passes;
        self.rests.clone_from(&checkpoint.rests);
        self.outdated = checkpoint.outdated;
        self.behind = checkpoint.behind;
        self.asked_at = checkpoint.asked_at;
        checkpoint.course
    }
}
