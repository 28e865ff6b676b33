//! A whole controller: each `Worker` gets a home, which is a ConfigMap in its namespace.

use std::sync::Arc;

use durable_fsm::{Class, Classify, Fsm, Undone};
use durable_fsm_kube::{AnnotationStore, FsmStatus, Reconciler, predicate, strip_managed_fields};
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::runtime::{Controller, WatchStreamExt, reflector, watcher};
use kube::{Api, Client, CustomResource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(group = "example.io", version = "v1", kind = "Worker", namespaced, status = "WorkerStatus")]
struct WorkerSpec {
    image: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WorkerStatus {
    fsm: Option<FsmStatus>,
    #[serde(default)]
    conditions: Vec<Condition>,
    observed_generation: Option<i64>,
}

durable_fsm_kube::resource!(Worker, WorkerSpec);

/// Provisions one worker.
#[derive(Fsm)]
#[fsm(name = "example.io/worker", version = 1, resource = Worker)]
enum WorkerFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(create_home -> Ready, in_doubt = repeat, undo = delete_home)]
    Requested,
    /// The worker has a home. The machine rests here.
    #[fsm(resting)]
    Ready { home: String },
}

struct Provisioner(Client);

#[derive(Debug, thiserror::Error)]
#[error("the request about the home failed: {0}")]
struct HomeError(#[from] kube::Error);

impl Classify for HomeError {
    fn classify(&self) -> Class {
        durable_fsm_kube::classify(&self.0)
    }
}

impl Provisioner {
    fn homes(&self, attempt: &WorkerAttempt) -> Api<ConfigMap> {
        let namespace = attempt.resource().metadata.namespace.as_deref().unwrap_or_default();
        Api::namespaced(self.0.clone(), namespace)
    }
}

impl WorkerTransitions for Provisioner {
    type Error = HomeError;

    async fn create_home(&self, from: Requested, attempt: &WorkerAttempt) -> Result<Ready, HomeError> {
        // The name contains the idempotency key, so what has this name was created by an earlier attempt.
        let name = format!("home-{}", attempt.key());
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let home = ConfigMap { metadata, ..ConfigMap::default() };
        match self.homes(attempt).create(&PostParams::default(), &home).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            created => drop(created?),
        }
        Ok(from.ready(name))
    }

    async fn delete_home(&self, made: &Ready, attempt: &WorkerAttempt) -> Result<Undone, HomeError> {
        match self.homes(attempt).delete(&made.home, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            deleted => drop(deleted?),
        }
        Ok(Undone::Done)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::try_default().await?;
    let store = AnnotationStore::of::<Worker>(client.clone());
    let reconciler = Reconciler::<Worker, WorkerFlow, _>::new(Provisioner(client.clone()), store)?;
    reconciler.check().await?;

    let (reader, writer) = reflector::store();
    let workers = watcher(Api::<Worker>::all(client), watcher::Config::default())
        .default_backoff()
        .modify(strip_managed_fields)
        .reflect(writer)
        .applied_objects()
        .predicate_filter(predicate(reconciler.names().clone()), Default::default());
    Controller::for_stream(workers, reader)
        .shutdown_on_signal()
        .run(Reconciler::reconcile, Reconciler::error_policy, Arc::new(reconciler))
        .for_each(|_| std::future::ready(()))
        .await;
    Ok(())
}
