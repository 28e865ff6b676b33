//! A provider with an inventory, in this process or over HTTP: some things are keyed, others only tagged.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::routing::{delete, get};
use durable_fsm::{Class, Classify, http::Redirects, http::classify, http::classify_status};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// One thing that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thing {
    pub kind: String,
    pub key: String,
    pub owner: String,
    pub worker: String,
}

/// What a provider failed with.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("the provider answered {0}")]
    Status(u16),
}

impl Classify for Refused {
    fn classify(&self) -> Class {
        match self {
            Refused::Http(error) => classify(error, Redirects::Refused),
            Refused::Status(status) => axum::http::StatusCode::from_u16(*status).map_or(Class::Unknown, |status| {
                classify_status(status, &axum::http::HeaderMap::new(), Redirects::Refused)
            }),
        }
    }
}

#[derive(Default)]
struct Things {
    made: u64,
    live: BTreeMap<String, Thing>,
    calls: u64,
    /// Each undo that was asked for, by the id of what it removes.
    undos: BTreeMap<String, Vec<Undo>>,
    /// How often the server was about to be killed, or was there again.
    era: u32,
    twice: Vec<String>,
    refuses: Option<u16>,
    refuses_from: Option<u64>,
    stop: Option<Stop>,
    gate: Option<(String, Arc<Notify>)>,
}

/// An undo that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undo {
    /// The process that has asked.
    pub by: u32,
    /// When, by the kills of the server.
    pub era: u32,
    /// Whether it was answered while somebody waited for that.
    pub is_answered: bool,
}

/// Where a thread stands still.
struct Stop {
    kind: String,
    reached: Sender<()>,
    go_on: Receiver<()>,
}

/// The other end of it.
pub struct Stopped {
    reached: Receiver<()>,
    go_on: Sender<()>,
}

impl Stopped {
    /// Blocks until a thread stands still there.
    pub fn wait(&self) {
        self.reached.recv().unwrap();
    }

    pub fn go_on(&self) {
        self.go_on.send(()).unwrap();
    }
}

/// What exists. Every clone is the same.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<Things>>);

impl Shelf {
    fn things(&self) -> MutexGuard<'_, Things> {
        self.0.lock().unwrap()
    }

    /// The call that makes the next thing of this kind stands still afterwards, and its whole thread with it.
    pub fn stop_after(&self, kind: &str) -> Stopped {
        let ((reached, is_reached), (go_on, goes_on)) = (channel(), channel());
        self.things().stop = Some(Stop { kind: kind.to_owned(), reached, go_on: goes_on });
        Stopped { reached: is_reached, go_on }
    }

    /// The call that makes the next thing of this kind waits until the gate is opened, before it makes it.
    pub fn gate(&self, kind: &str) -> Arc<Notify> {
        let gate = Arc::new(Notify::new());
        self.things().gate = Some((kind.to_owned(), Arc::clone(&gate)));
        gate
    }

    async fn pass_gate(&self, kind: &str) {
        let gate = self.things().gate.take_if(|(gated, _)| gated == kind);
        if let Some((_, gate)) = gate {
            gate.notified().await;
        }
    }

    /// Makes a thing. One that is keyed is made once for each key.
    fn make(&self, thing: Thing) -> String {
        let kind = thing.kind.clone();
        let id = self.put(thing);
        let stop = self.things().stop.take_if(|stop| stop.kind == kind);
        if let Some(stop) = stop {
            stop.reached.send(()).unwrap();
            stop.go_on.recv().unwrap();
        }
        id
    }

    fn put(&self, thing: Thing) -> String {
        let mut things = self.things();
        things.calls += 1;
        let is_keyed = !matches!(thing.kind.as_str(), "room" | "container");
        if is_keyed
            && let Some((id, _)) = things.live.iter().find(|(_, it)| it.kind == thing.kind && it.key == thing.key)
        {
            return id.clone();
        }
        if let Some(id) = things
            .live
            .iter()
            .find_map(|(id, it)| (it.kind == thing.kind && it.worker == thing.worker).then(|| id.clone()))
        {
            things.twice.push(format!("{} of {} beside {id}", thing.kind, thing.worker));
        }
        things.made += 1;
        let id = format!("{}-{}", thing.kind, things.made);
        things.live.insert(id.clone(), thing);
        id
    }

    fn find(&self, kind: &str, owner: &str) -> Option<String> {
        let things = self.things();
        things.live.iter().find(|(_, it)| it.kind == kind && it.owner == owner).map(|(id, _)| id.clone())
    }

    /// Removes a thing; the number of this undo among those of the thing.
    fn remove(&self, id: &str, by: u32) -> usize {
        let mut things = self.things();
        things.calls += 1;
        let undo = Undo { by, era: things.era, is_answered: false };
        things.live.remove(id);
        let undos = things.undos.entry(id.to_owned()).or_default();
        undos.push(undo);
        undos.len() - 1
    }

    /// What exists, by id.
    pub fn live(&self) -> BTreeMap<String, Thing> {
        self.things().live.clone()
    }

    /// The things that were made although the worker had one of that kind.
    pub fn twice(&self) -> Vec<String> {
        self.things().twice.clone()
    }

    /// The server is about to be killed, or is there again: a write that is under way now may be lost.
    pub fn begin_era(&self) {
        self.things().era += 1;
    }

    /// The undos that were asked for, by the id of what they remove.
    pub fn undos(&self) -> BTreeMap<String, Vec<Undo>> {
        self.things().undos.clone()
    }

    /// How many effects and undos were asked for.
    pub fn calls(&self) -> u64 {
        self.things().calls
    }

    /// Answers every effect with this status, or no longer.
    pub fn refuse(&self, status: Option<u16>) {
        self.things().refuses = status;
    }

    /// Answers 429 once this many calls were carried out, or no longer.
    pub fn refuse_from(&self, calls: Option<u64>) {
        self.things().refuses_from = calls;
    }

    fn check(&self) -> Result<(), Refused> {
        let things = self.things();
        let full = things.refuses_from.filter(|limit| things.calls >= *limit).map(|_| 429);
        things.refuses.or(full).map_or(Ok(()), |status| Err(Refused::Status(status)))
    }

    /// The things of which there is more than one of a kind for one worker.
    pub fn duplicates(&self) -> Vec<String> {
        let mut count: BTreeMap<(String, String), usize> = BTreeMap::new();
        for thing in self.things().live.values() {
            *count.entry((thing.worker.clone(), thing.kind.clone())).or_default() += 1;
        }
        count
            .into_iter()
            .filter(|(_, count)| *count > 1)
            .map(|((worker, kind), count)| format!("{count} {kind} of {worker}"))
            .collect()
    }

    /// Serves the shelf on a free loopback port, until the runtime ends; the address.
    pub async fn serve(&self) -> String {
        let things = axum::Router::new()
            .route("/things", get(found).put(made))
            .route("/things/{id}", delete(removed))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, things).await });
        format!("http://{address}")
    }
}

/// A moment, so that there is something to be killed in.
async fn moment() {
    tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(..100))).await;
}

async fn made(State(shelf): State<Shelf>, Json(thing): Json<Thing>) -> Json<String> {
    // The request is carried out also when its sender is gone meanwhile.
    let carried_out = tokio::spawn(async move {
        moment().await;
        let id = shelf.make(thing);
        moment().await;
        id
    });
    Json(carried_out.await.unwrap())
}

#[derive(Serialize, Deserialize)]
struct By {
    by: u32,
}

async fn removed(State(shelf): State<Shelf>, Path(id): Path<String>, Query(By { by }): Query<By>) {
    let carried_out = tokio::spawn(async move {
        moment().await;
        let number = shelf.remove(&id, by);
        moment().await;
        (shelf, id, number)
    });
    let (shelf, id, number) = carried_out.await.unwrap();
    // This is not reached if its sender is gone.
    shelf.things().undos.get_mut(&id).unwrap()[number].is_answered = true;
}

#[derive(Serialize, Deserialize)]
struct Sought {
    kind: String,
    owner: String,
}

async fn found(State(shelf): State<Shelf>, Query(sought): Query<Sought>) -> Json<Option<String>> {
    Json(shelf.find(&sought.kind, &sought.owner))
}

/// The provider as the transitions see it.
#[derive(Clone)]
pub enum Provider {
    Here(Shelf),
    There(reqwest::Client, String),
}

impl Provider {
    pub async fn make(&self, kind: &str, attempt: &crate::worker::WorkerAttempt) -> Result<String, Refused> {
        let thing = Thing {
            kind: kind.to_owned(),
            key: attempt.key().to_owned(),
            owner: attempt.owner_tag().to_owned(),
            worker: attempt.resource().metadata.name.clone().unwrap_or_default(),
        };
        match self {
            Provider::Here(shelf) => {
                shelf.pass_gate(&thing.kind).await;
                shelf.check().map(|()| shelf.make(thing))
            }
            Provider::There(client, url) => {
                let reply = client.put(format!("{url}/things")).json(&thing).send().await?;
                Ok(reply.error_for_status()?.json().await?)
            }
        }
    }

    pub async fn find(&self, kind: &str, attempt: &crate::worker::WorkerAttempt) -> Result<Option<String>, Refused> {
        let sought = Sought { kind: kind.to_owned(), owner: attempt.owner_tag().to_owned() };
        match self {
            Provider::Here(shelf) => Ok(shelf.find(&sought.kind, &sought.owner)),
            Provider::There(client, url) => {
                let reply = client.get(format!("{url}/things")).query(&sought).send().await?;
                Ok(reply.error_for_status()?.json().await?)
            }
        }
    }

    pub async fn remove(&self, id: &str) -> Result<(), Refused> {
        match self {
            Provider::Here(shelf) => {
                shelf.check()?;
                let _ = shelf.remove(id, std::process::id());
            }
            Provider::There(client, url) => {
                let by = By { by: std::process::id() };
                client.delete(format!("{url}/things/{id}")).query(&by).send().await?.error_for_status()?;
            }
        }
        Ok(())
    }
}
