//! The controller that runs in the cluster. Invariant: it stops between effects, and whatever it was at is in the record.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use durable_fsm_kube::{AnnotationStore, Reconciler, predicate, strip_managed_fields};
use futures::StreamExt as _;
use kube::runtime::{Controller, WatchStreamExt as _, controller, reflector, watcher};
use kube::{Api, Client};
use tokio::net::TcpListener;

use super::{Pods, Secrets, WorkerObject, serving};
use crate::clients::{Clients, Urls};
use crate::credentials::Vault;
use crate::office::Office;
use crate::pace::Pace;
use crate::provision::Provisioner;
use crate::worker::WorkerFlow;

/// Reconciles all workers of a cluster until it is told to stop.
#[derive(Debug, Clone, clap::Args)]
pub struct ClusterController {
    /// Where the servers are. No Docker Engine is used.
    #[command(flatten)]
    pub urls: Urls,
    /// The namespace in which the workers' secrets are kept: the controller's own.
    #[arg(long, env = "POD_NAMESPACE", default_value = "hiclaw-system")]
    pub namespace: String,
    /// Reconciles the workers of this namespace alone; those of all without it.
    #[arg(long)]
    pub workers_in: Option<String>,
    /// Where health and metrics are served.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub serve: SocketAddr,
    /// How many workers are reconciled at once.
    #[arg(long, default_value_t = 16)]
    pub concurrency: u16,
    /// Who we are on the homeserver.
    #[command(flatten)]
    pub office: Office,
}

/// Why the controller could not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// A client could not be made.
    #[error(transparent)]
    Client(#[from] crate::clients::ClientError),
    /// The cluster could not be reached.
    #[error("the cluster cannot be reached; set KUBECONFIG, or run in a pod with a service account")]
    Kubernetes(#[from] kube::Error),
    /// The machine's name makes no annotation.
    #[error(transparent)]
    Store(#[from] durable_fsm::StoreError),
    /// The definition of the workers does not fit.
    #[error(transparent)]
    Definition(#[from] durable_fsm_kube::DefinitionError),
    /// Health and metrics could not be served.
    #[error("health and metrics cannot be served; choose a free address with --serve")]
    Serve(#[from] std::io::Error),
}

/// A controller that runs.
pub type Running = Pin<Box<dyn Future<Output = Result<(), ClusterError>> + Send>>;
type Stop = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

impl ClusterController {
    /// Runs until SIGTERM or SIGINT, with the cluster that the environment names.
    ///
    /// # Errors
    /// [`ClusterError`], at the start; later errors are tried again.
    pub async fn run(self) -> Result<(), ClusterError> {
        let client = Client::try_default().await?;
        self.run_until(client, terminated()).await
    }

    /// As [`run`](Self::run), with this client, until `stop`.
    ///
    /// # Errors
    /// As for `run`.
    pub fn run_until(self, client: Client, stop: impl Future<Output = ()> + Send + Sync + 'static) -> Running {
        // In boxes, so that the controller is compiled here and not wherever it is awaited.
        Box::pin(self.watch(client, Box::pin(stop)))
    }

    async fn watch(self, client: Client, stop: Stop) -> Result<(), ClusterError> {
        let listener = TcpListener::bind(self.serve).await?;
        let clients = Clients::new(&self.urls, Pace::REAL.patience())?;
        let vault = Vault::new(Secrets::new(client.clone(), &self.namespace));
        let (pods, administrator) = (Arc::new(Pods::new(client.clone())), self.office.administrator(&clients));
        let provisioner = Provisioner::new(&clients, pods, vault, administrator, &self.office);
        let store = AnnotationStore::of::<WorkerObject>(client.clone());
        let reconciler = Reconciler::<WorkerObject, WorkerFlow, _>::new(provisioner, store)?;
        reconciler.check().await?;
        if let Err(error) = reconciler.keep_graph(&self.namespace).await {
            tracing::warn!(%error, "`kubectl fsm` will not find the workers");
        }
        let (reader, writer) = reflector::store();
        let api: Api<WorkerObject> = match &self.workers_in {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        };
        let workers = watcher(api, watcher::Config::default())
            .default_backoff()
            .modify(strip_managed_fields)
            .reflect(writer)
            .applied_objects()
            .predicate_filter(predicate(reconciler.names().clone()), Default::default());
        let (runner, metrics) = (reconciler.runner().clone(), reconciler.metrics().clone());
        let stop = async move {
            stop.await;
            runner.drain().await;
        };
        let controller = Controller::for_stream(workers, reader)
            .with_config(controller::Config::default().concurrency(self.concurrency))
            .graceful_shutdown_on(stop)
            .run(Reconciler::reconcile, Reconciler::error_policy, Arc::new(reconciler))
            .for_each(|_| std::future::ready(()));
        tokio::select! {
            () = controller => Ok(()),
            served = serving::serve(listener, metrics) => Ok(served?),
        }
    }
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        // Without signals there is nothing to wait for.
        Err(_) => std::future::pending().await,
    }
}
