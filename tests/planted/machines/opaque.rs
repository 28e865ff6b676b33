//! A thing that cannot be asked for.

use super::App;
use crate::testing::{Shelf, ShelfError, Sim, Thing, World};
use crate::{Fsm, Undone};

/// One thing that cannot be asked for.
#[derive(Fsm)]
#[fsm(name = "planted/opaque", version = 1, resource = App)]
pub(crate) enum OpaqueFlow {
    /// Nothing.
    #[fsm(initial)]
    #[transition(buy -> Ready, in_doubt = hold, undo = give_back, abort = give_any_back, settle = "5s")]
    Requested,
    /// Bought.
    #[fsm(resting)]
    Ready { licence: String },
}

#[derive(Clone)]
pub(crate) struct Opaque(Shelf);

impl OpaqueTransitions for Opaque {
    type Error = ShelfError;
    async fn buy(&self, from: Requested, attempt: &OpaqueAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(self.0.add(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn give_back(&self, made: &Ready, _: &OpaqueAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.licence).await.map(Undone::from)
    }
    async fn give_any_back(&self, _: &Requested, attempt: &OpaqueAttempt) -> Result<Undone, ShelfError> {
        self.0.remove_key(attempt.key()).await.map(Undone::from)
    }
}

impl World for Opaque {
    type Machine = OpaqueFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self(Shelf::new(sim, "licence"))
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
