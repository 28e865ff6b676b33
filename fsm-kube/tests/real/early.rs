//! What the status says while a pass is under way, and what a pass makes of an object that is out of date.

use std::sync::{Arc, Mutex};

use durable_fsm::Outcome;
use durable_fsm::record::HeldReason;
use durable_fsm_kube::Reconciler;
use kube::api::PostParams;

use crate::chain::{ChainFlow, ChainState};
use crate::cluster::Cluster;
use crate::controller::{condition, events, wait_for};
use crate::provider::Provider;
use crate::worker::{Worker, WorkerState};

type ChainReconciler = Reconciler<Worker, ChainFlow, Provider>;

/// The requests of a controller: method and path.
type Requests = Arc<Mutex<Vec<String>>>;

/// A controller of which the requests are noted.
fn noted(cluster: &Cluster) -> (ChainReconciler, Requests) {
    let requests = Requests::default();
    let noted = Arc::clone(&requests);
    let store = cluster.store_through(move |request| {
        let subresource = if request.uri().path().ends_with("/status") { " status" } else { "" };
        if request.uri().path().contains("/workers/") {
            noted.lock().unwrap().push(format!("{}{subresource}", request.method()));
        }
        std::future::ready(request)
    });
    (Reconciler::new(Provider::Here(cluster.shelf.clone()), store).unwrap(), requests)
}

#[tokio::test]
async fn the_status_says_that_work_has_begun_before_the_first_effect() {
    let Some(cluster) = Cluster::join("begun").await else { return };
    let created = cluster.create("alice").await;
    let gate = cluster.shelf.gate("account");
    let (reconciler, _) = noted(&cluster);
    let begun = async {
        wait_for(|| async { cluster.workers.get("alice").await.unwrap().status.is_some() }).await;
        assert_eq!(cluster.shelf.calls(), 0);
        let worker = cluster.workers.get("alice").await.unwrap();
        assert_eq!((condition(&worker, "Reconciling").0, condition(&worker, "Ready").0), ("True", "False"));
        let status = worker.status.unwrap();
        assert!(status.conditions.iter().all(|it| it.observed_generation == Some(1)));
        let fsm = status.fsm.unwrap();
        assert_eq!(
            (status.observed_generation, fsm.step.as_deref(), fsm.attempt),
            (Some(1), Some("add_account"), Some(1))
        );
        gate.notify_one();
    };
    let (passed, ()) = tokio::join!(reconciler.pass(&created), begun);
    assert!(matches!(passed.unwrap().1, Outcome::Resting(ChainState::Ready(_))));
    // What is under way is no Event.
    let told: Vec<String> = events(&cluster, "alice").await.into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(told, ["AsDeclared"]);
}

#[tokio::test]
async fn a_slow_pass_says_what_is_under_way_and_reads_nothing_for_it() {
    let Some(cluster) = Cluster::join("slow").await else { return };
    let created = cluster.create("alice").await;
    let gate = cluster.shelf.gate("config");
    let (reconciler, requests) = noted(&cluster);
    let slow = async {
        wait_for(|| async {
            let status = cluster.workers.get("alice").await.unwrap().status;
            status.and_then(|it| it.fsm?.step).as_deref() == Some("add_config")
        })
        .await;
        gate.notify_one();
    };
    let (passed, ()) = tokio::join!(reconciler.pass(&created), slow);
    assert!(matches!(passed.unwrap().1, Outcome::Resting(ChainState::Ready(_))));
    // Our own write of the status is no conflict for the next write of the record.
    let requests = requests.lock().unwrap();
    let [patch, status] = ["PATCH", "PATCH status"];
    assert_eq!(*requests, [patch, status, patch, patch, status, patch, patch, status]);
    assert_eq!(cluster.shelf.calls(), 4);
}

#[tokio::test]
async fn an_object_that_is_out_of_date_costs_a_read_and_never_an_effect() {
    let Some(cluster) = Cluster::join("behind").await else { return };
    let created = cluster.create("alice").await;
    let (first, _) = noted(&cluster);
    assert!(matches!(first.pass(&created).await.unwrap().1, Outcome::Resting(ChainState::Ready(_))));
    // Another controller has only heard of the creation.
    let (second, requests) = noted(&cluster);
    assert!(matches!(second.pass(&created).await.unwrap().1, Outcome::Resting(ChainState::Ready(_))));
    assert_eq!(*requests.lock().unwrap(), ["PATCH", "GET"]);
    assert_eq!((cluster.shelf.calls(), cluster.shelf.live().len()), (4, 4));
    // From now on it knows that this object is older than what it has seen.
    requests.lock().unwrap().clear();
    let _ = second.pass(&created).await.unwrap();
    assert_eq!(*requests.lock().unwrap(), ["GET"]);
    // The object as it is now is as good as a read.
    requests.lock().unwrap().clear();
    let _ = second.pass(&cluster.workers.get("alice").await.unwrap()).await.unwrap();
    assert!(requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_type_without_the_status_does_not_hide_that_a_record_is_lost() {
    let Some(cluster) = Cluster::join("partial").await else { return };
    let created = cluster.create("alice").await;
    let (reconciler, requests) = noted(&cluster);
    assert!(matches!(reconciler.pass(&created).await.unwrap().1, Outcome::Resting(ChainState::Ready(_))));
    let mut replaced = cluster.workers.get("alice").await.unwrap();
    (replaced.metadata.annotations, replaced.metadata.finalizers) = (None, None);
    let replaced = cluster.workers.replace("alice", &PostParams::default(), &replaced).await.unwrap();
    let partial = Worker { status: None, ..replaced };
    requests.lock().unwrap().clear();
    let (_, outcome) = reconciler.pass(&partial).await.unwrap();
    assert!(matches!(outcome, Outcome::Held { reason: HeldReason::RecordLost, .. }));
    assert_eq!(*requests.lock().unwrap(), ["GET", "PATCH status"]);
    assert_eq!((cluster.shelf.calls(), cluster.shelf.live().len()), (4, 4));
}

#[tokio::test]
async fn a_worker_of_eight_effects_is_never_read() {
    let Some(cluster) = Cluster::join("unread").await else { return };
    let created = cluster.create("alice").await;
    let requests = Requests::default();
    let noted = Arc::clone(&requests);
    let reconciler = cluster.reconciler_through(move |request| {
        noted.lock().unwrap().push(request.method().to_string());
        std::future::ready(request)
    });
    assert!(matches!(reconciler.pass(&created).await.unwrap().1, Outcome::Resting(WorkerState::Ready(_))));
    assert!(!requests.lock().unwrap().iter().any(|it| it == "GET"));
}
