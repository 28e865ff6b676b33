//! What the status says of a deletion: what it waits for, which undo fails, and that it is refused.

use durable_fsm::{Fsm, Outcome, ResourceId, Undone};
use durable_fsm_kube::{AnnotationStore, Reconciler};
use kube::api::DeleteParams;
use serde_json::json;

use crate::chain::ChainFlow;
use crate::cluster::Cluster;
use crate::controller::condition;
use crate::provider::{Provider, Refused};
use crate::worker::{Worker, WorkerSpec};

/// A worker that may not be deleted while its notes say so.
#[derive(Clone)]
pub struct Guarded(Worker);

impl From<Worker> for Guarded {
    fn from(worker: Worker) -> Self {
        Self(worker)
    }
}

impl durable_fsm::Resource for Guarded {
    type Spec = WorkerSpec;

    fn id(&self) -> ResourceId {
        self.0.id()
    }
    fn uid(&self) -> &str {
        self.0.uid()
    }
    fn spec(&self) -> &WorkerSpec {
        self.0.spec()
    }
    fn generation(&self) -> u64 {
        self.0.generation()
    }
    fn deleting(&self) -> bool {
        self.0.deleting()
    }
    fn keeps(&self) -> Option<String> {
        (self.0.spec.notes.as_deref() == Some("keep")).then(|| "its notes say so".to_owned())
    }
}

#[derive(Fsm)]
#[fsm(name = "test.durable-fsm.io/guarded", version = 1, resource = Guarded, transport = once)]
pub enum GuardedFlow {
    #[fsm(initial)]
    #[transition(lend -> Lent, in_doubt = repeat, undo = take_back)]
    Wanted,
    #[fsm(resting)]
    Lent { loan: String },
}

impl GuardedTransitions for Provider {
    type Error = Refused;

    async fn lend(&self, from: Wanted, attempt: &GuardedAttempt) -> Result<Lent, Refused> {
        Ok(from.lent(attempt.key().to_owned()))
    }
    async fn take_back(&self, _: &Lent, _: &GuardedAttempt) -> Result<Undone, Refused> {
        Ok(Undone::Done)
    }
}

/// Phase and reason, and the message of the condition.
async fn says(cluster: &Cluster) -> (String, String, String) {
    let worker = cluster.workers.get("alice").await.unwrap();
    let message = condition(&worker, "Ready").2.to_owned();
    let fsm = worker.status.unwrap().fsm.unwrap();
    (fsm.phase.unwrap(), fsm.reason.unwrap(), message)
}

#[tokio::test]
async fn a_deletion_says_what_it_waits_for_and_until_when() {
    let Some(cluster) = Cluster::join("waits").await else { return };
    cluster.create("alice").await;
    let reconciler = cluster.reconciler();
    let _ = cluster.settle(&reconciler, "alice").await;
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    let (_, outcome) = reconciler.pass(&cluster.named("alice")).await.unwrap();
    assert!(matches!(outcome, Outcome::Progressing { .. }));
    let (phase, reason, message) = says(&cluster).await;
    assert_eq!((&*phase, &*reason), ("Deleting", "Deleting"));
    assert!(message.contains("`announce`") && message.contains("until 20"), "{message}");
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Gone));
}

#[tokio::test]
async fn an_undo_that_fails_is_a_phase_of_the_deletion() {
    let Some(cluster) = Cluster::join("fails").await else { return };
    cluster.create("alice").await;
    let store = AnnotationStore::of::<Worker>(cluster.client.clone());
    let reconciler = Reconciler::<Worker, ChainFlow, _>::new(Provider::Here(cluster.shelf.clone()), store).unwrap();
    let _ = cluster.settle(&reconciler, "alice").await;
    cluster.shelf.refuse(Some(429));
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    let (_, outcome) = reconciler.pass(&cluster.named("alice")).await.unwrap();
    assert!(matches!(outcome, Outcome::Progressing { .. }));
    let (phase, reason, message) = says(&cluster).await;
    assert_eq!((&*phase, &*reason), ("Deleting", "Deleting"));
    assert!(message.contains("the undo of `add_notice` failed once, and is tried again at 20"), "{message}");
    assert!(message.contains("the provider answered 429; undoing: 4 effects left"), "{message}");
    cluster.shelf.refuse(None);
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Gone));
    assert!(cluster.shelf.live().is_empty());
}

#[tokio::test]
async fn a_deletion_that_is_refused_is_a_condition_with_the_reason() {
    let Some(cluster) = Cluster::join("kept").await else { return };
    cluster.create("alice").await;
    cluster.patch("alice", json!({ "spec": { "notes": "keep" } })).await;
    let store = AnnotationStore::of::<Worker>(cluster.client.clone());
    let reconciler = Reconciler::<Worker, GuardedFlow, _>::new(Provider::Here(cluster.shelf.clone()), store).unwrap();
    let (_, outcome) = reconciler.pass(&cluster.named("alice")).await.unwrap();
    assert!(matches!(outcome, Outcome::Resting(_)));
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    let _ = reconciler.pass(&cluster.named("alice")).await.unwrap();
    let worker = cluster.workers.get("alice").await.unwrap();
    let (status, reason, message) = condition(&worker, "Stalled");
    assert_eq!((status, reason), ("True", "DeletionRefused"));
    assert!(message.contains("its deletion is refused: its notes say so"), "{message}");
    cluster.patch("alice", json!({ "spec": { "notes": null } })).await;
    let (_, outcome) = reconciler.pass(&cluster.named("alice")).await.unwrap();
    assert!(matches!(outcome, Outcome::Gone));
}
