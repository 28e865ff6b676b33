//! What the kinds tell each other. Invariant: the resources that depend on a resource are woken after the roster knows its new state.

use std::collections::BTreeMap;

use durable_fsm::controller::Handle;
use durable_fsm::record::RESOURCES;
use durable_fsm::store::FileStore;
use durable_fsm::{Outcome, RecordId, ResourceId, Store as _, StoreError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use crate::crossings::say;
use crate::kind::Kind;
use crate::roster::Roster;
use crate::team::Team;
use crate::worker::Worker;

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Ready,
    Progressing,
    Blocked,
    Held,
    Paused,
    Gone,
}

/// What is told.
pub(super) enum News {
    /// A pass has ended.
    Passed { kind: Kind, id: ResourceId, phase: Phase, state: &'static str, text: String },
    /// Whether nothing has been told since so many news, and how everything is.
    Asked(oneshot::Sender<Standing>),
}

/// How everything is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// How many passes have ended.
    pub(super) passes: u64,
    pub(super) progressing: usize,
    pub(super) blocked: usize,
    pub(super) held: usize,
}

impl News {
    /// That a pass of this resource ended like this.
    pub(super) fn of<S>(kind: Kind, id: &ResourceId, outcome: &Outcome<S>, name: fn(&S) -> &'static str) -> Self {
        let state = outcome.state().map_or("", name);
        let (phase, text) = match outcome {
            Outcome::Resting(_) | Outcome::Watching { .. } => (Phase::Ready, format!("is {state}")),
            Outcome::Progressing { after, reason, .. } => {
                (Phase::Progressing, format!("goes on from {state} in {after:?}: {reason}"))
            }
            Outcome::Undoing { reason, .. } => (Phase::Progressing, format!("is being deleted: {reason}")),
            Outcome::Blocked { message, .. } => (Phase::Blocked, format!("is blocked: {message}")),
            Outcome::Held { message, .. } => (Phase::Held, format!("is held: {message}")),
            Outcome::Paused => (Phase::Paused, "is paused".to_owned()),
            Outcome::Gone => (Phase::Gone, "is gone".to_owned()),
        };
        News::Passed { kind, id: id.clone(), phase, state, text }
    }
}

/// A resource as the controller keeps it.
#[derive(Deserialize)]
struct Copy<R> {
    #[serde(default)]
    deleting: bool,
    resource: R,
}

/// What somebody else would have to know of a resource.
type Seen = (Phase, &'static str, bool);

/// Listens to all controllers.
pub(super) struct Switchboard {
    pub(super) store: FileStore,
    pub(super) roster: Roster,
    pub(super) teams: Handle,
    pub(super) humans: Handle,
}

impl Switchboard {
    /// Puts everything on the roster that was known when the last controller ended.
    pub(super) async fn recall(store: &FileStore, roster: &Roster) -> Result<(), StoreError> {
        for id in store.list(&machine(Kind::Worker)).await? {
            put_worker(store, roster, &id).await;
        }
        for id in store.list(&machine(Kind::Team)).await? {
            put_team(store, roster, &id).await;
        }
        Ok(())
    }

    /// Listens until all senders are gone.
    pub(super) async fn listen(self, mut heard: mpsc::UnboundedReceiver<News>) {
        // A controller that has not read its directory yet would take what is woken for removed.
        self.teams.settled().await;
        self.humans.settled().await;
        let mut seen: BTreeMap<(Kind, ResourceId), Seen> = BTreeMap::new();
        let mut passes = 0;
        while let Some(news) = heard.recv().await {
            let (kind, id, phase, state, text) = match news {
                News::Passed { kind, id, phase, state, text } => (kind, id, phase, state, text),
                News::Asked(answer) => {
                    let count = |wanted| seen.values().filter(|(phase, ..)| *phase == wanted).count();
                    let (progressing, blocked, held) =
                        (count(Phase::Progressing), count(Phase::Blocked), count(Phase::Held));
                    // The asker may have stopped listening.
                    let _ = answer.send(Standing { passes, progressing, blocked, held });
                    continue;
                }
            };
            passes += 1;
            let deleting = self.refresh(kind, &id, phase).await;
            say(&format!("{} {id} {text}", kind.name()));
            let now = (phase, state, deleting);
            if phase == Phase::Gone {
                seen.remove(&(kind, id));
            } else if seen.insert((kind, id), now) == Some(now) {
                continue;
            }
            if kind == Kind::Worker {
                self.teams.wake_all();
            }
            if kind != Kind::Human {
                self.humans.wake_all();
            }
        }
    }

    /// Corrects the roster; tells whether the resource is on its way out.
    async fn refresh(&self, kind: Kind, id: &ResourceId, phase: Phase) -> bool {
        match (kind, phase) {
            (Kind::Worker, Phase::Gone) => self.roster.remove_worker(id),
            (Kind::Team, Phase::Gone) => self.roster.remove_team(id),
            (Kind::Worker, _) => return put_worker(&self.store, &self.roster, id).await,
            (Kind::Team, _) => return put_team(&self.store, &self.roster, id).await,
            (Kind::Human, _) => {}
        }
        false
    }
}

async fn put_worker(store: &FileStore, roster: &Roster, id: &ResourceId) -> bool {
    let Some(Copy { deleting, resource }) = copy::<Worker>(store, Kind::Worker, id).await else { return false };
    roster.put_worker(&Worker { deleting, ..resource });
    deleting
}

async fn put_team(store: &FileStore, roster: &Roster, id: &ResourceId) -> bool {
    let Some(Copy { deleting, resource }) = copy::<Team>(store, Kind::Team, id).await else { return false };
    roster.put_team(&Team { deleting, ..resource });
    deleting
}

fn machine(kind: Kind) -> String {
    format!("{}{RESOURCES}", kind.graph().name)
}

/// A resource as its controller keeps it. One that cannot be read stays what it was known as.
async fn copy<R: DeserializeOwned>(store: &FileStore, kind: Kind, id: &ResourceId) -> Option<Copy<R>> {
    let loaded = store.load(&RecordId { machine: machine(kind), resource: id.clone() }).await.ok()?;
    serde_json::from_slice(&loaded.bytes?).ok()
}
