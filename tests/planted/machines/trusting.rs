//! Machines that are bugs: one believes that what was begun was done, one leaves it half done.

use super::App;
use crate::testing::{At, Shelf, ShelfError, Sim, Thing, World};
use crate::{Fsm, Undone};

/// Believes that what was begun was done; or leaves it half done.
#[derive(Fsm)]
#[fsm(name = "planted/trusting", version = 1, resource = App)]
pub(crate) enum TrustingFlow {
    /// Nothing.
    #[fsm(initial)]
    #[transition(make -> Ready, in_doubt = repeat, undo = unmake, settle = "5s")]
    Requested,
    /// Made, or so it says.
    #[fsm(resting)]
    Ready { thing: String },
}

#[derive(Clone)]
pub(crate) struct Trusting<const HALF: bool>(Shelf);

impl<const HALF: bool> TrustingTransitions for Trusting<HALF> {
    type Error = ShelfError;
    async fn make(&self, from: Requested, attempt: &TrustingAttempt) -> Result<Ready, ShelfError> {
        if HALF {
            return Ok(from.ready(self.0.begin(attempt.key(), attempt.owner_tag()).await?));
        }
        if attempt.is_resumed() {
            return Ok(from.ready("thing-1".to_owned()));
        }
        Ok(from.ready(self.0.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn unmake(&self, made: &Ready, _: &TrustingAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.thing).await.map(Undone::from)
    }
}

impl<const HALF: bool> World for Trusting<HALF> {
    type Machine = TrustingFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self(Shelf::new(sim, "thing"))
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
    fn check_final(&self, _: &At<'_, App>) -> Result<(), String> {
        if self.0.shelved().iter().all(|thing| thing.complete) { Ok(()) } else { Err("half-built".to_owned()) }
    }
}
