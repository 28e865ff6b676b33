//! The demonstration. Invariant: what it says of the world it has asked the servers, and what it says of the record it has read from the file.

mod child;
mod kills;

use std::path::{Path, PathBuf};

use durable_fsm::store::FileStore;
use durable_fsm::{RecordId, Resource as _};

use crate::clients::{ClientError, Clients};
use crate::inventory::Inventory;
use crate::servers::World;
use crate::worker::{Worker, WorkerFlow, WorkerSpec};
use child::Child;

/// What to show.
#[derive(Debug, Clone, clap::Args)]
pub struct Demo {
    /// Kills a controller at this crossing, such as `create_room/effect:after#1`, and shows how the next one goes on.
    #[arg(long)]
    kill_at: Option<String>,
    /// Kills a controller at every crossing, forward and during deletion, each in a world of its own.
    #[arg(long)]
    kill_all: bool,
    /// How many of these worlds run at the same time.
    #[arg(long, default_value_t = 8)]
    at_once: usize,
}

/// Why the demonstration could not be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A process or file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A server that was asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A worker could not be written down.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A controller did not do what it is there for.
    #[error("the controller {0}")]
    Controller(String),
}

/// A world with the directories of one controller in it.
struct Stage {
    world: World,
    clients: Clients,
    directory: tempfile::TempDir,
    worker: Worker,
}

impl Stage {
    async fn new() -> Result<Self, DemoError> {
        let world = World::start().await?;
        let clients = Clients::new(&world.urls(), std::time::Duration::from_secs(5))?;
        let skills = ["browser", "calendar", "search"].map(str::to_owned).into();
        let spec = WorkerSpec { image: "hiclaw/worker:1.0".to_owned(), model: "qwen-max".to_owned(), skills };
        let worker = Worker {
            namespace: "default".to_owned(),
            name: "alice".to_owned(),
            uid: "7d9f6c1e".to_owned(),
            spec,
            deleting: false,
        };
        Ok(Self { world, clients, directory: tempfile::tempdir()?, worker })
    }

    fn record_path(&self) -> PathBuf {
        let id = RecordId { machine: WorkerFlow::GRAPH.name.to_owned(), resource: self.worker.id() };
        // The store names the file; the controller that has it locked is a process of its own.
        let elsewhere =
            tempfile::tempdir().ok().and_then(|it| FileStore::open(it.path()).ok().map(|store| (store.path(&id), it)));
        let inside = elsewhere.and_then(|(path, it)| path.strip_prefix(it.path()).map(Path::to_owned).ok());
        self.directory.path().join("records").join(inside.unwrap_or_default())
    }

    fn record(&self) -> Vec<u8> {
        std::fs::read(self.record_path()).unwrap_or_default()
    }

    async fn inventory(&self) -> Result<Inventory, DemoError> {
        Ok(Inventory::ask(&self.clients, &self.worker).await?)
    }

    fn print_calls(&self) {
        let calls = self.world.calls.take();
        for call in calls.iter().filter(|call| call.path != "/session/login") {
            println!("      {:<8} {:<7} {} -> {}", call.server, call.method, call.path, call.status);
        }
    }
}

impl Demo {
    /// Gives the demonstration. True if ours left nothing behind.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn run(self) -> Result<bool, DemoError> {
        if self.kill_all {
            return kills::at_every_crossing(self.at_once).await;
        }
        if let Some(crossing) = &self.kill_at {
            return kills::at_one_crossing(crossing).await;
        }
        let naive = show_naive().await?;
        let ours = show_ours().await?;
        println!("\nnaive: {naive} duplicates after one outage and one kill; ours: {ours}");
        Ok(ours == 0)
    }
}

/// The same fault for both: the controller is at step 4 when the gateway goes down, and is then killed.
async fn show_naive() -> Result<usize, DemoError> {
    println!("The linear create, without a record of steps");
    let mut stage = Stage::new().await?;
    let mut child = Child::start(&stage, &["--naive", "--stop-at", "step-4#1"])?;
    child.until("at ").await?;
    println!("  it is at step 4; the gateway goes down, and the controller is killed (SIGKILL)");
    stage.world.higress.stop().await;
    child.kill().await?;
    stage.print_calls();
    println!("  a new controller begins at step 1, again and again:");
    let mut child = Child::start(&stage, &["--naive"])?;
    for _ in 0..3 {
        println!("    {}", child.until("failed ").await?);
    }
    stage.world.higress.resume().await?;
    println!("  the gateway is up again: {}", child.until("ready").await?);
    stage.print_calls();
    let inventory = stage.inventory().await?;
    println!("  what the servers say is there:\n{}", inventory.table(&stage.worker));
    Ok(inventory.duplicates(&stage.worker))
}

async fn show_ours() -> Result<usize, DemoError> {
    println!("The same flow as a durable machine");
    let mut stage = Stage::new().await?;
    let mut child = Child::start(&stage, &["--stop-at", "authorize_route/effect:before#1"])?;
    child.until("at ").await?;
    println!("  it is at step 4; the gateway goes down, and the controller is killed (SIGKILL)");
    stage.world.higress.stop().await;
    child.kill().await?;
    stage.print_calls();
    println!("  the record, at {}:\n    {}", stage.record_path().display(), String::from_utf8_lossy(&stage.record()));
    println!("  a new controller goes on where the record says:");
    let mut child = Child::start(&stage, &[])?;
    println!("    {}", child.until("cross authorize_route/take-over").await?);
    println!("    {}", child.until("waits ").await?);
    stage.world.higress.resume().await?;
    println!("  the gateway is up again: {}", child.until("ready").await?);
    stage.print_calls();
    let inventory = stage.inventory().await?;
    println!("  what the servers say is there:\n{}", inventory.table(&stage.worker));
    let wrong = inventory.duplicates(&stage.worker) + inventory.missing(&stage.worker);
    println!("  the worker is deleted:");
    stage.worker.deleting = true;
    let mut child = Child::start(&stage, &[])?;
    println!("    {}", child.until("gone").await?);
    stage.print_calls();
    let inventory = stage.inventory().await?;
    println!("  left: {inventory} (the account is declared `retain`: its name stays taken for ever)");
    if stage.record_path().exists() {
        return Err(DemoError::Controller("left its record behind".to_owned()));
    }
    Ok(wrong + inventory.left())
}
