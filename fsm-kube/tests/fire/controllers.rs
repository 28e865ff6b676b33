//! Controllers as processes of their own, that are killed and started again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use durable_fsm_kube::{AnnotationStore, Reconciler, predicate};
use futures::StreamExt as _;
use kube::runtime::{Controller, WatchStreamExt as _, controller, reflector, watcher};

use crate::provider::Provider;
use crate::worker::{Worker, WorkerFlow};

/// The variable that makes this program a controller, with the provider's address.
pub const PROVIDER: &str = "FIRE_PROVIDER";

/// A controller, as any operator would write it.
pub async fn run(provider: String) {
    let client = kube::Client::try_default().await.unwrap();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let provider = Provider::There(http, provider);
    let store = AnnotationStore::of::<Worker>(client.clone());
    let reconciler = Reconciler::<Worker, WorkerFlow, _>::new(provider, store).unwrap();
    let (reader, writer) = reflector::store();
    let workers = watcher(kube::Api::<Worker>::all(client), watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects()
        .predicate_filter(predicate(reconciler.names().clone()), Default::default());
    Controller::for_stream(workers, reader)
        // A few at a time, so that the fire meets many that are half done.
        .with_config(controller::Config::default().concurrency(4))
        .run(Reconciler::reconcile, Reconciler::error_policy, Arc::new(reconciler))
        .for_each(|_| std::future::ready(()))
        .await;
}

/// Controller processes. They end with this value.
pub struct Controllers {
    running: Vec<Child>,
    provider: String,
    kubeconfig: PathBuf,
    killed: BTreeSet<u32>,
}

impl Controllers {
    pub fn start(count: usize, provider: &str, kubeconfig: &Path) -> Self {
        let (provider, kubeconfig) = (provider.to_owned(), kubeconfig.to_owned());
        let mut controllers = Self { running: Vec::new(), provider, kubeconfig, killed: BTreeSet::new() };
        controllers.running = (0..count).map(|_| controllers.spawn()).collect();
        controllers
    }

    fn spawn(&self) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .env(PROVIDER, &self.provider)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Kills a random one with SIGKILL and starts another in its place.
    pub fn kill_one(&mut self) {
        let index = fastrand::usize(..self.running.len());
        let next = self.spawn();
        let mut killed = std::mem::replace(&mut self.running[index], next);
        killed.kill().unwrap();
        killed.wait().unwrap();
        self.killed.insert(killed.id());
    }

    /// How many were killed.
    pub fn kills(&self) -> u32 {
        self.killed.len().try_into().unwrap()
    }

    /// The process ids of those.
    pub fn killed(&self) -> &BTreeSet<u32> {
        &self.killed
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        for controller in &mut self.running {
            drop(controller.kill());
            drop(controller.wait());
        }
    }
}
