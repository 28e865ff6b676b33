//! What each step of the Worker does to the world. Invariant: whatever a step makes carries our mark, so that it can be found again, and so that
//! nothing else is ever touched.

use std::collections::BTreeSet;
use std::sync::Arc;

use durable_fsm::{Class, Classify, Lookup, Undone};
use serde_json::json;

use crate::clients::{ClientError, Clients, NewRoom, Registered, Session};
use crate::containers::{Containers, Wanted};
use crate::credentials::Vault;
use crate::worker::{
    AccountRegistered, ConfigGenerated, ConfigPushed, ConsumerCreated, Ready, Requested, RoomCreated, RouteAuthorized,
    Worker, WorkerAttempt, WorkerSpec, WorkerTransitions,
};

/// The route that workers use.
pub const ROUTE: &str = "default";

/// The steps, against real or stand-in servers.
#[derive(Debug, Clone)]
pub struct Provisioner {
    /// The servers.
    pub clients: Clients,
    /// What runs the workers.
    pub containers: Arc<dyn Containers>,
    /// The workers' secrets.
    pub vault: Vault,
    /// The token with which accounts are registered.
    pub registration_token: String,
}

/// What went wrong in a step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvisionError {
    /// A server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The vault.
    #[error("the vault cannot be used: {0}; nothing was sent")]
    Vault(#[from] std::io::Error),
    /// The container's name is taken by something that is not ours.
    #[error("the container {0} is not ours; remove or rename it")]
    ForeignContainer(String),
    /// What is being removed is not gone yet.
    #[error("{0} is being removed and is not gone yet; it is asked for again")]
    Removing(String),
    /// The Kubernetes API.
    #[cfg(feature = "cluster")]
    #[error("the Kubernetes API failed")]
    Kubernetes(#[from] kube::Error),
}

impl Classify for ProvisionError {
    fn classify(&self) -> Class {
        match self {
            ProvisionError::Client(error) => error.classify(),
            ProvisionError::Vault(_) | ProvisionError::Removing(_) => Class::NOT_APPLIED,
            ProvisionError::ForeignContainer(_) => Class::NotOurs,
            #[cfg(feature = "cluster")]
            ProvisionError::Kubernetes(error) => durable_fsm_kube::classify(error),
        }
    }
}

/// The first 16 hex digits of a hash of what the configuration depends on.
fn digest(spec: &WorkerSpec) -> String {
    blake3::hash(format!("{}\n{}", spec.model, spec.image).as_bytes()).to_hex()[..16].to_owned()
}

fn consumer_name(worker: &Worker) -> String {
    format!("worker-{}", worker.name)
}

fn alias(worker: &Worker, attempt: &WorkerAttempt) -> String {
    // With the key in the name, a half-made alias is certainly ours, and what still removes one of an earlier life misses this one.
    format!("hiclaw-worker-{}-{}", worker.name, &attempt.key()[..8])
}

impl Provisioner {
    async fn session(&self, worker: &Worker) -> Result<Session, ProvisionError> {
        let credentials = self.vault.credentials(worker).await?;
        Ok(self.clients.matrix.login(&worker.name, credentials.matrix_password.reveal()).await?)
    }

    async fn write_config(&self, worker: &Worker, spec: &WorkerSpec, room: &str) -> Result<String, ProvisionError> {
        let prefix = format!("agents/{}/", worker.name);
        let credentials = self.vault.credentials(worker).await?;
        let session = self.session(worker).await?;
        let config = json!({
            "model": spec.model,
            "gateway": { "key": credentials.gateway_key.reveal(), "route": ROUTE },
            "matrix": { "user": session.user_id, "token": session.token(), "room": room },
        });
        self.clients.oss.put(&format!("{prefix}openclaw.json"), config.to_string().into_bytes()).await?;
        Ok(prefix)
    }
}

impl WorkerTransitions for Provisioner {
    type Error = ProvisionError;

    async fn register_account(
        &self,
        from: Requested,
        attempt: &WorkerAttempt,
    ) -> Result<AccountRegistered, ProvisionError> {
        let name = &attempt.resource().name;
        // The password is durable before the server hears it; whoever has it owns the account.
        let credentials = self.vault.credentials(attempt.resource()).await?;
        let password = credentials.matrix_password.reveal();
        let registered = self.clients.matrix.register(name, password, &self.registration_token).await?;
        let (Registered::New(session) | Registered::Ours(session)) = registered;
        Ok(from.account_registered(session.user_id))
    }

    async fn create_room(
        &self,
        from: AccountRegistered,
        attempt: &WorkerAttempt,
    ) -> Result<RoomCreated, ProvisionError> {
        let worker = attempt.resource();
        let session = self.session(worker).await?;
        let (name, alias) = (format!("Worker: {}", worker.name), alias(worker, attempt));
        let manager = session.user("manager");
        let invite = [manager.as_str()];
        let room = NewRoom { name: &name, alias: Some(&alias), owner: Some(attempt.key()), invite: &invite };
        let room_id = self.clients.matrix.create_room(&session, &room).await?;
        Ok(from.room_created(room_id))
    }

    async fn lookup_create_room(
        &self,
        from: AccountRegistered,
        attempt: &WorkerAttempt,
    ) -> Result<Lookup<RoomCreated>, ProvisionError> {
        let worker = attempt.resource();
        let session = self.session(worker).await?;
        let rooms = self.clients.matrix.rooms_of(&session, attempt.key()).await?;
        let target = self.clients.matrix.resolve(&session, &session.alias(&alias(worker, attempt))).await?;
        Ok(match (rooms.as_slice(), target) {
            ([], None) => Lookup::Absent,
            ([room], Some(target)) if *room == target => Lookup::Ours(from.room_created(target)),
            // A crash of the server leaves a room without its alias, or an alias without its room.
            _ => Lookup::Incomplete,
        })
    }

    async fn close_room(&self, made: &RoomCreated, attempt: &WorkerAttempt) -> Result<Undone, ProvisionError> {
        let worker = attempt.resource();
        let session = self.session(worker).await?;
        self.clients.matrix.empty_room(&session, &made.room_id).await?;
        self.clients.matrix.delete_alias(&session, &session.alias(&alias(worker, attempt))).await?;
        Ok(Undone::Done)
    }

    async fn clear_rooms(&self, _from: &AccountRegistered, attempt: &WorkerAttempt) -> Result<Undone, ProvisionError> {
        let worker = attempt.resource();
        let session = self.session(worker).await?;
        for room in self.clients.matrix.rooms_of(&session, attempt.key()).await? {
            self.clients.matrix.empty_room(&session, &room).await?;
        }
        self.clients.matrix.delete_alias(&session, &session.alias(&alias(worker, attempt))).await?;
        Ok(Undone::Done)
    }

    async fn create_consumer(
        &self,
        from: RoomCreated,
        attempt: &WorkerAttempt,
    ) -> Result<ConsumerCreated, ProvisionError> {
        let worker = attempt.resource();
        let credentials = self.vault.credentials(worker).await?;
        let consumer = consumer_name(worker);
        self.clients.higress.ensure_consumer(&consumer, credentials.gateway_key.reveal()).await?;
        Ok(from.consumer_created(consumer))
    }

    async fn delete_consumer(&self, made: &ConsumerCreated, attempt: &WorkerAttempt) -> Result<Undone, ProvisionError> {
        let credentials = self.vault.credentials(attempt.resource()).await?;
        self.clients.higress.delete_consumer(&made.consumer, credentials.gateway_key.reveal()).await?;
        Ok(Undone::Done)
    }

    async fn authorize_route(
        &self,
        from: ConsumerCreated,
        _attempt: &WorkerAttempt,
    ) -> Result<RouteAuthorized, ProvisionError> {
        self.clients.higress.set_allowed(ROUTE, &from.consumer, true).await?;
        Ok(from.route_authorized(ROUTE.to_owned()))
    }

    async fn deauthorize_route(
        &self,
        made: &RouteAuthorized,
        _attempt: &WorkerAttempt,
    ) -> Result<Undone, ProvisionError> {
        self.clients.higress.set_allowed(&made.route, &made.consumer, false).await?;
        Ok(Undone::Done)
    }

    fn generate_config(
        &self,
        from: RouteAuthorized,
        attempt: &WorkerAttempt,
    ) -> Result<ConfigGenerated, ProvisionError> {
        Ok(from.config_generated(digest(attempt.spec())))
    }

    async fn push_config(
        &self,
        from: ConfigGenerated,
        attempt: &WorkerAttempt,
    ) -> Result<ConfigPushed, ProvisionError> {
        let prefix = self.write_config(attempt.resource(), attempt.spec(), &from.room_id).await?;
        Ok(from.config_pushed(prefix))
    }

    async fn remove_config(&self, made: &ConfigPushed, _attempt: &WorkerAttempt) -> Result<Undone, ProvisionError> {
        self.clients.oss.delete(&format!("{}openclaw.json", made.prefix)).await?;
        Ok(Undone::Done)
    }

    fn skills(&self, _at: &ConfigPushed, resource: &Worker) -> BTreeSet<String> {
        resource.spec.skills.clone()
    }

    async fn push_skill(
        &self,
        at: &ConfigPushed,
        subject: &String,
        _attempt: &WorkerAttempt,
    ) -> Result<String, ProvisionError> {
        let object = format!("{}skills/{subject}/SKILL.md", at.prefix);
        self.clients.oss.put(&object, format!("# {subject}\n").into_bytes()).await?;
        Ok(object)
    }

    async fn remove_skill(
        &self,
        _at: &ConfigPushed,
        _subject: &String,
        made: &String,
        _attempt: &WorkerAttempt,
    ) -> Result<Undone, ProvisionError> {
        self.clients.oss.delete(made).await?;
        Ok(Undone::Done)
    }

    fn enter_service(&self, from: ConfigPushed, _attempt: &WorkerAttempt) -> Result<Ready, ProvisionError> {
        let applied = from.config.clone();
        Ok(from.ready(applied))
    }

    /// One container, named by the configuration that it reads: another configuration, once it is pushed, is another container.
    fn containers(&self, at: &Ready, _resource: &Worker) -> BTreeSet<String> {
        BTreeSet::from([at.applied.clone()])
    }

    async fn run_container(
        &self,
        _at: &Ready,
        _subject: &String,
        attempt: &WorkerAttempt,
    ) -> Result<String, ProvisionError> {
        let (worker, image) = (attempt.resource(), &attempt.spec().image);
        let wanted = Wanted { worker, image, owner_tag: attempt.owner_tag(), key: attempt.key() };
        self.containers.run(&wanted).await
    }

    async fn lookup_run_container(
        &self,
        _at: &Ready,
        _subject: &String,
        attempt: &WorkerAttempt,
    ) -> Result<Lookup<String>, ProvisionError> {
        let found = self.containers.with_key(attempt.resource(), attempt.key()).await?;
        Ok(match found.as_slice() {
            [] => Lookup::Absent,
            [it] if it.owner_tag.as_deref() != Some(attempt.owner_tag()) => Lookup::NotOurs,
            [it] if it.started => Lookup::Ours(it.id.clone()),
            _ => Lookup::Incomplete,
        })
    }

    async fn stop_container(
        &self,
        _at: &Ready,
        _subject: &String,
        made: &String,
        attempt: &WorkerAttempt,
    ) -> Result<Undone, ProvisionError> {
        self.containers.remove(attempt.resource(), made).await.map(Undone::from)
    }

    async fn clear_containers(
        &self,
        _at: &Ready,
        _subject: &String,
        attempt: &WorkerAttempt,
    ) -> Result<Undone, ProvisionError> {
        let worker = attempt.resource();
        for container in self.containers.with_key(worker, attempt.key()).await? {
            self.containers.remove(worker, &container.id).await?;
        }
        Ok(Undone::Done)
    }

    fn spec_changed(&self, at: &Ready, resource: &Worker) -> bool {
        at.applied != digest(&resource.spec)
    }

    async fn apply_spec(&self, from: Ready, attempt: &WorkerAttempt) -> Result<Ready, ProvisionError> {
        self.write_config(attempt.resource(), attempt.spec(), &from.room_id).await?;
        Ok(from.ready(digest(attempt.spec())))
    }
}
