//! The glue between a runner and a Kubernetes controller. Invariant: what is published (status, Events, metrics) is told after it is
//! recorded, and failing to publish never fails a pass.

mod publish;
mod requests;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use durable_fsm::{Machine, OperateError, Outcome, Probe, RecordId, Resource as _, Runner, StoreError};
use kube::runtime::controller::Action;
use serde::de::DeserializeOwned;
use tracing::Instrument as _;

use crate::{AnnotationStore, FIELD_MANAGER, Metrics, Names};

/// A machine that a runner can run with the transitions `T`. Implemented by the derive.
pub trait Runs<T>: Machine + durable_fsm::__private::Dispatch<T> {}

impl<T, M: durable_fsm::__private::Dispatch<T>> Runs<T> for M {}

/// Reconciles objects of kind `K` with machine `M`: carries out what operators ask for, makes one pass, and publishes where the resource
/// is. Cheap to clone.
///
/// It is the reconcile function of a `kube::runtime::Controller`, or a call inside one of yours:
///
/// ```no_run
/// # mod worker {
/// # use durable_fsm::{Class, Classify, Fsm};
/// # use kube::CustomResource;
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
/// # #[kube(group = "example.io", version = "v1", kind = "Worker", namespaced)]
/// # pub struct WorkerSpec {}
/// # durable_fsm_kube::resource!(Worker, WorkerSpec);
/// # #[derive(Fsm)]
/// # #[fsm(name = "example.io/worker", version = 1, resource = Worker)]
/// # pub enum WorkerFlow {
/// #     #[fsm(initial)]
/// #     #[transition(register -> Registered, in_doubt = repeat, undo = deregister)]
/// #     Requested,
/// #     #[fsm(resting)]
/// #     Registered { user_id: String },
/// # }
/// # pub struct Provisioner;
/// # #[derive(Debug, thiserror::Error)]
/// # #[error("no")]
/// # pub struct No;
/// # impl Classify for No {}
/// # impl WorkerTransitions for Provisioner {
/// #     type Error = No;
/// #     async fn register(&self, from: Requested, _: &WorkerAttempt) -> Result<Registered, No> { Ok(from.registered(String::new())) }
/// #     async fn deregister(&self, _: &Registered, _: &WorkerAttempt) -> Result<(), No> { Ok(()) }
/// # }
/// # }
/// # use worker::*;
/// use std::sync::Arc;
///
/// use durable_fsm_kube::{AnnotationStore, Reconciler, predicate};
/// use futures::StreamExt;
/// use kube::runtime::{Controller, WatchStreamExt, reflector, watcher};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = kube::Client::try_default().await?;
/// let store = AnnotationStore::of::<Worker>(client.clone());
/// let reconciler = Reconciler::<Worker, WorkerFlow, _>::new(Provisioner, store)?;
///
/// let (reader, writer) = reflector::store();
/// let workers = watcher(kube::Api::<Worker>::all(client), watcher::Config::default())
///     .default_backoff()
///     .reflect(writer)
///     .applied_objects()
///     .predicate_filter(predicate(reconciler.names().clone()), Default::default());
/// Controller::for_stream(workers, reader)
///     .shutdown_on_signal()
///     .run(Reconciler::reconcile, Reconciler::error_policy, Arc::new(reconciler))
///     .for_each(|_| std::future::ready(()))
///     .await;
/// # Ok(())
/// # }
/// ```
pub struct Reconciler<K, M: Machine, T, P = Metrics> {
    runner: Runner<M, T, P>,
    store: AnnotationStore,
    names: Names,
    /// Who publishes Events: one name for each process.
    reporter: String,
    metrics: Metrics,
    kind: PhantomData<fn() -> K>,
}

impl<K, M: Machine, T, P> Clone for Reconciler<K, M, T, P> {
    fn clone(&self) -> Self {
        Self {
            runner: self.runner.clone(),
            store: self.store.clone(),
            names: self.names.clone(),
            reporter: self.reporter.clone(),
            metrics: self.metrics.clone(),
            kind: PhantomData,
        }
    }
}

impl<K, M: Machine, T, P> fmt::Debug for Reconciler<K, M, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconciler").field("runner", &self.runner).finish_non_exhaustive()
    }
}

impl<K, M: Runs<T>, T: Send + Sync + 'static> Reconciler<K, M, T> {
    /// A reconciler with metrics of its own, on the system's clock.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if the machine's name makes no annotation key.
    pub fn new(transitions: T, store: AnnotationStore) -> Result<Self, StoreError> {
        let metrics = Metrics::new();
        let runner = Runner::builder(transitions, store.clone()).probe(metrics.clone()).build();
        Self::of(runner, store, metrics)
    }
}

/// How long a resource that a person has to look at is left alone, should no event tell that it was mended.
const HELD_FOR: Duration = Duration::from_secs(300);

/// How long a resource is left alone after the API server has failed.
const FAILED_FOR: Duration = Duration::from_secs(5);

impl<K, M: Runs<T>, T: Send + Sync + 'static, P: Probe> Reconciler<K, M, T, P> {
    /// A reconciler around a runner that was built elsewhere, on this store.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if the machine's name makes no annotation key.
    pub fn of(runner: Runner<M, T, P>, store: AnnotationStore, metrics: Metrics) -> Result<Self, StoreError> {
        let names = store.names(M::GRAPH.name)?;
        let reporter = format!("{FIELD_MANAGER}-{:08x}", fastrand::u32(..));
        Ok(Self { runner, store, names, reporter, metrics, kind: PhantomData })
    }

    /// The runner.
    pub fn runner(&self) -> &Runner<M, T, P> {
        &self.runner
    }

    /// The names that are used on objects.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The metrics, to be registered.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

impl<K, M, T, P> Reconciler<K, M, T, P>
where
    K: kube::Resource + Clone + DeserializeOwned + Into<M::Resource> + Send + Sync + 'static,
    M: Runs<T>,
    T: Send + Sync + 'static,
    P: Probe,
{
    /// Reconciles one object, and says when to come back. The object is read again first: what a watch has delivered may be old.
    ///
    /// # Errors
    /// The store's. What the author's methods fail with is recorded, and shows in the status.
    pub async fn reconcile(object: Arc<K>, this: Arc<Self>) -> Result<Action, StoreError> {
        this.pass(&object).await.map(|(action, _)| action)
    }

    /// What to do after an error of the API server: try again in a few seconds.
    #[must_use]
    pub fn error_policy(_: Arc<K>, error: &StoreError, _: Arc<Self>) -> Action {
        tracing::warn!(%error, "the API server failed");
        Action::requeue(FAILED_FOR + FAILED_FOR.mul_f64(fastrand::f64()))
    }

    /// As [`reconcile`](Self::reconcile), for a reconcile function of your own that also wants to know how the pass ended.
    ///
    /// # Errors
    /// The store's.
    pub async fn pass(&self, object: &K) -> Result<(Action, Outcome<M::State>), StoreError> {
        let metadata = object.meta();
        let id = durable_fsm::ResourceId::new(
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone().unwrap_or_default(),
        );
        let record = RecordId { machine: M::GRAPH.name.to_owned(), resource: id };
        let span = tracing::info_span!(
            "reconcile",
            machine = %record.machine,
            resource = %record.resource,
            uid = metadata.uid.as_deref().unwrap_or_default()
        );
        self.pass_over(&record).instrument(span).await
    }

    async fn pass_over(&self, id: &RecordId) -> Result<(Action, Outcome<M::State>), StoreError> {
        let Some(resource) = self.look_and_operate(id).await? else {
            self.metrics.forget(&id.machine, &id.resource);
            return Ok((Action::await_change(), Outcome::Gone));
        };
        debug_assert_eq!(resource.id(), id.resource, "the machine's resource is the object");
        let outcome = match self.runner.reconcile(&resource).await {
            Ok(outcome) => outcome,
            Err(StoreError::Invalid(why)) => {
                self.publish_invalid(id, &why).await;
                return Err(StoreError::Invalid(why));
            }
            Err(error) => return Err(error),
        };
        self.publish(id, &outcome).await;
        let action = match &outcome {
            Outcome::Held { .. } => Action::requeue(HELD_FOR),
            outcome => outcome.requeue_after().map_or_else(Action::await_change, Action::requeue),
        };
        Ok((action, outcome))
    }

    /// Reads the object and carries out what is asked for on it, until nothing is; then gives the resource. None if it is gone.
    async fn look_and_operate(&self, id: &RecordId) -> Result<Option<M::Resource>, StoreError> {
        loop {
            let api = self.store.api(&id.resource);
            let object = match api.get(&id.resource.name).await {
                Ok(object) => object,
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
                Err(error) => return Err(StoreError::Unavailable(error.to_string())),
            };
            if self.operate(id, &object).await? {
                continue;
            }
            let typed: Result<K, _> = object.try_parse();
            return match typed {
                Ok(object) => Ok(Some(object.into())),
                Err(error) => {
                    let why = format!("it is no {}: {error}", std::any::type_name::<K>());
                    self.publish_invalid(id, &why).await;
                    Err(StoreError::Invalid(why))
                }
            };
        }
    }
}

/// An error of an operator's request, as far as it is the store's.
fn store_error(error: OperateError) -> Result<String, StoreError> {
    match error {
        OperateError::Store(error) => Err(error),
        error => Ok(error.to_string()),
    }
}

fn now() -> SystemTime {
    SystemTime::now()
}
