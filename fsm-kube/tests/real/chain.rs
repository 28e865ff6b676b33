//! Four effects in a row, and one that an edit calls for. No request is delivered twice, so a deletion waits for nothing.

use durable_fsm::{Fsm, Undone};

use crate::provider::{Provider, Refused};
use crate::worker::Worker;

/// How many effects a new object takes.
pub const EFFECTS: usize = 4;

#[derive(Fsm)]
#[fsm(name = "test.durable-fsm.io/chain", version = 1, resource = Worker, transport = once, timeout = "60s", retry = "50ms..1s")]
pub enum ChainFlow {
    #[fsm(initial)]
    #[transition(add_account -> Known, in_doubt = repeat, undo = remove_account)]
    Requested,
    #[transition(add_route -> Routed, in_doubt = repeat, undo = remove_route)]
    Known { account: String },
    #[transition(add_config -> Configured, in_doubt = repeat, undo = remove_config)]
    Routed { route: String },
    #[transition(add_notice -> Noticed, in_doubt = repeat, undo = remove_notice)]
    Configured { config: String },
    #[transition(enter_service -> Ready, no_effect)]
    Noticed { notice: String },
    #[fsm(resting)]
    #[transition(apply_spec -> Ready, when = image_changed, in_doubt = repeat, undo = none)]
    Ready { image: String },
}

impl ChainTransitions for Provider {
    type Error = Refused;

    async fn add_account(&self, from: Requested, attempt: &ChainAttempt) -> Result<Known, Refused> {
        Ok(from.known(self.make("account", attempt).await?))
    }
    async fn remove_account(&self, made: &Known, _: &ChainAttempt) -> Result<Undone, Refused> {
        self.remove(&made.account).await.map(Undone::from)
    }
    async fn add_route(&self, from: Known, attempt: &ChainAttempt) -> Result<Routed, Refused> {
        Ok(from.routed(self.make("route", attempt).await?))
    }
    async fn remove_route(&self, made: &Routed, _: &ChainAttempt) -> Result<Undone, Refused> {
        self.remove(&made.route).await.map(Undone::from)
    }
    async fn add_config(&self, from: Routed, attempt: &ChainAttempt) -> Result<Configured, Refused> {
        Ok(from.configured(self.make("config", attempt).await?))
    }
    async fn remove_config(&self, made: &Configured, _: &ChainAttempt) -> Result<Undone, Refused> {
        self.remove(&made.config).await.map(Undone::from)
    }
    async fn add_notice(&self, from: Configured, attempt: &ChainAttempt) -> Result<Noticed, Refused> {
        Ok(from.noticed(self.make("notice", attempt).await?))
    }
    async fn remove_notice(&self, made: &Noticed, _: &ChainAttempt) -> Result<Undone, Refused> {
        self.remove(&made.notice).await.map(Undone::from)
    }
    fn enter_service(&self, from: Noticed, attempt: &ChainAttempt) -> Result<Ready, Refused> {
        Ok(from.ready(attempt.spec().image.clone()))
    }
    fn image_changed(&self, at: &Ready, worker: &Worker) -> bool {
        at.image != worker.spec.image
    }
    async fn apply_spec(&self, from: Ready, attempt: &ChainAttempt) -> Result<Ready, Refused> {
        Ok(from.ready(attempt.spec().image.clone()))
    }
}
