//! What must hold where a run comes to rest. Invariant: nothing here changes the run, but for the person who resolves what is held.

use super::{End, Rests, Runner};
use crate::driver::Ending;
use crate::record::{Event, Expected, Resolution, Stamp, next};
use crate::testing::oracle::{Oracle, Violation};
use crate::testing::world::{At, Change, World};

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
        core.put(&bytes);
        drop(core);
        self.sim.change(Change::Record(Some(&bytes)));
    }

    /// A person has a resource let go of that is marked and has no record, and never had one: the mark came there without it.
    pub(super) fn abandon(&mut self, tampered: bool) {
        if !tampered && self.sim.core().stored.bytes.is_none() {
            self.sim.change(Change::Abandoned);
        }
    }

    /// What must hold whenever it rests. False if it does not.
    pub(super) fn at_rest(&mut self, clean: Option<&Rests>) -> bool {
        let quiet = self.sim.quiet_at();
        self.sim.advance_to(quiet);
        self.sim.check_world();
        let before = {
            let mut core = self.sim.core();
            core.quiet = true;
            (core.books.writes, core.books.calls)
        };
        let end = self.drive();
        let rests = matches!(&end, End::Report(report) if report.ending == Ending::Resting);
        let mut core = self.sim.core();
        core.quiet = false;
        let after = (core.books.writes, core.books.calls);
        if before != after || !rests {
            let (writes, calls) = (after.0 - before.0, after.1 - before.1);
            let message = format!("at rest, another pass makes {writes} writes and {calls} calls");
            core.violate(Violation::new(Oracle::Stable, message));
        }
        drop(core);
        self.compare(clean);
        self.check_final();
        self.sim.core().violation.is_none()
    }

    fn compare(&mut self, clean: Option<&Rests>) {
        let mut things = self.sim.things();
        things.iter_mut().for_each(|thing| thing.key = None);
        things.sort();
        let state = self.sim.core().stored.record().map(|it| it.state.clone()).unwrap_or_default();
        let stage = self.rests.len();
        if let Some((expected, there)) = clean.and_then(|clean| clean.get(stage)).filter(|_| !self.moved)
            && *expected == state
            && *there != things
        {
            let message = format!("{things:?} exist, and without faults {there:?}");
            self.sim.core().violate(Violation::new(Oracle::SameAsClean, message));
        }
        self.rests.push((state, things));
    }

    fn check_final(&mut self) {
        let things = self.sim.things();
        let mut core = self.sim.core();
        let core = &mut *core;
        let at = At { record: core.stored.record(), deleting: core.deleting, things: &things };
        if let Err(message) = self.world.check_final(&at) {
            core.violate(Violation::new(Oracle::Author, message));
        }
    }

    /// What must hold once the resource is gone, also after everything that was under way has landed.
    pub(super) fn gone(&mut self) {
        let quiet = self.sim.quiet_at();
        self.sim.advance_to(quiet);
        self.sim.check_world();
        if self.sim.core().stored.bytes.is_some() {
            let message = "a record was written for a resource that is gone".to_owned();
            self.sim.core().violate(Violation::new(Oracle::History, message));
        }
        self.check_final();
    }
}
