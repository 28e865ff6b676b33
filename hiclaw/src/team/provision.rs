//! What each step of the Team does to the world. Invariant: what is made carries the key that it was made with or lies under the team's own prefix,
//! and nothing of a member's Worker is ever touched.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use durable_fsm::{Class, Classify, Lookup, ResourceId, Undone, Wait};
use serde_json::json;

use super::{
    MembersReady, Ready, Requested, RoomCreated, Staffing, StorageLaidOut, StorageLaidOutFacts, Team, TeamAttempt,
    TeamSpec, TeamTransitions,
};
use crate::accounts::{AccountError, Accounts};
use crate::administrator::{Administrator, Found, MarkedRoom};
use crate::clients::{ClientError, Oss, Session};
use crate::names;
use crate::roster::{Roster, RosterError};
use crate::worker::{Worker, WorkerSpec};

/// A worker that a team has made, or is to make.
#[derive(Debug, Clone, Copy)]
pub struct Employment<'a> {
    /// The namespace of both.
    pub namespace: &'a str,
    /// The worker's name.
    pub worker: &'a str,
    /// The team's mark.
    pub employer: &'a str,
}

/// Where workers are made as resources: a directory of documents, or a cluster.
#[async_trait]
pub trait Workforce: std::fmt::Debug + Send + Sync {
    /// Makes a worker, or changes the one that this team has made. Gives what it is kept under.
    async fn employ(&self, employment: &Employment<'_>, spec: &WorkerSpec) -> Result<String, TeamError>;

    /// Removes a worker that this team has made. A worker of that name that the team has not made stays.
    async fn let_go(&self, employment: &Employment<'_>) -> Result<(), TeamError>;
}

/// The directories in which a team's members share their work.
const SHARED: [&str; 3] = ["tasks", "projects", "knowledge"];

/// The steps, against real or stand-in servers.
#[derive(Debug, Clone)]
pub struct TeamProvisioner {
    /// Who makes the rooms.
    pub administrator: Administrator,
    /// The object store.
    pub oss: Oss,
    /// The workers' accounts, with which they join.
    pub accounts: Accounts,
    /// The workers.
    pub roster: Roster,
    /// Where workers are made.
    pub workforce: Arc<dyn Workforce>,
}

/// What went wrong in a step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TeamError {
    /// A server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A worker.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The vault.
    #[error("the vault cannot be used: {0}; nothing was sent")]
    Vault(#[from] std::io::Error),
    /// A worker of that name is there that is not the team's.
    #[error(
        "a worker {0} exists that this team has not made; name it as a member without defining it, or rename yours"
    )]
    Foreign(String),
    /// It is to be made, and is not defined.
    #[error("the worker {0} is not defined; define it, or name it as a member")]
    Undefined(String),
    /// The document of a worker cannot be written.
    #[error("the worker {0} cannot be written: {1}")]
    Unwritten(String, #[source] std::io::Error),
    /// The cluster.
    #[cfg(feature = "cluster")]
    #[error("a worker could not be made or removed as an object: {0}")]
    Cluster(#[from] kube::Error),
    /// A step of several calls stopped between them.
    #[error("the step was carried out in part, then failed: {0}")]
    Partly(#[source] Box<TeamError>),
}

impl TeamError {
    /// What an error says once an earlier call of the same step has taken effect.
    fn partly(self) -> Self {
        TeamError::Partly(Box::new(self))
    }
}

impl From<AccountError> for TeamError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Client(error) => TeamError::Client(error),
            AccountError::Vault(error) => TeamError::Vault(error),
        }
    }
}

impl Classify for TeamError {
    fn classify(&self) -> Class {
        match self {
            TeamError::Client(error) => error.classify(),
            TeamError::Roster(error) => error.classify(),
            TeamError::Vault(_) => Class::NOT_APPLIED,
            TeamError::Foreign(_) => Class::NotOurs,
            TeamError::Undefined(_) => Class::Rejected,
            TeamError::Unwritten(..) => Class::Unknown,
            #[cfg(feature = "cluster")]
            TeamError::Cluster(error) => durable_fsm_kube::classify(error),
            TeamError::Partly(_) => Class::Unknown,
        }
    }
}

/// The first 16 hex digits of a hash of what the team's description is made of.
fn digest(spec: &TeamSpec) -> String {
    blake3::hash(description(spec).to_string().as_bytes()).to_hex()[..16].to_owned()
}

fn description(spec: &TeamSpec) -> serde_json::Value {
    json!({ "description": spec.description, "leader": spec.leader, "workers": spec.workers, "employees": spec.employees })
}

/// What the team's place in the store consists of, besides the description.
fn keepers(prefix: &str) -> impl Iterator<Item = String> {
    SHARED.iter().map(move |it| format!("{prefix}shared/{it}/.keep")).chain([format!("{prefix}.keep")])
}

/// The name of a team at servers that know no namespaces.
fn name_of(team: &Team) -> String {
    names::external(&team.namespace, &team.name)
}

fn employment<'a>(team: &'a Team, worker: &'a str, owner_tag: &'a str) -> Employment<'a> {
    Employment { namespace: &team.namespace, worker, employer: owner_tag }
}

/// The Matrix name of a member.
fn member(team: &Team, worker: &str) -> String {
    names::external(&team.namespace, worker)
}

/// The names of the rooms of one team. With our mark in the alias, a half-made one is certainly ours.
struct Names {
    name: String,
    alias: String,
}

impl Names {
    fn of_room(attempt: &TeamAttempt) -> Self {
        let team = name_of(attempt.resource());
        Self { name: format!("Team: {team}"), alias: format!("hiclaw-team-{team}-{}", &attempt.owner_tag()[..8]) }
    }

    fn of_leader_room(leader: &str, attempt: &TeamAttempt) -> Self {
        let team = name_of(attempt.resource());
        let alias = format!("hiclaw-leader-{team}-{leader}-{}", &attempt.owner_tag()[..8]);
        Self { name: format!("Leader: {leader} of {team}"), alias }
    }

    fn marked<'a>(&'a self, attempt: &'a TeamAttempt) -> MarkedRoom<'a> {
        MarkedRoom { name: &self.name, alias: &self.alias, mark: attempt.key() }
    }
}

impl TeamProvisioner {
    /// A worker that is ready; none if it is gone.
    async fn ready(&self, worker: &str, team: &Team) -> Result<Option<Worker>, TeamError> {
        let found = self.roster.ready_worker(&ResourceId::new(&team.namespace, worker)).await?;
        Ok(found.map(|(worker, _)| worker))
    }

    /// Lets a worker into a room.
    async fn admit(&self, admin: &Session, room: &str, worker: &Worker) -> Result<(), TeamError> {
        let matrix = &self.administrator.matrix;
        matrix.invite(admin, room, &admin.user(&names::of_worker(worker))).await?;
        let join = async {
            let session = self.accounts.session(worker).await?;
            Ok(matrix.join(&session, room).await?)
        };
        join.await.map_err(TeamError::partly)
    }

    /// Those of a team who are there and are to stay.
    fn present(&self, team: &Team, wanted: BTreeSet<String>) -> BTreeSet<String> {
        &wanted & &self.roster.workers(&team.namespace)
    }

    async fn write_description(&self, prefix: &str, spec: &TeamSpec) -> Result<String, TeamError> {
        self.oss.put(&format!("{prefix}team.json"), description(spec).to_string().into_bytes()).await?;
        Ok(digest(spec))
    }
}

impl TeamTransitions for TeamProvisioner {
    type Error = TeamError;

    fn begin(&self, from: Requested, _attempt: &TeamAttempt) -> Result<Staffing, TeamError> {
        Ok(from.staffing())
    }

    fn employees(&self, _at: &Staffing, resource: &Team) -> BTreeSet<String> {
        resource.spec.employees.keys().cloned().collect()
    }

    // ANCHOR: staffing
    async fn employ(&self, _at: &Staffing, subject: &String, attempt: &TeamAttempt) -> Result<String, TeamError> {
        let team = attempt.resource();
        let Some(spec) = attempt.spec().employees.get(subject) else {
            return Err(TeamError::Undefined(subject.clone()));
        };
        self.workforce.employ(&employment(team, subject, attempt.owner_tag()), spec).await
    }

    async fn let_go(
        &self,
        _at: &Staffing,
        subject: &String,
        _made: &String,
        attempt: &TeamAttempt,
    ) -> Result<Undone, TeamError> {
        self.workforce.let_go(&employment(attempt.resource(), subject, attempt.owner_tag())).await?;
        Ok(Undone::Done)
    }

    async fn await_members(&self, from: Staffing, attempt: &TeamAttempt) -> Result<Wait<MembersReady>, TeamError> {
        let team = attempt.resource();
        for member in team.spec.members() {
            let known = self.roster.worker(&ResourceId::new(&team.namespace, &member)).await?;
            if !known.is_some_and(|it| it.ready) {
                return Ok(Wait::NotYet);
            }
        }
        Ok(Wait::Done(from.members_ready()))
    }
    // ANCHOR_END: staffing

    async fn create_room(&self, from: MembersReady, attempt: &TeamAttempt) -> Result<RoomCreated, TeamError> {
        let admin = self.administrator.session().await?;
        let names = Names::of_room(attempt);
        Ok(from.room_created(self.administrator.open(&admin, &names.marked(attempt)).await?))
    }

    async fn lookup_create_room(
        &self,
        from: MembersReady,
        attempt: &TeamAttempt,
    ) -> Result<Lookup<RoomCreated>, TeamError> {
        let admin = self.administrator.session().await?;
        let names = Names::of_room(attempt);
        Ok(match self.administrator.find(&admin, &names.marked(attempt)).await? {
            Found::Room(room) => Lookup::Ours(from.room_created(room)),
            Found::Rubble => Lookup::Incomplete,
            Found::Nothing => Lookup::Absent,
        })
    }

    async fn close_room(&self, made: &RoomCreated, attempt: &TeamAttempt) -> Result<Undone, TeamError> {
        let admin = self.administrator.session().await?;
        let names = Names::of_room(attempt);
        self.administrator.close(&admin, &names.marked(attempt), &made.room_id).await?;
        Ok(Undone::Done)
    }

    async fn clear_rooms(&self, _from: &MembersReady, attempt: &TeamAttempt) -> Result<Undone, TeamError> {
        let admin = self.administrator.session().await?;
        self.administrator.clear(&admin, &Names::of_room(attempt).marked(attempt)).await?;
        Ok(Undone::Done)
    }

    async fn lay_out_storage(&self, from: RoomCreated, attempt: &TeamAttempt) -> Result<StorageLaidOut, TeamError> {
        let prefix = format!("teams/{}/", name_of(attempt.resource()));
        let described = self.write_description(&prefix, attempt.spec()).await?;
        // The first object is there, so a refusal of another one is no refusal of the step.
        for object in keepers(&prefix) {
            self.oss.put(&object, Vec::new()).await.map_err(|error| TeamError::from(error).partly())?;
        }
        Ok(from.storage_laid_out(StorageLaidOutFacts { prefix, described }))
    }

    /// Removes what we have written. What the members have made there is theirs, and stays.
    async fn clear_storage(&self, made: &StorageLaidOut, _attempt: &TeamAttempt) -> Result<Undone, TeamError> {
        self.oss.delete(&format!("{}team.json", made.prefix)).await?;
        for object in keepers(&made.prefix) {
            self.oss.delete(&object).await?;
        }
        Ok(Undone::Done)
    }

    fn enter_service(&self, from: StorageLaidOut, _attempt: &TeamAttempt) -> Result<Ready, TeamError> {
        let applied = from.described.clone();
        Ok(from.ready(applied))
    }

    fn members(&self, _at: &Ready, resource: &Team) -> BTreeSet<String> {
        self.present(resource, resource.spec.members())
    }

    async fn admit_member(&self, at: &Ready, subject: &String, attempt: &TeamAttempt) -> Result<String, TeamError> {
        let admin = self.administrator.session().await?;
        // One that is gone is not wanted any more either: it is dismissed next, from whatever an earlier attempt has let it into.
        if let Some(worker) = self.ready(subject, attempt.resource()).await? {
            self.admit(&admin, &at.room_id, &worker).await?;
        }
        Ok(admin.user(&member(attempt.resource(), subject)))
    }

    async fn dismiss_member(
        &self,
        at: &Ready,
        _subject: &String,
        made: &String,
        _attempt: &TeamAttempt,
    ) -> Result<Undone, TeamError> {
        let admin = self.administrator.session().await?;
        self.administrator.matrix.expel(&admin, &at.room_id, made).await?;
        Ok(Undone::Done)
    }

    fn briefs(&self, _at: &Ready, resource: &Team) -> BTreeSet<String> {
        self.present(resource, resource.spec.members())
    }

    /// Tells a member where its team meets. It lies with the team: the member's own configuration is its Worker's.
    async fn brief_member(&self, at: &Ready, subject: &String, attempt: &TeamAttempt) -> Result<String, TeamError> {
        let object = format!("{}members/{subject}.json", at.prefix);
        let brief =
            json!({ "team": attempt.resource().name, "room": at.room_id, "shared": format!("{}shared/", at.prefix) });
        self.oss.put(&object, brief.to_string().into_bytes()).await?;
        Ok(object)
    }

    async fn withdraw_brief(
        &self,
        _at: &Ready,
        _subject: &String,
        made: &String,
        _attempt: &TeamAttempt,
    ) -> Result<Undone, TeamError> {
        self.oss.delete(made).await?;
        Ok(Undone::Done)
    }

    fn leader_rooms(&self, _at: &Ready, resource: &Team) -> BTreeSet<String> {
        self.present(resource, BTreeSet::from([resource.spec.leader.clone()]))
    }

    async fn open_leader_room(
        &self,
        _at: &Ready,
        subject: &String,
        attempt: &TeamAttempt,
    ) -> Result<String, TeamError> {
        let leader = self.ready(subject, attempt.resource()).await?;
        let admin = self.administrator.session().await?;
        let names = Names::of_leader_room(subject, attempt);
        let room = self.administrator.open(&admin, &names.marked(attempt)).await?;
        if let Some(leader) = leader {
            self.admit(&admin, &room, &leader).await.map_err(TeamError::partly)?;
        }
        Ok(room)
    }

    /// A room that the leader has not joined is half-built: it is cleared, and made anew.
    async fn lookup_open_leader_room(
        &self,
        _at: &Ready,
        subject: &String,
        attempt: &TeamAttempt,
    ) -> Result<Lookup<String>, TeamError> {
        let admin = self.administrator.session().await?;
        let names = Names::of_leader_room(subject, attempt);
        let room = match self.administrator.find(&admin, &names.marked(attempt)).await? {
            Found::Room(room) => room,
            Found::Rubble => return Ok(Lookup::Incomplete),
            Found::Nothing => return Ok(Lookup::Absent),
        };
        let members = self.administrator.matrix.members(&admin, &room).await?.unwrap_or_default();
        let joined = members.get(&admin.user(&member(attempt.resource(), subject))).is_some_and(|it| it == "join");
        Ok(if joined { Lookup::Ours(room) } else { Lookup::Incomplete })
    }

    async fn close_leader_room(
        &self,
        _at: &Ready,
        subject: &String,
        made: &String,
        attempt: &TeamAttempt,
    ) -> Result<Undone, TeamError> {
        let admin = self.administrator.session().await?;
        let names = Names::of_leader_room(subject, attempt);
        self.administrator.close(&admin, &names.marked(attempt), made).await?;
        Ok(Undone::Done)
    }

    async fn clear_leader_rooms(
        &self,
        _at: &Ready,
        subject: &String,
        attempt: &TeamAttempt,
    ) -> Result<Undone, TeamError> {
        let admin = self.administrator.session().await?;
        let names = Names::of_leader_room(subject, attempt);
        self.administrator.clear(&admin, &names.marked(attempt)).await?;
        Ok(Undone::Done)
    }

    fn spec_changed(&self, at: &Ready, resource: &Team) -> bool {
        at.applied != digest(&resource.spec)
    }

    async fn apply_spec(&self, from: Ready, attempt: &TeamAttempt) -> Result<Ready, TeamError> {
        for (name, spec) in &attempt.spec().employees {
            self.workforce.employ(&employment(attempt.resource(), name, attempt.owner_tag()), spec).await?;
        }
        let applied = self.write_description(&from.prefix, attempt.spec()).await?;
        Ok(from.ready(applied))
    }
}
