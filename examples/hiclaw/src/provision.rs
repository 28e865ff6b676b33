//! What each step of the Worker does to the world. Invariant: whatever a step makes carries our mark, so that it can be found again, and so that
//! nothing else is ever touched.

use std::collections::{BTreeMap, BTreeSet};

use durable_fsm::{Class, Classify, Lookup};
use serde_json::json;

use crate::clients::{ClientError, Clients, NewRoom, Registered, Session};
use crate::credentials::Vault;
use crate::worker::{
    AccountRegistered, ConfigGenerated, ConfigPushed, ConsumerCreated, Ready, Requested, RoomCreated, RouteAuthorized,
    Worker, WorkerAttempt, WorkerSpec, WorkerTransitions,
};

/// The label under which a container carries its worker's mark.
pub const OWNER_LABEL: &str = "io.hiclaw.owner";
/// The label under which a container carries the key that it was made with.
pub const KEY_LABEL: &str = "io.hiclaw.key";
/// The route that workers use.
pub const ROUTE: &str = "default";

/// The steps, against real or stand-in servers.
#[derive(Debug, Clone)]
pub struct Provisioner {
    /// The servers.
    pub clients: Clients,
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
}

impl Classify for ProvisionError {
    fn classify(&self) -> Class {
        match self {
            ProvisionError::Client(error) => error.classify(),
            ProvisionError::Vault(_) => Class::NOT_APPLIED,
            ProvisionError::ForeignContainer(_) => Class::NotOurs,
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

fn container_name(worker: &Worker) -> String {
    format!("hiclaw-worker-{}", worker.name)
}

fn alias(worker: &Worker, attempt: &WorkerAttempt) -> String {
    // With our mark in the name, a half-made alias is certainly ours.
    format!("hiclaw-worker-{}-{}", worker.name, &attempt.owner_tag()[..8])
}

impl Provisioner {
    async fn session(&self, worker: &Worker) -> Result<Session, ProvisionError> {
        let credentials = self.vault.credentials(&worker.name)?;
        Ok(self.clients.matrix.login(&worker.name, credentials.matrix_password.reveal()).await?)
    }

    async fn write_config(&self, worker: &Worker, spec: &WorkerSpec, room: &str) -> Result<String, ProvisionError> {
        let prefix = format!("agents/{}/", worker.name);
        let credentials = self.vault.credentials(&worker.name)?;
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
        let credentials = self.vault.credentials(name)?;
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
        let invite = ["@manager:hiclaw.test"];
        let room = NewRoom { name: &name, alias: Some(&alias), owner: Some(attempt.owner_tag()), invite: &invite };
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
        let mut rooms = self.clients.matrix.rooms_of(&session, attempt.owner_tag()).await?;
        if let (Some(room), true) = (rooms.pop(), rooms.is_empty()) {
            return Ok(Lookup::Ours(from.room_created(room)));
        }
        let alias = format!("#{}:hiclaw.test", alias(worker, attempt));
        let dangling = self.clients.matrix.resolve(&session, &alias).await?.is_some();
        Ok(if dangling || !rooms.is_empty() { Lookup::Incomplete } else { Lookup::Absent })
    }

    async fn close_room(&self, made: &RoomCreated, attempt: &WorkerAttempt) -> Result<(), ProvisionError> {
        let worker = attempt.resource();
        let session = self.session(worker).await?;
        self.clients.matrix.empty_room(&session, &made.room_id).await?;
        let alias = format!("#{}:hiclaw.test", alias(worker, attempt));
        Ok(self.clients.matrix.delete_alias(&session, &alias).await?)
    }

    async fn clear_rooms(&self, _from: &AccountRegistered, attempt: &WorkerAttempt) -> Result<(), ProvisionError> {
        let worker = attempt.resource();
        let session = self.session(worker).await?;
        for room in self.clients.matrix.rooms_of(&session, attempt.owner_tag()).await? {
            self.clients.matrix.empty_room(&session, &room).await?;
        }
        let alias = format!("#{}:hiclaw.test", alias(worker, attempt));
        Ok(self.clients.matrix.delete_alias(&session, &alias).await?)
    }

    async fn create_consumer(
        &self,
        from: RoomCreated,
        attempt: &WorkerAttempt,
    ) -> Result<ConsumerCreated, ProvisionError> {
        let worker = attempt.resource();
        let credentials = self.vault.credentials(&worker.name)?;
        let consumer = consumer_name(worker);
        self.clients.higress.ensure_consumer(&consumer, credentials.gateway_key.reveal()).await?;
        Ok(from.consumer_created(consumer))
    }

    async fn delete_consumer(&self, made: &ConsumerCreated, _attempt: &WorkerAttempt) -> Result<(), ProvisionError> {
        Ok(self.clients.higress.delete_consumer(&made.consumer).await?)
    }

    async fn authorize_route(
        &self,
        from: ConsumerCreated,
        _attempt: &WorkerAttempt,
    ) -> Result<RouteAuthorized, ProvisionError> {
        self.clients.higress.set_allowed(ROUTE, &from.consumer, true).await?;
        Ok(from.route_authorized(ROUTE.to_owned()))
    }

    async fn deauthorize_route(&self, made: &RouteAuthorized, _attempt: &WorkerAttempt) -> Result<(), ProvisionError> {
        Ok(self.clients.higress.set_allowed(&made.route, &made.consumer, false).await?)
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

    async fn remove_config(&self, made: &ConfigPushed, _attempt: &WorkerAttempt) -> Result<(), ProvisionError> {
        Ok(self.clients.oss.delete(&format!("{}openclaw.json", made.prefix)).await?)
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
    ) -> Result<(), ProvisionError> {
        Ok(self.clients.oss.delete(made).await?)
    }

    fn enter_service(&self, from: ConfigPushed, _attempt: &WorkerAttempt) -> Result<Ready, ProvisionError> {
        let applied = from.config.clone();
        Ok(from.ready(applied))
    }

    /// One container, named by its image and the configuration that it read: another of either is another container.
    fn containers(&self, at: &Ready, resource: &Worker) -> BTreeSet<String> {
        BTreeSet::from([format!("{}@{}", resource.spec.image, at.applied)])
    }

    async fn run_container(
        &self,
        _at: &Ready,
        _subject: &String,
        attempt: &WorkerAttempt,
    ) -> Result<String, ProvisionError> {
        let (worker, docker) = (attempt.resource(), &self.clients.docker);
        let labels = BTreeMap::from([(OWNER_LABEL, attempt.owner_tag()), (KEY_LABEL, attempt.key())]);
        let id = match docker.create(&container_name(worker), &attempt.spec().image, &labels).await {
            Ok(id) => id,
            Err(error) if error.is(409, "") => return Err(ProvisionError::ForeignContainer(container_name(worker))),
            Err(error) => return Err(error.into()),
        };
        docker.start(&id).await?;
        Ok(id)
    }

    async fn lookup_run_container(
        &self,
        _at: &Ready,
        _subject: &String,
        attempt: &WorkerAttempt,
    ) -> Result<Lookup<String>, ProvisionError> {
        let found = self.clients.docker.with_label(KEY_LABEL, attempt.key()).await?;
        Ok(match found.as_slice() {
            [] => Lookup::Absent,
            [it] if it.labels.get(OWNER_LABEL).map(String::as_str) != Some(attempt.owner_tag()) => Lookup::NotOurs,
            [it] if it.state == "running" => Lookup::Ours(it.id.clone()),
            _ => Lookup::Incomplete,
        })
    }

    async fn stop_container(
        &self,
        _at: &Ready,
        _subject: &String,
        made: &String,
        _attempt: &WorkerAttempt,
    ) -> Result<(), ProvisionError> {
        Ok(self.clients.docker.remove(made).await?)
    }

    async fn clear_containers(
        &self,
        _at: &Ready,
        _subject: &String,
        attempt: &WorkerAttempt,
    ) -> Result<(), ProvisionError> {
        for container in self.clients.docker.with_label(KEY_LABEL, attempt.key()).await? {
            self.clients.docker.remove(&container.id).await?;
        }
        Ok(())
    }

    fn spec_changed(&self, at: &Ready, resource: &Worker) -> bool {
        at.applied != digest(&resource.spec)
    }

    async fn apply_spec(&self, from: Ready, attempt: &WorkerAttempt) -> Result<Ready, ProvisionError> {
        self.write_config(attempt.resource(), attempt.spec(), &from.room_id).await?;
        Ok(from.ready(digest(attempt.spec())))
    }
}
