//! Machines that are bugs, with a name that others may have: one removes whatever has it, one demands that its own is still there.

use super::App;
use crate::testing::{Shelf, ShelfError, Sim, Thing, World};
use crate::{Fsm, Undone};

/// One thing with a name.
#[derive(Fsm)]
#[fsm(name = "planted/careless", version = 1, resource = App)]
pub(crate) enum CarelessFlow {
    /// Nothing.
    #[fsm(initial)]
    #[transition(claim -> Ready, in_doubt = repeat, undo = give_up, abort = give_any_up, settle = "5s")]
    Requested,
    /// Claimed.
    #[fsm(resting)]
    Ready { bucket: String },
}

/// Whether it removes whatever has the name, and whether what it undoes has to be there.
#[derive(Clone)]
pub(crate) struct Careless<const ANY: bool, const MUST_FIND: bool>(Shelf);

impl<const ANY: bool, const MUST_FIND: bool> CarelessTransitions for Careless<ANY, MUST_FIND> {
    type Error = ShelfError;
    async fn claim(&self, from: Requested, attempt: &CarelessAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(self.0.claim("bucket", attempt.key(), attempt.owner_tag()).await?))
    }
    async fn give_up(&self, made: &Ready, attempt: &CarelessAttempt) -> Result<Undone, ShelfError> {
        if MUST_FIND && self.0.get(&made.bucket).is_none() {
            return Err(ShelfError::Unknown(made.bucket.clone()));
        }
        self.0.remove_name("bucket", attempt.owner_tag()).await.map(Undone::from)
    }
    async fn give_any_up(&self, _: &Requested, attempt: &CarelessAttempt) -> Result<Undone, ShelfError> {
        for there in self.0.shelved().iter().filter(|it| ANY || it.owner == attempt.owner_tag()) {
            self.0.remove(&there.id).await?;
        }
        Ok(Undone::Done)
    }
}

impl<const ANY: bool, const MUST_FIND: bool> World for Careless<ANY, MUST_FIND> {
    type Machine = CarelessFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self(Shelf::new(sim, "bucket"))
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App(1)
    }
    fn events() -> &'static [&'static str] {
        &["bucket-lost"]
    }
    fn happen(&self, _: &str) {
        self.0.lose();
    }
    fn strangers(&self) {
        self.0.foreign("bucket", "somebody");
    }
    fn inventory(&self) -> Vec<Thing> {
        self.0.inventory()
    }
}
