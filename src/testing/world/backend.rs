//! What is behind a store of the author's own. Invariant: the simulation decides what goes wrong, and when; the backend carries it out, and
//! tells of every durable write of a controller in the moment at which it becomes durable.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::Store;

/// What is behind a store of your own, such as a server in memory, so that a machine is explored on that store.
///
/// Stores ask [`Sim::request`](super::super::Sim::request) before each request what becomes of it, and carry that out; whatever stands behind
/// them tells [`Sim::written`](super::super::Sim::written). Nothing in it may take time, chance or order from elsewhere.
pub trait Backend: Send + Sync + 'static {
    /// A store for a controller that starts. There are two, 0 and 1; each gets another store after every crash.
    fn open(&self, controller: usize) -> Arc<dyn Store>;

    /// Calls `poll` until it is ready. For stores that need a runtime: there their own tasks can get on in between.
    ///
    /// ```text
    /// runtime.block_on(std::future::poll_fn(|context| poll(context)))
    /// ```
    ///
    /// By default it is called again and again, with a waker that does nothing; after a thousand times the pass is taken to be stuck.
    fn drive(&self, poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>) {
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..1000 {
            if poll(&mut context).is_ready() {
                return;
            }
        }
    }

    /// Carries out what happens to the resource from outside. It is never called while a controller's request is under way.
    fn change(&self, change: Change<'_>);

    /// The uid of the resource that is there now, or was there last.
    fn uid(&self) -> String;

    /// Whether the mark is something apart from the record, which somebody can remove alone, as a finalizer is. While it is not there, a
    /// resource that is deleted is gone at once, so it is not deleted then.
    fn has_mark(&self) -> bool {
        false
    }

    /// A hash of all that decides how the store goes on, besides the record: runs that agree in it, in the record and in the world are taken
    /// to go on alike. None while a request is under way whose sender has given up.
    fn hidden(&self) -> Option<u64>;
}

/// What happens to a resource, and no controller does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change<'a> {
    /// A pass is over: what a controller publishes then is published.
    PassOver,
    /// It is to be deleted. It may be said twice, and also when the resource is gone.
    Deleted,
    /// Its spec is the n-th of [`World::edits`](super::World::edits), counted from 1.
    Edited(usize),
    /// Its record is these bytes, or is removed, by hand. The mark stays as it is, and so does the mirrored sequence number, which tells an old
    /// record from the latest.
    Record(Option<&'a [u8]>),
    /// Somebody else changes something of it that is neither spec nor record, so that its version is another one.
    Touched,
    /// An operator pauses it, or resumes it.
    Paused(bool),
    /// Its mark is removed, and the record is not.
    Unmarked,
    /// A person takes the mark off a resource that has no record.
    Abandoned,
    /// It goes, if it is still there for somebody else's sake, and is made again under its name, with the spec that it had last.
    MadeAgain,
}
