//! Connects a runner to a Kubernetes controller.
//!
//! Invariant: status, Events and metrics are published after the record is durable, and a failure to publish never fails a pass.

mod publish;
mod requests;
mod turns;
mod wait;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use durable_fsm::metrics::Metrics;
use durable_fsm::record::Record;
use durable_fsm::{Machine, OperateError, Outcome, RecordId, Resource as _, Runner, StoreError};
use kube::api::DynamicObject;
use kube::runtime::controller::Action;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::definition::{self, DefinitionError};
use crate::graphs::{self, KeptMachine};
use crate::managed_fields::never_had_a_status;
use crate::memory::{Memory, Standing};
use crate::names::Names;
use crate::object::Object;
use crate::pass_store::{PassStore, Tells};
use crate::publication::Publication;
use crate::status::Summary;
use crate::store::{AnnotationStore, FIELD_MANAGER};

/// After how long a pass says in the status what is under way. Then it says so again after twice this time, and so on.
const SLOW: Duration = Duration::from_secs(2);

/// The longest time between two of these.
const SLOWEST: Duration = Duration::from_secs(60);

/// A machine that a runner can run with the transitions `T`. Implemented by the derive.
pub trait Runs<T>: Machine + durable_fsm::__private::Dispatch<T> {}

impl<T, M: durable_fsm::__private::Dispatch<T>> Runs<T> for M {}

/// Reconciles objects of kind `K` with machine `M`. It carries out the requests of operators, runs one pass, and publishes the position of the resource. Cheap to clone.
///
/// Use [`Reconciler::reconcile`] as the reconcile function of a `kube::runtime::Controller`, or call [`Reconciler::pass`] inside one of yours. The [crate]'s page has an example.
pub struct Reconciler<K, M: Machine, T> {
    runner: Runner<M, T>,
    store: AnnotationStore,
    names: Names,
    /// Who publishes Events: one name for each process.
    reporter: String,
    metrics: Metrics,
    memory: Arc<Memory>,
    kind: PhantomData<fn() -> K>,
}

/// A pass that is about to begin.
struct Begun<R> {
    store: PassStore,
    resource: R,
    of: Reconciled,
}

/// What a pass was for.
#[derive(Debug, Clone)]
struct Reconciled {
    /// The object, which may be gone by now, and another have its name.
    uid: String,
    /// The generation of the spec, which may have changed by now.
    generation: Option<i64>,
}

impl<K, M: Machine, T> Clone for Reconciler<K, M, T> {
    fn clone(&self) -> Self {
        Self {
            runner: self.runner.clone(),
            store: self.store.clone(),
            names: self.names.clone(),
            reporter: self.reporter.clone(),
            metrics: self.metrics.clone(),
            memory: Arc::clone(&self.memory),
            kind: PhantomData,
        }
    }
}

impl<K, M: Machine, T> fmt::Debug for Reconciler<K, M, T> {
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

impl<K, M: Runs<T>, T: Send + Sync + 'static> Reconciler<K, M, T> {
    /// A reconciler around a runner that was built elsewhere, on this store.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if the machine's name makes no annotation key.
    pub fn of(runner: Runner<M, T>, store: AnnotationStore, metrics: Metrics) -> Result<Self, StoreError> {
        let names = store.names(M::GRAPH.name)?;
        let reporter = format!("{FIELD_MANAGER}-{:08x}", fastrand::u32(..));
        Ok(Self { runner, store, names, reporter, metrics, memory: Arc::default(), kind: PhantomData })
    }

    /// Sets how long this controller waits for another replica that goes first with an object and shows no sign of work. The default is 800 ms.
    ///
    /// With a longer turn, fewer replicas begin with the same object, and the objects of a replica that crashed wait longer for another one. Use at least four times what
    /// the API server takes for an answer. A turn saves requests and changes nothing else: each write is conditional on the version of the object.
    #[must_use]
    pub fn turn(self, turn: Duration) -> Self {
        self.memory.set_turn(turn);
        self
    }

    /// The runner.
    pub fn runner(&self) -> &Runner<M, T> {
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

    /// What the status says while a pass is under way.
    fn tells(&self, of: &Reconciled) -> Tells {
        let (names, field, of) = (self.names.clone(), self.store.status_field().to_owned(), of.clone());
        Arc::new(move |object| {
            let record = record_on::<M>(&names, object, &of)?;
            record.intent.as_ref()?;
            let summary = Summary::under_way(M::GRAPH, &record)?;
            Publication::of(object, (M::GRAPH.name, &field), of.generation, summary).map(|it| it.status)
        })
    }

    fn forget(&self, id: &RecordId) {
        self.metrics.forget(id);
        self.memory.forget(&id.resource);
    }
}

impl<K, M, T> Reconciler<K, M, T>
where
    K: kube::Resource + Clone + DeserializeOwned + Serialize + Into<M::Resource> + Send + Sync + 'static,
    M: Runs<T>,
    T: Send + Sync + 'static,
{
    /// Reconciles one object, and returns when to come back. The pass begins with this object, if it is one that a watch has delivered. Each write is conditional
    /// on its version, so an object that is out of date costs a read and never an effect.
    ///
    /// | the resource | is looked at again |
    /// |---|---|
    /// | rests, is paused, or seems to be gone | after 10 to 12 minutes |
    /// | is held | after 5 to 6 minutes |
    /// | anything else | when the record says so |
    ///
    /// An object that was not read or written for 5 minutes is read. A missed watch event therefore costs at most these times. If a resource is really gone, the
    /// controller then logs `ObjectNotFound` and drops it.
    ///
    /// # Errors
    /// The store's. Errors of the transitions are recorded, and show in the status.
    pub async fn reconcile(object: Arc<K>, this: Arc<Self>) -> Result<Action, StoreError> {
        let (id, metadata) = (id_of::<K, M>(&*object), object.meta());
        if let (Some(uid), Some(version)) = (&metadata.uid, &metadata.resource_version)
            && this.memory.is_catching_up(&id.resource, uid, version)
        {
            // An echo of our own writes, of which not all have come back. What follows them is worth a pass.
            return Ok(Action::requeue(wait::CATCHING_UP));
        }
        if let Some(left) = this.waits_for(&id, &object) {
            this.memory.due_after(&id.resource, metadata.uid.as_deref().unwrap_or_default(), left);
            return Ok(Action::requeue(left));
        }
        this.pass(&object).await.map(|(action, _)| action)
    }

    /// How long a pass is left to other controllers. None if it is this one's turn, or if it is time to take note of what another one has begun.
    fn waits_for(&self, id: &RecordId, object: &K) -> Option<Duration> {
        let metadata = object.meta();
        let (uid, version) = (metadata.uid.as_deref()?, metadata.resource_version.as_deref()?);
        let record = metadata.annotations.as_ref().and_then(|all| all.get(self.names.record()));
        let own = self.runner.incarnation();
        if self.memory.holder(own, &id.resource, uid, record.map(String::as_str)).is_some() {
            return None;
        }
        let has_finalizer = metadata.finalizers.iter().flatten().any(|it| it == self.names.finalizer());
        let is_new = record.is_none() && !has_finalizer && never_had_a_status(metadata);
        if is_new {
            self.memory.saw_new(&id.resource, uid, version);
        }
        self.memory.turn(own, &id.resource, uid, is_new)
    }

    /// The error policy: tries again in 5 to 10 seconds. The delay doubles with each failure of the same object that follows, up to 40 to 80 seconds.
    #[must_use]
    pub fn error_policy(object: Arc<K>, error: &StoreError, this: Arc<Self>) -> Action {
        tracing::warn!(%error, "the API server failed");
        let id = id_of::<K, M>(&*object);
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        let after = wait::after_failure(this.memory.failed(&id.resource, uid), fastrand::f64());
        this.memory.due_after(&id.resource, uid, after);
        Action::requeue(after)
    }

    /// Checks the definition of the kind: the server serves it, in the scope that the program expects, with a status subresource, and with a schema that keeps what is
    /// published. Call it before the controller starts. The schema is checked only if the client may `get` the definition; otherwise a line in the log says so.
    ///
    /// # Errors
    /// [`DefinitionError`]. Its text says what to change.
    pub async fn check<S: 'static>(&self) -> Result<(), DefinitionError>
    where
        K: kube::Resource<Scope = S>,
    {
        definition::check::<S>(self.store.client(), self.store.kind(), self.store.status_field()).await
    }

    /// Keeps the machine's graph in a ConfigMap of this namespace, the controller's own, so that `kubectl fsm` finds the resources and explains their records. Call it
    /// when the controller starts. It needs the rights `create` and `patch` on ConfigMaps there, and nothing on any other object.
    ///
    /// The ConfigMap is called after the machine: `fsm.hiclaw.io.worker` for `hiclaw.io/worker`. The graphs of earlier versions stay in it, because there are records of
    /// them. If it becomes too large for the server, delete it; it is made anew at the next start.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if the server refuses, and [`StoreError::Unavailable`] if it cannot be asked. Reconciling works without it.
    pub async fn keep_graph<S: 'static>(&self, namespace: &str) -> Result<(), StoreError>
    where
        K: kube::Resource<Scope = S>,
    {
        let kept = KeptMachine {
            machine: M::GRAPH.name.to_owned(),
            kind: self.store.kind().clone(),
            namespaced: definition::is_namespaced::<S>(),
            record: self.names.record().to_owned(),
            status_field: self.store.status_field().to_owned(),
            graphs: graphs::of(M::GRAPH),
        };
        kept.keep(self.store.client(), namespace).await
    }

    /// As [`reconcile`](Self::reconcile), for a reconcile function of your own that also wants to know how the pass ended.
    ///
    /// # Errors
    /// The store's.
    pub async fn pass(&self, object: &K) -> Result<(Action, Outcome<M::State>), StoreError> {
        let (record, uid) = (id_of::<K, M>(object), object.meta().uid.as_deref().unwrap_or_default());
        let span = tracing::info_span!("reconcile", machine = %record.machine, resource = %record.resource, uid = uid);
        if let Some(late) = self.memory.late(&record.resource, uid) {
            self.metrics.began(&record.machine, late);
        }
        let (begun, mut conflicts) = (Instant::now(), 0);
        let passed = self.pass_over(&record, object, &mut conflicts).instrument(span).await;
        self.metrics.passed(&record.machine, begun.elapsed(), conflicts, passed.as_ref().err());
        let (after, outcome) = passed?;
        self.memory.due_after(&record.resource, uid, after);
        Ok((Action::requeue(after), outcome))
    }

    async fn pass_over(
        &self,
        id: &RecordId,
        given: &K,
        conflicts: &mut u64,
    ) -> Result<(Duration, Outcome<M::State>), StoreError> {
        let mut cached = self.begin_from_cache(id, given);
        loop {
            let begun = match cached.take() {
                Some(begun) => begun,
                None => match self.begin_from_server(id).await? {
                    Some(begun) => begun,
                    None => {
                        self.forget(id);
                        return Ok((Self::look_again(&Outcome::Gone), Outcome::Gone));
                    }
                },
            };
            let passed = self.run(id, &begun).await;
            *conflicts += begun.store.conflicts().await;
            if let Some(passed) = passed {
                self.remember(id, &begun).await;
                if passed.is_ok() {
                    self.memory.worked(&id.resource);
                }
                return passed;
            }
        }
    }

    /// A pass that begins with an object from a cache, if that can be relied on.
    fn begin_from_cache(&self, id: &RecordId, given: &K) -> Option<Begun<M::Resource>> {
        let object = Object::of(given)?;
        let never_had_a_status = || never_had_a_status(given.meta());
        let is_reliable =
            match self.memory.standing(&id.resource, &object.metadata.uid, &object.metadata.resource_version) {
                // The type of the object may leave out parts of the status. That a record was lost must not be overlooked for that.
                Standing::Current => object.witness(self.store.status_field()).is_some() || never_had_a_status(),
                Standing::Unknown => {
                    let is_new = object.annotation(self.names.record()).is_none();
                    let is_new = is_new && !object.has_finalizer(self.names.finalizer()) && never_had_a_status();
                    is_new || self.is_others(id, &object)
                }
                // It is only waited for, and that is safe whatever has happened meanwhile.
                Standing::Due => self.is_others(id, &object),
                Standing::Behind => false,
            };
        is_reliable.then(|| self.begin(object, true, given.clone()))
    }

    /// A pass that begins with a read. None if the object is gone.
    async fn begin_from_server(&self, id: &RecordId) -> Result<Option<Begun<M::Resource>>, StoreError> {
        let read: DynamicObject = match self.store.api(&id.resource).get(&id.resource.name).await {
            Ok(object) => object,
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
            Err(error) => return Err(StoreError::Unavailable(error.to_string())),
        };
        let object = Object::of(&read).unwrap_or_default();
        match read.try_parse::<K>() {
            Ok(typed) => Ok(Some(self.begin(object, false, typed))),
            Err(error) => {
                let of = Reconciled::of(&object);
                let store = PassStore::new(self.store.clone(), object, false, self.tells(&of));
                let why = format!("it is no {}: {error}", std::any::type_name::<K>());
                self.publish_invalid(id, &store, &of, &why).await;
                Err(StoreError::Invalid(why))
            }
        }
    }

    fn begin(&self, object: Object, is_cached: bool, typed: K) -> Begun<M::Resource> {
        let of = Reconciled::of(&object);
        let store = PassStore::new(self.store.clone(), object, is_cached, self.tells(&of));
        Begun { store, resource: typed.into(), of }
    }

    /// Carries out the requests on the object, runs a pass, and publishes how it ended. None if that was for an object that was out of date.
    async fn run(
        &self,
        id: &RecordId,
        begun: &Begun<M::Resource>,
    ) -> Option<Result<(Duration, Outcome<M::State>), StoreError>> {
        let Begun { store, resource, of } = begun;
        debug_assert_eq!(resource.id(), id.resource, "the machine's resource is the object");
        let taken = store.latest().await.and_then(|(object, _)| self.store.is_taken(&id.machine, &object));
        if let Some(why) = taken {
            self.announce_once(id, &of.uid, "StatusFieldTaken", &why).await;
            return Some(Err(StoreError::Refused(why)));
        }
        let operated = loop {
            match self.operate(id, store).await {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if store.is_outdated().await {
            return None;
        }
        if let Err(error) = operated {
            return Some(Err(error));
        }
        store.begin().await;
        let runner = self.runner.on_store(store.clone());
        let passed = narrated(id, store, runner.reconcile(resource)).await;
        if store.is_outdated().await {
            return None;
        }
        if store.has_written().await {
            self.memory.acted(self.runner.incarnation(), &id.resource, &of.uid);
        }
        let ended = match passed {
            Ok(Outcome::Gone) => Ok((self.after_end(id, store, of).await, Outcome::Gone)),
            Ok(outcome) => Ok((self.after(id, store, of, &outcome).await, outcome)),
            Err(StoreError::Invalid(why)) => {
                self.publish_invalid(id, store, of, &why).await;
                Err(StoreError::Invalid(why))
            }
            Err(error) => Err(error),
        };
        if store.is_outdated().await { None } else { Some(ended) }
    }

    fn look_again(outcome: &Outcome<M::State>) -> Duration {
        wait::after(outcome, fastrand::f64())
    }

    /// Publishes how a pass has ended, unless that is another controller's, and says when to look again.
    async fn after(&self, id: &RecordId, store: &PassStore, of: &Reconciled, outcome: &Outcome<M::State>) -> Duration {
        let mut after = wait::after(outcome, fastrand::f64());
        if let Some((object, _)) = store.latest().await
            && self.is_others(id, &object)
        {
            after += self.place(of, &object);
        }
        match self.leaves(id, store, of, outcome).await {
            Some(left) => after = after.min(left),
            None => self.publish(id, store, of, outcome).await,
        }
        after
    }

    /// After how long to look again when nothing is left to undo. Finalizers of other programs may still be there.
    async fn after_end(&self, id: &RecordId, store: &PassStore, of: &Reconciled) -> Duration {
        self.metrics.forget(id);
        let Some((object, _)) = store.latest().await else { return Self::look_again(&Outcome::Gone) };
        if object.metadata.uid != of.uid {
            // Another object of this name exists by now.
            return Duration::ZERO;
        }
        if object.is_deleting() && object.has_finalizer(self.names.finalizer()) {
            let note = format!(
                "it is being deleted and has no record, so nothing is undone; the program that set the finalizer {} has to remove it",
                self.names.finalizer()
            );
            self.announce_once(id, &of.uid, "NothingRecorded", &note).await;
        }
        Self::look_again(&Outcome::Gone)
    }

    async fn remember(&self, id: &RecordId, Begun { store, of, .. }: &Begun<M::Resource>) {
        match store.latest().await {
            Some((object, is_exact)) if !object.is_ending() && object.metadata.uid == of.uid => {
                self.memory.passed(&id.resource, &of.uid, &object.metadata.resource_version, is_exact);
            }
            _ => self.memory.forget(&id.resource),
        }
    }
}

/// Runs a pass. If it takes long, the status says what is under way.
async fn narrated<R>(id: &RecordId, store: &PassStore, pass: impl Future<Output = R>) -> R {
    let mut pass = std::pin::pin!(pass);
    let mut after = SLOW;
    loop {
        tokio::select! {
            biased;
            passed = &mut pass => return passed,
            () = tokio::time::sleep(after) => {}
        }
        after = (after * 2).min(SLOWEST);
        let mut tell = std::pin::pin!(store.tell(id));
        tokio::select! {
            passed = &mut pass => {
                // A write that is under way is not cut off, or its version would not be known.
                tell.await;
                return passed;
            }
            () = &mut tell => {}
        }
    }
}

impl Reconciled {
    fn of(object: &Object) -> Self {
        Self { uid: object.metadata.uid.clone(), generation: object.metadata.generation }
    }
}

fn id_of<K: kube::Resource, M: Machine>(object: &K) -> RecordId {
    let metadata = object.meta();
    let (namespace, name) = (metadata.namespace.clone(), metadata.name.clone());
    let resource = durable_fsm::ResourceId::new(namespace.unwrap_or_default(), name.unwrap_or_default());
    RecordId { machine: M::GRAPH.name.to_owned(), resource }
}

/// The record on an object. None if it is missing or unreadable; a copied record says nothing about this object.
fn record_on<M: Machine>(names: &Names, object: &Object, of: &Reconciled) -> Option<Record> {
    let text = object.annotation(names.record())?;
    let record = Record::decode(M::GRAPH, text.as_bytes()).ok()?;
    (record.owner == of.uid && record.owner == object.metadata.uid).then_some(record)
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
