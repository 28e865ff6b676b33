//! A machine of two effects, a cloud in memory, and a controller that a test can wait for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use durable_fsm::controller::{Change, Controller, Directory, Handle};
use durable_fsm::testing::TestClock;
use durable_fsm::{Class, Classify, Fsm, Outcome, Resource, ResourceId, Store, Undone};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) uid: String,
    #[serde(default)]
    pub(crate) plan: String,
}

impl Tenant {
    /// In its first life, its second, and so on.
    pub(crate) fn new(name: &str, life: &str) -> Self {
        Self { name: name.to_owned(), uid: format!("{name}-{life}"), plan: String::new() }
    }
}

impl Resource for Tenant {
    type Spec = String;
    fn id(&self) -> ResourceId {
        id(&self.name)
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn spec(&self) -> &String {
        &self.plan
    }
}

pub(crate) fn id(name: &str) -> ResourceId {
    ResourceId::new("", name)
}

/// Gives a tenant an account, then a room.
#[derive(Fsm)]
#[fsm(name = "example.io/tenant", version = 1, resource = Tenant)]
pub(crate) enum TenantFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(open_account -> Known, in_doubt = repeat, undo = close_account, timeout = "100ms")]
    Requested,
    /// It has an account.
    #[transition(open_room -> Ready, in_doubt = repeat, undo = close_room, timeout = "100ms", retry = "10s..10s")]
    Known { account: String },
    /// It has a room. Rests here.
    #[fsm(resting)]
    Ready { room: String },
}

/// What exists outside, by idempotency key, and what was called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cloud(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) accounts: BTreeMap<String, String>,
    pub(crate) rooms: BTreeMap<String, String>,
    /// `<call> <tenant> <plan>`, in order.
    pub(crate) calls: Vec<String>,
    /// Rooms of this tenant are refused for now.
    pub(crate) busy: Option<String>,
    under_way: usize,
    pub(crate) most_under_way: usize,
}

impl Cloud {
    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub(crate) fn accounts(&self) -> Vec<String> {
        self.inner().accounts.values().cloned().collect()
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().calls)
    }

    async fn call(&self, what: &str, attempt: &TenantAttempt) {
        let tenant = attempt.resource();
        {
            let mut inner = self.inner();
            inner.calls.push(format!("{what} {} {}", tenant.name, tenant.plan).trim_end().to_owned());
            inner.under_way += 1;
            inner.most_under_way = inner.most_under_way.max(inner.under_way);
        }
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        self.inner().under_way -= 1;
    }
}

#[derive(Debug, thiserror::Error)]
#[error("busy")]
pub(crate) struct Busy;

impl Classify for Busy {
    fn classify(&self) -> Class {
        Class::NOT_APPLIED
    }
}

impl TenantTransitions for Cloud {
    type Error = Busy;
    async fn open_account(&self, from: Requested, attempt: &TenantAttempt) -> Result<Known, Busy> {
        self.call("open_account", attempt).await;
        let name = attempt.resource().name.clone();
        self.inner().accounts.insert(attempt.key().to_owned(), name.clone());
        Ok(from.known(name))
    }
    async fn close_account(&self, _: &Known, attempt: &TenantAttempt) -> Result<Undone, Busy> {
        self.call("close_account", attempt).await;
        self.inner().accounts.remove(attempt.key());
        Ok(Undone::Done)
    }
    async fn open_room(&self, from: Known, attempt: &TenantAttempt) -> Result<Ready, Busy> {
        self.call("open_room", attempt).await;
        let name = attempt.resource().name.clone();
        if self.inner().busy.as_ref() == Some(&name) {
            return Err(Busy);
        }
        self.inner().rooms.insert(attempt.key().to_owned(), name.clone());
        Ok(from.ready(format!("!{name}")))
    }
    async fn close_room(&self, _: &Ready, attempt: &TenantAttempt) -> Result<Undone, Busy> {
        self.call("close_room", attempt).await;
        self.inner().rooms.remove(attempt.key());
        Ok(Undone::Done)
    }
}

/// A controller under way.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    pub(crate) clock: TestClock,
    outcomes: mpsc::UnboundedReceiver<(String, String)>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    /// Begins a controller of a directory.
    pub(crate) fn watch(cloud: &Cloud, store: impl Store, directory: &std::path::Path, clock: &TestClock) -> Self {
        let runner = TenantRunner::builder(cloud.clone(), store).clock(clock.clone()).build();
        Self::begin(Controller::watch(runner, Directory::new(directory)), clock)
    }

    /// Begins a controller of a stream.
    pub(crate) fn follow(
        cloud: &Cloud,
        store: impl Store,
        clock: &TestClock,
    ) -> (Self, mpsc::UnboundedSender<Change<Tenant>>) {
        let (changes, stream) = mpsc::unbounded_channel();
        let runner = TenantRunner::builder(cloud.clone(), store).clock(clock.clone()).build();
        (Self::begin(Controller::follow(runner, Received(stream)), clock), changes)
    }

    pub(crate) fn begin(controller: Controller<TenantFlow, Cloud>, clock: &TestClock) -> Self {
        Self::with(controller, clock, |_, _| {})
    }

    /// Begins a controller that also calls `look` after each pass.
    pub(crate) fn with(
        controller: Controller<TenantFlow, Cloud>,
        clock: &TestClock,
        look: impl Fn(&ResourceId, &str) + Send + Sync + 'static,
    ) -> Self {
        let (told, outcomes) = mpsc::unbounded_channel();
        let controller = controller.on_outcome(move |id, outcome| {
            let text = word(outcome);
            told.send((id.name.clone(), text.clone())).ok();
            look(id, &text);
        });
        let handle = controller.handle();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(controller.run_until(async move {
            stopped.await.ok();
        }));
        Self { handle, clock: clock.clone(), outcomes, stop: Some(stop), task }
    }

    /// Reads the source, and lets everything that is due be done.
    pub(crate) async fn settle(&self) {
        self.handle.settled().await;
    }

    /// Lets time pass until nothing waits for a time any more, but at most so many steps.
    pub(crate) async fn settle_in_time(&self) {
        for _ in 0..40 {
            self.settle().await;
            self.clock.advance(Duration::from_millis(500));
        }
        self.settle().await;
    }

    /// What has been told since, as `name: outcome`.
    pub(crate) fn outcomes(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.outcomes.try_recv().ok()).map(|(name, text)| format!("{name}: {text}")).collect()
    }

    /// Waits for the next outcome.
    pub(crate) async fn outcome(&mut self) -> String {
        let (name, text) = self.outcomes.recv().await.expect("the controller goes on");
        format!("{name}: {text}")
    }

    /// Ends the controller in good order.
    pub(crate) async fn drain(mut self) {
        self.stop.take().expect("it is stopped once").send(()).expect("the controller goes on");
        (&mut self.task).await.expect("the loop does not panic");
    }

    /// Ends the controller as a kill would.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

fn word(outcome: &Outcome<TenantState>) -> String {
    match outcome {
        Outcome::Resting(state) | Outcome::Watching { state, .. } => state.name().to_owned(),
        Outcome::Progressing { .. } | Outcome::Undoing { .. } => "progressing".to_owned(),
        Outcome::Blocked { .. } => "blocked".to_owned(),
        Outcome::Held { message, .. } => format!("held {message}"),
        Outcome::Paused => "paused".to_owned(),
        Outcome::Gone => "gone".to_owned(),
    }
}

/// A channel as a stream.
struct Received(mpsc::UnboundedReceiver<Change<Tenant>>);

impl futures_core::Stream for Received {
    type Item = Change<Tenant>;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
