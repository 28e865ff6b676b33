//! The world kit: what an author says about a provider in memory, and shelves to build one from. Invariant: a shelf never loses or
//! invents a thing; whatever is odd about it (lag, quota, forgetfulness) was asked for.

mod backend;
mod shelf;
mod sweeper;
mod timer;

pub use backend::{Backend, Change};
pub use shelf::{Shelf, ShelfError, Shelved};
pub use sweeper::Sweeper;
pub use timer::Timer;

use std::fmt;
use std::sync::Arc;

use super::Sim;
use crate::machine::Dispatch;
use crate::record::Record;
use crate::{Lookup, Machine};

/// A provider in memory, with the machine that provisions in it.
///
/// Its state may depend on its [events](Self::events), on the transitions' effects, undos, aborts, look-ups and waits, and on nothing else: a guard, a wanted
/// set, [`inventory`](Self::inventory) and [`check`](Self::check) only look. A schedule does not begin at its beginning but where an earlier one has been, in a new world
/// of which the same was asked up to there.
pub trait World: Clone + Send + Sync + 'static {
    /// The machine.
    type Machine: Dispatch<Self::Transitions>;
    /// The transitions, usually `Self`.
    type Transitions: Send + Sync + 'static;

    /// An empty world.
    fn new(sim: &Sim) -> Self;

    /// The transitions, acting on this world.
    fn transitions(&self) -> Self::Transitions;

    /// The resource that is provisioned.
    fn resource() -> <Self::Machine as Machine>::Resource;

    /// The same resource later, each time with another spec: each edit is made when the machine rests on the one before.
    fn edits() -> Vec<<Self::Machine as Machine>::Resource> {
        Vec::new()
    }

    /// Which of the [`edits`](Self::edits) change nothing that exists, counted from 1. An edit that changes nothing and is not listed here fails the
    /// exploration, and so does one that is listed and changes something.
    fn idle_edits() -> Vec<usize> {
        Vec::new()
    }

    /// What happens in this world by itself, by names of lower-case letters and dashes: a pod becomes ready, a thing is lost, somebody takes a name. The
    /// explorer lets each of them happen at every crossing.
    fn events() -> &'static [&'static str] {
        &[]
    }

    /// One of [`events`](Self::events) happens. What is gone then although no call has removed it is not missed when the run is compared with one
    /// without faults; that the machine comes to rest, and lets go of everything else, is asked all the same. What is there then and has no
    /// key is a stranger's, and has to stay.
    fn happen(&self, event: &str) {
        let _ = event;
    }

    /// Puts somebody else's things under the names that the machine would give to its own, for [`Explorer::among_strangers`](super::Explorer::among_strangers).
    /// Nothing may ever change or remove them.
    fn strangers(&self) {}

    /// What is behind a store of your own, on which the machine is to be explored. Without it the record is kept in memory.
    fn backend(&self) -> Option<Arc<dyn Backend>> {
        None
    }

    /// What lists the things of this world for a sweep: `Some(Sweeper::of(self.transitions()))`, if the transitions implement [`Sweep`](crate::Sweep). After an older record
    /// was put back unnoticed, a person then sweeps wherever the machine rests and once the resource is gone, and removes every orphan by its undo. Nothing may be
    /// left of the transitions that the sweep covers but what is on the record, and of a step under `lookup` there may never be two.
    fn sweep(&self) -> Option<Sweeper> {
        None
    }

    /// Everything that exists.
    fn inventory(&self) -> Vec<Thing>;

    /// What must hold at any time, besides what the built-in oracles check.
    ///
    /// # Errors
    /// What does not hold.
    fn check(&self, at: &At<'_, <Self::Machine as Machine>::Resource>) -> Result<(), String> {
        let _ = at;
        Ok(())
    }

    /// What must hold at rest, and once the resource is gone.
    ///
    /// # Errors
    /// What does not hold.
    fn check_final(&self, at: &At<'_, <Self::Machine as Machine>::Resource>) -> Result<(), String> {
        let _ = at;
        Ok(())
    }
}

/// Something that exists in a world.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thing {
    /// What it is, such as `room`.
    pub kind: &'static str,
    /// The key of the attempt that made it; none for what no attempt has made. Two things under one key are a violation, and so is one
    /// whose key the record does not know.
    pub key: Option<String>,
    /// What is to be the same with and without faults: a name, not an id.
    pub detail: String,
}

/// Where a run is, and what is wanted there.
pub struct At<'a, R> {
    /// The resource with the spec that is wanted now.
    pub resource: &'a R,
    /// The record that is durable now.
    pub record: Option<&'a Record>,
    /// Whether the resource is to be deleted.
    pub deleting: bool,
    /// What exists.
    pub things: &'a [Thing],
    /// Whether an older record was put back, or none, and nothing told of a later one. What was made and undone since is not on the record, and what a contract promises then is
    /// less: a step under `hold` may be sent again, and a provider may answer for a key with what is gone.
    pub restored: bool,
}

impl<'a, R> At<'a, R> {
    /// The moment, seen with the specs that the resource gets one after the other.
    pub(crate) fn of(moment: &Moment<'a>, specs: &'a [R]) -> Option<Self> {
        let Moment { record, deleting, things, edit, restored } = *moment;
        specs.get(edit).map(|resource| Self { resource, record, deleting, things, restored })
    }
}

impl<R> Clone for At<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for At<'_, R> {}

impl<R> fmt::Debug for At<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("At").field("deleting", &self.deleting).field("things", &self.things).finish_non_exhaustive()
    }
}

/// As [`At`], for what knows no types.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) record: Option<&'a Record>,
    pub(crate) deleting: bool,
    pub(crate) things: &'a [Thing],
    /// Which of the specs holds.
    pub(crate) edit: usize,
    pub(crate) restored: bool,
}

/// What a look-up on a shelf has found, as an answer.
pub(crate) fn answer(found: Option<Shelved>, owner: &str) -> Lookup<Shelved> {
    match found {
        None => Lookup::Absent,
        Some(thing) if thing.owner != owner => Lookup::NotOurs,
        Some(thing) if !thing.complete => Lookup::Incomplete,
        Some(thing) => Lookup::Ours(thing),
    }
}
