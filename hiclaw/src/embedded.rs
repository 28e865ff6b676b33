//! Without a cluster: one process, documents in three directories, records in files, workers in Docker. Invariant: it keeps nothing but what is in its
//! state directory, so that it may be killed at any time and started again.

mod control;
mod describe;
mod log;
mod orders;
mod switchboard;
mod verbs;

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use durable_fsm::controller::{Controller, Directory, Handle};
use durable_fsm::metrics::Metrics;
use durable_fsm::store::FileStore;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clients::{Clients, Urls};
use crate::credentials::Vault;
use crate::crossings::{Crossings, say};
use crate::documents::Documents;
use crate::human::passwords::Passwords;
use crate::human::provision::HumanProvisioner;
use crate::human::sessions::Sessions;
use crate::human::{HumanRunner, HumanState};
use crate::kind::Kind;
use crate::office::Office;
use crate::pace::Pace;
use crate::post::Post;
use crate::provision::Provisioner;
use crate::roster::Roster;
use crate::serving;
use crate::team::provision::TeamProvisioner;
use crate::team::{TeamRunner, TeamState};
use crate::worker::{WorkerRunner, WorkerState};
use orders::Orders;
use switchboard::{News, Standing, Switchboard};

pub use verbs::{Verb, VerbError};

/// Reconciles the workers, teams and humans of a directory until it is told to stop.
#[derive(Debug, Clone, clap::Args)]
pub struct Embedded {
    /// Where the servers are.
    #[command(flatten)]
    pub urls: Urls,
    /// Who we are to them.
    #[command(flatten)]
    pub office: Office,
    /// The directory with `workers/`, `teams/` and `humans/`, which hold the documents.
    #[arg(long, env = "HICLAW_CONFIG")]
    pub config: PathBuf,
    /// The directory of records and secrets; made if it is not there.
    #[arg(long, env = "HICLAW_STATE")]
    pub state: PathBuf,
    /// Where mails go, and whom they come from.
    #[command(flatten)]
    pub post: Post,
    /// How many of one kind are reconciled at once.
    #[arg(long, default_value_t = 16)]
    pub concurrency: usize,
    /// Where health and metrics are served; nowhere if it is not given.
    #[arg(long)]
    pub serve: Option<SocketAddr>,
    /// How many times faster than real time goes: for servers on the same machine that have nothing else to do.
    #[arg(long, env = "HICLAW_HURRY", default_value_t = 1, hide = true)]
    pub hurry: u32,
    /// Says each crossing of the flows.
    #[arg(long, hide = true)]
    pub crossings: bool,
    /// Lets one resource stand still at this crossing, such as `team create_room/effect:after#1`.
    #[arg(long, hide = true)]
    pub stop_at: Option<String>,
    /// Ends as soon as nothing is left to do. The exit code says how that went.
    #[arg(long)]
    pub once: bool,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was told to stop, and has drained; or everything is as it is wanted.
    Well,
    /// Something is blocked.
    Blocked,
    /// Something is held, and waits for a person.
    Held,
}

/// Why it could not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// The documents are not where they should be. If the directory were made, everything would be deleted.
    #[error("there is no directory {0}; make it, or give the right one with --config")]
    NoConfig(PathBuf),
    /// A client could not be made.
    #[error(transparent)]
    Client(#[from] crate::clients::ClientError),
    /// There is no client for the mail relay.
    #[error(transparent)]
    Post(#[from] crate::post::PostError),
    /// Another controller has the records.
    #[error("another controller uses {0}; stop it first")]
    Locked(PathBuf),
    /// The records cannot be opened.
    #[error(transparent)]
    Open(durable_fsm::store::OpenError),
    /// The records cannot be read.
    #[error(transparent)]
    Store(#[from] durable_fsm::StoreError),
    /// Health and metrics could not be served.
    #[error("health and metrics cannot be served; choose a free address with --serve")]
    Serve(#[source] std::io::Error),
    /// A file or a signal.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

type Running = Pin<Box<dyn Future<Output = Result<End, EmbeddedError>> + Send>>;

impl Embedded {
    /// Runs until SIGTERM or SIGINT; with `once`, until nothing is left to do.
    ///
    /// # Errors
    /// [`EmbeddedError`], at the start; later errors are tried again.
    pub fn run(self) -> Running {
        // In a box, so that the controllers are compiled here and not wherever this is awaited.
        Box::pin(self.work())
    }

    async fn work(self) -> Result<End, EmbeddedError> {
        // One that was set before stays.
        drop(tracing::subscriber::set_global_default(log::Log));
        if !self.config.is_dir() {
            return Err(EmbeddedError::NoConfig(self.config));
        }
        let store = open(&self.state)?;
        let roster = Roster::new(store.clone());
        Switchboard::recall(&store, &roster).await?;
        let clock = Pace::of(self.hurry).clock();
        let (worker, team, human) = self.provisioners(&roster)?;
        let listener = match self.serve {
            Some(address) => Some(TcpListener::bind(address).await.map_err(EmbeddedError::Serve)?),
            None => None,
        };
        let metrics = Metrics::new();
        let probe = |prefix| (Crossings::new(prefix, self.stop_at.clone(), self.crossings), metrics.clone());
        let workers = WorkerRunner::builder(worker, store.clone()).clock(clock.clone()).probe(probe("worker ")).build();
        let teams = TeamRunner::builder(team, store.clone()).clock(clock.clone()).probe(probe("team ")).build();
        let humans = HumanRunner::builder(human, store.clone()).clock(clock.clone()).probe(probe("human ")).build();
        let operators = [workers.operator(), teams.operator(), humans.operator()];

        let (tell, heard) = mpsc::unbounded_channel();
        let (worker_news, team_news, human_news) = (tell.clone(), tell.clone(), tell.clone());
        let directory = |kind: Kind| Directory::new(self.config.join(kind.directory()));
        // A switchboard that has ended hears no more.
        let workers = Controller::watch(workers, directory(Kind::Worker))
            .metrics(metrics.clone())
            .concurrency(self.concurrency)
            .on_outcome(move |id, outcome| {
                drop(worker_news.send(News::of(Kind::Worker, id, outcome, WorkerState::name)));
            });
        let teams = Controller::watch(teams, directory(Kind::Team))
            .metrics(metrics.clone())
            .concurrency(self.concurrency)
            .on_outcome(move |id, outcome| drop(team_news.send(News::of(Kind::Team, id, outcome, TeamState::name))));
        let humans = Controller::watch(humans, directory(Kind::Human))
            .metrics(metrics.clone())
            .concurrency(self.concurrency)
            .on_outcome(move |id, outcome| drop(human_news.send(News::of(Kind::Human, id, outcome, HumanState::name))));
        let handles = [workers.handle(), teams.handle(), humans.handle()];
        let switchboard = Switchboard { store, roster, teams: teams.handle(), humans: humans.handle() };
        let listening = tokio::spawn(switchboard.listen(heard));
        let orders = Arc::new(Orders::to(operators, handles.clone()));
        let serving = tokio::spawn(control::serve(control::listen(&self.state)?, orders));

        let (stop, stopped) = watch::channel(false);
        let until = || {
            let mut stopped = stopped.clone();
            // An end of the sender is a stop, too.
            async move { drop(stopped.wait_for(|it| *it).await) }
        };
        let controllers = async {
            tokio::join!(
                Box::pin(workers.run_until(until())),
                Box::pin(teams.run_until(until())),
                Box::pin(humans.run_until(until()))
            )
        };
        let signal = terminated()?;
        let (once, ask) = (self.once, tell);
        let deciding = async {
            let end = tokio::select! {
                () = signal => End::Well,
                end = settled(&handles, &ask), if once => end,
            };
            // Those who are to stop have ended.
            let _ = stop.send(true);
            drop(ask);
            end
        };
        say(&format!("at work on {}", self.config.display()));
        let telling = match listener {
            Some(listener) => {
                say(&format!("health and metrics are at http://{}", listener.local_addr()?));
                Some(tokio::spawn(serving::serve(listener, metrics)))
            }
            None => None,
        };
        let (_, end) = tokio::join!(controllers, deciding);
        serving.abort();
        if let Some(telling) = telling {
            telling.abort();
        }
        // It ends when the last controller has let go of its end.
        drop(listening.await);
        drop(std::fs::remove_file(control::path(&self.state)));
        say("drained");
        Ok(end)
    }

    fn provisioners(&self, roster: &Roster) -> Result<(Provisioner, TeamProvisioner, HumanProvisioner), EmbeddedError> {
        let patience = Pace::of(self.hurry).patience();
        let clients = Clients::new(&self.urls, patience)?;
        let administrator = self.office.administrator(&clients);
        let vault = Vault::open(self.state.join("vault"))?;
        let passwords = Passwords::open(self.state.join("passwords"))?;
        let docker = Arc::new(clients.docker.clone());
        let worker = Provisioner::new(&clients, docker, vault, administrator.clone(), &self.office);
        let team = TeamProvisioner {
            administrator: administrator.clone(),
            oss: clients.oss.clone(),
            accounts: worker.accounts.clone(),
            roster: roster.clone(),
            workforce: Arc::new(Documents::new(self.config.join(Kind::Worker.directory()), roster.clone())),
        };
        let mail = self.post.mail(patience)?;
        let (roster, registration_token) = (roster.clone(), self.office.registration_token.clone());
        let sessions = Sessions::default();
        let human = HumanProvisioner { clients, mail, administrator, passwords, sessions, roster, registration_token };
        Ok((worker, team, human))
    }
}

/// The records of a state directory, for the process that holds its lock.
fn open(state: &Path) -> Result<FileStore, EmbeddedError> {
    FileStore::open(state.join("records")).map_err(|error| match error {
        durable_fsm::store::OpenError::Locked(_) => EmbeddedError::Locked(state.to_owned()),
        error => EmbeddedError::Open(error),
    })
}

/// Returns when nothing is left to do but for people.
async fn settled(handles: &[Handle; 3], ask: &mpsc::UnboundedSender<News>) -> End {
    let standing = async || {
        let (answer, told) = oneshot::channel();
        drop(ask.send(News::Asked(answer)));
        told.await.unwrap_or_default()
    };
    let mut before = Standing { passes: u64::MAX, ..Standing::default() };
    let mut unchanged = 0;
    loop {
        for handle in handles {
            handle.settled().await;
        }
        let now = standing().await;
        unchanged = if now == before { unchanged + 1 } else { 0 };
        // What was woken by the last news has passed by now. Each round lists the documents once, and a resource goes when its document is missing in
        // two listings, so that one round without news is not enough.
        if unchanged >= 2 && now.progressing == 0 {
            return match now {
                Standing { held: 1.., .. } => End::Held,
                Standing { blocked: 1.., .. } => End::Blocked,
                _ => End::Well,
            };
        }
        if now == before {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        before = now;
    }
}

fn terminated() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
