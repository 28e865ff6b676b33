//! Provisions a bot whose server is busy at first. After each pass it draws the record over the picture of the machine:
//! `cargo run --example live`. It honours `NO_COLOR`, `COLUMNS` and the locale.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use durable_fsm::diagram::{Live, terminal};
use durable_fsm::store::FileStore;
use durable_fsm::{Class, Classify, Fsm, Outcome, Resource, ResourceId, Undone};

#[derive(Clone)]
struct Bot;

impl Resource for Bot {
    type Spec = ();
    fn id(&self) -> ResourceId {
        ResourceId::new("tenant", "bot")
    }
    fn uid(&self) -> &str {
        "uid-1"
    }
    fn spec(&self) -> &() {
        &()
    }
}

/// Provisions one bot.
#[derive(Fsm)]
#[fsm(name = "example.io/bot", version = 1, resource = Bot)]
enum BotFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(register -> Registered, in_doubt = repeat, undo = deregister)]
    Requested,
    /// It has an account.
    #[transition(create_room -> Ready, in_doubt = repeat, undo = close_room, retry = "200ms..1s")]
    Registered { user: String },
    /// It has a room.
    #[fsm(resting)]
    Ready { room: String },
}

/// A server that refuses the first two requests for a room, because it is busy.
#[derive(Clone, Default)]
struct Server(Arc<AtomicU32>);

#[derive(Debug, thiserror::Error)]
#[error("503 Service Unavailable")]
struct Busy;

impl Classify for Busy {
    fn classify(&self) -> Class {
        Class::NOT_APPLIED
    }
}

impl BotTransitions for Server {
    type Error = Busy;
    async fn register(&self, from: Requested, _: &BotAttempt) -> Result<Registered, Busy> {
        Ok(from.registered("@bot".to_owned()))
    }
    async fn deregister(&self, _: &Registered, _: &BotAttempt) -> Result<Undone, Busy> {
        Ok(Undone::Done)
    }
    async fn create_room(&self, from: Registered, _: &BotAttempt) -> Result<Ready, Busy> {
        if self.0.fetch_add(1, Ordering::Relaxed) < 2 { Err(Busy) } else { Ok(from.ready("!room".to_owned())) }
    }
    async fn close_room(&self, _: &Ready, _: &BotAttempt) -> Result<Undone, Busy> {
        Ok(Undone::Done)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let runner = BotRunner::new(Server::default(), FileStore::open(folder.path())?);
    loop {
        let outcome = runner.reconcile(&Bot).await?;
        if let Some(record) = runner.inspect(&Bot.id()).await? {
            let live = Live::of(&BotFlow::GRAPH, "tenant/bot", &record, SystemTime::now());
            println!("{}", terminal::write(&BotFlow::GRAPH, Some(&live.overlay()), &terminal::Options::from_env()));
        }
        match outcome {
            Outcome::Progressing { after, .. } | Outcome::Undoing { after, .. } | Outcome::Blocked { after, .. } => {
                tokio::time::sleep(after).await;
            }
            Outcome::Resting(_) | Outcome::Watching { .. } | Outcome::Held { .. } | Outcome::Paused | Outcome::Gone => {
                return Ok(());
            }
        }
    }
}
