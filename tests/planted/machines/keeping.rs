//! Two sets, one in each order, then an effect, and a wait before it rests.

use std::collections::BTreeSet;

use super::App;
use crate::testing::{Shelf, ShelfError, Sim, Thing, World};
use crate::{Each, Fsm, Undone, Wait};

/// A page with its authors and its one image, which is replaced when the version changes.
#[derive(Fsm)]
#[fsm(name = "planted/keeping", version = 1, resource = App, on_rejected = undo)]
pub(crate) enum KeepingFlow {
    /// Nothing.
    #[fsm(initial)]
    #[transition(begin -> Open, no_effect)]
    Requested,
    /// Authors and image are there.
    #[transition(add_image, for_each = images, in_doubt = repeat, undo = remove_image, surge = 0, transport = once, settle = "5s")]
    #[transition(add_author, for_each = authors, in_doubt = repeat, undo = remove_author, settle = "5s")]
    #[transition(publish -> Published, in_doubt = repeat, undo = unpublish, settle = "5s")]
    Open { images: Each<String, String>, authors: Each<String, String> },
    /// Published.
    #[transition(look -> Ready, waits)]
    Published { page: String },
    /// Seen.
    #[fsm(resting)]
    #[transition(add_image)]
    #[transition(add_author)]
    Ready,
}

#[derive(Clone)]
pub(crate) struct Keeping(Shelf);

impl KeepingTransitions for Keeping {
    type Error = ShelfError;
    fn begin(&self, from: Requested, _: &KeepingAttempt) -> Result<Open, ShelfError> {
        Ok(from.open())
    }
    fn images(&self, _: &Open, app: &App) -> BTreeSet<String> {
        BTreeSet::from([format!("image-{}", app.0)])
    }
    async fn add_image(&self, _: &Open, _: &String, attempt: &KeepingAttempt) -> Result<String, ShelfError> {
        self.0.put(attempt.key(), attempt.owner_tag()).await
    }
    async fn remove_image(
        &self,
        _: &Open,
        _: &String,
        made: &String,
        _: &KeepingAttempt,
    ) -> Result<Undone, ShelfError> {
        self.0.remove(made).await.map(Undone::from)
    }
    fn authors(&self, _: &Open, app: &App) -> BTreeSet<String> {
        BTreeSet::from([format!("author-{}", app.0)])
    }
    async fn add_author(&self, _: &Open, _: &String, attempt: &KeepingAttempt) -> Result<String, ShelfError> {
        self.0.put(attempt.key(), attempt.owner_tag()).await
    }
    async fn remove_author(
        &self,
        _: &Open,
        _: &String,
        made: &String,
        _: &KeepingAttempt,
    ) -> Result<Undone, ShelfError> {
        self.0.remove(made).await.map(Undone::from)
    }
    async fn publish(&self, from: Open, attempt: &KeepingAttempt) -> Result<Published, ShelfError> {
        Ok(from.published(self.0.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn unpublish(&self, made: &Published, _: &KeepingAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.page).await.map(Undone::from)
    }
    async fn look(&self, from: Published, _: &KeepingAttempt) -> Result<Wait<Ready>, ShelfError> {
        Ok(Wait::Done(from.ready()))
    }
}

impl World for Keeping {
    type Machine = KeepingFlow;
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
    fn edits() -> Vec<App> {
        vec![App(2)]
    }
    fn inventory(&self) -> Vec<Thing> {
        self.0.inventory()
    }
}
