//! The controller that runs in the cluster. Invariant: it stops between effects, and whatever it was at is in the record.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use durable_fsm::Runner;
use durable_fsm_kube::{
    AnnotationStore, Metrics, Reconciler, Runs, predicate, stopped_before_it_began, strip_managed_fields,
};
use futures::{StreamExt as _, stream};
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::{self, ObjectRef, store::Writer};
use kube::runtime::watcher::Event;
use kube::runtime::{Controller, WatchStreamExt as _, controller, watcher};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::exchange::Exchange;
use super::records::Records;
use super::{HumanObject, Pods, Secrets, TeamObject, WorkerObject, WorkerObjects};
use crate::clients::{Clients, Urls};
use crate::credentials::Vault;
use crate::human::HumanFlow;
use crate::human::passwords::Passwords;
use crate::human::provision::HumanProvisioner;
use crate::human::sessions::Sessions;
use crate::office::Office;
use crate::pace::Pace;
use crate::post::Post;
use crate::provision::Provisioner;
use crate::roster::Roster;
use crate::serving;
use crate::team::TeamFlow;
use crate::team::provision::TeamProvisioner;
use crate::worker::WorkerFlow;

/// Reconciles all workers, teams and humans of a cluster until it is told to stop.
#[derive(Debug, Clone, clap::Args)]
pub struct ClusterController {
    /// Where the servers are. No Docker Engine is used.
    #[command(flatten)]
    pub urls: Urls,
    /// The namespace in which secrets are kept: the controller's own.
    #[arg(long, env = "POD_NAMESPACE", default_value = "hiclaw-system")]
    pub namespace: String,
    /// Reconciles the resources of this namespace alone; those of all without it.
    #[arg(long)]
    pub resources_in: Option<String>,
    /// Where health and metrics are served.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub serve: SocketAddr,
    /// How many of one kind are reconciled at once.
    #[arg(long, default_value_t = 16)]
    pub concurrency: u16,
    /// Where mails go, and whom they come from.
    #[command(flatten)]
    pub post: Post,
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
    /// There is no client for the mail relay.
    #[error(transparent)]
    Post(#[from] crate::post::PostError),
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
        let (workers, workers_written) = reflector::store();
        let (teams, teams_written) = reflector::store();
        let (humans, humans_written) = reflector::store();
        let roster = Roster::new(Records { workers: workers.clone(), teams: teams.clone() });
        let (worker, team, human) = self.provisioners(&client, &roster)?;
        let metrics = Metrics::new();
        let worker = self.reconciler::<WorkerObject, WorkerFlow, _>(&client, worker, &metrics).await?;
        let team = self.reconciler::<TeamObject, TeamFlow, _>(&client, team, &metrics).await?;
        let human = self.reconciler::<HumanObject, HumanFlow, _>(&client, human, &metrics).await?;

        let (wake_team, woken_teams) = mpsc::unbounded_channel();
        let (wake_human, woken_humans) = mpsc::unbounded_channel();
        let exchange = Arc::new(Exchange {
            roster,
            teams: teams.clone(),
            humans: humans.clone(),
            wake_team,
            wake_human,
            seen_workers: Default::default(),
            seen_teams: Default::default(),
        });
        let (stopping, stopped) = watch::channel(false);
        let (about_workers, about_teams) = (Arc::clone(&exchange), exchange);
        let workers_at_work =
            self.at_work(&client, None, &stopped)
                .run(worker, (workers.clone(), workers_written), move |event| about_workers.worker(event));
        let teams_at_work = self.at_work(&client, Some(woken_teams), &stopped).run(
            team,
            (teams.clone(), teams_written),
            move |event| about_teams.team(event),
        );
        let humans_at_work =
            self.at_work(&client, Some(woken_humans), &stopped).run(human, (humans, humans_written), |_| {});
        // With an empty cache, a team would dismiss members that exist. An error means that the watch has stopped, and the controller with it.
        let teams_at_work = async {
            drop(workers.wait_until_ready().await);
            teams_at_work.await;
        };
        let humans_at_work = async {
            drop(workers.wait_until_ready().await);
            drop(teams.wait_until_ready().await);
            humans_at_work.await;
        };
        let stop = async {
            stop.await;
            stopping.send_replace(true);
        };
        tokio::select! {
            _ = async { tokio::join!(workers_at_work, teams_at_work, humans_at_work, stop) } => Ok(()),
            served = serving::serve(listener, metrics) => Ok(served?),
        }
    }

    fn provisioners(
        &self,
        client: &Client,
        roster: &Roster,
    ) -> Result<(Provisioner, TeamProvisioner, HumanProvisioner), ClusterError> {
        let patience = Pace::REAL.patience();
        let clients = Clients::new(&self.urls, patience)?;
        let administrator = self.office.administrator(&clients);
        let secrets = Secrets::new(client.clone(), &self.namespace);
        let (pods, vault) =
            (Arc::new(Pods::new(client.clone(), self.urls.containers.clone())), Vault::new(secrets.clone()));
        let worker = Provisioner::new(&clients, pods, vault, administrator.clone(), &self.office);
        let team = TeamProvisioner {
            administrator: administrator.clone(),
            oss: clients.oss.clone(),
            accounts: worker.accounts.clone(),
            roster: roster.clone(),
            workforce: Arc::new(WorkerObjects::new(client.clone())),
        };
        let human = HumanProvisioner {
            mail: self.post.mail(patience)?,
            clients,
            administrator,
            passwords: Passwords::new(secrets),
            sessions: Sessions::default(),
            roster: roster.clone(),
            registration_token: self.office.registration_token.clone(),
        };
        Ok((worker, team, human))
    }

    /// The reconciler of one kind, whose definition fits.
    async fn reconciler<K, M: Runs<T>, T: Send + Sync + 'static>(
        &self,
        client: &Client,
        transitions: T,
        metrics: &Metrics,
    ) -> Result<Reconciler<K, M, T>, ClusterError>
    where
        K: Kind + Into<M::Resource>,
    {
        let store = AnnotationStore::of::<K>(client.clone());
        let runner = Runner::builder(transitions, store.clone()).probe(metrics.clone()).build();
        let reconciler = Reconciler::of(runner, store, metrics.clone())?;
        reconciler.check().await?;
        if let Err(error) = reconciler.keep_graph(&self.namespace).await {
            tracing::warn!(%error, "`kubectl fsm` will not find these resources");
        }
        Ok(reconciler)
    }

    fn at_work<K: Kind>(
        &self,
        client: &Client,
        woken: Option<mpsc::UnboundedReceiver<ObjectRef<K>>>,
        stopped: &watch::Receiver<bool>,
    ) -> AtWork<K> {
        let api = match &self.resources_in {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        AtWork { api, woken, stopped: stopped.clone(), concurrency: self.concurrency }
    }
}

/// A kind of resource.
trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
}

impl Kind for WorkerObject {}
impl Kind for TeamObject {}
impl Kind for HumanObject {}

/// How the resources of one kind are reconciled.
struct AtWork<K: Kind> {
    api: Api<K>,
    /// Those that somebody else has woken.
    woken: Option<mpsc::UnboundedReceiver<ObjectRef<K>>>,
    stopped: watch::Receiver<bool>,
    concurrency: u16,
}

impl<K: Kind> AtWork<K> {
    /// Reconciles them until it is told to stop, and tells `heard` what the watch tells.
    fn run<M: Runs<T, State: Sync>, T: Send + Sync + 'static>(
        self,
        reconciler: Reconciler<K, M, T>,
        (reader, writer): (reflector::Store<K>, Writer<K>),
        heard: impl Fn(&Event<K>) + Send + 'static,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>
    where
        K: Into<M::Resource>,
    {
        let Self { api, woken, stopped, concurrency } = self;
        let objects = watcher(api, watcher::Config::default())
            .default_backoff()
            .modify(strip_managed_fields)
            .reflect(writer)
            .inspect(move |event| {
                if let Ok(event) = event {
                    heard(event);
                }
            })
            .applied_objects()
            .predicate_filter(predicate(reconciler.names().clone()), Default::default());
        let runner = reconciler.runner().clone();
        let told = |mut stopped: watch::Receiver<bool>| async move {
            // An end of the sender is a stop, too.
            drop(stopped.wait_for(|it| *it).await);
        };
        let never_began = stopped_before_it_began(reader.clone(), told(stopped.clone()));
        let stop = async move {
            told(stopped).await;
            runner.drain().await;
        };
        let woken = stream::unfold(woken, |woken| async {
            let mut woken = woken?;
            let next = woken.recv().await?;
            Some((next, Some(woken)))
        });
        let controller = Controller::for_stream(objects, reader)
            .with_config(controller::Config::default().concurrency(concurrency))
            .reconcile_on(woken)
            .graceful_shutdown_on(stop)
            .run(Reconciler::reconcile, Reconciler::error_policy, Arc::new(reconciler));
        let controller = controller.for_each(|_| std::future::ready(()));
        Box::pin(async move {
            tokio::select! {
                () = controller => {}
                () = never_began => {}
            }
        })
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
