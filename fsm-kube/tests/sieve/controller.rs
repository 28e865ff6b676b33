//! A controller as an operator's author writes it: watcher, reflector, predicate, `kube`'s controller, and the reconciler. Only time,
//! chance and the watcher's jittered backoff are replaced.

use std::sync::Arc;
use std::time::Duration;

use durable_fsm::Runner;
use durable_fsm_kube::{AnnotationStore, Metrics, Reconciler, Runs, predicate};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use kube::runtime::utils::Backoff;
use kube::runtime::{Controller, WatchStreamExt as _, reflector, watcher};
use kube::{Api, Client};

use crate::clock::TokioClock;
use crate::shelf::Shelf;
use crate::worker::Worker;

/// What runs a controller until it is dropped, given its client, the provider, and how many controllers there were before it.
pub type Operate = fn(Client, Shelf, u64) -> BoxFuture<'static, ()>;

/// The controller of a machine.
pub fn operate<M>(client: Client, provider: Shelf, incarnation: u64) -> BoxFuture<'static, ()>
where
    M: Runs<Shelf, Resource = Worker> + 'static,
    M::State: Sync,
{
    Box::pin(async move {
        let store = AnnotationStore::of::<Worker>(client.clone());
        let metrics = Metrics::new();
        let runner = Runner::<M, Shelf>::builder(provider, store.clone())
            .clock(TokioClock::new(incarnation))
            .probe(metrics.clone())
            .build();
        let reconciler = Reconciler::<Worker, M, Shelf>::of(runner, store, metrics).unwrap();
        let (reader, writer) = reflector::store();
        let workers = watcher(Api::<Worker>::all(client), watcher::Config::default())
            .backoff(Steady)
            .reflect(writer)
            .applied_objects()
            .predicate_filter(predicate(reconciler.names().clone()), Default::default());
        Controller::for_stream(workers, reader)
            .run(Reconciler::reconcile, Reconciler::error_policy, Arc::new(reconciler))
            .for_each(|_| std::future::ready(()))
            .await;
    })
}

/// A second between two tries of a watcher.
pub struct Steady;

impl Iterator for Steady {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

impl Backoff for Steady {
    fn reset(&mut self) {}
}
