//! A person has a controller look at once.

use durable_fsm::{Fsm, Outcome, Runner, Undone, Wait};
use durable_fsm_kube::{AnnotationStore, Metrics, Reconciler, Verb};
use serde_json::json;

use crate::cluster::Cluster;
use crate::controller::events;
use crate::provider::{Provider, Refused};
use crate::worker::Worker;

/// A lamp that somebody may take away.
#[derive(Fsm)]
#[fsm(name = "test.durable-fsm.io/lamp", version = 1, resource = Worker)]
pub enum LampFlow {
    #[fsm(initial)]
    #[transition(hang -> Shining, in_doubt = repeat, undo = take_down)]
    Wanted,
    #[fsm(resting)]
    #[transition(see_it_gone -> Gone, waits, every = "24h")]
    Shining { lamp: String },
    #[fsm(resting, failed)]
    Gone,
}

impl LampTransitions for Provider {
    type Error = Refused;

    async fn hang(&self, from: Wanted, attempt: &LampAttempt) -> Result<Shining, Refused> {
        Ok(from.shining(self.make("lamp", attempt).await?))
    }
    async fn take_down(&self, made: &Shining, _: &LampAttempt) -> Result<Undone, Refused> {
        self.remove(&made.lamp).await.map(Undone::from)
    }
    async fn see_it_gone(&self, from: Shining, attempt: &LampAttempt) -> Result<Wait<Gone>, Refused> {
        Ok(if self.find("lamp", attempt).await?.is_none() { Wait::Done(from.gone()) } else { Wait::NotYet })
    }
}

#[tokio::test]
async fn what_is_gone_is_seen_at_once_when_somebody_asks_for_it() {
    let Some(cluster) = Cluster::join("verified").await else { return };
    cluster.create("alice").await;
    let store = AnnotationStore::of::<Worker>(cluster.client.clone()).mirrored_in("licence");
    let provider = Provider::Here(cluster.shelf.clone());
    let runner = Runner::<LampFlow, _>::builder(provider.clone(), store.clone()).build();
    let lamps: Reconciler<Worker, LampFlow, Provider> = Reconciler::of(runner, store, Metrics::new()).unwrap();
    let outcome = cluster.settle(&lamps, "alice").await;
    let Outcome::Watching { state: LampState::Shining(at), .. } = outcome else { panic!("it does not rest") };
    provider.remove(&at.lamp).await.unwrap();
    assert!(matches!(cluster.settle(&lamps, "alice").await, Outcome::Watching { .. }), "it is not time to look");
    let annotation = lamps.names().verb(Verb::Verify);
    cluster.patch("alice", json!({ "metadata": { "annotations": { &annotation: "" } } })).await;
    assert!(matches!(cluster.settle(&lamps, "alice").await, Outcome::Resting(LampState::Gone(_))));
    let worker = cluster.workers.get("alice").await.unwrap();
    assert!(!worker.metadata.annotations.unwrap_or_default().contains_key(&annotation), "it is carried out once");
    assert!(events(&cluster, "alice").await.iter().any(|(reason, _)| reason == "Verify"));
}
