//! SIGKILL of Synapse some while into each kind of call. Invariant: a kill is counted only if a call of that step was under way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use durable_fsm::store::MemoryStore;
use durable_fsm::{Clock as _, Crossing, Outcome, Probe};
use hiclaw::clients::{Clients, Urls};
use hiclaw::credentials::Vault;
use hiclaw::office::Office;
use hiclaw::pace::Pace;
use hiclaw::provision::Provisioner;
use hiclaw::servers::World;
use hiclaw::worker::{Worker, WorkerRunner, WorkerSpec, WorkerState};
use tokio::sync::mpsc;

use crate::audit::Audit;
use crate::server::Synapse;

/// The steps that call Synapse: account, room, invitation and join.
const STEPS: [&str; 3] = ["register_account", "create_room", "admit_members"];
/// How long into the call it is killed.
const AFTER: [u64; 7] = [10, 30, 60, 100, 150, 200, 300];
const PACE: Pace = Pace::HURRIED;

pub fn run(kills: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(crash(kills));
}

/// Tells when a call of a step begins, the first time that it does.
struct Watch {
    step: &'static str,
    begun: mpsc::UnboundedSender<()>,
    times: Arc<AtomicUsize>,
}

impl Probe for Watch {
    async fn cross(&self, crossing: &Crossing<'_>) {
        if crossing.to_string() == format!("{}/effect:before", self.step)
            && self.times.fetch_add(1, Ordering::Relaxed) == 0
        {
            self.begun.send(()).unwrap();
        }
    }
}

fn told(outcome: &Outcome<WorkerState>) -> String {
    match outcome {
        Outcome::Resting(state) | Outcome::Watching { state, .. } => state.name().to_owned(),
        Outcome::Blocked { message, .. } | Outcome::Held { message, .. } => message.clone(),
        Outcome::Progressing { reason, .. } | Outcome::Undoing { reason, .. } => reason.clone(),
        Outcome::Paused => "paused".to_owned(),
        Outcome::Gone => "gone".to_owned(),
    }
}

fn worker(number: usize) -> Worker {
    let spec = WorkerSpec { image: "worker:1".to_owned(), model: "m".to_owned(), skills: BTreeSet::new() };
    let (name, uid) = (format!("w{number}"), format!("uid-{number}"));
    Worker { namespace: "default".to_owned(), name, uid, spec, deleting: false }
}

async fn crash(kills: usize) {
    let mut synapse = Synapse::start().await.unwrap();
    let world = World::start().await.unwrap();
    let urls = Urls { matrix: synapse.url(), ..world.urls() };
    let clients = Clients::new(&urls, PACE.patience()).unwrap();
    let office = Office::default();
    let secrets = tempfile::tempdir().unwrap();
    let (docker, vault) = (Arc::new(clients.docker.clone()), Vault::open(secrets.path()).unwrap());
    let provisioner = Provisioner::new(&clients, docker, vault, office.administrator(&clients), &office);
    let store = MemoryStore::new();
    let mut fell = BTreeMap::<&str, usize>::new();
    for number in 0..kills {
        let (step, after) = (STEPS[number % STEPS.len()], AFTER[(number / STEPS.len()) % AFTER.len()]);
        let (begun, mut beginning) = mpsc::unbounded_channel();
        let watch = Watch { step, begun, times: Arc::default() };
        let runner = WorkerRunner::builder(provisioner.clone(), store.clone()).clock(PACE.clock()).probe(watch).build();
        let worker = worker(number);
        let working = tokio::spawn(async move {
            loop {
                match runner.reconcile(&worker).await.unwrap() {
                    Outcome::Progressing { after, .. } => PACE.clock().sleep(after).await,
                    outcome => return told(&outcome),
                }
            }
        });
        beginning.recv().await.unwrap();
        tokio::time::sleep(Duration::from_millis(after)).await;
        synapse.kill().unwrap();
        synapse.resume().await.unwrap();
        assert_eq!(working.await.unwrap(), "Ready", "{step}, {after} ms");
        *fell.entry(step).or_default() += 1;
    }
    println!("Synapse was killed {kills} times: {fell:?}");
    let workers: Vec<_> = (0..kills).map(worker).collect();
    let audit = Audit::of(&synapse).await;
    assert_whole(&audit, &workers);
    for worker in workers {
        let runner = WorkerRunner::builder(provisioner.clone(), store.clone()).clock(PACE.clock()).build();
        let gone = Worker { deleting: true, ..worker };
        loop {
            match runner.reconcile(&gone).await.unwrap() {
                Outcome::Progressing { after, .. } => PACE.clock().sleep(after).await,
                Outcome::Gone => break,
                outcome => panic!("{}", told(&outcome)),
            }
        }
    }
    assert_empty(&Audit::of(&synapse).await, kills);
}

/// One room for each worker, with all who should be there, and no other.
fn assert_whole(audit: &Audit, workers: &[Worker]) {
    let names: Vec<_> = audit.rooms.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(audit.rooms.len(), workers.len(), "a room too many or too few: {names:?}");
    for worker in workers {
        let name = format!("Worker: {}", worker.name);
        let [(_, members)] = audit.rooms.iter().filter(|(its, _)| *its == name).collect::<Vec<_>>()[..] else {
            panic!("{name} is not there once: {names:?}")
        };
        let of = |user: &str| members.get(&format!("@{user}:hiclaw.test")).map(String::as_str);
        assert_eq!((of("admin"), of(&worker.name), of("manager")), (Some("join"), Some("join"), Some("invite")));
    }
    assert_eq!(audit.accounts.len(), workers.len() + 2, "{:?}", audit.accounts);
}

fn assert_empty(audit: &Audit, accounts: usize) {
    assert!(audit.rooms.is_empty(), "{:?}", audit.rooms);
    assert_eq!(audit.accounts.len(), accounts + 2, "a Matrix id stays taken");
    assert_eq!(audit.devices_of("w"), 0);
}
