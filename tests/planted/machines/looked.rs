//! A world that is a bug: it is another one after somebody has looked at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::App;
use crate::testing::{Shelf, ShelfError, Sim, Thing, World};
use crate::{Fsm, Undone};

/// Makes two things, and says of the second how often somebody has looked.
#[derive(Fsm)]
#[fsm(name = "planted/looked", version = 1, resource = App)]
pub(crate) enum LookedFlow {
    /// Nothing.
    #[fsm(initial)]
    #[transition(make_a -> MadeA, in_doubt = repeat, undo = drop_a, settle = "5s")]
    Requested,
    /// One.
    #[transition(make_b -> Ready, in_doubt = repeat, undo = drop_b, settle = "5s")]
    MadeA { a: String },
    /// Both.
    #[fsm(resting)]
    Ready { b: String },
}

#[derive(Clone)]
pub(crate) struct Looked(Shelf, Arc<AtomicUsize>);

impl LookedTransitions for Looked {
    type Error = ShelfError;
    async fn make_a(&self, from: Requested, attempt: &LookedAttempt) -> Result<MadeA, ShelfError> {
        Ok(from.made_a(self.0.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn drop_a(&self, made: &MadeA, _: &LookedAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.a).await.map(Undone::from)
    }
    async fn make_b(&self, from: MadeA, attempt: &LookedAttempt) -> Result<Ready, ShelfError> {
        self.0.put(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.ready(self.1.load(Ordering::Relaxed).to_string()))
    }
    async fn drop_b(&self, _: &Ready, attempt: &LookedAttempt) -> Result<Undone, ShelfError> {
        self.0.remove_key(attempt.key()).await.map(Undone::from)
    }
}

impl World for Looked {
    type Machine = LookedFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self(Shelf::new(sim, "thing"), Arc::default())
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App(1)
    }
    fn inventory(&self) -> Vec<Thing> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.inventory()
    }
}
