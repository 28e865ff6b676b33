//! The eight steps of a chat worker: account, room, gateway consumer, route, configuration, files, skills, container.

use std::collections::BTreeSet;

use durable_fsm::testing::{Shelf, ShelfError, Sim, Thing, World};
use durable_fsm::{Each, Fsm, Lookup, Undone};

use super::resource::App;

/// Provisions one worker.
#[derive(Fsm)]
#[fsm(name = "test.io/worker", version = 1, resource = App)]
pub enum WorkerFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(register_account -> Registered, in_doubt = repeat, undo = deactivate_account, settle = "10s")]
    Requested,
    /// It has an account.
    #[transition(create_room -> RoomCreated, in_doubt = lookup, undo = close_room, timeout = "30s", settle = "10s")]
    Registered { user: String },
    /// It has a room.
    #[transition(create_consumer -> ConsumerCreated, in_doubt = repeat, undo = delete_consumer, settle = "5s")]
    RoomCreated { room: String },
    /// It is known to the gateway.
    #[transition(add_route -> Routed, in_doubt = repeat, undo = remove_route, settle = "5s")]
    ConsumerCreated { consumer: String },
    /// It may be reached.
    #[transition(write_config -> Configured, in_doubt = repeat, undo = delete_config, settle = "5s")]
    Routed { route: String },
    /// It is configured.
    #[transition(push_files -> Pushed, in_doubt = repeat, undo = remove_files, settle = "5s")]
    Configured { config: String },
    /// Its files are there.
    #[transition(push_skill, for_each = skills, in_doubt = repeat, undo = remove_skill, settle = "5s")]
    #[transition(start_container -> Ready, in_doubt = lookup, undo = stop_container, settle = "10s")]
    Pushed { files: String, skills: Each<String, String> },
    /// It runs.
    #[fsm(resting)]
    #[transition(push_skill)]
    Ready { container: String },
}

#[derive(Clone)]
pub struct Cloud {
    accounts: Shelf,
    rooms: Shelf,
    gateway: Shelf,
    files: Shelf,
    containers: Shelf,
}

impl WorkerTransitions for Cloud {
    type Error = ShelfError;

    async fn register_account(&self, from: Requested, attempt: &WorkerAttempt) -> Result<Registered, ShelfError> {
        Ok(from.registered(self.accounts.claim("@worker", attempt.key(), attempt.owner_tag()).await?))
    }
    async fn deactivate_account(&self, _: &Registered, attempt: &WorkerAttempt) -> Result<Undone, ShelfError> {
        self.accounts.remove_name("@worker", attempt.owner_tag()).await.map(Undone::from)
    }
    async fn create_room(&self, from: Registered, attempt: &WorkerAttempt) -> Result<RoomCreated, ShelfError> {
        Ok(from.room_created(self.rooms.add(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn lookup_create_room(
        &self,
        from: Registered,
        attempt: &WorkerAttempt,
    ) -> Result<Lookup<RoomCreated>, ShelfError> {
        Ok(match self.rooms.find_owned(attempt.owner_tag()).await {
            Lookup::Ours(room) => Lookup::Ours(from.room_created(room.id)),
            _ => Lookup::Absent,
        })
    }
    async fn close_room(&self, made: &RoomCreated, _: &WorkerAttempt) -> Result<Undone, ShelfError> {
        self.rooms.remove(&made.room).await.map(Undone::from)
    }
    async fn create_consumer(&self, from: RoomCreated, attempt: &WorkerAttempt) -> Result<ConsumerCreated, ShelfError> {
        Ok(from.consumer_created(self.gateway.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn delete_consumer(&self, made: &ConsumerCreated, _: &WorkerAttempt) -> Result<Undone, ShelfError> {
        self.gateway.remove(&made.consumer).await.map(Undone::from)
    }
    async fn add_route(&self, from: ConsumerCreated, attempt: &WorkerAttempt) -> Result<Routed, ShelfError> {
        Ok(from.routed(self.gateway.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn remove_route(&self, made: &Routed, _: &WorkerAttempt) -> Result<Undone, ShelfError> {
        self.gateway.remove(&made.route).await.map(Undone::from)
    }
    async fn write_config(&self, from: Routed, attempt: &WorkerAttempt) -> Result<Configured, ShelfError> {
        Ok(from.configured(self.files.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn delete_config(&self, made: &Configured, _: &WorkerAttempt) -> Result<Undone, ShelfError> {
        self.files.remove(&made.config).await.map(Undone::from)
    }
    async fn push_files(&self, from: Configured, attempt: &WorkerAttempt) -> Result<Pushed, ShelfError> {
        Ok(from.pushed(self.files.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn remove_files(&self, made: &Pushed, _: &WorkerAttempt) -> Result<Undone, ShelfError> {
        self.files.remove(&made.files).await.map(Undone::from)
    }
    fn skills(&self, _: &Pushed, app: &App) -> BTreeSet<String> {
        app.0.members.clone()
    }
    async fn push_skill(&self, _: &Pushed, _: &String, attempt: &WorkerAttempt) -> Result<String, ShelfError> {
        self.files.put(attempt.key(), attempt.owner_tag()).await
    }
    async fn remove_skill(
        &self,
        _: &Pushed,
        _: &String,
        made: &String,
        _: &WorkerAttempt,
    ) -> Result<Undone, ShelfError> {
        self.files.remove(made).await.map(Undone::from)
    }
    async fn start_container(&self, from: Pushed, attempt: &WorkerAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(self.containers.add(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn lookup_start_container(&self, from: Pushed, attempt: &WorkerAttempt) -> Result<Lookup<Ready>, ShelfError> {
        Ok(match self.containers.find_owned(attempt.owner_tag()).await {
            Lookup::Ours(container) => Lookup::Ours(from.ready(container.id)),
            _ => Lookup::Absent,
        })
    }
    async fn stop_container(&self, made: &Ready, _: &WorkerAttempt) -> Result<Undone, ShelfError> {
        self.containers.remove(&made.container).await.map(Undone::from)
    }
}

impl World for Cloud {
    type Machine = WorkerFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self {
            accounts: Shelf::new(sim, "account"),
            rooms: Shelf::new(sim, "room"),
            gateway: Shelf::new(sim, "gateway"),
            files: Shelf::new(sim, "file"),
            containers: Shelf::new(sim, "container"),
        }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &["web"])
    }
    fn edits() -> Vec<App> {
        vec![App::new("v2", &["docs"])]
    }
    fn inventory(&self) -> Vec<Thing> {
        let shelves = [&self.accounts, &self.rooms, &self.gateway, &self.files, &self.containers];
        shelves.into_iter().flat_map(Shelf::inventory).collect()
    }
}
