//! A database whose deletion begins with a last backup: the backup is taken while the database is there, once, and stays; everything else goes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use durable_fsm::testing::{At, Shelf, ShelfError, Sim, Thing, World};
use durable_fsm::{Fsm, Lookup, Undone, Wait};

use crate::worlds::resource::App;

/// How long a backup takes.
const BACKUP: Duration = Duration::from_secs(90);

/// A database with users, and a backup before it goes.
#[derive(Fsm)]
#[fsm(name = "test.io/leaving", version = 1, resource = App)]
pub enum LeavingFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(create -> Created, in_doubt = repeat, undo = remove)]
    Requested,
    /// It cannot be used yet, and there is nothing to back up.
    #[transition(grant -> Serving, in_doubt = lookup, undo = revoke)]
    Created { database: String },
    /// It serves.
    #[fsm(resting)]
    #[transition(start_backup -> BackingUp, on_delete, in_doubt = lookup, undo = retain)]
    Serving { user: String },
    /// The last backup is being written.
    #[fsm(leaving)]
    #[transition(await_backup -> BackedUp, waits, within = "10m")]
    BackingUp { backup: String },
    /// Nothing stands in the way.
    #[fsm(leaving)]
    BackedUp,
}

#[derive(Clone)]
pub struct Cloud {
    databases: Shelf,
    users: Shelf,
    backups: Shelf,
    started_at: Arc<Mutex<Duration>>,
    sim: Sim,
}

impl LeavingTransitions for Cloud {
    type Error = ShelfError;
    async fn create(&self, from: Requested, attempt: &LeavingAttempt) -> Result<Created, ShelfError> {
        Ok(from.created(self.databases.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn remove(&self, made: &Created, _: &LeavingAttempt) -> Result<Undone, ShelfError> {
        self.databases.remove(&made.database).await.map(Undone::from)
    }
    async fn grant(&self, from: Created, attempt: &LeavingAttempt) -> Result<Serving, ShelfError> {
        Ok(from.serving(self.users.add(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn lookup_grant(&self, from: Created, attempt: &LeavingAttempt) -> Result<Lookup<Serving>, ShelfError> {
        Ok(match self.users.find(attempt.key(), attempt.owner_tag()).await {
            Lookup::Ours(user) => Lookup::Ours(from.serving(user.id)),
            _ => Lookup::Absent,
        })
    }
    async fn revoke(&self, made: &Serving, _: &LeavingAttempt) -> Result<Undone, ShelfError> {
        self.users.remove(&made.user).await.map(Undone::from)
    }
    async fn start_backup(&self, from: Serving, attempt: &LeavingAttempt) -> Result<BackingUp, ShelfError> {
        let backup = self.backups.add(attempt.key(), attempt.owner_tag()).await?;
        *self.started_at.lock().unwrap_or_else(PoisonError::into_inner) = self.sim.now();
        Ok(from.backing_up(backup))
    }
    async fn lookup_start_backup(
        &self,
        from: Serving,
        attempt: &LeavingAttempt,
    ) -> Result<Lookup<BackingUp>, ShelfError> {
        Ok(match self.backups.find(attempt.key(), attempt.owner_tag()).await {
            Lookup::Ours(backup) => Lookup::Ours(from.backing_up(backup.id)),
            _ => Lookup::Absent,
        })
    }
    async fn await_backup(&self, from: BackingUp, _: &LeavingAttempt) -> Result<Wait<BackedUp>, ShelfError> {
        let started_at = *self.started_at.lock().unwrap_or_else(PoisonError::into_inner);
        let left = (started_at + BACKUP).saturating_sub(self.sim.now());
        Ok(if left.is_zero() { Wait::Done(from.backed_up()) } else { Wait::NotYetFor(left) })
    }
}

impl World for Cloud {
    type Machine = LeavingFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        let started_at = Arc::default();
        Self {
            databases: Shelf::new(sim, "database"),
            users: Shelf::new(sim, "user"),
            backups: Shelf::new(sim, "backup"),
            started_at,
            sim: sim.clone(),
        }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &[])
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.databases.inventory(), self.users.inventory(), self.backups.inventory()].concat()
    }
    fn check(&self, at: &At<'_, App>) -> Result<(), String> {
        // A backup is begun while there is something to back up.
        let is_there = |kind| at.things.iter().any(|thing| thing.kind == kind);
        // After a restore the backup of an earlier deletion is found.
        let leaves = at.record.is_some_and(|record| record.state == "BackingUp") && !at.restored;
        if leaves && !(is_there("database") && is_there("user")) {
            return Err("what is being backed up is gone".to_owned());
        }
        Ok(())
    }
}

durable_fsm::survive! {
    mod survives for Cloud { create, grant, start_backup }
    waits { await_backup }
}
