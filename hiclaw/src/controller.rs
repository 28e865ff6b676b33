//! The controller as a process of its own, so that it can be killed. Invariant: it keeps nothing but what is in its two directories.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use durable_fsm::store::FileStore;
use durable_fsm::{Clock as _, Outcome};

use crate::clients::{Clients, Urls};
use crate::credentials::Vault;
use crate::crossings::{Crossings, say};
use crate::naive;
use crate::office::Office;
use crate::pace::Pace;
use crate::provision::Provisioner;
use crate::worker::{Worker, WorkerRunner};

/// Reconciles one worker until there is nothing left to do, and says on standard output what it sees.
#[derive(Debug, Clone, clap::Args)]
pub struct Controller {
    /// Where the servers are.
    #[command(flatten)]
    pub urls: Urls,
    /// The directory of the records.
    #[arg(long)]
    pub records: PathBuf,
    /// The directory of the workers' secrets.
    #[arg(long)]
    pub vault: PathBuf,
    /// The worker, as JSON.
    #[arg(long)]
    pub worker: String,
    /// Runs the linear create in place of the machine.
    #[arg(long)]
    pub naive: bool,
    /// Stands still at this crossing, such as `create_room/effect:after#1`, and waits to be killed.
    #[arg(long)]
    pub stop_at: Option<String>,
    /// Who we are on the homeserver.
    #[command(flatten)]
    pub office: Office,
    /// How many times faster than real time goes.
    #[arg(long, default_value_t = 1)]
    pub hurry: u32,
}

/// Why the controller could not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// The worker is no JSON.
    #[error("the worker is not readable: {0}; give it as JSON")]
    Worker(#[from] serde_json::Error),
    /// A client could not be made.
    #[error(transparent)]
    Client(#[from] crate::clients::ClientError),
    /// The record directory could not be opened.
    #[error(transparent)]
    Open(#[from] durable_fsm::store::OpenError),
    /// The record store failed.
    #[error(transparent)]
    Store(#[from] durable_fsm::StoreError),
    /// The vault could not be opened.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Controller {
    /// Runs until the worker is ready or gone, is held, or is blocked.
    ///
    /// # Errors
    /// [`ControllerError`]; an error of a step is none, it is recorded and tried again.
    pub async fn run(self) -> Result<(), ControllerError> {
        let worker: Worker = serde_json::from_str(&self.worker)?;
        let pace = Pace::of(self.hurry);
        let clients = Clients::new(&self.urls, pace.patience())?;
        let vault = Vault::open(&self.vault)?;
        let crossings = Crossings::new("", self.stop_at, true);
        if self.naive {
            return run_naive(&clients, &vault, &self.office.registration_token, &worker, &crossings).await;
        }
        let store = FileStore::open(&self.records)?;
        let containers = Arc::new(clients.docker.clone());
        let administrator = self.office.administrator(&clients);
        let provisioner = Provisioner::new(&clients, containers, vault, administrator, &self.office);
        let clock = pace.clock();
        let runner = WorkerRunner::builder(provisioner, store).probe(crossings).clock(clock.clone()).build();
        loop {
            let outcome = runner.reconcile(&worker).await?;
            match &outcome {
                Outcome::Resting(state) | Outcome::Watching { state, .. } => say(&format!("ready {}", state.name())),
                Outcome::Gone => say("gone"),
                Outcome::Held { message, .. } => say(&format!("held {message}")),
                Outcome::Blocked { message, .. } => say(&format!("blocked {message}")),
                Outcome::Paused => say("paused"),
                Outcome::Undoing { after, .. } => {
                    clock.sleep(*after).await;
                    continue;
                }
                Outcome::Progressing { state, after, .. } => {
                    say(&format!("waits {} {}", state.name(), after.as_millis()));
                    clock.sleep(*after).await;
                    continue;
                }
            }
            return Ok(());
        }
    }
}

async fn run_naive(
    clients: &Clients,
    vault: &Vault,
    token: &str,
    worker: &Worker,
    crossings: &Crossings,
) -> Result<(), ControllerError> {
    if worker.deleting {
        naive::delete(clients, vault, worker).await?;
        say("gone");
        return Ok(());
    }
    loop {
        let step = async |number: u32| crossings.pass(format!("step-{number}")).await;
        match naive::create(clients, vault, token, worker, step).await {
            Ok(()) => {
                say("ready Running");
                return Ok(());
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|it| format!(": {it}")).unwrap_or_default();
                say(&format!("failed: {error}{cause}"));
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
    }
}
