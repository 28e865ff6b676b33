//! The controller of a machine, as any operator would write it. Its effects cost nothing.

use std::sync::Arc;

use durable_fsm::Undone;
use durable_fsm_kube::{AnnotationStore, Reconciler, predicate, strip_managed_fields};
use futures::StreamExt as _;
use kube::Api;
use kube::runtime::{Controller, WatchStreamExt as _, controller, reflector, watcher};

use crate::CONCURRENCY;
use crate::chain::{ChainAttempt, ChainFlow, ChainTransitions, Configured, Known, Noticed, Ready, Requested, Routed};
use crate::provider::Refused;
use crate::worker::Worker;

pub async fn run() {
    let client = crate::client("ours").await;
    let store = AnnotationStore::of::<Worker>(client.clone());
    let reconciler = Reconciler::<Worker, ChainFlow, _>::new(Free, store).unwrap();
    let (reader, writer) = reflector::store();
    let workers = watcher(Api::<Worker>::all(client), watcher::Config::default())
        .default_backoff()
        .modify(strip_managed_fields)
        .reflect(writer)
        .applied_objects()
        .predicate_filter(predicate(reconciler.names().clone()), Default::default());
    Controller::for_stream(workers, reader)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .run(Reconciler::reconcile, Reconciler::error_policy, Arc::new(reconciler))
        .for_each(|_| std::future::ready(()))
        .await;
}

pub fn is_ready(worker: &Worker) -> bool {
    let conditions = worker.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True")
}

/// A provider that is always there and answers at once.
struct Free;

impl ChainTransitions for Free {
    type Error = Refused;

    async fn add_account(&self, from: Requested, attempt: &ChainAttempt) -> Result<Known, Refused> {
        Ok(from.known(attempt.key().to_owned()))
    }
    async fn remove_account(&self, _: &Known, _: &ChainAttempt) -> Result<Undone, Refused> {
        Ok(Undone::Done)
    }
    async fn add_route(&self, from: Known, attempt: &ChainAttempt) -> Result<Routed, Refused> {
        Ok(from.routed(attempt.key().to_owned()))
    }
    async fn remove_route(&self, _: &Routed, _: &ChainAttempt) -> Result<Undone, Refused> {
        Ok(Undone::Done)
    }
    async fn add_config(&self, from: Routed, attempt: &ChainAttempt) -> Result<Configured, Refused> {
        Ok(from.configured(attempt.key().to_owned()))
    }
    async fn remove_config(&self, _: &Configured, _: &ChainAttempt) -> Result<Undone, Refused> {
        Ok(Undone::Done)
    }
    async fn add_notice(&self, from: Configured, attempt: &ChainAttempt) -> Result<Noticed, Refused> {
        Ok(from.noticed(attempt.key().to_owned()))
    }
    async fn remove_notice(&self, _: &Noticed, _: &ChainAttempt) -> Result<Undone, Refused> {
        Ok(Undone::Done)
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
