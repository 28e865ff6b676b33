//! A machine that is a bug: it minds the time.

use std::time::Duration;

use super::App;
use crate::testing::{Shelf, ShelfError, Sim, Thing, World};
use crate::{Fsm, Undone};

/// Makes one thing at first, and two if it is late.
#[derive(Fsm)]
#[fsm(name = "planted/timed", version = 1, resource = App)]
pub(crate) enum TimedFlow {
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
pub(crate) struct Timed(Shelf, Sim);

impl TimedTransitions for Timed {
    type Error = ShelfError;
    async fn make_a(&self, from: Requested, attempt: &TimedAttempt) -> Result<MadeA, ShelfError> {
        Ok(from.made_a(self.0.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn drop_a(&self, made: &MadeA, _: &TimedAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.a).await.map(Undone::from)
    }
    async fn make_b(&self, from: MadeA, attempt: &TimedAttempt) -> Result<Ready, ShelfError> {
        if self.1.now() > Duration::from_secs(20) {
            self.0.add(attempt.key(), attempt.owner_tag()).await?;
        }
        Ok(from.ready(self.0.add(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn drop_b(&self, _: &Ready, attempt: &TimedAttempt) -> Result<Undone, ShelfError> {
        self.0.remove_key(attempt.key()).await.map(Undone::from)
    }
}

impl World for Timed {
    type Machine = TimedFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self(Shelf::new(sim, "thing"), sim.clone())
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
}
