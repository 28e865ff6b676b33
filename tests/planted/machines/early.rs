//! A machine that is a bug: it goes by what was wanted when it began.

use super::App;
use crate::testing::{Shelf, ShelfError, Sim, Thing, World};
use crate::{Fsm, Undone};

/// A page in a window. What the page is to show is noted when the window is opened, and may have changed when it is published.
#[derive(Fsm)]
#[fsm(name = "planted/early", version = 1, resource = App)]
pub(crate) enum EarlyFlow {
    /// Nothing.
    #[fsm(initial)]
    #[transition(open -> Opened, in_doubt = repeat, undo = close, settle = "5s")]
    Requested,
    /// A window.
    #[transition(publish -> Ready, in_doubt = repeat, undo = unpublish, settle = "5s")]
    Opened { window: String, noted: u32 },
    /// Published.
    #[fsm(resting)]
    #[transition(replace -> Requested, when = changed, rewind)]
    Ready { page: String, version: u32 },
}

#[derive(Clone)]
pub(crate) struct Early(Shelf);

impl EarlyTransitions for Early {
    type Error = ShelfError;
    async fn open(&self, from: Requested, attempt: &EarlyAttempt) -> Result<Opened, ShelfError> {
        let window = self.0.put(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.opened(OpenedFacts { window, noted: *attempt.spec() }))
    }
    async fn close(&self, made: &Opened, _: &EarlyAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.window).await.map(Undone::from)
    }
    async fn publish(&self, from: Opened, attempt: &EarlyAttempt) -> Result<Ready, ShelfError> {
        let page = self.0.made_of(from.noted.to_string()).put(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.ready(ReadyFacts { page, version: *attempt.spec() }))
    }
    async fn unpublish(&self, made: &Ready, _: &EarlyAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.page).await.map(Undone::from)
    }
    fn changed(&self, at: &Ready, app: &App) -> bool {
        at.version != app.0
    }
}

impl World for Early {
    type Machine = EarlyFlow;
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
        vec![App(2)]
    }
    fn inventory(&self) -> Vec<Thing> {
        self.0.inventory()
    }
}
