//! The controller. Invariant: it stops between effects, and whatever it was at is in the record.

use std::net::SocketAddr;
use std::sync::Arc;

use durable_fsm::Runner;
use durable_fsm_kube::{
    AnnotationStore, DefinitionError, Metrics, Reconciler, predicate, stopped_before_it_began, strip_managed_fields,
};
use futures::{FutureExt as _, StreamExt as _};
use kube::runtime::{Controller as Watching, WatchStreamExt as _, controller, reflector, watcher};
use kube::{Api, Client};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cloud::Cloud;
use crate::machine::ProjectFlow;
use crate::project::Project;
use crate::provision::{ProviderError, Provisioner};
use crate::serving::serve;

/// Reconciles all projects until SIGTERM.
#[derive(Debug, Clone, clap::Args)]
pub struct Controller {
    /// Where the cloud is.
    #[arg(long, env = "CLOUD_URL", default_value = "http://127.0.0.1:8090")]
    pub cloud: String,
    /// The controller's own namespace. `kubectl fsm` finds the machine's graph there.
    #[arg(long, env = "POD_NAMESPACE", default_value = "project-operator")]
    pub namespace: String,
    /// Where health and metrics are served.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub serve: SocketAddr,
    /// How many projects are reconciled at once.
    #[arg(long, default_value_t = 16)]
    pub concurrency: u16,
}

/// Why the controller cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// There is no client for the cloud.
    #[error(transparent)]
    Cloud(#[from] ProviderError),
    /// There is no client for the cluster.
    #[error("the cluster cannot be reached; set KUBECONFIG, or run in a pod with a service account")]
    Kubernetes(#[source] kube::Error),
    /// The machine's name makes no annotation.
    #[error(transparent)]
    Store(#[from] durable_fsm::StoreError),
    /// The definition on the server does not fit.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// Health and metrics cannot be served.
    #[error("health and metrics cannot be served; choose a free address with --serve")]
    Serve(#[from] std::io::Error),
}

impl Controller {
    /// Runs until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// [`ControllerError`], at the start. Later errors are tried again.
    pub async fn run(self) -> Result<(), ControllerError> {
        let client = Client::try_default().await.map_err(ControllerError::Kubernetes)?;
        let listener = TcpListener::bind(self.serve).await?;
        let metrics = Metrics::new();

        let store = AnnotationStore::of::<Project>(client.clone());
        let provisioner = Provisioner(Cloud::new(&self.cloud, client.clone())?);
        let runner = Runner::builder(provisioner, store.clone()).probe(metrics.clone()).build();
        let reconciler = Reconciler::<Project, ProjectFlow, _>::of(runner.clone(), store, metrics.clone())?;
        reconciler.check().await?;
        if let Err(error) = reconciler.keep_graph(&self.namespace).await {
            tracing::warn!(%error, "`kubectl fsm` will not find these projects");
        }

        let (reader, writer) = reflector::store();
        let projects = watcher(Api::<Project>::all(client), watcher::Config::default())
            .default_backoff()
            .modify(strip_managed_fields)
            .reflect(writer)
            .applied_objects()
            .predicate_filter(predicate(reconciler.names().clone()), Default::default());
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let told = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping: passes end before their next effect");
        };
        let told = told.boxed().shared();
        let never_began = stopped_before_it_began(reader.clone(), told.clone());
        let stop = async move {
            told.await;
            runner.drain().await;
        };
        let watching = Watching::for_stream(projects, reader)
            .with_config(controller::Config::default().concurrency(self.concurrency))
            .graceful_shutdown_on(stop)
            .run(Reconciler::reconcile, Reconciler::error_policy, Arc::new(reconciler))
            .for_each(|_| std::future::ready(()));
        tracing::info!(address = %listener.local_addr()?, "watching projects");
        tokio::select! {
            () = watching => Ok(()),
            () = never_began => Ok(()),
            served = serve(listener, metrics) => Ok(served?),
        }
    }
}
