//! A machine that is a bug: its provider takes longer than is declared.

use std::time::Duration;

use super::App;
use crate::testing::{Shelf, ShelfError, Sim, Thing, World};
use crate::{Fsm, Undone};

/// One thing, of a provider that answers when it has queued a request, and takes longer than is declared.
#[derive(Fsm)]
#[fsm(name = "planted/queueing", version = 1, resource = App)]
pub(crate) enum QueueingFlow {
    /// Nothing.
    #[fsm(initial)]
    #[transition(make -> Ready, in_doubt = repeat, undo = drop_it, settle = "5s")]
    Requested,
    /// The thing.
    #[fsm(resting)]
    Ready,
}

#[derive(Clone)]
pub(crate) struct Queueing(Shelf, Sim);

impl QueueingTransitions for Queueing {
    type Error = ShelfError;
    async fn make(&self, from: Requested, attempt: &QueueingAttempt) -> Result<Ready, ShelfError> {
        let (shelf, key, owner) = (self.0.clone(), attempt.key().to_owned(), attempt.owner_tag().to_owned());
        let made = Box::pin(async move { drop(shelf.claim("thing", &key, &owner).await) });
        let at = self.1.time() + Duration::from_secs(100);
        self.1.core().fly(at, "the queue's make".to_owned(), made);
        Ok(from.ready())
    }
    async fn drop_it(&self, _: &Ready, attempt: &QueueingAttempt) -> Result<Undone, ShelfError> {
        self.0.remove_name("thing", attempt.owner_tag()).await.map(Undone::from)
    }
}

impl World for Queueing {
    type Machine = QueueingFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self(Shelf::new(sim, "thing"), sim.clone())
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App(1)
    }
    fn inventory(&self) -> Vec<Thing> {
        self.0.inventory()
    }
}
