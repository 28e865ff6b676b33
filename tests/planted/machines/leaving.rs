//! A thing that is copied before it goes.

use super::App;
use crate::testing::{Shelf, ShelfError, Sim, Thing, World};
use crate::{Fsm, Undone};

/// A thing, and a copy that stays when it goes.
#[derive(Fsm)]
#[fsm(name = "planted/leaving", version = 1, resource = App)]
pub(crate) enum LeavingFlow {
    /// Nothing.
    #[fsm(initial)]
    #[transition(make -> Ready, in_doubt = repeat, undo = unmake)]
    Requested,
    /// It is there.
    #[fsm(resting)]
    #[transition(copy -> Copied, on_delete, in_doubt = repeat, undo = retain)]
    Ready { thing: String },
    /// There is a copy.
    #[fsm(leaving)]
    Copied { copy: String },
}

#[derive(Clone)]
pub(crate) struct Leaving {
    things: Shelf,
    copies: Shelf,
}

impl LeavingTransitions for Leaving {
    type Error = ShelfError;
    async fn make(&self, from: Requested, attempt: &LeavingAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(self.things.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn unmake(&self, made: &Ready, _: &LeavingAttempt) -> Result<Undone, ShelfError> {
        self.things.remove(&made.thing).await.map(Undone::from)
    }
    async fn copy(&self, from: Ready, attempt: &LeavingAttempt) -> Result<Copied, ShelfError> {
        Ok(from.copied(self.copies.put(attempt.key(), attempt.owner_tag()).await?))
    }
}

impl World for Leaving {
    type Machine = LeavingFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self { things: Shelf::new(sim, "thing"), copies: Shelf::new(sim, "copy") }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App(1)
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.things.inventory(), self.copies.inventory()].concat()
    }
}
