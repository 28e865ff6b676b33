//! An object that is made again under its name while a replica still acts for the one that was there before.

use durable_fsm::Outcome;
use durable_fsm_kube::{AnnotationStore, Reconciler};
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use kube_api_server::ApiServer;

use crate::cluster::{Cluster, WorkerReconciler};
use crate::provider::Provider;
use crate::worker::{Worker, WorkerState};

#[tokio::test]
async fn a_pass_that_comes_back_to_a_namesake_ends_and_leaves_it_alone() {
    let Some(cluster) = Cluster::join("namesake").await else { return };
    let old = cluster.create("alice").await;
    let stopped = cluster.shelf.stop_after("account");
    // A replica that stands still in an effect, its clocks included.
    let (shelf, object) = (cluster.shelf.clone(), old.clone());
    let replica = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = ApiServer::shared().await.unwrap().client().await.unwrap();
            let store = AnnotationStore::of::<Worker>(client);
            let reconciler: WorkerReconciler = Reconciler::new(Provider::Here(shelf), store).unwrap();
            reconciler.pass(&object).await.unwrap().1
        })
    });
    let stopped = blocking(move || {
        stopped.wait();
        stopped
    })
    .await;
    // Another one undoes what there is, and lets the object go.
    let reconciler = cluster.reconciler();
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Gone));
    assert!(cluster.shelf.live().is_empty());
    let (namesake, calls) = (cluster.create("alice").await, cluster.shelf.calls());
    assert_ne!(namesake.uid(), old.uid());

    stopped.go_on();
    let outcome = blocking(move || replica.join().unwrap()).await;
    assert!(matches!(outcome, Outcome::Gone), "it went on: {:?}", outcome.state().map(WorkerState::name));
    let found = cluster.workers.get("alice").await.unwrap();
    assert_eq!(found.resource_version(), namesake.resource_version());
    assert_eq!(cluster.shelf.calls(), calls);
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Resting(_)));
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}
