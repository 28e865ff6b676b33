//! What exists, by asking the servers. Invariant: nothing here is taken from a record or from memory but the ids to compare with.

use std::fmt;

use serde_json::Value;

use crate::clients::{ClientError, Clients};
use crate::worker::Worker;

/// Everything at the servers that belongs to one worker by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Matrix accounts.
    pub accounts: Vec<String>,
    /// Matrix rooms with members, and aliases that lead nowhere.
    pub rooms: Vec<String>,
    /// Consumers of the gateway.
    pub consumers: Vec<String>,
    /// Routes that allow the consumer, once for each time it stands in the list.
    pub routes: Vec<String>,
    /// Objects in the store.
    pub objects: Vec<String>,
    /// Containers.
    pub containers: Vec<String>,
}

impl Inventory {
    /// Asks all servers.
    ///
    /// # Errors
    /// The first server's that does not answer.
    pub async fn ask(clients: &Clients, worker: &Worker) -> Result<Self, ClientError> {
        let name = &worker.name;
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
        let consumer = format!("worker-{name}");
        let mut found = Self {
            accounts: texts(&users, "/users", "name", &is("name", format!("@{name}:hiclaw.test"))),
            rooms: texts(&rooms, "/rooms", "room_id", &is("name", format!("Worker: {name}"))),
            consumers: texts(&consumers, "", "name", &is("name", consumer.clone())),
            ..Self::default()
        };
        let dangling = rooms.get("dangling_aliases").and_then(Value::as_array).into_iter().flatten();
        let alias = format!("#hiclaw-worker-{name}-");
        found.rooms.extend(dangling.filter_map(Value::as_str).filter(|it| it.starts_with(&alias)).map(str::to_owned));
        for route in routes.as_array().into_iter().flatten() {
            let allowed = route.pointer("/authConfig/allowedConsumers").and_then(Value::as_array).into_iter().flatten();
            let times = allowed.filter(|it| it.as_str() == Some(&consumer)).count();
            let route = route.get("name").and_then(Value::as_str).unwrap_or_default();
            found.routes.extend(std::iter::repeat_n(route.to_owned(), times));
        }
        found.objects = clients.oss.list(&format!("agents/{name}/")).await?;
        let container = format!("/hiclaw-worker-{name}");
        let containers = clients.docker.all().await?;
        found.containers = containers
            .into_iter()
            .filter(|it| it.names.contains(&container))
            .map(|it| format!("{} ({})", it.id, it.state))
            .collect();
        Ok(found)
    }

    /// Each kind, how many there are, and how many there are to be for a worker that is ready.
    #[must_use]
    pub fn rows(&self, worker: &Worker) -> [(&'static str, usize, usize); 6] {
        [
            ("accounts", self.accounts.len(), 1),
            ("rooms", self.rooms.len(), 1),
            ("consumers", self.consumers.len(), 1),
            ("routes", self.routes.len(), 1),
            ("objects", self.objects.len(), 1 + worker.spec.skills.len()),
            ("containers", self.containers.len(), 1),
        ]
    }

    /// How many things there are beyond those that a ready worker has: each is a duplicate that nobody will remove.
    #[must_use]
    pub fn duplicates(&self, worker: &Worker) -> usize {
        self.rows(worker).iter().map(|(_, there, wanted)| there.saturating_sub(*wanted)).sum()
    }

    /// How many things a ready worker has that are missing.
    #[must_use]
    pub fn missing(&self, worker: &Worker) -> usize {
        self.rows(worker).iter().map(|(_, there, wanted)| wanted.saturating_sub(*there)).sum()
    }

    /// How many things are left of a worker that was deleted, beside the account, which is retained.
    #[must_use]
    pub fn left(&self) -> usize {
        self.rooms.len() + self.consumers.len() + self.routes.len() + self.objects.len() + self.containers.len()
    }

    /// A table for people.
    #[must_use]
    pub fn table(&self, worker: &Worker) -> String {
        let mut text = format!("    {:<12} {:>5} {:>10}\n", "kind", "there", "duplicate");
        for (kind, there, wanted) in self.rows(worker) {
            text.push_str(&format!("    {kind:<12} {there:>5} {:>10}\n", there.saturating_sub(wanted)));
        }
        text
    }
}

impl fmt::Display for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [&self.accounts, &self.rooms, &self.consumers, &self.routes, &self.objects, &self.containers];
        let all: Vec<&str> = lists.into_iter().flatten().map(String::as_str).collect();
        f.write_str(&all.join(", "))
    }
}
