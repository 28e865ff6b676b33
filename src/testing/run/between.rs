//! What the plan wants to happen between two passes.

use super::Runner;
use crate::record::Resolution;
use crate::testing::plan::{Fault, Place};
use crate::testing::sim::Point;
use crate::testing::world::{Change, World};

impl<W: World> Runner<'_, W> {
    /// What may happen between two passes; it says whether that makes the next one begin at once.
    pub(super) fn between(&mut self) -> bool {
        self.passes += 1;
        self.sim.change(Change::PassOver);
        let has_mark = self.sim.backend().is_none_or(|backend| backend.has_mark());
        let mut core = self.sim.core();
        core.actor = self.lead;
        let mut menu = Fault::Restart.bit() | Fault::Other.bit() | Fault::CLOCK | core.events;
        if self.passes == 1 && !core.stored.exclusive {
            menu |= Fault::Touched.bit();
        }
        if core.stored.exclusive {
            menu &= !Fault::Other.bit();
        }
        if core.suspended == 0 {
            menu |= Fault::Suspended.bit();
        }
        if !core.stored.exclusive && core.edit > 0 && !core.deleting {
            menu |= Fault::Behind.bit();
        }
        let is_untouched = core.stored.tampered.is_none() && self.sim.backend().is_none();
        if let Some(record) = core.stored.record().filter(|_| is_untouched) {
            if !core.stored.exclusive && core.made_again.is_none() {
                menu |= Fault::Rebound.bit();
            }
            let is_stuck = record.next_retry().is_some() || record.blocked.is_some();
            if is_stuck && record.held.is_none() && record.direction.is_forward() && !core.deleting {
                menu |= Fault::RollBack.bit();
            }
        }
        if core.stored.bytes.is_some() && core.stored.tampered.is_none() {
            menu |= Fault::Copied.bit() | Fault::Newer.bit() | Fault::Removed.bit() | Fault::Unmarked.bit();
            if core.old_record().is_some() {
                menu |= Fault::Restored.bit();
                menu |= if is_untouched { Fault::Forgotten.bit() } else { 0 };
                if is_untouched && !core.stored.exclusive && core.made_again.is_none() {
                    menu |= Fault::RestoredAnew.bit();
                }
            }
        }
        if is_untouched && core.stored.bytes.is_some() {
            menu |= if core.has_backup() { Fault::Rewound.bit() } else { 0 };
            menu |= if core.deleting { 0 } else { Fault::Emptied.bit() };
            menu |= if core.stored.exclusive { 0 } else { Fault::SecondCluster.bit() };
        }
        if !has_mark || core.deleting || core.is_exposed() {
            menu &= !Fault::Unmarked.bit();
        }
        if !core.deleting {
            menu |= if core.is_exposed() { 0 } else { Fault::Delete.bit() };
            if core.edit < core.edits {
                menu |= Fault::Edit.bit();
            }
        }
        let point = Point { transition: u16::MAX, subject: None, place: Place::Pass, nth: self.passes };
        let Some(fault) = core.pass_point(point, menu) else { return false };
        match fault {
            Fault::Restart => {
                drop(core);
                self.restart(self.lead);
            }
            Fault::Other => self.lead = 1 - self.lead,
            Fault::Behind => self.behind = true,
            Fault::Touched => core.touched = Some(false),
            Fault::Rebound => core.rebind(),
            Fault::SecondCluster => {
                drop(core);
                self.act_elsewhere();
            }
            Fault::RollBack => {
                drop(core);
                self.operate(Resolution::RollBack);
            }
            _ => match fault.clock_jump() {
                Some(jump) => core.skew += jump,
                None => {
                    drop(core);
                    self.sim.befall_after(fault, self.pause);
                }
            },
        }
        // A change of the resource is an event, and who starts looks at everything.
        fault.clock_jump().is_none()
    }

    /// What the plan wants a person to do about what is held in doubt.
    pub(super) fn resolution(&mut self) -> Option<Resolution> {
        self.passes += 1;
        let point = Point { transition: u16::MAX, subject: None, place: Place::Pass, nth: self.passes };
        let mut core = self.sim.core();
        let finding = core.finding();
        let menu = if finding.is_some() { Fault::Resolved.bit() } else { 0 };
        match core.pass_point(point, menu | Fault::RollBack.bit())? {
            Fault::Resolved => finding,
            _ => Some(Resolution::RollBack),
        }
    }

    /// What the plan wants to happen to the resource, which is gone: it is made again, or it is there again as it was.
    pub(super) fn once_gone(&mut self) -> Option<Fault> {
        self.passes += 1;
        let point = Point { transition: u16::MAX, subject: None, place: Place::Pass, nth: self.passes };
        let is_untouched = self.sim.backend().is_none();
        let mut core = self.sim.core();
        let mut menu = if core.stored.exclusive || core.made_again.is_some() { 0 } else { Fault::MadeAgain.bit() };
        menu |= if is_untouched && core.has_backup() { Fault::Rewound.bit() } else { 0 };
        core.pass_point(point, menu)
    }
}
