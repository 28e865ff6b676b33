//! A world with the directories of one controller in it. Invariant: no two stages share a worker, also on servers that they share.

use std::path::PathBuf;
use std::time::Duration;

use durable_fsm::record::Record;
use durable_fsm::store::FileStore;
use durable_fsm::{RecordId, Resource as _};

use super::error::DemoError;
use super::servers::Servers;
use crate::clients::{Clients, Urls};
use crate::inventory::Inventory;
use crate::office::Office;
use crate::servers::World;
use crate::worker::{Worker, WorkerFlow, WorkerSpec};

pub(super) struct Stage {
    /// The stand-ins.
    pub(super) world: World,
    pub(super) urls: Urls,
    pub(super) office: Office,
    pub(super) clients: Clients,
    pub(super) directory: tempfile::TempDir,
    pub(super) worker: Worker,
    /// Whether the gateway is a stand-in, which can be taken down.
    pub(super) gateway_is_ours: bool,
}

impl Stage {
    pub(super) async fn new(servers: &Servers) -> Result<Self, DemoError> {
        let world = World::start().await?;
        let ours = world.urls();
        let given = |given: &Option<String>, ours: String| given.clone().unwrap_or(ours);
        let urls = Urls {
            matrix: given(&servers.matrix, ours.matrix),
            higress: given(&servers.higress, ours.higress),
            docker: given(&servers.docker, ours.docker),
            containers: ours.containers,
            s3: given(&servers.s3, ours.s3),
            logins: servers.logins.clone(),
        };
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
        let random = format!("{:08x}", u32::from_ne_bytes(random));
        // A homeserver of one's own remembers every name forever.
        let name = if servers.matrix.is_some() { format!("alice-{random}") } else { "alice".to_owned() };
        let skills = ["browser", "calendar", "search"].map(str::to_owned).into();
        let spec = WorkerSpec { image: servers.image.clone(), model: "qwen-max".to_owned(), skills };
        let worker = Worker { namespace: "default".to_owned(), name, uid: random, spec, deleting: false };
        Ok(Self {
            clients: Clients::new(&urls, Duration::from_secs(5))?,
            world,
            urls,
            office: servers.office.clone(),
            directory: tempfile::tempdir()?,
            worker,
            gateway_is_ours: servers.higress.is_none(),
        })
    }

    pub(super) fn record_path(&self) -> PathBuf {
        let id = RecordId { machine: WorkerFlow::GRAPH.name.to_owned(), resource: self.worker.id() };
        // The controller that has the directory locked is a process of its own.
        FileStore::path_in(self.directory.path().join("records"), &id)
    }

    /// What the record file says, if there is one.
    pub(super) fn record(&self) -> Result<Option<Record>, DemoError> {
        match std::fs::read(self.record_path()) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What the servers say is there. These calls are no controller's, and are not kept.
    pub(super) async fn inventory(&self) -> Result<Inventory, DemoError> {
        let inventory = Inventory::ask(&self.clients, &self.worker).await?;
        drop(self.world.calls.take());
        Ok(inventory)
    }
}
