//! A machine that is a bug: it mixes up the spec of an attempt and the latest one.

use super::App;
use crate::testing::{Shelf, ShelfError, Sim, Thing, World};
use crate::{Fsm, Undone};

/// A page that is taken down and published again whenever the spec changes.
#[derive(Fsm)]
#[fsm(name = "planted/mixed", version = 1, resource = App)]
pub(crate) enum MixedFlow {
    /// Nothing.
    #[fsm(initial)]
    #[transition(publish -> Ready, in_doubt = repeat, undo = unpublish, settle = "5s")]
    Requested,
    /// It shows this version.
    #[fsm(resting)]
    #[transition(replace -> Requested, when = changed, rewind)]
    Ready { page: String, version: u32 },
}

/// Which spec is sent, and which is recorded: the attempt's, or the latest one.
#[derive(Clone)]
pub(crate) struct Mixed<const SENT: bool, const RECORDED: bool>(Shelf);

impl<const SENT: bool, const RECORDED: bool> MixedTransitions for Mixed<SENT, RECORDED> {
    type Error = ShelfError;
    async fn publish(&self, from: Requested, attempt: &MixedAttempt) -> Result<Ready, ShelfError> {
        let of = |is_attempts: bool| if is_attempts { *attempt.spec() } else { attempt.resource().0 };
        let page = self.0.made_of(of(SENT).to_string()).put(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.ready(ReadyFacts { page, version: of(RECORDED) }))
    }
    async fn unpublish(&self, made: &Ready, _: &MixedAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.page).await.map(Undone::from)
    }
    fn changed(&self, at: &Ready, app: &App) -> bool {
        at.version != app.0
    }
}

impl<const SENT: bool, const RECORDED: bool> World for Mixed<SENT, RECORDED> {
    type Machine = MixedFlow;
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
