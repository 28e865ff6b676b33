//! A third machine on the same object: a branch and a set, neither of which can be asked for again.

use std::collections::BTreeSet;

use durable_fsm::{Each, Fsm};

use crate::provider::{Provider, Refused};
use crate::worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.durable-fsm.io/order", version = 1, resource = Worker)]
pub enum OrderFlow {
    #[fsm(initial)]
    #[transition(pay -> Paid | Declined, in_doubt = hold, undo = retain, timeout = "200ms")]
    Placed,
    #[fsm(resting)]
    #[transition(ship, for_each = parcels, in_doubt = hold, undo = retain, timeout = "200ms")]
    Paid { receipt: String, parcels: Each<String, String> },
    #[fsm(resting)]
    Declined { why: String },
}

impl OrderTransitions for Provider {
    type Error = Refused;

    async fn pay(&self, from: Placed, attempt: &OrderAttempt) -> Result<PayNext, Refused> {
        Ok(from.paid(self.make("payment", attempt).await?).into())
    }
    /// One for each word of the notes.
    fn parcels(&self, _: &Paid, worker: &Worker) -> BTreeSet<String> {
        worker.spec.notes.iter().flat_map(|notes| notes.split_whitespace()).map(str::to_owned).collect()
    }
    async fn ship(&self, _: &Paid, _: &String, attempt: &OrderAttempt) -> Result<String, Refused> {
        self.make("parcel", attempt).await
    }
}
