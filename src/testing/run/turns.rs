//! Whose turn it is. Invariant: controllers run one at a time, and hand over only at a crossing where the plan says so.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{End, Pass, Runner, new_actor};
use crate::StoreError;
use crate::driver::{Ending, Report};
use crate::steps::{Steps, Typed};
use crate::testing::oracle::{Oracle, Violation};
use crate::testing::sim::{Sim, SimSteps, Stop, Told};
use crate::testing::world::World;

impl<W: World> Runner<'_, W> {
    pub(super) fn restart(&mut self, actor: usize) {
        {
            let mut core = self.sim.core();
            core.books.forget(actor);
            core.draining = false;
        }
        self.actors[actor] = new_actor(self.rig, &self.sim, actor);
    }

    /// The author's methods for the resource with this one of its specs, in the world of this run.
    pub(super) fn typed(&mut self, edit: usize) -> Arc<dyn Steps> {
        let typed = || -> Arc<dyn Steps> {
            let resource = Arc::new(self.rig.resources[edit].clone());
            Arc::new(Typed::<W::Machine, W::Transitions>::new(Arc::clone(&self.transitions), resource))
        };
        Arc::clone(self.typed[edit].get_or_insert_with(typed))
    }

    fn begin(&mut self, actor: usize) {
        let mut core = self.sim.core();
        let (edit, deleting) = match (self.outdated, std::mem::take(&mut self.behind)) {
            (true, _) => (0, false),
            (false, true) => (core.edit.saturating_sub(1), core.deleting),
            (false, false) => (core.edit, core.deleting),
        };
        let generation = edit as u64 + 1;
        core.told[actor] = Told::nothing_of(generation, self.outdated);
        let (uid, deleting) = match core.elsewhere {
            Some(deleting) => (core.uid_elsewhere(), deleting),
            None => (core.uid(core.made_again.is_some() && !self.outdated), deleting),
        };
        drop(core);
        let steps: Arc<dyn Steps> = Arc::new(SimSteps::new(self.typed(edit), self.sim.clone(), uid, generation));
        let steps = match &self.rig.steps {
            Some(seam) => seam(steps),
            None => steps,
        };
        let (driver, id) = (self.actors[actor].driver.clone(), self.id.clone());
        self.actors[actor].pass = Some(Box::pin(async move { driver.reconcile(&*steps, &id, deleting).await }));
    }

    /// The controller of a second cluster acts for a copy of the resource, also when that is deleted. The copy belongs to another uid, so it may do nothing.
    pub(super) fn act_elsewhere(&mut self) {
        let there = 1 - self.lead;
        let (fresh, incarnation) = {
            let incarnation = self.sim.core().incarnations[there].clone();
            (new_actor(self.rig, &self.sim, there), incarnation)
        };
        let here = std::mem::replace(&mut self.actors[there], fresh);
        self.lead = there;
        for deleting in [false, true] {
            {
                let mut core = self.sim.core();
                core.quiet = true;
                core.copy_elsewhere(deleting);
            }
            let end = self.drive();
            let mut core = self.sim.core();
            core.quiet = false;
            core.leave_the_copy();
            let is_held =
                matches!(&end, End::Report(report) if report.ending == Ending::Held && report.unwritten.is_some());
            if !is_held {
                let message = "a copy of the resource in a second cluster is not held there".to_owned();
                core.violate(Violation::new(Oracle::History, message));
            }
        }
        self.lead = 1 - there;
        self.actors[there] = here;
        self.sim.core().incarnations[there] = incarnation;
    }

    /// One pass of the controller that leads, and of the other one where the plan lets it come between.
    pub(super) fn drive(&mut self) -> End {
        let first = self.lead;
        let mut current = first;
        let mut ended = None;
        // How many passes the other controller may still make while this one is paused.
        let mut more = 0;
        self.begin(first);
        loop {
            match self.poll(current) {
                Polled::Ended(end) => {
                    let waits = match &end {
                        End::Report(report) => match report.ending {
                            Ending::Progressing(after) | Ending::Blocked(after) => Some(after),
                            _ => None,
                        },
                        End::Store | End::Crashed => Some(Duration::from_secs(1)),
                    };
                    if current == first {
                        ended = Some(end);
                    }
                    let other = 1 - current;
                    if self.actors[other].pass.is_none() {
                        return ended.unwrap_or(End::Crashed);
                    }
                    match waits {
                        Some(after) if more > 0 && !self.sim.core().is_over() => {
                            more -= 1;
                            let now = self.sim.time();
                            self.sim.advance_to(now + after.max(Duration::from_millis(1)));
                            self.begin(current);
                        }
                        _ => {
                            more = 0;
                            current = other;
                            self.resume(current);
                        }
                    }
                }
                Polled::Stopped(stop) => {
                    self.sim.core().stopped += 1;
                    self.actors[current].stopped_at = self.sim.time();
                    if stop == Stop::Pause {
                        more = 20;
                        let now = self.sim.time();
                        self.sim.advance_to(now + self.pause);
                    }
                    current = 1 - current;
                    if self.actors[current].pass.is_none() {
                        self.begin(current);
                    } else {
                        self.resume(current);
                    }
                }
                Polled::Stuck => {
                    let message = "a method waits for something that never comes, and not for time".to_owned();
                    self.sim.core().violate(Violation::new(Oracle::Quiescent, message));
                    return End::Crashed;
                }
            }
            if self.sim.core().is_over() {
                return End::Crashed;
            }
        }
    }

    fn resume(&mut self, actor: usize) {
        let mut core = self.sim.core();
        core.stopped -= 1;
        let stopped = core.now - self.actors[actor].stopped_at;
        core.paused[actor] += stopped;
    }

    /// A hold that is not in the record has to have a reason as well.
    fn check_unwritten(&self, result: &Result<Report, StoreError>) {
        let Some(held) = result.as_ref().ok().and_then(|report| report.unwritten.as_ref()) else { return };
        let mut core = self.sim.core();
        if let Some(violation) = core.books.check_unwritten(held) {
            core.violate(violation);
        }
    }

    fn poll(&mut self, actor: usize) -> Polled {
        self.sim.core().actor = actor;
        for _ in 0..100_000 {
            {
                let mut core = self.sim.core();
                core.wake = None;
                core.yielded = false;
            }
            let Some(pass) = &mut self.actors[actor].pass else { return Polled::Stuck };
            if let Poll::Ready(result) = poll(&self.sim, pass) {
                self.actors[actor].pass = None;
                self.sim.core().books.forget(actor);
                if self.actors[actor].draining {
                    self.restart(actor);
                }
                self.check_unwritten(&result);
                self.sim.core().note(|| match &result {
                    Ok(report) => format!("the pass ends: {:?}", report.ending),
                    Err(error) => format!("the pass ends: {error}"),
                });
                return Polled::Ended(result.map_or(End::Store, |report| End::Report(Box::new(report))));
            }
            let (stop, yielded, wake, joined) = {
                let mut core = self.sim.core();
                (core.stop.take(), core.yielded, core.wake, core.joined)
            };
            if joined {
                return Polled::Ended(End::Crashed);
            }
            match (stop, wake) {
                (Some(Stop::Crash), _) => {
                    self.restart(actor);
                    return Polled::Ended(End::Crashed);
                }
                (Some(Stop::Drain), _) => {
                    self.actors[actor].driver.stop();
                    self.actors[actor].draining = true;
                    self.sim.core().draining = true;
                }
                (Some(stop), _) => return Polled::Stopped(stop),
                (None, _) if yielded => {}
                (None, Some(wake)) => self.sim.advance_to(wake),
                (None, None) => return Polled::Stuck,
            }
        }
        Polled::Stuck
    }
}

/// Polls a pass, until it is over or the simulation has to decide how it goes on.
fn poll(sim: &Sim, pass: &mut Pass) -> Poll<Result<Report, StoreError>> {
    let Some(backend) = sim.backend() else {
        return pass.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    };
    let mut polled = Poll::Pending;
    backend.drive(&mut |context| {
        polled = pass.as_mut().poll(context);
        if polled.is_ready() || sim.core().is_awaited() { Poll::Ready(()) } else { Poll::Pending }
    });
    polled
}

enum Polled {
    Ended(End),
    Stopped(Stop),
    Stuck,
}
