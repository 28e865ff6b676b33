//! A second machine on the same object, whose one effect cannot be asked for again.

use durable_fsm::Fsm;

use crate::provider::{Provider, Refused};
use crate::worker::Worker;

#[derive(Fsm)]
#[fsm(name = "test.durable-fsm.io/licence", version = 1, resource = Worker)]
pub enum LicenceFlow {
    #[fsm(initial)]
    #[transition(buy -> Bought, in_doubt = hold, undo = retain, timeout = "200ms")]
    Wanted,
    #[fsm(resting)]
    Bought { licence: String },
}

impl LicenceTransitions for Provider {
    type Error = Refused;

    async fn buy(&self, from: Wanted, attempt: &LicenceAttempt) -> Result<Bought, Refused> {
        Ok(from.bought(self.make("licence", attempt).await?))
    }
}
