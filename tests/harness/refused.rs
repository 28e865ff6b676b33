//! What is in doubt, is refused, and has an abort: another spec has it aborted, and begins afresh. Undo and abort go by the name, which is
//! the same before and after.

use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Fsm, Undone};

use crate::worlds::resource::App;

/// One thing that can be made again, and taken away whether or not it is there.
#[derive(Fsm)]
#[fsm(name = "test.io/refused", version = 1, resource = App)]
pub enum RefusedFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(make -> Ready, in_doubt = repeat, undo = unmake, abort = unmake_any, settle = "5s")]
    Requested,
    /// The thing.
    #[fsm(resting)]
    Ready { thing: String },
}

#[derive(Clone)]
pub struct Cloud(Shelf);

impl RefusedTransitions for Cloud {
    type Error = ShelfError;
    async fn make(&self, from: Requested, attempt: &RefusedAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(self.0.claim("thing", attempt.key(), attempt.owner_tag()).await?))
    }
    async fn unmake(&self, _: &Ready, attempt: &RefusedAttempt) -> Result<Undone, ShelfError> {
        self.0.remove_name("thing", attempt.owner_tag()).await.map(Undone::from)
    }
    async fn unmake_any(&self, _: &Requested, attempt: &RefusedAttempt) -> Result<Undone, ShelfError> {
        match self.0.remove_name("thing", attempt.owner_tag()).await {
            // Somebody else has the name, so nothing of ours is there.
            Err(ShelfError::Taken(_)) => Ok(Undone::Done),
            other => other.map(Undone::from),
        }
    }
}

impl World for Cloud {
    type Machine = RefusedFlow;
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
    fn strangers(&self) {
        self.0.foreign("thing", "somebody");
    }
    fn inventory(&self) -> Vec<Thing> {
        self.0.inventory()
    }
}

#[test]
fn survives_every_pair_of_faults_among_strangers() {
    println!("{}", explore::<Cloud>().among_strangers().faults(2).run().assert_ok());
}

#[test]
fn survives_every_triple_of_faults() {
    println!("{}", explore::<Cloud>().faults(3).run().assert_ok());
}
