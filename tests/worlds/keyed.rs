//! Four steps against a provider that knows a key when it sees it again.

use durable_fsm::testing::{Shelf, ShelfError, Sim, Thing, World};
use durable_fsm::{Fsm, Undone};

use super::resource::App;

/// Four keyed things, one after the other.
#[derive(Fsm)]
#[fsm(name = "test.io/keyed", version = 1, resource = App)]
pub enum KeyedFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(make_a -> MadeA, in_doubt = repeat, undo = drop_a, settle = "5s")]
    Requested,
    /// One.
    #[transition(make_b -> MadeB, in_doubt = repeat, undo = drop_b, settle = "5s")]
    MadeA { a: String },
    /// Two.
    #[transition(make_c -> MadeC, in_doubt = repeat, undo = drop_c, settle = "5s")]
    MadeB { b: String },
    /// Three.
    #[transition(make_d -> Ready, in_doubt = repeat, undo = drop_d, settle = "5s")]
    MadeC { c: String },
    /// All four.
    #[fsm(resting)]
    Ready { d: String },
}

#[derive(Clone)]
pub struct Cloud(Shelf);

impl KeyedTransitions for Cloud {
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
    async fn drop_b(&self, made: &MadeB, _: &KeyedAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.b).await.map(Undone::from)
    }
    async fn make_c(&self, from: MadeB, attempt: &KeyedAttempt) -> Result<MadeC, ShelfError> {
        Ok(from.made_c(self.0.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn drop_c(&self, made: &MadeC, _: &KeyedAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.c).await.map(Undone::from)
    }
    async fn make_d(&self, from: MadeC, attempt: &KeyedAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(self.0.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn drop_d(&self, made: &Ready, _: &KeyedAttempt) -> Result<Undone, ShelfError> {
        self.0.remove(&made.d).await.map(Undone::from)
    }
}

impl World for Cloud {
    type Machine = KeyedFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self(Shelf::new(sim, "thing"))
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &[])
    }
    fn edits() -> Vec<App> {
        vec![App::new("v2", &[])]
    }
    fn idle_edits() -> Vec<usize> {
        vec![1]
    }
    fn inventory(&self) -> Vec<Thing> {
        self.0.inventory()
    }
}
