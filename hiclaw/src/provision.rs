//! What each step of the Worker does to the world. Invariant: whatever a step makes carries our mark, so that it can be found again, and so that
//! nothing else is ever touched.

mod error;

use std::collections::BTreeSet;
use std::sync::Arc;

use durable_fsm::{Lookup, Undone};
use serde_json::json;

use crate::accounts::{AccountError, Accounts};
use crate::administrator::{Administrator, Found, MarkedRoom};
use crate::clients::{ClientError, Clients, Registered};
use crate::containers::{Containers, Wanted};
use crate::credentials::Vault;
use crate::names;
use crate::office::Office;
use crate::worker::{
    AccountRegistered, ConfigGenerated, ConfigPushed, ConsumerCreated, MembersAdmitted, Ready, Requested, RoomCreated,
    RouteAuthorized, Worker, WorkerAttempt, WorkerSpec, WorkerTransitions,
};

pub use error::ProvisionError;

/// The route that workers use.
pub const ROUTE: &str = "default";

/// The steps, against real or stand-in servers.
#[derive(Debug, Clone)]
pub struct Provisioner {
    /// The servers.
    pub clients: Clients,
    /// What runs the workers.
    pub containers: Arc<dyn Containers>,
    /// The workers' accounts and secrets.
    pub accounts: Accounts,
    /// Who makes the rooms.
    pub administrator: Administrator,
    /// Who we are on the homeserver.
    pub office: Office,
}

/// The first 16 hex digits of a hash of what the configuration depends on.
fn digest(spec: &WorkerSpec) -> String {
    blake3::hash(format!("{}\n{}", spec.model, spec.image).as_bytes()).to_hex()[..16].to_owned()
}

/// What a worker's room is called. With the key in the alias, a half-made one is certainly ours, and what still removes one of an earlier life
/// misses this one.
struct Names {
    name: String,
    alias: String,
}

impl Names {
    fn of(attempt: &WorkerAttempt) -> Self {
        let worker = names::of_worker(attempt.resource());
        Self { name: format!("Worker: {worker}"), alias: format!("hiclaw-worker-{worker}-{}", &attempt.key()[..8]) }
    }

    fn marked<'a>(&'a self, attempt: &'a WorkerAttempt) -> MarkedRoom<'a> {
        MarkedRoom { name: &self.name, alias: &self.alias, mark: attempt.key() }
    }
}

impl Provisioner {
    /// The steps on these servers, with these containers and secrets.
    #[must_use]
    pub fn new(
        clients: &Clients,
        containers: Arc<dyn Containers>,
        vault: Vault,
        administrator: Administrator,
        office: &Office,
    ) -> Self {
        let accounts = Accounts { matrix: clients.matrix.clone(), vault };
        Self { clients: clients.clone(), containers, accounts, administrator, office: office.clone() }
    }

    async fn write_config(&self, worker: &Worker, spec: &WorkerSpec, room: &str) -> Result<String, ProvisionError> {
        let prefix = names::prefix(worker);
        let credentials = self.accounts.vault.credentials(worker).await?;
        let session = self.accounts.session(worker).await?;
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
        let (worker, vault) = (attempt.resource(), &self.accounts.vault);
        let (name, token) = (names::of_worker(worker), &self.office.registration_token);
        // An account is tried with a password of ours only if a call of ours may have made it.
        if !vault.knows(worker).await? && !self.clients.matrix.is_available(&name).await? {
            return Err(ClientError::NotOurs(format!("the account {name}")).into());
        }
        // The password is durable before it is sent, because the password owns the account.
        let credentials = vault.credentials(worker).await?;
        let registered = self.clients.matrix.register(&name, credentials.matrix_password.reveal(), token).await?;
        let (Registered::New(session) | Registered::Ours(session)) = registered;
        let kept = vault.keep_session(worker, &session).await;
        kept.map_err(|error| ProvisionError::Partly(Box::new(error.into())))?;
        Ok(from.account_registered(session.user_id))
    }

    /// Ends all its sessions: as the worker or, if somebody has changed its password, as the administrator.
    async fn sign_out(&self, made: &AccountRegistered, attempt: &WorkerAttempt) -> Result<Undone, ProvisionError> {
        let matrix = &self.clients.matrix;
        match self.accounts.session(attempt.resource()).await {
            Ok(session) => matrix.sign_out(&session).await?,
            Err(AccountError::Client(error)) if error.is(403, "M_FORBIDDEN") => {
                let admin = self.administrator.session().await?;
                match matrix.sign_out_other(&admin, &made.user_id).await {
                    Err(ClientError::Refused { status, .. }) if matches!(status.as_u16(), 403 | 404) => {
                        return Ok(Undone::Left(
                            "its password was changed, and our account is no administrator's".into(),
                        ));
                    }
                    answer => answer?,
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Undone::Done)
    }

    async fn create_room(
        &self,
        from: AccountRegistered,
        attempt: &WorkerAttempt,
    ) -> Result<RoomCreated, ProvisionError> {
        let admin = self.administrator.session().await?;
        Ok(from.room_created(self.administrator.open(&admin, &Names::of(attempt).marked(attempt)).await?))
    }

    async fn lookup_create_room(
        &self,
        from: AccountRegistered,
        attempt: &WorkerAttempt,
    ) -> Result<Lookup<RoomCreated>, ProvisionError> {
        let admin = self.administrator.session().await?;
        Ok(match self.administrator.find(&admin, &Names::of(attempt).marked(attempt)).await? {
            Found::Nothing => Lookup::Absent,
            Found::Room(room) => Lookup::Ours(from.room_created(room)),
            // A crash of the server leaves a room without its alias, or an alias without its room.
            Found::Rubble => Lookup::Incomplete,
        })
    }

    async fn close_room(&self, made: &RoomCreated, attempt: &WorkerAttempt) -> Result<Undone, ProvisionError> {
        let admin = self.administrator.session().await?;
        self.administrator.close(&admin, &Names::of(attempt).marked(attempt), &made.room_id).await?;
        Ok(Undone::Done)
    }

    async fn clear_rooms(&self, _from: &AccountRegistered, attempt: &WorkerAttempt) -> Result<Undone, ProvisionError> {
        let admin = self.administrator.session().await?;
        self.administrator.clear(&admin, &Names::of(attempt).marked(attempt)).await?;
        Ok(Undone::Done)
    }

    async fn admit_members(
        &self,
        from: RoomCreated,
        attempt: &WorkerAttempt,
    ) -> Result<MembersAdmitted, ProvisionError> {
        let (matrix, room) = (&self.clients.matrix, &from.room_id);
        let admin = self.administrator.session().await?;
        matrix.invite(&admin, room, &from.user_id).await?;
        let rest = async {
            let session = self.accounts.session(attempt.resource()).await?;
            matrix.join(&session, room).await?;
            matrix.invite(&admin, room, &admin.user(&self.office.manager)).await?;
            Ok::<_, ProvisionError>(())
        };
        rest.await.map_err(|error| ProvisionError::Partly(Box::new(error)))?;
        Ok(from.members_admitted())
    }

    async fn create_consumer(
        &self,
        from: MembersAdmitted,
        attempt: &WorkerAttempt,
    ) -> Result<ConsumerCreated, ProvisionError> {
        let worker = attempt.resource();
        let credentials = self.accounts.vault.credentials(worker).await?;
        let consumer = names::consumer(worker);
        self.clients.higress.ensure_consumer(&consumer, credentials.gateway_key.reveal()).await?;
        Ok(from.consumer_created(consumer))
    }

    async fn delete_consumer(&self, made: &ConsumerCreated, attempt: &WorkerAttempt) -> Result<Undone, ProvisionError> {
        let credentials = self.accounts.vault.credentials(attempt.resource()).await?;
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

    /// Removes all that is there: what the agent wrote is of no use without it.
    async fn remove_config(&self, made: &ConfigPushed, _attempt: &WorkerAttempt) -> Result<Undone, ProvisionError> {
        let config = format!("{}openclaw.json", made.prefix);
        for object in self.clients.oss.list(&made.prefix).await?.iter().chain([&config]) {
            self.clients.oss.delete(object).await?;
        }
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
