//! Two states that lead to each other, each by a step with an undo: around and around, it is the same two things.

use durable_fsm::Fsm;
use durable_fsm::testing::{AssertOk, At, Shelf, ShelfError, Sim, Thing, World, explore};

use crate::worlds::resource::App;

/// A page, which is changed in a maintenance window.
#[derive(Fsm)]
#[fsm(name = "test.io/loops", version = 1, resource = App)]
pub enum LoopsFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(begin -> Ready, no_effect)]
    Requested,
    /// It shows what is wanted, or nothing so far.
    #[fsm(resting)]
    #[transition(open_window -> Updating, when = changed, in_doubt = repeat, undo = close_window, settle = "5s")]
    Ready { page: String, image: String },
    /// The window is open.
    #[transition(publish -> Ready, in_doubt = repeat, undo = unpublish, settle = "5s")]
    Updating { window: String },
}

#[derive(Clone)]
pub struct Cloud {
    windows: Shelf,
    pages: Shelf,
}

impl LoopsTransitions for Cloud {
    type Error = ShelfError;
    fn begin(&self, from: Requested, _: &LoopsAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(ReadyFacts { page: String::new(), image: String::new() }))
    }
    fn changed(&self, at: &Ready, app: &App) -> bool {
        at.image != app.0.image
    }
    async fn open_window(&self, from: Ready, attempt: &LoopsAttempt) -> Result<Updating, ShelfError> {
        Ok(from.updating(self.windows.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn close_window(&self, made: &Updating, _: &LoopsAttempt) -> Result<(), ShelfError> {
        self.windows.remove(&made.window).await
    }
    async fn publish(&self, from: Updating, attempt: &LoopsAttempt) -> Result<Ready, ShelfError> {
        let page = self.pages.put(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.ready(ReadyFacts { page, image: attempt.spec().image.clone() }))
    }
    async fn unpublish(&self, made: &Ready, _: &LoopsAttempt) -> Result<(), ShelfError> {
        self.pages.remove(&made.page).await
    }
}

impl World for Cloud {
    type Machine = LoopsFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self { windows: Shelf::new(sim, "window"), pages: Shelf::new(sim, "page") }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &[])
    }
    fn edits() -> Vec<App> {
        vec![App::new("v2", &[]), App::new("v3", &[])]
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.windows.inventory(), self.pages.inventory()].concat()
    }
    fn check(&self, at: &At<'_>) -> Result<(), String> {
        match (self.windows.len(), self.pages.len()) {
            (0..=1, 0..=1) => Ok(()),
            // What was refused under another spec may have been carried out all the same, by a duplicate. On its way back, it may make that
            // once more, to undo it.
            _ if at.deleting || at.record.is_some_and(|record| !record.unconfirmed.is_empty()) => Ok(()),
            (windows, pages) => Err(format!("{windows} windows and {pages} pages")),
        }
    }
}

#[test]
fn survives_every_pair_of_faults() {
    println!("{}", explore::<Cloud>().faults(2).run().assert_ok());
}
