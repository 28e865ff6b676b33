//! A page in a window: the page is replaced by a rewind to the window's mark, and the window stays.

use durable_fsm::testing::{AssertOk, At, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Fsm, Undone};

use crate::worlds::resource::App;

/// A page, which is changed in a maintenance window.
#[derive(Fsm)]
#[fsm(name = "test.io/loops", version = 1, resource = App)]
pub enum LoopsFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(open_window -> Opened, in_doubt = repeat, undo = close_window, settle = "5s")]
    Requested,
    /// The window is open.
    #[transition(publish -> Ready, in_doubt = repeat, undo = unpublish, settle = "5s")]
    Opened { window: String },
    /// It shows what is wanted.
    #[fsm(resting)]
    #[transition(replace -> Opened, when = changed, rewind)]
    Ready { page: String, image: String },
}

#[derive(Clone)]
pub struct Cloud {
    windows: Shelf,
    pages: Shelf,
}

impl LoopsTransitions for Cloud {
    type Error = ShelfError;
    async fn open_window(&self, from: Requested, attempt: &LoopsAttempt) -> Result<Opened, ShelfError> {
        Ok(from.opened(self.windows.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn close_window(&self, made: &Opened, _: &LoopsAttempt) -> Result<Undone, ShelfError> {
        self.windows.remove(&made.window).await.map(Undone::from)
    }
    async fn publish(&self, from: Opened, attempt: &LoopsAttempt) -> Result<Ready, ShelfError> {
        let page = self.pages.made_of(&attempt.spec().image).put(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.ready(ReadyFacts { page, image: attempt.spec().image.clone() }))
    }
    async fn unpublish(&self, made: &Ready, _: &LoopsAttempt) -> Result<Undone, ShelfError> {
        self.pages.remove(&made.page).await.map(Undone::from)
    }
    fn changed(&self, at: &Ready, app: &App) -> bool {
        at.image != app.0.image
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
    fn check(&self, at: &At<'_, App>) -> Result<(), String> {
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
