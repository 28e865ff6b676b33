//! A loop around one thing.

use super::App;
use crate::Fsm;
use crate::testing::{Shelf, ShelfError, Sim, Thing, World};

/// A page, published again whenever it changes. It is the same page, and undone once.
#[derive(Fsm)]
#[fsm(name = "planted/looping", version = 1, resource = App)]
pub(crate) enum LoopingFlow {
    /// Nothing.
    #[fsm(initial)]
    #[transition(begin -> Ready, no_effect)]
    Requested,
    /// Published, unless it is at no version yet.
    #[fsm(resting)]
    #[transition(publish -> Ready, when = changed, in_doubt = repeat, undo = unpublish, settle = "5s")]
    Ready { page: String, version: u32 },
}

#[derive(Clone)]
pub(crate) struct Looping(Shelf);

impl LoopingTransitions for Looping {
    type Error = ShelfError;
    fn begin(&self, from: Requested, _: &LoopingAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(ReadyFacts { page: String::new(), version: 0 }))
    }
    fn changed(&self, at: &Ready, app: &App) -> bool {
        at.version != app.0
    }
    async fn publish(&self, from: Ready, attempt: &LoopingAttempt) -> Result<Ready, ShelfError> {
        let page = self.0.put(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.ready(ReadyFacts { page, version: *attempt.spec() }))
    }
    async fn unpublish(&self, made: &Ready, _: &LoopingAttempt) -> Result<(), ShelfError> {
        self.0.remove(&made.page).await
    }
}

impl World for Looping {
    type Machine = LoopingFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self(Shelf::new(sim, "page"))
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App(1)
    }
    fn edits() -> Vec<App> {
        vec![App(2), App(3)]
    }
    fn inventory(&self) -> Vec<Thing> {
        self.0.inventory()
    }
}
