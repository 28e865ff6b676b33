//! A controller for everyone without Kubernetes: reads resources from a directory or a stream, and runs a pass for each of them whenever
//! there is something to do.
//!
//! ```no_run
//! # mod tenant {
//! # use durable_fsm::{Class, Classify, Fsm, Resource, ResourceId, Undone};
//! # #[derive(Clone, serde::Serialize, serde::Deserialize)]
//! # pub struct Tenant { pub name: String, pub uid: String }
//! # impl Resource for Tenant {
//! #     type Spec = ();
//! #     fn id(&self) -> ResourceId { ResourceId::new("", &self.name) }
//! #     fn uid(&self) -> &str { &self.uid }
//! #     fn spec(&self) -> &() { &() }
//! # }
//! # #[derive(Fsm)]
//! # #[fsm(name = "example.io/tenant", version = 1, resource = Tenant)]
//! # pub enum TenantFlow {
//! #     #[fsm(initial)]
//! #     #[transition(register -> Registered, in_doubt = repeat, undo = deregister)]
//! #     Requested,
//! #     #[fsm(resting)]
//! #     Registered { account: String },
//! # }
//! # pub struct Cloud;
//! # #[derive(Debug, thiserror::Error)]
//! # #[error("the cloud failed")]
//! # pub struct CloudError;
//! # impl Classify for CloudError { fn classify(&self) -> Class { Class::Unknown } }
//! # impl TenantTransitions for Cloud {
//! #     type Error = CloudError;
//! #     async fn register(&self, from: Requested, _: &TenantAttempt) -> Result<Registered, CloudError> { Ok(from.registered("a".into())) }
//! #     async fn deregister(&self, _: &Registered, _: &TenantAttempt) -> Result<Undone, CloudError> { Ok(Undone::Done) }
//! # }
//! # }
//! # use tenant::*;
//! use durable_fsm::controller::{Controller, Directory};
//! use durable_fsm::store::FileStore;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let runner = TenantRunner::new(Cloud, FileStore::open("records")?);
//!     Controller::watch(runner, Directory::new("tenants")).run().await?;
//!     Ok(())
//! }
//! ```
//!
//! # What it does
//!
//! - One pass at a time runs for each resource, and at most [`concurrency`](Controller::concurrency) in all.
//! - A pass runs when the resource is new or has changed, when its outcome says so ([`Outcome::requeue_after`]), and when somebody
//!   [wakes](Handle::wake) it. A change or a wake-up during a pass leads to another pass right after it.
//! - If the store fails, or a pass panics, that resource is tried again after 1 s, 2 s, 4 s … up to a minute. The others go on.
//! - A resource that is no longer wanted is [deleted](Runner::delete): everything it made is undone.
//! - On SIGTERM or Ctrl-C the controller [drains](Runner::drain): passes stop before their next effect, what is under way is recorded, and
//!   [`run`](Controller::run) returns.
//!
//! # What it keeps
//!
//! The controller keeps a copy of each resource in the same store, under the machine's name with `#resources` behind it. The copy is written
//! before the first pass and removed after the record. A resource whose document was removed while no controller ran is therefore deleted
//! with the spec that it had last. A document must not contain secrets.
//!
//! It keeps the machine's graph there too ([`Runner::keep_graph`]), so that `fsm` explains the records without a lock file.
//!
//! # Uids
//!
//! Two resources of one name that live one after the other need different [uids](crate::Resource::uid). If a document has no field `uid`, the
//! controller makes one up when it first reads the document, keeps it, and passes it to serde as `uid`.
//!
//! # Errors
//!
//! A document that cannot be read changes nothing: the resource stays as it was last wanted, and the reason is logged at `warn`. See
//! [`Directory`] for when a missing document means deletion.

mod board;
mod desk;
mod directory;
mod document;
mod feed;
mod handle;
mod kept;
mod observers;
mod pass;
mod queue;
mod watched;
mod window;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

pub use directory::Directory;
pub use feed::Change;
pub use handle::{DeleteError, Handle};
pub use window::{Seen, Window};

use crate::machine::Dispatch;
use crate::{Machine, Outcome, ResourceId, Runner};
use desk::Desk;
use feed::Feed;
use handle::Command;
use observers::Observers;

/// Runs the passes of all resources of one source. See the [module](self).
#[must_use = "a controller does nothing until it runs"]
pub struct Controller<M: Machine, T> {
    runner: Runner<M, T>,
    feed: Feed<M::Resource>,
    concurrency: usize,
    observers: Observers<M>,
    handle: Handle,
    commands: mpsc::UnboundedReceiver<Command>,
}

impl<M: Machine, T> std::fmt::Debug for Controller<M, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller").field("runner", &self.runner).finish_non_exhaustive()
    }
}

impl<M, T> Controller<M, T>
where
    M: Dispatch<T>,
    M::Resource: Serialize + DeserializeOwned,
    T: Send + Sync + 'static,
{
    /// A controller of the resources whose documents are in a directory.
    pub fn watch(runner: Runner<M, T>, directory: Directory) -> Self {
        Self::new(runner, Feed::Directory(directory))
    }

    /// A controller of the resources that a stream tells of. When the stream ends, the controller goes on with the resources that it knows.
    ///
    /// After a restart the controller goes on with the resources that it knew before, so the stream need not tell of them again.
    pub fn follow(runner: Runner<M, T>, changes: impl Stream<Item = Change<M::Resource>> + Send + 'static) -> Self {
        Self::new(runner, Feed::Stream(Box::pin(changes)))
    }

    fn new(runner: Runner<M, T>, feed: Feed<M::Resource>) -> Self {
        let (handle, commands) = Handle::new();
        Self { runner, feed, concurrency: 32, observers: Observers::new(), handle, commands }
    }

    /// How many passes run at once, at most. 32 unless set.
    pub fn concurrency(mut self, passes: usize) -> Self {
        self.concurrency = passes.max(1);
        self
    }

    /// Calls `observer` after each pass, with how the pass ended. To wake another machine's controller, call its [`Handle::wake`] here.
    pub fn on_outcome(mut self, observer: impl Fn(&ResourceId, &Outcome<M::State>) + Send + Sync + 'static) -> Self {
        self.observers.on_outcome = Arc::new(observer);
        self
    }

    /// Counts resources and passes in these metrics. Give the same metrics to the runner as its [probe](crate::RunnerBuilder::probe), and attempts are counted
    /// too. Several controllers may share them.
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self, metrics: crate::metrics::Metrics) -> Self {
        self.observers.metrics = Some(metrics);
        self
    }

    /// What wakes and deletes resources from outside. Cheap to clone.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What shows the resources from outside, and carries out what operators ask for: for a page, or a socket of your own.
    #[must_use]
    pub fn window(&self) -> Window {
        self.observers.board.open();
        let runner = self.runner.clone();
        Window {
            graph: M::GRAPH,
            store: Arc::clone(&self.runner.driver.store),
            operator: self.runner.operator(),
            handle: self.handle(),
            verify: Arc::new(move |id| runner.verify_next(id)),
            board: Arc::clone(&self.observers.board),
        }
    }

    /// Runs until SIGTERM or Ctrl-C, then drains.
    ///
    /// # Errors
    /// The signal handlers cannot be installed.
    pub async fn run(self) -> std::io::Result<()> {
        let signal = signals()?;
        self.run_until(signal).await;
        Ok(())
    }

    /// Runs until `shutdown` is done, then drains: every pass stops before its next effect, and what is under way is recorded.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) {
        let Self { runner, feed, concurrency, observers, handle, mut commands } = self;
        let mut shutdown = std::pin::pin!(shutdown);
        let clock = Arc::clone(&runner.driver.clock);
        let kept = tokio::select! {
            () = &mut shutdown => return,
            kept = known(&runner) => kept,
        };
        let is_listed = matches!(feed, Feed::Directory(_));
        let mut changes = feed.listen(Arc::clone(&clock));
        let mut desk = Desk::new(runner.clone(), observers, concurrency, is_listed, kept);
        // The loop holds a handle of its own, so the commands never end.
        let _handle = handle;
        loop {
            desk.begin_due();
            let due = desk.until_due();
            tokio::select! {
                () = &mut shutdown => break,
                Some(command) = commands.recv() => desk.obey(command, &changes),
                Some(heard) = changes.recv() => desk.hear(heard),
                Some(done) = desk.next_done() => desk.end(done),
                () = clock.sleep(due.unwrap_or(IDLE)), if due.is_some() => {}
            }
        }
        runner.drain().await;
        desk.finish().await;
    }
}

/// How long the loop sleeps at most.
const IDLE: Duration = Duration::from_secs(3600);

/// The resources that were known before, read from the store until the store answers.
async fn known<M, T>(runner: &Runner<M, T>) -> Vec<(ResourceId, kept::Kept<M::Resource>)>
where
    M: Dispatch<T>,
    M::Resource: Serialize + DeserializeOwned,
    T: Send + Sync + 'static,
{
    let mut failures = 0;
    loop {
        let read = async {
            runner.keep_graph().await?;
            kept::all::<M>(runner.driver.store.as_ref()).await
        };
        match read.await {
            Ok(kept) => return kept,
            Err(error) => {
                failures += 1;
                let after = queue::backoff(failures, runner.driver.clock.chance());
                tracing::warn!(machine = M::GRAPH.name, %error, ?after, "the store cannot be read, and is tried again");
                runner.driver.clock.sleep(after).await;
            }
        }
    }
}

#[cfg(unix)]
fn signals() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signals() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler nothing can be waited for; the process then ends as it always has.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
