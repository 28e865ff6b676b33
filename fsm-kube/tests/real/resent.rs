//! Requests that the client sends twice, because the answer to the first did not come through.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use durable_fsm::Outcome;
use durable_fsm_kube::{AnnotationStore, Reconciler};
use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use kube::client::retry::RetryPolicy;
use tower::retry::RetryLayer;
use tower::{ServiceBuilder, ServiceExt as _};

use crate::cluster::{Cluster, WorkerReconciler};
use crate::provider::Provider;
use crate::worker::{Worker, WorkerState};

#[tokio::test]
async fn a_write_that_conflicts_with_its_own_first_sending_is_known_for_ours() {
    let Some(cluster) = Cluster::join("resent").await else { return };
    let created = cluster.create("alice").await;
    let (client, conflicts) = gateway(&cluster);
    let store = AnnotationStore::of::<Worker>(client);
    let reconciler: WorkerReconciler = Reconciler::new(Provider::Here(cluster.shelf.clone()), store).unwrap();
    let (_, outcome) = reconciler.pass(&created).await.unwrap();
    assert!(matches!(outcome, Outcome::Resting(WorkerState::Ready(_))));
    let conflicts = conflicts.load(Ordering::SeqCst);
    assert!(conflicts >= 4, "{conflicts} second sendings met the first");
    assert_eq!((cluster.shelf.calls(), cluster.shelf.live().len()), (8, 8));
}

/// A client behind a gateway that loses the answer to every other patch, and how many second sendings were answered with a conflict. It sends
/// again as every client does that kube makes.
fn gateway(cluster: &Cluster) -> (Client, Arc<AtomicU32>) {
    let (patches, conflicts) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (client, counted) = (cluster.client.clone(), Arc::clone(&conflicts));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, patches, conflicts) = (client.clone(), Arc::clone(&patches), Arc::clone(&counted));
        async move {
            let is_patch = request.method() == Method::PATCH;
            let response = client.send(request).await?;
            if is_patch && response.status() == StatusCode::CONFLICT {
                conflicts.fetch_add(1, Ordering::SeqCst);
            }
            if is_patch && response.status().is_success() && patches.fetch_add(1, Ordering::SeqCst) % 2 == 0 {
                return Ok(Response::builder().status(503).body(Body::empty())?);
            }
            Ok::<_, tower::BoxError>(response)
        }
    });
    let service =
        ServiceBuilder::new().layer(RetryLayer::new(RetryPolicy::server_retry())).service(service.boxed_clone());
    (Client::new(service, cluster.namespace.clone()), conflicts)
}
