//! What one kind knows of the others. Invariant: who is wanted is taken from the resources, what exists from the records; nothing is remembered
//! in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use durable_fsm::record::Record;
use durable_fsm::{Class, Classify, Machine, RecordId, Resource as _, ResourceId, Store, StoreError};

use crate::team::{Team, TeamFlow, TeamState};
use crate::worker::{Worker, WorkerFlow, WorkerState};

/// The teams and workers that the controller reconciles, and their records.
#[derive(Clone)]
pub struct Roster {
    wanted: Arc<RwLock<Wanted>>,
    records: Arc<dyn Store>,
}

#[derive(Debug, Default)]
struct Wanted {
    workers: BTreeMap<ResourceId, Worker>,
    teams: BTreeMap<ResourceId, Team>,
}

/// A worker, and how far it is.
#[derive(Debug, Clone)]
pub struct KnownWorker {
    /// The worker.
    pub worker: Worker,
    /// The room that it has.
    pub room_id: Option<String>,
    /// Whether it runs.
    pub ready: bool,
}

/// A team, and how far it is.
#[derive(Debug, Clone)]
pub struct KnownTeam {
    /// The room that it has.
    pub room_id: Option<String>,
    /// Whether it is ready.
    pub ready: bool,
}

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RosterError {
    /// The store failed.
    #[error("the record of {0} could not be asked for: {1}; nothing was sent")]
    Store(ResourceId, StoreError),
    /// The record cannot be read.
    #[error("the record of {0} cannot be read: {1}; restore it")]
    Unreadable(ResourceId, String),
    /// It is not ready.
    #[error("{0} is not ready yet; it is asked for again")]
    NotReady(ResourceId),
}

impl Classify for RosterError {
    fn classify(&self) -> Class {
        match self {
            RosterError::Store(..) | RosterError::NotReady(_) => Class::NOT_APPLIED,
            RosterError::Unreadable(..) => Class::Rejected,
        }
    }
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl Roster {
    /// An empty roster, over the store that keeps the records.
    #[must_use]
    pub fn new(records: impl Store) -> Self {
        Self { wanted: Arc::default(), records: Arc::new(records) }
    }

    /// Puts a worker on the roster, in place of what was known of it.
    pub fn put_worker(&self, worker: &Worker) {
        self.wanted.write().unwrap_or_else(PoisonError::into_inner).workers.insert(worker.id(), worker.clone());
    }

    /// Puts a team on the roster, in place of what was known of it.
    pub fn put_team(&self, team: &Team) {
        self.wanted.write().unwrap_or_else(PoisonError::into_inner).teams.insert(team.id(), team.clone());
    }

    /// Takes a worker that is gone off the roster.
    pub fn remove_worker(&self, id: &ResourceId) {
        self.wanted.write().unwrap_or_else(PoisonError::into_inner).workers.remove(id);
    }

    /// Takes a team that is gone off the roster.
    pub fn remove_team(&self, id: &ResourceId) {
        self.wanted.write().unwrap_or_else(PoisonError::into_inner).teams.remove(id);
    }

    /// Whether there is such a worker, also one that is to be deleted.
    #[must_use]
    pub fn knows_worker(&self, id: &ResourceId) -> bool {
        self.wanted.read().unwrap_or_else(PoisonError::into_inner).workers.contains_key(id)
    }

    /// The workers of a namespace that are to stay.
    #[must_use]
    pub fn workers(&self, namespace: &str) -> BTreeSet<String> {
        let wanted = self.wanted.read().unwrap_or_else(PoisonError::into_inner);
        let here = wanted.workers.values().filter(|it| it.namespace == namespace && !it.deleting);
        here.map(|it| it.name.clone()).collect()
    }

    /// The teams of a namespace that are to stay, each with its members.
    #[must_use]
    pub fn teams(&self, namespace: &str) -> BTreeMap<String, BTreeSet<String>> {
        let wanted = self.wanted.read().unwrap_or_else(PoisonError::into_inner);
        let here = wanted.teams.values().filter(|it| it.namespace == namespace && !it.deleting);
        here.map(|it| (it.name.clone(), it.spec.members())).collect()
    }

    /// A worker of the roster, with what its record says.
    ///
    /// # Errors
    /// Its record cannot be loaded or read.
    pub async fn worker(&self, id: &ResourceId) -> Result<Option<KnownWorker>, RosterError> {
        let found = self.wanted.read().unwrap_or_else(PoisonError::into_inner).workers.get(id).cloned();
        let Some(worker) = found else { return Ok(None) };
        let (state, room_id) = self.record::<WorkerFlow>(id, &worker.uid).await?;
        let runs = matches!(&state, Some(WorkerState::Ready(it)) if !it.containers.is_empty());
        let ready = runs && !worker.deleting;
        Ok(Some(KnownWorker { worker, room_id, ready }))
    }

    /// A worker of the roster that is ready, with its room; none if it is not on the roster.
    ///
    /// # Errors
    /// [`RosterError::NotReady`], or its record cannot be loaded or read.
    pub async fn ready_worker(&self, id: &ResourceId) -> Result<Option<(Worker, String)>, RosterError> {
        match self.worker(id).await? {
            None => Ok(None),
            Some(KnownWorker { worker, room_id: Some(room_id), ready: true }) => Ok(Some((worker, room_id))),
            Some(_) => Err(RosterError::NotReady(id.clone())),
        }
    }

    /// A team of the roster, with what its record says.
    ///
    /// # Errors
    /// Its record cannot be loaded or read.
    pub async fn team(&self, id: &ResourceId) -> Result<Option<KnownTeam>, RosterError> {
        let found = self.wanted.read().unwrap_or_else(PoisonError::into_inner).teams.get(id).cloned();
        let Some(team) = found else { return Ok(None) };
        let (state, room_id) = self.record::<TeamFlow>(id, &team.uid).await?;
        Ok(Some(KnownTeam { room_id, ready: matches!(state, Some(TeamState::Ready(_))) && !team.deleting }))
    }

    /// The room of a team of the roster that is ready; none if it is not on the roster.
    ///
    /// # Errors
    /// [`RosterError::NotReady`], or its record cannot be loaded or read.
    pub async fn ready_team(&self, id: &ResourceId) -> Result<Option<String>, RosterError> {
        match self.team(id).await? {
            None => Ok(None),
            Some(KnownTeam { room_id: Some(room_id), ready: true }) => Ok(Some(room_id)),
            Some(_) => Err(RosterError::NotReady(id.clone())),
        }
    }

    /// The state of a resource that goes forward, and the room that its record names, whatever the state.
    async fn record<M: Machine>(
        &self,
        id: &ResourceId,
        uid: &str,
    ) -> Result<(Option<M::State>, Option<String>), RosterError> {
        let record_id = RecordId { machine: M::GRAPH.name.to_owned(), resource: id.clone() };
        let loaded = self.records.load(&record_id).await.map_err(|error| RosterError::Store(id.clone(), error))?;
        let Some(bytes) = loaded.bytes else { return Ok((None, None)) };
        let unreadable = |error: &dyn fmt::Display| RosterError::Unreadable(id.clone(), error.to_string());
        let record = Record::decode(M::GRAPH, &bytes).map_err(|error| unreadable(&error))?;
        // A namesake's record says nothing about this resource.
        if record.check_owner(uid).is_err() {
            return Ok((None, None));
        }
        let index = M::GRAPH.state(&record.state).map_or(usize::MAX, |(index, _)| index);
        let state = M::state(index, &record.facts).map_err(|error| unreadable(&error))?;
        Ok((record.direction.is_forward().then_some(state), record.facts.get("room_id").ok()))
    }
}
