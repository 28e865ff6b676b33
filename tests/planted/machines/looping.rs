//! One thing that is replaced by a rewind.

use super::App;
use crate::testing::{Shelf, ShelfError, Sim, Thing, World};
use crate::{Fsm, Undone};

/// A page in a window, taken down and published again whenever it changes.
#[derive(Fsm)]
#[fsm(name = "planted/looping", version = 1, resource = App)]
pub(crate) enum LoopingFlow {
    /// Nothing.
    #[fsm(initial)]
    #[transition(open -> Opened, in_doubt = repeat, undo = close, settle = "5s")]
    Requested,
    /// A window.
    #[transition(publish -> Ready, in_doubt = repeat, undo = unpublish, settle = "5s")]
    Opened { window: String },
    /// Published.
    #[fsm(resting)]
    #[transition(replace -> Opened, when = changed, rewind)]
    Ready { page: String, version: u32 },
}

#[derive(Clone)]
pub(crate) struct Looping(Shelf);

impl LoopingTransitions for Looping {
    type Error = ShelfError;
    async fn open(&self, from: Requested, attempt: &LoopingAttempt) -> Result<Opened, ShelfError> {
        Ok(from.opened(self.0.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn close(&self, made: &Opened, _: &LoopingAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.window).await.map(Undone::from)
    }
    async fn publish(&self, from: Opened, attempt: &LoopingAttempt) -> Result<Ready, ShelfError> {
        let page = self.0.made_of(attempt.spec().to_string()).put(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.ready(ReadyFacts { page, version: *attempt.spec() }))
    }
    async fn unpublish(&self, made: &Ready, _: &LoopingAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.page).await.map(Undone::from)
    }
    fn changed(&self, at: &Ready, app: &App) -> bool {
        at.version != app.0
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
