//! The simulation of a run on a store of the author's own. Invariant: what is durable is what the backend says, and the oracles see it
//! in that moment.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Core, Point, Sim, Stop};
use crate::record::HeldReason;
use crate::testing::oracle::{Oracle, Violation};
use crate::testing::plan::{Fault, Place};
use crate::testing::world::{Backend, Change};

impl Sim {
    /// A store of a [`Backend`] is about to send a request: what becomes of it? The faults are those that could strike this request; none
    /// means that it is served.
    ///
    /// The first request of an operation has the place of the crossing before it, such as `create_room/commit#1`. Each further one has a place of
    /// its own, such as `create_room/commit.get#1`, where the controller can also be stopped or die. `name` is lower-case letters and dashes.
    pub fn request(
        &self,
        name: &'static str,
        faults: &[Fault],
    ) -> impl Future<Output = Option<Fault>> + Send + 'static {
        let menu = faults.iter().fold(0, |menu, fault| menu | fault.bit());
        Request { sim: self.clone(), name, menu, decided: None }
    }

    /// A write of a controller has become durable: its record is these bytes, or is no longer there, and the mark is there or not. To be
    /// called for every write that changes the record, before its sender has the answer. A write that arrives late is still that of
    /// the controller which has sent it.
    pub fn written(&self, controller: usize, record: Option<&[u8]>, marked: bool) {
        let hidden = self.backend().and_then(|backend| backend.hidden());
        let mut core = self.core();
        let running = std::mem::replace(&mut core.actor, controller);
        core.stored.hidden = hidden;
        core.stored_by_a_controller(record, marked);
        core.actor = running;
        drop(core);
        self.check_author();
    }

    /// What is behind the store, if it is one of the author's own.
    pub(crate) fn backend(&self) -> Option<Arc<dyn Backend>> {
        self.0.backend.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_on(&self, backend: Option<Arc<dyn Backend>>) {
        *self.0.backend.lock().unwrap_or_else(PoisonError::into_inner) = backend;
    }

    /// Lets something happen to the resource in the store of the author's own, too.
    pub(crate) fn change(&self, change: Change<'_>) {
        let Some(backend) = self.backend() else { return };
        backend.change(change);
        let (hidden, uid) = (backend.hidden(), backend.uid());
        let mut core = self.core();
        core.stored.hidden = hidden;
        core.uid_again = (change == Change::MadeAgain).then_some(uid).or(core.uid_again.take());
    }

    /// What happens to a resource between two passes. Who restores the store from a backup has stopped all controllers before, and waits as long as any request may be
    /// under way.
    pub(crate) fn befall_after(&self, fault: Fault, pause: Duration) {
        if matches!(fault, Fault::Rewound | Fault::Emptied | Fault::RestoredAnew) {
            let now = self.time();
            self.advance_to(now + pause);
        }
        self.befall(fault);
    }

    /// What happens to a resource at any time.
    pub(crate) fn befall(&self, fault: Fault) {
        match fault {
            Fault::Delete => self.delete(),
            Fault::Edit => self.edit(),
            Fault::Suspended => self.suspend(),
            Fault::Unmarked => {
                self.core().stored.marked = false;
                self.change(Change::Unmarked);
            }
            Fault::Event(event) => self.let_happen(Some(event)),
            Fault::Forgotten => self.core().put_old_back(),
            Fault::Rewound => self.core().rewind(),
            Fault::Emptied => self.core().empty(),
            Fault::RestoredAnew => self.core().restore_anew(),
            Fault::Restored | Fault::Removed | Fault::Newer | Fault::Copied => self.tamper(fault),
            _ => {}
        }
    }

    /// The resource is to be deleted from here on.
    pub(crate) fn delete(&self) {
        self.core().deleting = true;
        self.change(Change::Deleted);
    }

    /// The resource has its next spec from here on.
    pub(crate) fn edit(&self) {
        let mut core = self.core();
        core.edit += 1;
        let edit = core.edit;
        drop(core);
        self.change(Change::Edited(edit));
    }

    /// Somebody puts another record, or none, in the place of the right one.
    fn tamper(&self, fault: Fault) {
        let mut core = self.core();
        core.tamper(fault);
        if let Some(tampered) = core.stored.tampered.take() {
            drop(core);
            self.change(Change::Record(tampered.loaded.bytes.as_deref()));
            self.core().stored.tampered = Some(tampered);
        }
    }

    /// After a pass: whether the record was tampered with. If it is to be so no longer, it is put right.
    pub(crate) fn outlast_tampering(&self) -> bool {
        let mut core = self.core();
        let was = core.outlast_tampering();
        if was && core.stored.tampered.is_none() {
            let bytes = core.stored.bytes.clone();
            drop(core);
            self.change(Change::Record(bytes.as_deref()));
        }
        was
    }

    /// An operator pauses the resource.
    fn suspend(&self) {
        self.core().suspend();
        self.change(Change::Paused(true));
    }

    /// After a pass that ended because the resource is paused.
    pub(crate) fn end_paused_pass(&self) {
        let mut core = self.core();
        core.end_paused_pass();
        let resumed = core.suspended == 0;
        drop(core);
        if resumed {
            self.change(Change::Paused(false));
        }
    }
}

impl Core {
    fn stored_by_a_controller(&mut self, record: Option<&[u8]>, marked: bool) {
        let history = |message: &str| Violation::new(Oracle::History, message.to_owned());
        if self.stored.tampered.is_some() {
            self.violate(history("a record that cannot be honoured was written over"));
        }
        match record {
            Some(bytes) => {
                self.put(bytes);
                if !marked && !self.deleting {
                    self.violate(history("a record was written, and nothing marks the resource"));
                }
            }
            None => {
                self.take_away();
                if marked {
                    self.violate(history("the record is removed, and the mark is not"));
                }
            }
        }
    }

    /// Whether the record is there without its mark: a resource that is deleted now is gone, with whatever belongs to it.
    pub(crate) fn is_exposed(&self) -> bool {
        self.stored.bytes.is_some() && !self.stored.marked
    }

    /// What becomes of a request that is about to be sent.
    fn send(&mut self, name: &'static str, mut menu: u64) -> Option<Fault> {
        if self.quiet {
            return None;
        }
        if self.stored.tampered.is_some() || self.stored.previous.is_none() {
            menu &= !Fault::Stale.bit();
        }
        if self.stored.tampered.is_some() || self.stored.bytes.is_none() {
            menu &= !(Fault::Torn.bit() | Fault::Missing.bit());
        }
        let fault = if std::mem::take(&mut self.first_request[self.actor]) {
            self.offer(menu)
        } else {
            self.pass_request(name, menu)
        };
        match fault {
            Some(Fault::TooLarge) => self.books.may_hold(HeldReason::TooLarge),
            Some(Fault::NotKept) => self.books.may_hold(HeldReason::NotKept),
            _ => {}
        }
        fault
    }

    /// A request that is not the first of its operation has a place of its own.
    fn pass_request(&mut self, name: &'static str, mut menu: u64) -> Option<Fault> {
        let at = &self.seen[self.at()?].point;
        let site = match at.place {
            Place::Site(site) | Place::Await(site, _) | Place::Request(site, _) => site,
            Place::Pass => return None,
        };
        let (transition, subject, place) = (at.transition, at.subject.clone(), Place::Request(site, name));
        let nth = self.nth(transition, subject.as_deref(), place);
        menu |= Fault::Crash.bit();
        if !self.stored.exclusive {
            menu |= Fault::Switch.bit() | Fault::Pause.bit();
        }
        let fault = self.pass_point(Point { transition, subject, place, nth }, menu);
        self.stop = match fault {
            Some(Fault::Crash) => Some(Stop::Crash),
            Some(Fault::Switch) => Some(Stop::Switch),
            Some(Fault::Pause) => Some(Stop::Pause),
            _ => return fault,
        };
        fault
    }
}

/// A request before it is sent. It waits where the controller is stopped, and forever where it dies.
struct Request {
    sim: Sim,
    name: &'static str,
    menu: u64,
    decided: Option<Option<Fault>>,
}

impl Future for Request {
    type Output = Option<Fault>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut core = this.sim.core();
        let fault = *this.decided.get_or_insert_with(|| core.send(this.name, this.menu));
        match fault {
            Some(Fault::Crash) => Poll::Pending,
            // Until the explorer has taken note that it is stopped, and comes back.
            Some(Fault::Switch | Fault::Pause) if core.stop.is_some() => Poll::Pending,
            Some(Fault::Switch | Fault::Pause) => Poll::Ready(None),
            fault => Poll::Ready(fault),
        }
    }
}
