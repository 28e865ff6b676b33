//! The worker's flow in this process, on stand-ins and files, by the real clock. At each crossing the record files are searched for secrets.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_fsm::store::FileStore;
use durable_fsm::{Clock as _, Crossing, Outcome, Probe, Runner};
use hiclaw::clients::{Clients, Session};
use hiclaw::credentials::{Credentials, Vault};
use hiclaw::inventory::Inventory;
use hiclaw::office::Office;
use hiclaw::pace::Pace;
use hiclaw::provision::Provisioner;
use hiclaw::servers::{Call, World};
use hiclaw::worker::{Worker, WorkerFlow, WorkerSpec};
use serde_json::Value;
use tempfile::TempDir;

pub struct Stage {
    pub world: World,
    pub clients: Clients,
    pub worker: Worker,
    runner: Runner<WorkerFlow, Provisioner>,
    watch: Watch,
    calls: Mutex<Vec<Call>>,
    _directory: TempDir,
}

impl Stage {
    pub async fn start() -> Self {
        Self::in_domain("hiclaw.test").await
    }

    pub async fn in_domain(domain: &str) -> Self {
        let world = World::with_domain(domain).await.unwrap();
        let clients = Clients::new(&world.urls(), Pace::HURRIED.patience()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let skills = ["mail", "search"].map(str::to_owned).into();
        let spec = WorkerSpec { image: "worker:1".to_owned(), model: "qwen".to_owned(), skills };
        let (namespace, name, uid) = ("default".to_owned(), "alice".to_owned(), "uid-1".to_owned());
        let worker = Worker { namespace, name, uid, spec, deleting: false };
        let vault = Vault::open(directory.path().join("vault")).unwrap();
        let secrets = vault.credentials(&worker).await.unwrap();
        let watch = Watch::new(directory.path().join("records"), &secrets);
        let office = Office::default();
        let (docker, administrator) = (Arc::new(clients.docker.clone()), office.administrator(&clients));
        let provisioner = Provisioner::new(&clients, docker, vault, administrator, &office);
        let store = FileStore::open(directory.path().join("records")).unwrap();
        let runner = Runner::builder(provisioner, store).probe(watch.clone()).clock(Pace::HURRIED.clock()).build();
        Self { world, clients, worker, runner, watch, calls: Mutex::default(), _directory: directory }
    }

    /// One pass; of the state it tells the name.
    pub async fn pass(&self) -> Outcome<&'static str> {
        let outcome = self.runner.reconcile(&self.worker).await.unwrap();
        self.calls.lock().unwrap().extend(self.world.calls.take());
        match outcome {
            Outcome::Resting(state) => Outcome::Resting(state.name()),
            Outcome::Watching { state, after } => Outcome::Watching { state: state.name(), after },
            Outcome::Progressing { state, after, reason } => {
                Outcome::Progressing { state: state.name(), after, reason }
            }
            Outcome::Blocked { state, reason, message, after } => {
                Outcome::Blocked { state: state.name(), reason, message, after }
            }
            Outcome::Undoing { after, reason } => Outcome::Undoing { after, reason },
            Outcome::Held { reason, message } => Outcome::Held { reason, message },
            Outcome::Paused => Outcome::Paused,
            Outcome::Gone => Outcome::Gone,
        }
    }

    /// As many passes as it takes until there is nothing left to do, or something has to change.
    pub async fn settle(&self) -> Outcome<&'static str> {
        for _ in 0..100 {
            match self.pass().await {
                Outcome::Progressing { after, .. } => sleep(after).await,
                outcome => return outcome,
            }
        }
        panic!("it never comes to rest; the last calls: {:#?}", self.calls.lock().unwrap().iter().rev().take(9))
    }

    /// Goes on until it is ready, and asks the servers whether everything is there, once.
    pub async fn until_ready(&self) {
        let outcome = self.settle().await;
        assert_eq!(outcome, Outcome::Resting("Ready"));
        let there = self.inventory().await;
        let wrong = (there.duplicates(&self.worker), there.missing(&self.worker), there.orphans(&self.worker));
        assert_eq!(wrong, (0, 0, 0), "duplicate, missing, orphaned: {there:?}");
    }

    /// Deletes the worker, and asks the servers what is left: its account, whose id stays taken, and nothing else.
    pub async fn delete(&mut self) {
        self.worker.deleting = true;
        let outcome = self.settle().await;
        assert_eq!(outcome, Outcome::Gone);
        let left = self.inventory().await;
        let accounts = left.accounts.clone();
        assert_eq!(left, Inventory { accounts, ..Inventory::default() });
        assert!(left.accounts.len() <= 1, "{left:?}");
        for account in left.accounts {
            let devices = self.clients.matrix.devices(&self.admin().await, &account).await.unwrap();
            assert_eq!(devices, Vec::<String>::new(), "{account} is signed out");
        }
        self.watch.assert_silent();
    }

    /// As [`delete`](Self::delete), after the worker was ready.
    pub async fn finish(mut self) {
        self.until_ready().await;
        // The secrets that were looked for are those that the servers were told.
        let config = self.clients.oss.get("agents/alice/openclaw.json").await.unwrap().unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["gateway"]["key"], self.watch.secrets[1]);
        assert!(config["matrix"]["token"].as_str().unwrap().starts_with(TOKEN));
        self.delete().await;
        assert!(self.watch.reads.load(Ordering::Relaxed) > 20, "the record was hardly ever there");
    }

    /// The administrator's session.
    pub async fn admin(&self) -> Session {
        let office = Office::default();
        self.clients.matrix.login(&office.matrix_admin, &office.matrix_admin_password).await.unwrap()
    }

    pub async fn inventory(&self) -> Inventory {
        Inventory::ask(&self.clients, &self.worker).await.unwrap()
    }

    /// How many calls there were like this.
    pub fn calls(&self, method: &str, path_end: &str, status: u16) -> usize {
        let calls = self.calls.lock().unwrap();
        let like = |call: &&Call| call.method == method && call.path.ends_with(path_end) && call.status == status;
        calls.iter().filter(like).count()
    }
}

/// Sleeps as long as the controller's clock says.
pub async fn sleep(time: Duration) {
    Pace::HURRIED.clock().sleep(time).await;
}

/// How the stand-in's access tokens begin.
const TOKEN: &str = "syt_";

/// Reads all record files at each crossing, and looks for secrets in them.
#[derive(Clone)]
struct Watch {
    records: PathBuf,
    secrets: [String; 2],
    reads: Arc<AtomicUsize>,
    leaks: Arc<Mutex<Vec<String>>>,
}

impl Watch {
    fn new(records: PathBuf, secrets: &Credentials) -> Self {
        let secrets = secrets.fields().map(|(_, secret)| secret.reveal().to_owned());
        Self { records, secrets, reads: Arc::default(), leaks: Arc::default() }
    }

    fn read(&self, directory: &Path, crossing: &str) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                self.read(&entry.path(), crossing);
                continue;
            }
            let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap_or_default()).into_owned();
            if text.contains("@alice:") {
                self.reads.fetch_add(1, Ordering::Relaxed);
            }
            if self.secrets.iter().map(String::as_str).chain([TOKEN]).any(|secret| text.contains(secret)) {
                self.leaks.lock().unwrap().push(format!("{crossing}: {text}"));
            }
        }
    }

    fn assert_silent(&self) {
        assert_eq!(*self.leaks.lock().unwrap(), Vec::<String>::new(), "a secret stood in a record");
    }
}

impl Probe for Watch {
    async fn cross(&self, crossing: &Crossing<'_>) {
        self.read(&self.records, &crossing.to_string());
    }
}
