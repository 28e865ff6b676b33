//! What a controller does with an object: it carries it forward, publishes where it is, and takes everything back on deletion.

use std::sync::Arc;
use std::time::Duration;

use durable_fsm::Outcome;
use durable_fsm_kube::{Reconciler, predicate};
use futures::StreamExt as _;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, WatchStreamExt as _, reflector, watcher};
use kube::{Api, ResourceExt as _};

use crate::cluster::Cluster;
use crate::worker::{Worker, WorkerState};

/// The reasons of the Events about an object, oldest first.
pub async fn events(cluster: &Cluster, name: &str) -> Vec<(String, String)> {
    let events: Api<Event> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let mut found = events.list(&ListParams::default()).await.unwrap().items;
    found.retain(|event| event.regarding.as_ref().is_some_and(|it| it.name.as_deref() == Some(name)));
    found.sort_by_key(|event| event.event_time.as_ref().map(|time| time.0));
    found.into_iter().map(|it| (it.reason.unwrap_or_default(), it.note.unwrap_or_default())).collect()
}

pub fn condition<'w>(worker: &'w Worker, name: &str) -> (&'w str, &'w str, &'w str) {
    let conditions = &worker.status.as_ref().unwrap().conditions;
    let it = conditions.iter().find(|it| it.type_ == name).unwrap();
    (&it.status, &it.reason, &it.message)
}

#[tokio::test]
async fn an_object_goes_its_way_says_where_it_is_and_leaves_nothing_behind() {
    let Some(cluster) = Cluster::join("way").await else { return };
    cluster.create("alice").await;
    let reconciler = cluster.reconciler();
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Resting(WorkerState::Ready(_))));
    let worker = cluster.workers.get("alice").await.unwrap();
    assert_eq!(condition(&worker, "Ready").0, "True");
    assert_eq!(condition(&worker, "Stalled").0, "False");
    let conditions = &worker.status.as_ref().unwrap().conditions;
    assert!(conditions.iter().all(|it| it.observed_generation == worker.metadata.generation));
    let status = worker.status.as_ref().unwrap().fsm.clone().unwrap();
    let record = reconciler.runner().inspect(&durable_fsm::Resource::id(&worker)).await.unwrap().unwrap();
    assert_eq!((status.seq, status.state.as_deref()), (Some(record.seq), Some("Ready")));
    assert_eq!((status.phase.as_deref(), status.reason.as_deref()), (Some("Ready"), Some("AsDeclared")));
    assert_eq!(events(&cluster, "alice").await, [("AsDeclared".to_owned(), "it rests in Ready".to_owned())]);

    assert_eq!(worker.status.as_ref().unwrap().observed_generation, worker.metadata.generation);

    // One more pass changes nothing on the server, and asks for another, whether or not an event comes.
    let (action, _) = reconciler.pass(&worker).await.unwrap();
    assert_ne!(action, Action::await_change());
    assert_eq!(cluster.workers.get("alice").await.unwrap().resource_version(), worker.resource_version());

    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    assert!(matches!(cluster.settle(&reconciler, "alice").await, Outcome::Gone));
    assert!(cluster.workers.get_opt("alice").await.unwrap().is_none());
    assert!(cluster.shelf.live().is_empty());
}

#[tokio::test]
async fn a_controller_reconciles_what_it_watches_and_does_not_wake_itself_up() {
    let Some(cluster) = Cluster::join("watching").await else { return };
    let reconciler = cluster.reconciler();
    let (reader, writer) = reflector::store();
    let workers = watcher(cluster.workers.clone(), watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects()
        .predicate_filter(predicate(reconciler.names().clone()), Default::default());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let passes = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = Arc::clone(&passes);
    let controller = Controller::for_stream(workers, reader)
        .graceful_shutdown_on(async { drop(stopped.await) })
        .run(Reconciler::reconcile, Reconciler::error_policy, Arc::new(reconciler))
        .for_each(move |_| {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            std::future::ready(())
        });
    let controller = tokio::spawn(controller);
    cluster.create("alice").await;
    wait_for(|| async { cluster.workers.get("alice").await.is_ok_and(|it| is_ready(&it)) }).await;
    cluster.patch("alice", serde_json::json!({ "spec": { "image": "web:2" } })).await;
    wait_for(|| async {
        let worker = cluster.workers.get("alice").await.unwrap();
        is_ready(&worker)
            && condition(&worker, "Ready").0 == "True"
            && worker.status.unwrap().conditions[0].observed_generation == Some(2)
    })
    .await;
    cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    wait_for(|| async { cluster.workers.get_opt("alice").await.unwrap().is_none() }).await;
    drop(stop);
    controller.await.unwrap();
    assert!(cluster.shelf.live().is_empty());
    // Birth, our mark, the edit and the deletion wake it up, and the passes ask for a few more; its 30 writes do not.
    let passes = passes.load(std::sync::atomic::Ordering::SeqCst);
    assert!(passes < 30, "{passes} passes");
}

fn is_ready(worker: &Worker) -> bool {
    let conditions = worker.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True")
}

/// Asks until the answer is yes, for a minute at most.
pub async fn wait_for<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) {
    let asked = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap();
}
