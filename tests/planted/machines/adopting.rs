//! A machine that is a bug: it takes over what is not its own.

use super::App;
use crate::testing::{At, Shelf, ShelfError, Sim, Thing, World};
use crate::{Fsm, Lookup, Undone};

/// Takes over whatever has the right name.
#[derive(Fsm)]
#[fsm(name = "planted/adopting", version = 1, resource = App)]
pub(crate) enum AdoptingFlow {
    /// Nothing.
    #[fsm(initial)]
    #[transition(claim -> Ready, in_doubt = lookup, undo = give_up, settle = "5s")]
    Requested,
    /// Claimed.
    #[fsm(resting)]
    Ready { account: String },
}

#[derive(Clone)]
pub(crate) struct Adopting(Shelf);

impl AdoptingTransitions for Adopting {
    type Error = ShelfError;
    async fn claim(&self, from: Requested, attempt: &AdoptingAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(self.0.claim("admin", attempt.key(), attempt.owner_tag()).await?))
    }
    async fn lookup_claim(&self, from: Requested, _: &AdoptingAttempt) -> Result<Lookup<Ready>, ShelfError> {
        let there = self.0.shelved().into_iter().find(|it| it.name == "admin");
        Ok(there.map_or(Lookup::Absent, |it| Lookup::Ours(from.ready(it.id))))
    }
    async fn give_up(&self, made: &Ready, _: &AdoptingAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.account).await.map(Undone::from)
    }
}

impl World for Adopting {
    type Machine = AdoptingFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        let accounts = Shelf::new(sim, "account");
        accounts.foreign("admin", "somebody");
        Self(accounts)
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
    fn check(&self, _: &At<'_, App>) -> Result<(), String> {
        if self.0.is_empty() { Err("somebody else's account is gone".to_owned()) } else { Ok(()) }
    }
}
