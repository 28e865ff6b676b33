//! A fact that is overwritten after something was made with it. The undo is given the old value.

use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Fsm, Undone};

use crate::worlds::resource::App;

/// A server in the first zone, then a replica of it in the second one, then whatever comes in the third.
#[derive(Fsm)]
#[fsm(name = "test.io/moved", version = 1, resource = App)]
pub enum MovedFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(choose -> Chosen, no_effect)]
    Requested,
    /// The zone is chosen.
    #[transition(start_server -> Started, in_doubt = repeat, undo = stop_server, settle = "5s")]
    Chosen { zone: String },
    /// A server in it.
    #[transition(go_on -> GoneOn, no_effect)]
    Started { server: String },
    /// The next zone.
    #[transition(start_replica -> Replicated, in_doubt = repeat, undo = stop_replica, settle = "5s")]
    GoneOn { zone: String },
    /// A replica in that one.
    #[transition(finish -> Ready, no_effect)]
    Replicated { replica: String },
    /// And the zone after that.
    #[fsm(resting)]
    Ready { zone: String },
}

#[derive(Clone)]
pub struct Cloud([Shelf; 2]);

impl Cloud {
    /// A provider is asked for a zone, and knows nothing of the others.
    fn zone(&self, name: &str) -> Result<&Shelf, ShelfError> {
        let index = ["a", "b"].iter().position(|it| *it == name);
        index.map(|index| &self.0[index]).ok_or_else(|| ShelfError::Unknown(name.to_owned()))
    }
}

impl MovedTransitions for Cloud {
    type Error = ShelfError;
    fn choose(&self, from: Requested, _: &MovedAttempt) -> Result<Chosen, ShelfError> {
        Ok(from.chosen("a".to_owned()))
    }
    async fn start_server(&self, from: Chosen, attempt: &MovedAttempt) -> Result<Started, ShelfError> {
        let server = self.zone(&from.zone)?.put(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.started(server))
    }
    async fn stop_server(&self, made: &Started, _: &MovedAttempt) -> Result<Undone, ShelfError> {
        self.zone(&made.zone)?.remove(&made.server).await.map(Undone::from)
    }
    fn go_on(&self, from: Started, _: &MovedAttempt) -> Result<GoneOn, ShelfError> {
        Ok(from.gone_on("b".to_owned()))
    }
    async fn start_replica(&self, from: GoneOn, attempt: &MovedAttempt) -> Result<Replicated, ShelfError> {
        let replica = self.zone(&from.zone)?.put(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.replicated(replica))
    }
    async fn stop_replica(&self, made: &Replicated, _: &MovedAttempt) -> Result<Undone, ShelfError> {
        self.zone(&made.zone)?.remove(&made.replica).await.map(Undone::from)
    }
    fn finish(&self, from: Replicated, _: &MovedAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready("c".to_owned()))
    }
}

impl World for Cloud {
    type Machine = MovedFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self(["a", "b"].map(|_| Shelf::new(sim, "server")))
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
        self.0.iter().flat_map(Shelf::inventory).collect()
    }
}

#[test]
fn survives_every_pair_of_faults() {
    println!("{}", explore::<Cloud>().faults(2).run().assert_ok());
}
