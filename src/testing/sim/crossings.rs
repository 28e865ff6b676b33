//! What can strike between two operations. Invariant: a crossing changes nothing itself; it stops the pass, or tells the world that
//! something else is wanted.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Point, Sim, Stop};
use crate::testing::plan::{Fault, Place};
use crate::testing::world::Change;
use crate::{Crossing, Probe, Side, Site};

/// Stops passes where the plan says so.
#[derive(Clone)]
pub(crate) struct SimProbe(pub(crate) Sim);

impl Probe for SimProbe {
    fn cross(&self, crossing: &Crossing<'_>) -> impl Future<Output = ()> + Send {
        Gate(self.0.cross(crossing))
    }
}

impl Sim {
    /// For how many polls the pass is stopped here.
    fn cross(&self, crossing: &Crossing<'_>) -> usize {
        let mut core = self.core();
        let site = crossing.site;
        let actor = core.actor;
        let fault = match crossing.side {
            Side::Before => {
                let transition = core.graph.transition(crossing.transition);
                let transition = transition.map_or(u16::MAX, |(index, _)| u16::try_from(index).unwrap_or(u16::MAX));
                let place = Place::Site(site);
                let nth = core.nth(transition, crossing.subject, place);
                let subject = crossing.subject.map(Arc::from);
                let mut menu = before(site);
                if core.deleting {
                    menu &= !(Fault::Delete.bit() | Fault::Edit.bit());
                }
                if core.is_exposed() {
                    menu &= !Fault::Delete.bit();
                }
                if core.stored.exclusive {
                    menu &= !(Fault::Switch.bit() | Fault::Pause.bit());
                }
                if core.edit >= core.edits {
                    menu &= !Fault::Edit.bit();
                }
                if core.suspended > 0 {
                    menu &= !Fault::Suspended.bit();
                }
                if core.stored.exclusive || core.touched.is_some() {
                    menu &= !Fault::Touched.bit();
                }
                if site != Site::Load {
                    menu |= core.events;
                }
                core.first_request[actor] = true;
                core.pass_point(Point { transition, subject, place, nth }, menu)
            }
            Side::After if site == Site::Load => None,
            Side::After => core.offer(Fault::CrashAfter.bit()),
        };
        if core.joined {
            return usize::MAX;
        }
        if fault == Some(Fault::Touched) {
            core.touched = Some(false);
        }
        let is_write = matches!(site, Site::Intent | Site::TakeOver | Site::Commit | Site::Note | Site::Remove);
        if is_write && crossing.side == Side::Before && core.is_touched() {
            core.touch();
            drop(core);
            self.change(Change::Touched);
            core = self.core();
        }
        let stop = match fault {
            None | Some(Fault::Touched) => return 0,
            Some(fault @ (Fault::Delete | Fault::Edit | Fault::Suspended | Fault::Event(_))) => {
                drop(core);
                self.befall(fault);
                return 0;
            }
            Some(Fault::Switch) => Stop::Switch,
            Some(Fault::Pause) => Stop::Pause,
            Some(Fault::Drain) => Stop::Drain,
            Some(_) => Stop::Crash,
        };
        core.stop = Some(stop);
        if stop == Stop::Crash { usize::MAX } else { 1 }
    }
}

/// What can strike before an operation.
fn before(site: Site) -> u64 {
    let always = Fault::Crash.bit();
    let moves = Fault::Switch.bit() | Fault::Pause.bit() | Fault::Delete.bit() | Fault::Edit.bit();
    match site {
        Site::Load => always,
        Site::Effect | Site::Undo | Site::Abort => always | moves | Fault::Drain.bit(),
        // The reply to a write tells that the resource is paused.
        Site::Commit => always | moves | Fault::Drain.bit() | Fault::Suspended.bit() | Fault::Touched.bit(),
        Site::Intent | Site::TakeOver | Site::Note => always | moves | Fault::Suspended.bit() | Fault::Touched.bit(),
        Site::Remove => always | moves | Fault::Touched.bit(),
        Site::Lookup | Site::Wait => always | moves,
    }
}

/// Stops for some polls.
struct Gate(usize);

impl Future for Gate {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        Poll::Pending
    }
}
