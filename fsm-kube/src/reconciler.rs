//! Connects a runner to a Kubernetes controller.
//!
//! Invariant: status, Events and metrics are published after the record is durable, and a failure to publish never fails a pass.

mod publish;
mod requests;
mod wait;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use durable_fsm::{Machine, OperateError, Outcome, Probe, RecordId, Resource as _, ResourceId, Runner, StoreError};
use kube::runtime::controller::Action;
use serde::de::DeserializeOwned;
use tracing::Instrument as _;

use crate::metrics::Metrics;
use crate::names::Names;
use crate::store::{AnnotationStore, FIELD_MANAGER};

/// A machine that a runner can run with the transitions `T`. Implemented by the derive.
pub trait Runs<T>: Machine + durable_fsm::__private::Dispatch<T> {}

impl<T, M: durable_fsm::__private::Dispatch<T>> Runs<T> for M {}

/// Reconciles objects of kind `K` with machine `M`. It carries out the requests of operators, runs one pass, and publishes the position of the resource. Cheap to clone.
///
/// Use [`Reconciler::reconcile`] as the reconcile function of a `kube::runtime::Controller`, or call [`Reconciler::pass`] inside one of yours. The [crate]'s page has an example.
pub struct Reconciler<K, M: Machine, T, P = Metrics> {
    runner: Runner<M, T, P>,
    store: AnnotationStore,
    names: Names,
    /// Who publishes Events: one name for each process.
    reporter: String,
    metrics: Metrics,
    warned: Arc<Mutex<BTreeMap<ResourceId, Warning>>>,
    kind: PhantomData<fn() -> K>,
}

/// A warning that was published: the object's uid, the reason and the note.
type Warning = (String, String, String);

/// What a pass was for.
#[derive(Debug, Clone)]
struct Reconciled {
    /// The object, which may be gone by now, and another have its name.
    uid: Option<String>,
    /// The generation of the spec, which may have changed by now.
    generation: Option<i64>,
}

impl<K, M: Machine, T, P> Clone for Reconciler<K, M, T, P> {
    fn clone(&self) -> Self {
        Self {
            runner: self.runner.clone(),
            store: self.store.clone(),
            names: self.names.clone(),
            reporter: self.reporter.clone(),
            metrics: self.metrics.clone(),
            warned: Arc::clone(&self.warned),
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

impl<K, M: Runs<T>, T: Send + Sync + 'static, P: Probe> Reconciler<K, M, T, P> {
    /// A reconciler around a runner that was built elsewhere, on this store.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if the machine's name makes no annotation key.
    pub fn of(runner: Runner<M, T, P>, store: AnnotationStore, metrics: Metrics) -> Result<Self, StoreError> {
        let names = store.names(M::GRAPH.name)?;
        let reporter = format!("{FIELD_MANAGER}-{:08x}", fastrand::u32(..));
        Ok(Self { runner, store, names, reporter, metrics, warned: Arc::default(), kind: PhantomData })
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

    fn warned(&self) -> MutexGuard<'_, BTreeMap<ResourceId, Warning>> {
        self.warned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, M, T, P> Reconciler<K, M, T, P>
where
    K: kube::Resource + Clone + DeserializeOwned + Into<M::Resource> + Send + Sync + 'static,
    M: Runs<T>,
    T: Send + Sync + 'static,
    P: Probe,
{
    /// Reconciles one object, and returns when to come back. It reads the object again first, because the object from the watch may be stale.
    ///
    /// | the resource | is looked at again |
    /// |---|---|
    /// | rests, is paused, or seems to be gone | after 10 to 12 minutes |
    /// | is held | after 5 to 6 minutes |
    /// | anything else | when the record says so |
    ///
    /// A missed watch event therefore costs at most that time. If a resource is really gone, the controller then logs `ObjectNotFound` and drops it.
    ///
    /// # Errors
    /// The store's. Errors of the transitions are recorded, and show in the status.
    pub async fn reconcile(object: Arc<K>, this: Arc<Self>) -> Result<Action, StoreError> {
        this.pass(&object).await.map(|(action, _)| action)
    }

    /// The error policy: tries again in 5 to 10 seconds.
    #[must_use]
    pub fn error_policy(_: Arc<K>, error: &StoreError, _: Arc<Self>) -> Action {
        tracing::warn!(%error, "the API server failed");
        Action::requeue(wait::after_failure(fastrand::f64()))
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
        let Some((resource, of)) = self.look_and_operate(id).await? else {
            self.forget(id);
            return Ok((Self::look_again(&Outcome::Gone), Outcome::Gone));
        };
        debug_assert_eq!(resource.id(), id.resource, "the machine's resource is the object");
        let outcome = match self.runner.reconcile(&resource).await {
            Ok(outcome) => outcome,
            Err(StoreError::Invalid(why)) => {
                self.publish_invalid(id, &of, &why).await;
                return Err(StoreError::Invalid(why));
            }
            Err(error) => return Err(error),
        };
        if matches!(outcome, Outcome::Gone) {
            return Ok((self.after_end(id, &of).await, outcome));
        }
        self.publish(id, &of, &outcome).await;
        Ok((Self::look_again(&outcome), outcome))
    }

    fn look_again(outcome: &Outcome<M::State>) -> Action {
        Action::requeue(wait::after(outcome, fastrand::f64()))
    }

    /// What to do when nothing is left to undo. Finalizers of other programs may still be there.
    async fn after_end(&self, id: &RecordId, of: &Reconciled) -> Action {
        self.metrics.forget(&id.machine, &id.resource);
        let Ok(Some(object)) = self.store.api(&id.resource).get_opt(&id.resource.name).await else {
            self.forget(id);
            return Self::look_again(&Outcome::Gone);
        };
        if object.metadata.uid != of.uid {
            // Another object of this name exists by now.
            return Action::requeue(Duration::ZERO);
        }
        let is_ending = object.metadata.deletion_timestamp.is_some();
        if is_ending && object.metadata.finalizers.iter().flatten().any(|it| it == self.names.finalizer()) {
            let note = format!(
                "it is being deleted and has no record, so nothing is undone; the program that set the finalizer {} has to remove it",
                self.names.finalizer()
            );
            self.announce_once(id, &object, "NothingRecorded", &note).await;
        }
        Self::look_again(&Outcome::Gone)
    }

    fn forget(&self, id: &RecordId) {
        self.metrics.forget(&id.machine, &id.resource);
        self.warned().remove(&id.resource);
    }

    /// Reads the object and carries out its requests, until there is none left; then returns the resource. None if it is gone.
    async fn look_and_operate(&self, id: &RecordId) -> Result<Option<(M::Resource, Reconciled)>, StoreError> {
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
            let of = Reconciled { uid: object.metadata.uid.clone(), generation: object.metadata.generation };
            let typed: Result<K, _> = object.try_parse();
            return match typed {
                Ok(object) => Ok(Some((object.into(), of))),
                Err(error) => {
                    let why = format!("it is no {}: {error}", std::any::type_name::<K>());
                    self.publish_invalid(id, &of, &why).await;
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
