//! The servers of the worker's flow, as shelves: what each of them does with a name, a repeat and a half.

use std::collections::BTreeSet;

use durable_fsm::testing::{Shelf, ShelfError, Shelved, Sim, Thing, World};
use durable_fsm::{Lookup, Undone};
use hiclaw::worker::{
    AccountRegistered, ConfigGenerated, ConfigPushed, ConsumerCreated, MembersAdmitted, Ready, Requested, RoomCreated,
    RouteAuthorized, Worker, WorkerAttempt, WorkerFlow, WorkerSpec, WorkerTransitions,
};

#[derive(Clone)]
pub struct Cloud {
    /// A name stays taken. It belongs to the holder of its password.
    accounts: Shelf,
    /// Each call makes another one, in two steps.
    rooms: Shelf,
    /// Names that only their key's holder may touch.
    consumers: Shelf,
    /// A list that has each name once.
    routes: Shelf,
    /// Names that are overwritten.
    objects: Shelf,
    /// A name is taken once, and what was created does not run yet.
    containers: Shelf,
}

/// Kept under the worker's name, so that a namesake opens the account that its predecessor has left.
const PASSWORD: &str = "password";
const CONTAINER: &str = "hiclaw-worker-alice";
const CONFIG: &str = "openclaw.json";

fn digest(spec: &WorkerSpec) -> String {
    format!("{} {}", spec.model, spec.image)
}

impl Cloud {
    /// The rooms that carry this key.
    fn rooms_of(&self, key: &str) -> Vec<Shelved> {
        self.rooms.shelved().into_iter().filter(|room| room.key == key).collect()
    }
}

impl WorkerTransitions for Cloud {
    type Error = ShelfError;

    async fn register_account(
        &self,
        from: Requested,
        attempt: &WorkerAttempt,
    ) -> Result<AccountRegistered, ShelfError> {
        Ok(from.account_registered(self.accounts.claim("@alice", attempt.key(), PASSWORD).await?))
    }

    async fn create_room(&self, from: AccountRegistered, attempt: &WorkerAttempt) -> Result<RoomCreated, ShelfError> {
        let room = self.rooms.begin(attempt.key(), attempt.owner_tag()).await?;
        self.rooms.finish(&room).await?;
        Ok(from.room_created(room))
    }

    async fn lookup_create_room(
        &self,
        from: AccountRegistered,
        attempt: &WorkerAttempt,
    ) -> Result<Lookup<RoomCreated>, ShelfError> {
        Ok(match self.rooms_of(attempt.key()).as_slice() {
            [] => Lookup::Absent,
            [room] if room.complete => Lookup::Ours(from.room_created(room.id.clone())),
            _ => Lookup::Incomplete,
        })
    }

    async fn close_room(&self, made: &RoomCreated, _: &WorkerAttempt) -> Result<Undone, ShelfError> {
        self.rooms.remove(&made.room_id).await.map(Undone::from)
    }

    async fn clear_rooms(&self, _: &AccountRegistered, attempt: &WorkerAttempt) -> Result<Undone, ShelfError> {
        for room in self.rooms_of(attempt.key()) {
            self.rooms.remove(&room.id).await?;
        }
        Ok(Undone::Done)
    }

    /// What lasts is its id, which cannot be removed; what is counted here is that somebody is signed in.
    async fn sign_out(&self, _: &AccountRegistered, _: &WorkerAttempt) -> Result<Undone, ShelfError> {
        self.accounts.remove_name("@alice", PASSWORD).await.map(Undone::from)
    }

    async fn admit_members(&self, from: RoomCreated, _: &WorkerAttempt) -> Result<MembersAdmitted, ShelfError> {
        Ok(from.members_admitted())
    }

    async fn create_consumer(
        &self,
        from: MembersAdmitted,
        attempt: &WorkerAttempt,
    ) -> Result<ConsumerCreated, ShelfError> {
        self.consumers.claim("worker-alice", attempt.key(), attempt.owner_tag()).await?;
        Ok(from.consumer_created("worker-alice".to_owned()))
    }

    async fn delete_consumer(&self, made: &ConsumerCreated, attempt: &WorkerAttempt) -> Result<Undone, ShelfError> {
        self.consumers.remove_name(&made.consumer, attempt.owner_tag()).await.map(Undone::from)
    }

    async fn authorize_route(
        &self,
        from: ConsumerCreated,
        attempt: &WorkerAttempt,
    ) -> Result<RouteAuthorized, ShelfError> {
        self.routes.claim(&from.consumer, attempt.key(), attempt.owner_tag()).await?;
        Ok(from.route_authorized("default".to_owned()))
    }

    async fn deauthorize_route(&self, made: &RouteAuthorized, attempt: &WorkerAttempt) -> Result<Undone, ShelfError> {
        self.routes.remove_name(&made.consumer, attempt.owner_tag()).await.map(Undone::from)
    }

    fn generate_config(&self, from: RouteAuthorized, attempt: &WorkerAttempt) -> Result<ConfigGenerated, ShelfError> {
        Ok(from.config_generated(digest(attempt.spec())))
    }

    async fn push_config(&self, from: ConfigGenerated, attempt: &WorkerAttempt) -> Result<ConfigPushed, ShelfError> {
        self.objects.claim(CONFIG, attempt.key(), attempt.owner_tag()).await?;
        Ok(from.config_pushed("agents/alice/".to_owned()))
    }

    async fn remove_config(&self, _: &ConfigPushed, attempt: &WorkerAttempt) -> Result<Undone, ShelfError> {
        self.objects.remove_name(CONFIG, attempt.owner_tag()).await.map(Undone::from)
    }

    fn skills(&self, _: &ConfigPushed, worker: &Worker) -> BTreeSet<String> {
        worker.spec.skills.clone()
    }

    async fn push_skill(
        &self,
        _: &ConfigPushed,
        skill: &String,
        attempt: &WorkerAttempt,
    ) -> Result<String, ShelfError> {
        self.objects.claim(skill, attempt.key(), attempt.owner_tag()).await?;
        Ok(skill.clone())
    }

    async fn remove_skill(
        &self,
        _: &ConfigPushed,
        _: &String,
        made: &String,
        attempt: &WorkerAttempt,
    ) -> Result<Undone, ShelfError> {
        self.objects.remove_name(made, attempt.owner_tag()).await.map(Undone::from)
    }

    fn enter_service(&self, from: ConfigPushed, _: &WorkerAttempt) -> Result<Ready, ShelfError> {
        let applied = from.config.clone();
        Ok(from.ready(applied))
    }

    fn containers(&self, at: &Ready, _: &Worker) -> BTreeSet<String> {
        BTreeSet::from([at.applied.clone()])
    }

    async fn run_container(&self, _: &Ready, _: &String, attempt: &WorkerAttempt) -> Result<String, ShelfError> {
        let there = self.containers.shelved();
        let id = match there.first() {
            None => self.containers.begin(attempt.key(), attempt.owner_tag()).await?,
            // The name is taken: by what an earlier request of ours has made, or by somebody else.
            Some(it) if it.key == attempt.key() && it.owner == attempt.owner_tag() => it.id.clone(),
            Some(_) => return Err(ShelfError::Taken(CONTAINER.to_owned())),
        };
        self.containers.finish(&id).await?;
        Ok(id)
    }

    async fn lookup_run_container(
        &self,
        _: &Ready,
        _: &String,
        attempt: &WorkerAttempt,
    ) -> Result<Lookup<String>, ShelfError> {
        Ok(match self.containers.find(attempt.key(), attempt.owner_tag()).await {
            Lookup::Ours(it) => Lookup::Ours(it.id),
            Lookup::Incomplete => Lookup::Incomplete,
            Lookup::NotOurs => Lookup::NotOurs,
            _ => Lookup::Absent,
        })
    }

    async fn stop_container(
        &self,
        _: &Ready,
        _: &String,
        made: &String,
        _: &WorkerAttempt,
    ) -> Result<Undone, ShelfError> {
        self.containers.remove(made).await.map(Undone::from)
    }

    async fn clear_containers(&self, _: &Ready, _: &String, attempt: &WorkerAttempt) -> Result<Undone, ShelfError> {
        self.containers.remove_key(attempt.key()).await.map(Undone::from)
    }

    fn spec_changed(&self, at: &Ready, worker: &Worker) -> bool {
        at.applied != digest(&worker.spec)
    }

    async fn apply_spec(&self, from: Ready, attempt: &WorkerAttempt) -> Result<Ready, ShelfError> {
        self.objects.claim(CONFIG, attempt.key(), attempt.owner_tag()).await?;
        Ok(from.ready(digest(attempt.spec())))
    }
}

fn worker(image: &str, skills: &[&str]) -> Worker {
    let skills = skills.iter().map(ToString::to_string).collect();
    let spec = WorkerSpec { image: image.to_owned(), model: "qwen".to_owned(), skills };
    let (namespace, name, uid) = ("default".to_owned(), "alice".to_owned(), "uid-1".to_owned());
    Worker { namespace, name, uid, spec, deleting: false }
}

impl World for Cloud {
    type Machine = WorkerFlow;
    type Transitions = Self;

    fn new(sim: &Sim) -> Self {
        let shelf = |kind| Shelf::new(sim, kind);
        Self {
            accounts: shelf("account"),
            rooms: shelf("room"),
            consumers: shelf("consumer"),
            routes: shelf("route"),
            objects: shelf("object"),
            containers: shelf("container"),
        }
    }

    fn transitions(&self) -> Self {
        self.clone()
    }

    fn resource() -> Worker {
        worker("v1", &["mail"])
    }

    fn edits() -> Vec<Worker> {
        vec![worker("v2", &["search"])]
    }

    fn inventory(&self) -> Vec<Thing> {
        let shelves = [&self.accounts, &self.rooms, &self.consumers, &self.routes, &self.objects, &self.containers];
        shelves.into_iter().flat_map(Shelf::inventory).collect()
    }
}
