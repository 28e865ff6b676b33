//! What exists, by asking the servers. Invariant: nothing here is taken from a record or from memory but the ids to compare with.

use std::fmt;

use serde_json::Value;

use crate::clients::{ClientError, Clients};
use crate::names;
use crate::worker::Worker;

/// Everything at the servers that belongs to one worker by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Matrix accounts.
    pub accounts: Vec<String>,
    /// Matrix rooms with members.
    pub rooms: Vec<String>,
    /// Consumers of the gateway.
    pub consumers: Vec<String>,
    /// Routes that allow the consumer, once for each time it stands in the list.
    pub routes: Vec<String>,
    /// Objects in the store.
    pub objects: Vec<String>,
    /// Containers that run.
    pub containers: Vec<String>,
    /// What was begun and is of no use: aliases that lead nowhere, and containers that were never started.
    pub halves: Vec<String>,
}

/// How many there are of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What is counted.
    pub kind: &'static str,
    /// How many a worker has that is ready.
    pub wanted: usize,
    /// How many the worker uses.
    pub live: usize,
    /// How many there are beyond those, while the worker is wanted.
    pub duplicate: usize,
    /// How many belong to no worker: the worker is deleted, or they were never finished.
    pub orphaned: usize,
    /// How many are left of a deleted worker on purpose.
    pub retained: usize,
}

impl Inventory {
    /// Asks all servers.
    ///
    /// # Errors
    /// The first server's that does not answer.
    pub async fn ask(clients: &Clients, worker: &Worker) -> Result<Self, ClientError> {
        let name = &names::of_worker(worker);
        let (rooms, users) = clients.matrix.audit().await?;
        let (consumers, routes) = clients.higress.audit().await?;
        let texts = |value: &Value, list: &str, field: &str, wanted: &dyn Fn(&Value) -> bool| -> Vec<String> {
            let items = value.pointer(list).and_then(Value::as_array).into_iter().flatten();
            let of = |it: &Value| it.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            items.filter(|it| wanted(it)).map(of).collect()
        };
        let is = |field: &'static str, text: String| {
            move |it: &Value| it.get(field).and_then(Value::as_str) == Some(text.as_str())
        };
        let (user, room) = (format!("@{name}:"), is("name", format!("Worker: {name}")));
        let consumer = names::consumer(worker);
        let mut found = Self {
            accounts: texts(&users, "/users", "name", &|it: &Value| {
                it.get("name").and_then(Value::as_str).is_some_and(|it| it.starts_with(&user))
            }),
            rooms: texts(&rooms, "/rooms", "room_id", &|it: &Value| {
                room(it) && it.get("joined_members").and_then(Value::as_u64) != Some(0)
            }),
            consumers: texts(&consumers, "", "name", &is("name", consumer.clone())),
            ..Self::default()
        };
        let dangling = rooms.get("dangling_aliases").and_then(Value::as_array).into_iter().flatten();
        let alias = format!("#hiclaw-worker-{name}-");
        found.halves.extend(dangling.filter_map(Value::as_str).filter(|it| it.starts_with(&alias)).map(str::to_owned));
        for route in routes.as_array().into_iter().flatten() {
            let allowed = route.pointer("/authConfig/allowedConsumers").and_then(Value::as_array).into_iter().flatten();
            let times = allowed.filter(|it| it.as_str() == Some(&consumer)).count();
            let route = route.get("name").and_then(Value::as_str).unwrap_or_default();
            found.routes.extend(std::iter::repeat_n(route.to_owned(), times));
        }
        found.objects = clients.oss.list(&names::prefix(worker)).await?;
        let container = format!("/hiclaw-worker-{name}");
        for it in clients.docker.all().await?.into_iter().filter(|it| it.names.contains(&container)) {
            let text = format!("{} ({}, {})", it.id, it.image, it.state);
            if it.state == "running" { found.containers.push(text) } else { found.halves.push(text) }
        }
        Ok(found)
    }

    /// Each kind, counted.
    #[must_use]
    pub fn rows(&self, worker: &Worker) -> [Row; 7] {
        let row = |kind, there: usize, wanted: usize| {
            let wanted = if worker.deleting { 0 } else { wanted };
            let live = there.min(wanted);
            let rest = there - live;
            let (duplicate, orphaned) = if worker.deleting { (0, rest) } else { (rest, 0) };
            Row { kind, wanted, live, duplicate, orphaned, retained: 0 }
        };
        let mut accounts = row("accounts", self.accounts.len(), 1);
        if worker.deleting {
            // The id stays taken forever; one account is left on purpose.
            accounts.retained = accounts.orphaned.min(1);
            accounts.orphaned -= accounts.retained;
        }
        let mut halves = row("half-made", 0, 0);
        halves.orphaned = self.halves.len();
        [
            accounts,
            row("rooms", self.rooms.len(), 1),
            row("consumers", self.consumers.len(), 1),
            row("routes", self.routes.len(), 1),
            row("objects", self.objects.len(), 1 + worker.spec.skills.len()),
            row("containers", self.containers.len(), 1),
            halves,
        ]
    }

    /// How many things there are beyond those that a ready worker has: each of them will never be removed.
    #[must_use]
    pub fn duplicates(&self, worker: &Worker) -> usize {
        self.rows(worker).iter().map(|row| row.duplicate).sum()
    }

    /// How many things there are that belong to no worker.
    #[must_use]
    pub fn orphans(&self, worker: &Worker) -> usize {
        self.rows(worker).iter().map(|row| row.orphaned).sum()
    }

    /// How many things a ready worker has that are missing.
    #[must_use]
    pub fn missing(&self, worker: &Worker) -> usize {
        self.rows(worker).iter().map(|row| row.wanted - row.live).sum()
    }
}

impl fmt::Display for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists =
            [&self.accounts, &self.rooms, &self.consumers, &self.routes, &self.objects, &self.containers, &self.halves];
        let all: Vec<&str> = lists.into_iter().flatten().map(String::as_str).collect();
        f.write_str(&all.join(", "))
    }
}
