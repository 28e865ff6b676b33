//! What must hold where a run comes to rest. Invariant: nothing here changes the run, but for the person who resolves what is held.

use super::clean::{Clean, Rested, Standing};
use super::{End, Runner};
use crate::driver::Ending;
use crate::graph::{Kind, Undo};
use crate::record::{BlockedReason, Direction, Effect, Event, Expected, Record, Resolution, Stamp, next};
use crate::testing::oracle::{Oracle, Violation};
use crate::testing::world::{At, Change, Thing, World};

impl<W: World> Runner<'_, W> {
    /// A person resolves what is held, having looked: nothing of somebody else's is there.
    pub(super) fn operate(&mut self, resolution: Resolution) {
        let mut core = self.sim.core();
        let Some(record) = core.stored.record().cloned() else { return };
        let at = Stamp::from(std::time::SystemTime::UNIX_EPOCH);
        let Ok(resolved) = next(
            core.graph,
            &record,
            Event::Resolved { resolution: resolution.clone(), expected: Expected::default(), at },
        ) else {
            return;
        };
        let Ok((_, bytes)) = resolved.encode_next(core.graph) else { return };
        core.note(|| format!("an operator resolves with {resolution:?}"));
        core.books.decided = true;
        core.put(&bytes);
        drop(core);
        self.sim.change(Change::Record(Some(&bytes)));
        self.sim.check_author();
    }

    /// A person has a resource let go of that is marked and has no record, and never had one: the mark came there without it.
    pub(super) fn abandon(&mut self, tampered: bool) {
        if !tampered && self.sim.core().stored.bytes.is_none() {
            self.sim.change(Change::Abandoned);
        }
    }

    /// Whether it is blocked with something to undo, and no undo was refused.
    pub(super) fn is_left_behind(&self, record: &Record) -> bool {
        let retained = |effect: &Effect| self.sim.core().books.undo_of(&effect.transition) == Some(Undo::Retain);
        let sent = !record.unconfirmed.is_empty();
        let is_undone = !sent && record.undo.iter().all(retained);
        let begins = record.blocked.as_ref().is_some_and(|blocked| blocked.reason == BlockedReason::RolledBack);
        record.direction == Direction::RollingBack && record.intent.is_none() && !is_undone && (begins || !sent)
    }

    /// What must hold whenever it rests. False if it does not.
    pub(super) fn at_rest(&mut self, clean: Option<&Clean>) -> bool {
        let quiet = self.sim.quiet_at();
        self.sim.advance_to(quiet);
        self.sim.check_world();
        self.sweep();
        let ends = |ending: &Ending| matches!(ending, Ending::Resting | Ending::Watching { whole: true, .. });
        self.stays("at rest", ends, true);
        self.compare(clean);
        self.check_final();
        self.sim.core().violation.is_none()
    }

    /// Another pass in which nothing goes wrong ends alike, writes nothing, and calls nothing either if it is to be `calm`.
    pub(super) fn stays(&mut self, at: &str, ends_alike: fn(&Ending) -> bool, calm: bool) {
        let before = {
            let mut core = self.sim.core();
            if core.is_over() || core.suspended > 0 {
                return;
            }
            core.quiet = true;
            (core.books.writes, core.books.calls - core.books.looks)
        };
        let end = self.drive();
        let alike = matches!(&end, End::Report(report) if ends_alike(&report.ending));
        let mut core = self.sim.core();
        core.quiet = false;
        let (writes, calls) = (core.books.writes - before.0, core.books.calls - core.books.looks - before.1);
        if writes > 0 || (calm && calls > 0) || !alike {
            let message = format!("{at}, another pass makes {writes} writes and {calls} calls");
            core.violate(Violation::new(Oracle::Stable, message));
        }
    }

    /// What exists, against what exists without faults.
    fn compare(&mut self, clean: Option<&Clean>) {
        let core = self.sim.core();
        let state = core.stored.record().map(|it| it.state.clone()).unwrap_or_default();
        // What is not certain may be there or not, and what was retained before is no part of what is wanted now.
        let more = core.stored.decoded.as_ref().map(|it| {
            let earlier = |live: &Effect| {
                let last = it.record.effect(&live.transition, live.subject.as_deref());
                last.is_some_and(|last| last.life != live.life)
            };
            let live = it.record.undo.iter().zip(it.live());
            let stayed: Vec<String> = live.filter(|(live, _)| earlier(live)).map(|(_, key)| key.clone()).collect();
            [it.unconfirmed(), it.retained(), &stayed].concat()
        });
        let more: Vec<String> = more.unwrap_or_default();
        let spare = |key: &String| more.contains(key) || !core.books.is_owned(key);
        let is_spare = |thing: &Thing| match &thing.key {
            Some(key) => spare(key),
            None => core.by_itself.strangers.contains(thing),
        };
        let standing = |thing: &Thing| Standing { spare: is_spare(thing), thing: thing.clone() };
        let things = core.things.iter().map(standing).collect();
        let (backed, bare) = core.backing();
        let lost = core.by_itself.lost.clone();
        let rested = Rested { edit: core.edit, state, things, lost, backed, bare };
        // What a record knows that was put back is not what was done.
        // And a bad end is not where a run without faults comes to.
        let ends = core.graph.transitions.iter().filter(|step| matches!(step.kind, Kind::End(_)));
        let mut ends = ends.flat_map(|step| step.to).filter_map(|to| core.graph.states.get(*to));
        let is_comparable = !core.books.has_forgotten() && !ends.any(|end| end.name == rested.state);
        drop(core);
        if let Some(clean) = clean.filter(|_| is_comparable) {
            let recorded = |name: &String| format!("`{name}` is recorded as made, and nothing of it exists");
            if let Some(message) = clean.bare(&rested.bare).map(recorded).or_else(|| clean.differs(&rested)) {
                self.sim.core().violate(Violation::new(Oracle::SameAsClean, message));
            }
        }
        self.rests.push(rested);
    }

    fn check_final(&mut self) {
        let specs = &self.rig.resources;
        self.sim.check_with(&|moment| At::of(moment, specs).map_or(Ok(()), |at| self.world.check_final(&at)));
    }

    /// What must hold once the resource is gone, also after everything that was under way has landed, and when somebody comes back to it.
    pub(super) fn gone(&mut self) {
        let quiet = self.sim.quiet_at();
        self.sim.advance_to(quiet);
        self.sim.check_world();
        self.sweep();
        let writes = self.sim.core().books.writes;
        drop(self.drive());
        let mut core = self.sim.core();
        if core.books.writes > writes || core.stored.bytes.is_some() {
            let message = "a record was written for a resource that is gone".to_owned();
            core.violate(Violation::new(Oracle::History, message));
        }
        drop(core);
        self.check_final();
    }
}
