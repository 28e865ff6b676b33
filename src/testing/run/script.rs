//! The course of a run: a resource is provisioned, edited and deleted, and comes to rest after each change.

use std::time::Duration;

use super::course::{Course, Rest, Settling};
use super::{Clean, End, PASSES, Runner, TIME};
use crate::driver::Ending;
use crate::driver::gate::STOPPED_FOR;
use crate::record::{Action, Blocked, BlockedReason, Direction, HeldReason, Record, Resolution};
use crate::testing::oracle::{Oracle, Violation};
use crate::testing::plan::Fault;
use crate::testing::world::{Change, World};

impl<W: World> Runner<'_, W> {
    /// The whole life of a resource, and where the plan wants it that of a second one of the same name. True if one ended held, as some
    /// contracts may. It begins where another run has been, if that is given.
    pub(super) fn script(&mut self, clean: Option<&Clean>, from: Option<Course>) -> bool {
        if let Some(course) = from
            && let Some(held) = course.again
        {
            return self.live(clean, Some(held), Some(course)) || held;
        }
        let held = self.live(clean, None, from);
        if !self.sim.core().stored.gone || self.sim.core().is_over() {
            return held;
        }
        match self.once_gone() {
            None => return held,
            Some(Fault::Rewound) => self.sim.befall_after(Fault::Rewound, self.pause),
            Some(_) => {
                self.sim.core().make_again();
                self.sim.change(Change::MadeAgain);
                self.act_for_the_old_one();
            }
        }
        // The pass for the old one may have come to where another run was.
        if self.sim.core().is_over() {
            return held;
        }
        self.live(clean, Some(held), None) || held
    }

    /// Passes until the faults of the plan have struck and the pass is over; without any, until it rests.
    pub(super) fn until_struck(&mut self) {
        for _ in 0..PASSES {
            self.passes += 1;
            let end = self.drive();
            let (is_over, has_struck) = {
                let core = self.sim.core();
                (core.is_over(), !core.plan.is_empty() && core.plan.iter().all(|planned| planned.fired))
            };
            let now = self.sim.time();
            let after = match end {
                _ if is_over || has_struck => return,
                End::Crashed => Duration::from_millis(10),
                End::Store => Duration::from_secs(1),
                End::Report(report) => match report.ending {
                    Ending::Progressing(after) | Ending::Blocked(after) => after.max(Duration::from_millis(1)),
                    _ => return,
                },
            };
            self.sim.advance_to(now + after);
        }
    }

    fn live(&mut self, clean: Option<&Clean>, again: Option<bool>, mut from: Option<Course>) -> bool {
        let mut ended_held = false;
        loop {
            let course = from.take().unwrap_or_else(|| self.course(Rest::Resting, again, ended_held));
            ended_held = course.ended_held;
            if course.settling.until == Rest::Resting {
                match self.settle(course) {
                    Rest::Over => return ended_held,
                    Rest::Gone => break,
                    Rest::Held => {
                        ended_held = true;
                        if self.is_recorded(|record| record.held.is_some()) {
                            self.stays("held", |ending| *ending == Ending::Held, true);
                        }
                    }
                    Rest::Resting => {
                        if !self.at_rest(clean) {
                            return ended_held;
                        }
                        self.sim.core().back_up();
                    }
                }
                let (edit, edits) = {
                    let core = self.sim.core();
                    (core.edit, core.edits)
                };
                if edit < edits && !ended_held {
                    if edit == course.stage {
                        self.sim.edit();
                    }
                    continue;
                }
                self.sim.core().note(|| "the resource is to be deleted".to_owned());
                self.sim.delete();
                from = Some(self.course(Rest::Gone, again, ended_held));
                continue;
            }
            match self.settle(course) {
                Rest::Gone => break,
                Rest::Over => return ended_held,
                // It was restored, and was not deleted since.
                _ if !self.sim.core().deleting => {}
                _ => {
                    let message = "it rests, and is to be deleted".to_owned();
                    self.sim.core().violate(Violation::new(Oracle::Quiescent, message));
                    return ended_held;
                }
            }
        }
        self.gone();
        ended_held
    }

    /// It begins to settle.
    fn course(&self, until: Rest, again: Option<bool>, ended_held: bool) -> Course {
        let core = self.sim.core();
        let settling = Settling { until, begun: core.now, due: core.now, has_retried: false, left: PASSES };
        Course { again, ended_held, stage: core.edit, settling }
    }

    /// Passes until it rests, is gone, or is held for a person.
    fn settle(&mut self, course: Course) -> Rest {
        let Settling { until, begun, mut due, mut has_retried, left } = course.settling;
        for left in (0..left).rev() {
            let settling = Settling { until, begun, due, has_retried, left: left + 1 };
            self.check_point(Course { settling, ..course });
            if self.sim.core().deleting && until == Rest::Resting && self.sim.core().stored.gone {
                return Rest::Gone;
            }
            if !self.between() {
                self.sim.advance_to(due);
            }
            let wanted = self.wanted();
            let behind = self.behind;
            let since = self.sim.time();
            let asked = self.asked();
            let end = self.drive();
            if self.sim.core().is_over() {
                return Rest::Over;
            }
            let tampered = self.sim.outlast_tampering();
            self.sim.core().bind();
            let now = self.sim.time();
            match end {
                End::Crashed => self.sim.advance_to(now + Duration::from_millis(10)),
                End::Store => self.sim.advance_to(now + Duration::from_secs(1)),
                End::Report(report) => match report.ending {
                    Ending::Held if report.unwritten.is_some() || tampered => {
                        self.abandon(tampered);
                        self.sim.advance_to(now + Duration::from_secs(1));
                    }
                    _ if tampered && self.sim.core().is_poisoned() => {
                        let message = format!("a record that cannot be honoured led to {:?}", report.ending);
                        self.sim.core().violate(Violation::new(Oracle::History, message));
                        return Rest::Over;
                    }
                    // Whatever was changed during the pass wakes the controller up again.
                    Ending::Resting | Ending::Watching { .. } | Ending::Progressing(_) | Ending::Blocked(_)
                        if self.wanted() != wanted => {}
                    // It has read that it is not paused.
                    Ending::Resting | Ending::Watching { .. } if self.sim.core().suspended > 0 => {
                        self.sim.advance_to(now + Duration::from_secs(1));
                    }
                    // It has read that the mark is still there.
                    Ending::Resting | Ending::Watching { .. } if self.sim.core().is_exposed() => {
                        self.sim.advance_to(now + Duration::from_secs(1));
                    }
                    // The cache that gave it the old resource learns of the edit.
                    Ending::Resting | Ending::Watching { .. } | Ending::Blocked(_) if behind => {
                        self.sim.advance_to(now + Duration::from_secs(1));
                    }
                    Ending::Resting => return Rest::Resting,
                    // What is asked about is asked once before the run rests, and again after whatever has happened since.
                    Ending::Watching { whole: true, .. } if self.is_asked(asked) => return Rest::Resting,
                    Ending::UndosStopped(_) => due = now + STOPPED_FOR,
                    Ending::Watching { after, .. } | Ending::Braked(after, _) => {
                        due = now + after.max(Duration::from_millis(1));
                    }
                    // The reason does not go away, so it stays.
                    Ending::Kept(_) => return Rest::Resting,
                    Ending::Progressing(after) => due = now + after.max(Duration::from_millis(1)),
                    Ending::Blocked(after) => {
                        let blocked = report.record.as_ref().and_then(|record| record.blocked.as_ref());
                        if report.record.as_deref().is_some_and(|record| self.is_left_behind(record)) {
                            let message = "an effect was rejected, and what was made waits to be undone".to_owned();
                            self.sim.core().violate(Violation::new(Oracle::Quiescent, message));
                            return Rest::Over;
                        }
                        let is_stale =
                            |it: &Blocked| it.reason != BlockedReason::Overdue && it.generation < wanted.0 as u64 + 1;
                        if blocked.is_some_and(is_stale) {
                            let message = "it is blocked for a spec that is no longer wanted".to_owned();
                            self.sim.core().violate(Violation::new(Oracle::Quiescent, message));
                            return Rest::Over;
                        }
                        // Another controller may have gone on meanwhile. What waits may look again.
                        // What it waits for may have come while it wrote that it waits.
                        let is_still: fn(&Record) -> bool = if now > since {
                            |record| record.blocked.as_ref().is_some_and(|it| it.reason != BlockedReason::Overdue)
                        } else {
                            |record| record.blocked.is_some()
                        };
                        if self.is_recorded(is_still) {
                            self.stays("blocked", |ending| matches!(ending, Ending::Blocked(_)), false);
                        }
                        due = if self.is_unacceptable() { now } else { now + after.max(Duration::from_millis(1)) };
                    }
                    Ending::Held => {
                        let record =
                            report.record.as_deref().cloned().or_else(|| self.sim.core().stored.record().cloned());
                        let in_doubt = record
                            .as_ref()
                            .and_then(|record| record.held.as_ref())
                            .filter(|held| held.reason == HeldReason::InDoubt);
                        if let Some(held) = in_doubt
                            && record.as_ref().is_some_and(|record| record.direction == Direction::Deleting)
                        {
                            let message = format!("a deletion is held: {}", held.message);
                            self.sim.core().violate(Violation::new(Oracle::Quiescent, message));
                            return Rest::Over;
                        }
                        let leaves = record.as_ref().is_some_and(|record| record.direction == Direction::Leaving);
                        if in_doubt.is_some() && (leaves || !self.sim.core().deleting) {
                            let Some(resolution) = self.resolution() else { return Rest::Held };
                            self.sim.advance_to(now + self.pause);
                            self.operate(resolution);
                            continue;
                        }
                        if self.wanted() == wanted && self.is_recorded(|record| record.held.is_some()) {
                            self.stays("held", |ending| *ending == Ending::Held, true);
                        }
                        // Who is asked about what is refused for its spec changes that first.
                        let is_given_up =
                            |it: &Record| it.held.as_ref().is_some_and(|it| it.reason == HeldReason::GivenUp);
                        if self.is_recorded(is_given_up) {
                            self.is_unacceptable();
                        }
                        let Some(resolution) = self.about_strangers(&mut has_retried) else { return Rest::Held };
                        self.sim.advance_to(now + Duration::from_secs(60));
                        self.operate(resolution);
                    }
                    Ending::Gone => {
                        let core = self.sim.core();
                        if core.deleting && (core.stored.gone || core.stored.bytes.is_none()) {
                            return Rest::Gone;
                        }
                        drop(core);
                        // The store was wrong: the resource is there, and comes up again.
                        self.sim.advance_to(now + Duration::from_secs(1));
                    }
                    Ending::Paused => {
                        self.sim.end_paused_pass();
                        self.sim.advance_to(now + Duration::from_secs(60));
                    }
                },
            }
            if self.sim.time() > begun + TIME {
                break;
            }
        }
        let state = self.sim.core().stored.record().map_or("nothing", |it| &it.state).to_owned();
        let message = format!("it does not come to rest from {state}");
        self.sim.core().violate(Violation::new(Oracle::Quiescent, message));
        Rest::Over
    }

    /// How often something was called, and how much has happened by itself.
    fn asked(&self) -> (u64, usize) {
        let core = self.sim.core();
        (core.books.asked, core.by_itself.count())
    }

    /// Whether everything was asked about since anything has happened by itself. `asked` is what was so before the pass.
    fn is_asked(&mut self, asked: (u64, usize)) -> bool {
        let now = self.asked();
        if now.0 > asked.0 {
            self.asked_at = asked.1;
        }
        self.asked_at == now.1
    }

    pub(super) fn is_recorded(&self, what: fn(&Record) -> bool) -> bool {
        self.sim.core().stored.record().is_some_and(what)
    }

    /// What a person does about a hold that is not for a doubt. While a stranger has the name, trying again is of no use: then nothing is done until the
    /// resource is deleted, and the deletion is told that nothing of ours is there.
    fn about_strangers(&self, has_retried: &mut bool) -> Option<Resolution> {
        let core = self.sim.core();
        let record = core.stored.record();
        let is_run = |record: &&Record| record.intent.as_ref().is_none_or(|intent| intent.action == Action::Run);
        let held = record.filter(is_run).and_then(|record| record.held.as_ref());
        let is_not_ours = held.is_some_and(|held| held.reason == HeldReason::NotOurs);
        // A thing that only a lost record knew may bear a mark that can no longer be proved to be ours.
        let is_there = !core.by_itself.strangers.is_empty() || core.books.has_forgotten();
        if !is_not_ours || !is_there || !std::mem::replace(has_retried, true) {
            return Some(Resolution::Retry);
        }
        if core.deleting { Some(core.finding().unwrap_or(Resolution::Retry)) } else { None }
    }

    /// What is refused for its spec leads to another one, or to none. That is an event.
    fn is_unacceptable(&mut self) -> bool {
        let core = self.sim.core();
        let is_it = core.unacceptable.is_some() && !core.deleting;
        let (edit, edits) = (core.edit, core.edits);
        drop(core);
        if is_it && edit < edits {
            self.sim.edit();
        } else if is_it {
            self.sim.delete();
        }
        is_it
    }

    /// Which spec is wanted, or none, and whether an operator keeps everybody away.
    pub(super) fn wanted(&self) -> (usize, bool, bool) {
        let core = self.sim.core();
        (core.edit, core.deleting, core.suspended > 0)
    }

    /// The other controller makes a pass for the resource that is gone, as it saw it last.
    fn act_for_the_old_one(&mut self) {
        self.lead = 1 - self.lead;
        self.outdated = true;
        drop(self.drive());
        self.outdated = false;
        self.lead = 1 - self.lead;
    }
}
