//! The runner: what a controller calls. Invariant: whatever is asked of it, the record changes only through
//! [`record::next`](crate::record::next()), and only by compare-and-swap.

mod build;
mod graph;
mod operate;
mod sweep;

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use build::RunnerBuilder;
pub use sweep::SweepError;
use tokio::task::JoinSet;

use crate::driver::gate::STOPPED_FOR;
use crate::driver::{Decision, Driver, Ending, Report};
use crate::machine::Dispatch;
use crate::outcome::{Outcome, Plan};
use crate::panics::{Contained, caught};
use crate::record::{Action, BlockedReason, Direction, Held, HeldReason, Record};
use crate::steps::Typed;
use crate::{FactError, Machine, RecordId, Resource, ResourceId, Store, StoreError, Undos};

/// After how long a resource is asked again whether it may be deleted, if nothing wakes it up before.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// How one of many passes ended.
type Done<S> = Result<(tokio::task::Id, Result<Outcome<S>, StoreError>), tokio::task::JoinError>;

/// Runs the transitions `T` of machine `M` against a store. Cheap to clone; every clone is the same runner.
///
/// The derive emits an alias for each machine, such as `WorkerRunner<T>` for `Runner<WorkerFlow, T>`.
pub struct Runner<M: Machine, T> {
    transitions: Arc<T>,
    pub(crate) driver: Arc<Driver>,
    machine: std::marker::PhantomData<fn() -> M>,
}

impl<M: Machine, T> Clone for Runner<M, T> {
    fn clone(&self) -> Self {
        Self {
            transitions: Arc::clone(&self.transitions),
            driver: Arc::clone(&self.driver),
            machine: std::marker::PhantomData,
        }
    }
}

impl<M: Machine, T> std::fmt::Debug for Runner<M, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("machine", &M::GRAPH.name).finish_non_exhaustive()
    }
}

impl<M: Dispatch<T>, T: Send + Sync + 'static> Runner<M, T> {
    /// A runner on the system's clock.
    pub fn new(transitions: T, store: impl Store) -> Self {
        Self::builder(transitions, store).build()
    }

    /// A runner with a clock, a probe or times of its own.
    pub fn builder(transitions: T, store: impl Store) -> RunnerBuilder<M, T> {
        RunnerBuilder::new(transitions, store)
    }
}

impl<M: Dispatch<T>, T: Send + Sync + 'static> Runner<M, T> {
    /// Carries one resource as far as it goes: until it rests, waits, is blocked or held, or is gone. If the resource is to be
    /// deleted, everything it made is undone, the latest first.
    ///
    /// It may be called from inside any reconcile function, by any number of controllers at once, and it may be dropped at any
    /// point: what was durable then is where the next call goes on. When it returns, the state in the outcome is durable.
    ///
    /// If a method of the transitions panics, its outcome counts as unknown, as after an error of [`Class::Unknown`](crate::Class::Unknown). If a
    /// guard, a wanted set or the resource itself panics, nothing is sent, and the outcome is held as
    /// [`HeldReason::Panicked`](crate::record::HeldReason::Panicked) until the next pass. A panic of the store, the clock or the probe is not caught.
    ///
    /// # Errors
    /// The store's. Errors of the author's methods are recorded and show in the outcome.
    pub async fn reconcile(&self, resource: &M::Resource) -> Result<Outcome<M::State>, StoreError> {
        self.pass(resource, false).await
    }

    /// As [`reconcile`](Self::reconcile), for a resource that is to be deleted whatever it says of itself. Once the record says so, it
    /// stays so.
    ///
    /// # Errors
    /// The store's.
    pub async fn delete(&self, resource: &M::Resource) -> Result<Outcome<M::State>, StoreError> {
        self.pass(resource, true).await
    }

    /// As [`reconcile`](Self::reconcile), and asks now whether everything is still there, if the resource rests in a state with `verify`. Transitions that look at
    /// rest look now, too.
    ///
    /// What is missing is asked about once more before anything is done: the outcome says after how long. Until then it is
    /// [`Outcome::Watching`].
    ///
    /// # Errors
    /// The store's.
    pub async fn verify(&self, resource: &M::Resource) -> Result<Outcome<M::State>, StoreError> {
        if let Ok((_, id)) = self.typed(resource) {
            self.driver.verify_now(M::GRAPH, &id);
        }
        self.pass(resource, false).await
    }

    /// Makes the next pass of this resource do what [`verify`](Self::verify) does. This runner, its clones and the runners that [`on_store`](Self::on_store) makes from it
    /// count as one.
    pub fn verify_next(&self, resource: &ResourceId) {
        self.driver.verify_now(M::GRAPH, &self.record_id(resource));
    }

    /// A runner of the same transitions on another store of the same records, such as one that does more in the same write. Both are one
    /// controller: a [`drain`](Self::drain) of either ends the passes of both, and what one has seen the other has seen.
    #[must_use]
    pub fn on_store(&self, store: impl Store) -> Self {
        let driver = self.driver.on_store(Arc::new(store));
        Self { transitions: Arc::clone(&self.transitions), driver: Arc::new(driver), machine: std::marker::PhantomData }
    }

    /// What tells this controller from every other: the first part of the holder of each intent that it writes, up to the slash. Every runner that was made with
    /// [`on_store`](Self::on_store) has the same.
    #[must_use]
    pub fn incarnation(&self) -> &str {
        self.driver.incarnation()
    }

    /// What [`reconcile`](Self::reconcile) would do first. Guards and wanted sets are asked, and `import` for a resource without a record. Nothing is written,
    /// and no other method is called.
    ///
    /// # Errors
    /// The store's.
    pub async fn plan(&self, resource: &M::Resource) -> Result<Plan, StoreError> {
        let (typed, id) = match self.typed(resource) {
            Ok(typed) => typed,
            Err(error) => return Ok(Plan::Stop(error.to_string())),
        };
        let planned = self.driver.plan(&typed, &id).await?;
        let record = planned.record;
        if let Some(record) = record.as_deref().filter(|_| planned.imports) {
            let owns = record.undo.iter().map(|it| (it.transition.clone(), it.subject.clone())).collect();
            return Ok(Plan::Import { state: record.state.clone(), owns });
        }
        let name = |transition: usize| M::GRAPH.transitions.get(transition).map_or("", |step| step.name).to_owned();
        Ok(match planned.decision {
            Err(report) => {
                let (unwritten, record) = (report.unwritten.as_ref(), report.record.as_deref());
                plan_of_ending(&report.ending, unwritten, record, report.waits.as_deref())
            }
            Ok(Decision::Wait(after, reason)) => Plan::Wait { after, reason },
            Ok(Decision::Stop(ending)) => plan_of_ending(&ending, None, record.as_deref(), None),
            Ok(Decision::Begin { transition, subject, action: Action::Run, .. }) => {
                Plan::Run { transition: name(transition), subject }
            }
            Ok(Decision::Begin { transition, subject, action: Action::Undo | Action::Abort, .. }) => {
                Plan::Undo { transition: name(transition), subject }
            }
            Ok(Decision::TakeOver | Decision::SetAside) => {
                let intent = record.as_ref().and_then(|record| record.intent.as_ref());
                Plan::Resolve { transition: intent.map(|intent| intent.transition.clone()).unwrap_or_default() }
            }
            Ok(Decision::Compute { transition }) => Plan::Run { transition: name(transition), subject: None },
            Ok(Decision::Look { transition, subject }) => {
                Plan::Run { transition: name(transition), subject: Some(subject) }
            }
            Ok(Decision::Hold { message, .. } | Decision::Block { message, .. } | Decision::Strand { message }) => {
                Plan::Stop(message)
            }
            Ok(Decision::Upgrade { to }) => {
                Plan::Record(format!("go on in {}, as a record of an older version", M::GRAPH.states[to].name))
            }
            Ok(Decision::Turn(Direction::Deleting, _)) => Plan::Record("turn back to delete the resource".to_owned()),
            Ok(Decision::Turn(Direction::Leaving, _)) => {
                Plan::Record("begin with the steps of the deletion".to_owned())
            }
            Ok(Decision::Turn(_, to)) => {
                let to = to.as_deref().unwrap_or(M::GRAPH.states[M::GRAPH.initial()].name);
                Plan::Record(format!("turn back to {to}"))
            }
            Ok(Decision::Verify) => {
                let asked = record.as_deref().and_then(|record| Driver::asked(M::GRAPH, record));
                asked.map_or(Plan::Rest, |(transition, subject)| Plan::Verify { transition, subject })
            }
            Ok(Decision::Release) => Plan::Record("release what was blocked".to_owned()),
            Ok(Decision::Retain { transition, .. }) => Plan::Record(format!("leave `{}` behind", name(transition))),
            Ok(Decision::Drop { subject, .. }) => Plan::Record(format!("drop {subject}")),
            Ok(Decision::Clear(unconfirmed)) => Plan::Record(format!("clear {}", unconfirmed.transition)),
            Ok(Decision::BeginAgain) => Plan::Record("begin again".to_owned()),
            Ok(Decision::Remove) => Plan::Remove,
        })
    }

    /// Reconciles every resource that has a record, at most `concurrency` at a time, and gives each outcome to `report`. `resource`
    /// gives the resource of an id; one that it does not know is left alone.
    ///
    /// # Errors
    /// The store's, when the records cannot be listed. An error of one resource goes to `report`. So does a panic that a pass does not catch,
    /// as [`StoreError::Unknown`]; the others go on.
    pub async fn run_all<F, Fut>(
        &self,
        concurrency: usize,
        mut resource: F,
        mut report: impl FnMut(ResourceId, Result<Outcome<M::State>, StoreError>),
    ) -> Result<(), StoreError>
    where
        F: FnMut(ResourceId) -> Fut,
        Fut: Future<Output = Option<M::Resource>>,
    {
        let ids: BTreeSet<ResourceId> = self.driver.store.list(M::GRAPH.name).await?.into_iter().collect();
        let mut running = JoinSet::new();
        let mut of_task = HashMap::new();
        for id in ids {
            let Some(resource) = resource(id.clone()).await else { continue };
            while running.len() >= concurrency.max(1) {
                if let Some(done) = running.join_next_with_id().await {
                    collect(&mut of_task, done, &mut report);
                }
            }
            let runner = self.clone();
            let task = running.spawn(async move { runner.reconcile(&resource).await });
            of_task.insert(task.id(), id);
        }
        while let Some(done) = running.join_next_with_id().await {
            collect(&mut of_task, done, &mut report);
        }
        Ok(())
    }

    /// Lets every pass stop before its next effect, begins no new effect from here on, and returns when no pass is under way. For
    /// SIGTERM: what is under way is recorded, not cut off.
    pub async fn drain(&self) {
        self.driver.stop();
        self.driver.idle().await;
    }

    /// What limits the undos of this runner and stops them: the one that it was [built with](RunnerBuilder::undos), or one of its own.
    #[must_use]
    pub fn undos(&self) -> &Undos {
        &self.driver.undos
    }

    async fn pass(&self, resource: &M::Resource, delete: bool) -> Result<Outcome<M::State>, StoreError> {
        Ok(match self.report(resource, delete).await? {
            Ok(report) => Self::told(report),
            Err(error) => Outcome::Held { reason: HeldReason::Panicked, message: error.to_string() },
        })
    }

    /// Runs a pass, and returns the record as it then was beside the outcome.
    #[cfg(feature = "controller")]
    pub(crate) async fn pass_with_record(
        &self,
        resource: &M::Resource,
        delete: bool,
    ) -> Result<(Outcome<M::State>, Option<Arc<Record>>), StoreError> {
        Ok(match self.report(resource, delete).await? {
            Ok(report) => {
                let record = report.record.clone();
                (Self::told(report), record)
            }
            Err(error) => (Outcome::Held { reason: HeldReason::Panicked, message: error.to_string() }, None),
        })
    }

    /// Runs a pass. The inner error is a panic of the resource itself, so that nothing was sent.
    async fn report(&self, resource: &M::Resource, delete: bool) -> Result<Result<Report, FactError>, StoreError> {
        match self.typed(resource) {
            Ok((typed, id)) => self.driver.reconcile(&typed, &id, delete).await.map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    fn told(report: Report) -> Outcome<M::State> {
        caught(|| Self::outcome(report)).unwrap_or_else(|why| {
            let error = FactError::Panicked { what: "reading the facts".to_owned(), why };
            Outcome::Held { reason: HeldReason::Panicked, message: error.to_string() }
        })
    }

    /// The methods for this resource, and the name of its record.
    fn typed(&self, resource: &M::Resource) -> Result<(Contained<Typed<M, T>>, RecordId), FactError> {
        let typed = caught(|| {
            let id = self.record_id(&resource.id());
            (Contained(Typed::new(Arc::clone(&self.transitions), Arc::new(resource.clone()))), id)
        });
        typed.map_err(|why| FactError::Panicked { what: "the resource".to_owned(), why })
    }

    fn record_id(&self, resource: &ResourceId) -> RecordId {
        RecordId { machine: M::GRAPH.name.to_owned(), resource: resource.clone() }
    }

    fn outcome(report: Report) -> Outcome<M::State> {
        let Report { ending, record, waits, unwritten } = report;
        let reason = waits.unwrap_or_default();
        if let Some(Held { reason, message, .. }) = unwritten {
            return Outcome::Held { reason, message };
        }
        let Some(record) = record.map(Arc::unwrap_or_clone) else {
            return if ending == Ending::Paused { Outcome::Paused } else { Outcome::Gone };
        };
        let index = M::GRAPH.state(&record.state).map_or(usize::MAX, |(index, _)| index);
        let state = match M::state(index, &record.facts) {
            Ok(state) => state,
            Err(error) => return Self::without_a_state(record, ending, reason, &error),
        };
        match ending {
            Ending::Resting => Outcome::Resting(state),
            Ending::Watching { after, .. } => Outcome::Watching { state, after },
            Ending::Braked(after, message) => {
                Outcome::Blocked { state, reason: BlockedReason::LostLimit, message, after }
            }
            Ending::Blocked(after) => match record.blocked {
                Some(blocked) => Outcome::Blocked { state, reason: blocked.reason, message: blocked.message, after },
                None => Outcome::Progressing { state, after, reason },
            },
            Ending::Progressing(after) => Outcome::Progressing { state, after, reason },
            Ending::UndosStopped(message) => {
                Outcome::Blocked { state, reason: BlockedReason::UndosStopped, message, after: STOPPED_FOR }
            }
            Ending::Kept(why) => Outcome::Blocked {
                state,
                reason: BlockedReason::DeletionRefused,
                message: format!("its deletion is refused: {why}"),
                after: KEPT_FOR,
            },
            Ending::Held => match record.held {
                Some(Held { reason, message, .. }) => Outcome::Held { reason, message },
                None => Outcome::Progressing { state, after: Duration::ZERO, reason },
            },
            Ending::Paused => Outcome::Paused,
            Ending::Gone => Outcome::Gone,
        }
    }

    /// The outcome of a record of which this version makes no state. It undoes what it knows all the same.
    fn without_a_state(record: Record, ending: Ending, waits: String, error: &FactError) -> Outcome<M::State> {
        let undoes = record.direction.is_deletion();
        match (ending, record.held) {
            // It may be held for this very reason, which says more.
            (Ending::Held, Some(Held { reason, message, .. })) => Outcome::Held { reason, message },
            (Ending::Paused, _) => Outcome::Paused,
            (Ending::UndosStopped(reason), _) if undoes => Outcome::Undoing { after: STOPPED_FOR, reason },
            (Ending::Progressing(after), _) if undoes => Outcome::Undoing { after, reason: waits },
            (Ending::Blocked(after), _) if undoes => {
                Outcome::Undoing { after, reason: record.blocked.map_or(waits, |blocked| blocked.message) }
            }
            _ => Outcome::Held { reason: HeldReason::Unreadable, message: error.to_string() },
        }
    }
}

/// Reports how one of many passes ended.
fn collect<S>(
    of_task: &mut HashMap<tokio::task::Id, ResourceId>,
    done: Done<S>,
    report: &mut impl FnMut(ResourceId, Result<Outcome<S>, StoreError>),
) {
    let (task, outcome) = match done {
        Ok((task, outcome)) => (task, outcome),
        Err(error) => {
            let task = error.id();
            let why =
                error.try_into_panic().map_or("it was cancelled".to_owned(), |panic| crate::panics::text(&*panic));
            (task, Err(StoreError::Unknown(format!("the pass panicked: {why}"))))
        }
    };
    if let Some(id) = of_task.remove(&task) {
        report(id, outcome);
    }
}

fn plan_of_ending(ending: &Ending, unwritten: Option<&Held>, record: Option<&Record>, waits: Option<&str>) -> Plan {
    if let Some(held) = unwritten.or_else(|| record.and_then(|record| record.held.as_ref())) {
        return Plan::Stop(held.message.clone());
    }
    match ending {
        Ending::Resting | Ending::Watching { .. } => Plan::Rest,
        Ending::Braked(_, why) | Ending::UndosStopped(why) => Plan::Stop(why.clone()),
        Ending::Progressing(after) => Plan::Wait { after: *after, reason: waits.unwrap_or_default().to_owned() },
        Ending::Blocked(after) => {
            let reason = record.and_then(|record| record.blocked.as_ref()).map(|blocked| blocked.message.clone());
            Plan::Wait { after: *after, reason: reason.unwrap_or_default() }
        }
        Ending::Paused => Plan::Stop("it is paused".to_owned()),
        Ending::Kept(why) => Plan::Stop(format!("its deletion is refused: {why}")),
        Ending::Held => Plan::Stop("it is held".to_owned()),
        Ending::Gone => Plan::Stop("there is nothing to do: it is gone".to_owned()),
    }
}
