//! Two keyed things, and the same where they cannot be seen.

use super::App;
use crate::testing::{Shelf, ShelfError, Sim, Thing, World};
use crate::{Fsm, Undone};

/// Two keyed things, and an update.
#[derive(Fsm)]
#[fsm(name = "planted/keyed", version = 1, resource = App)]
pub(crate) enum KeyedFlow {
    /// Nothing.
    #[fsm(initial)]
    #[transition(make_a -> MadeA, in_doubt = repeat, undo = drop_a, settle = "5s")]
    Requested,
    /// One.
    #[transition(make_b -> MadeB, in_doubt = repeat, undo = drop_b, settle = "5s")]
    MadeA { a: String },
    /// Both.
    #[transition(note -> Ready, no_effect)]
    MadeB { b: String },
    /// Both, and what they run.
    #[fsm(resting)]
    #[transition(apply -> Ready, when = changed, in_doubt = repeat, undo = none, settle = "5s")]
    Ready { applied: u32 },
}

#[derive(Clone)]
pub(crate) struct Keyed(Shelf);

impl KeyedTransitions for Keyed {
    type Error = ShelfError;
    async fn make_a(&self, from: Requested, attempt: &KeyedAttempt) -> Result<MadeA, ShelfError> {
        Ok(from.made_a(self.0.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn drop_a(&self, made: &MadeA, _: &KeyedAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.a).await.map(Undone::from)
    }
    async fn make_b(&self, from: MadeA, attempt: &KeyedAttempt) -> Result<MadeB, ShelfError> {
        Ok(from.made_b(self.0.put(attempt.key(), attempt.owner_tag()).await?))
    }
    fn note(&self, from: MadeB, attempt: &KeyedAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(*attempt.spec()))
    }
    async fn drop_b(&self, made: &MadeB, _: &KeyedAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.b).await.map(Undone::from)
    }
    fn changed(&self, at: &Ready, app: &App) -> bool {
        at.applied != app.0
    }
    async fn apply(&self, from: Ready, attempt: &KeyedAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(*attempt.spec()))
    }
}

impl World for Keyed {
    type Machine = KeyedFlow;
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
    fn idle_edits() -> Vec<usize> {
        vec![1]
    }
    fn inventory(&self) -> Vec<Thing> {
        self.0.inventory()
    }
}

/// The same, where what exists cannot be seen.
#[derive(Clone)]
pub(crate) struct Unseen(Keyed);

impl World for Unseen {
    type Machine = KeyedFlow;
    type Transitions = Keyed;
    fn new(sim: &Sim) -> Self {
        Self(Keyed::new(sim))
    }
    fn transitions(&self) -> Keyed {
        self.0.clone()
    }
    fn resource() -> App {
        Keyed::resource()
    }
    fn edits() -> Vec<App> {
        Keyed::edits()
    }
    fn idle_edits() -> Vec<usize> {
        vec![1]
    }
    fn inventory(&self) -> Vec<Thing> {
        Vec::new()
    }
}
