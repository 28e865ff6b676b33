//! A cluster whose removal takes minutes, with a backup that is kept or not, and a drain before anything goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use durable_fsm::testing::{Shelf, ShelfError, Sim, Thing, World};
use durable_fsm::{Fsm, Undone};

use crate::worlds::resource::App;

/// How long it takes until a cluster is gone.
const REMOVAL: Duration = Duration::from_secs(150);

/// A cluster that is drained before it goes, and whose removal takes a while.
#[derive(Fsm)]
#[fsm(name = "test.io/unmaking", version = 1, resource = App)]
pub enum UnmakingFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(create -> Built, in_doubt = repeat, undo = remove, abort = remove_any)]
    Requested,
    /// It is there.
    #[transition(back_up -> BackedUp, in_doubt = repeat, undo = discard, retain_when = keeps_backups)]
    Built { cluster: String },
    /// There is a backup of how it was when it was new.
    #[transition(hand_over -> Serving, no_effect, undo = drain)]
    BackedUp { backup: String },
    /// It serves.
    #[fsm(resting)]
    #[transition(replace -> Requested, when = changed, rewind)]
    Serving { image: String },
}

#[derive(Clone)]
pub struct Cloud {
    clusters: Shelf,
    backups: Shelf,
    /// When the removal of a cluster was asked for first, by the key under which it was made.
    going: Arc<Mutex<BTreeMap<String, Duration>>>,
    sim: Sim,
}

impl Cloud {
    /// Asks for the removal of a cluster, or how it goes.
    async fn going(&self, key: &str) -> Result<Undone, ShelfError> {
        let now = self.sim.now();
        let asked_at = *self.going.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_owned()).or_insert(now);
        let left = (asked_at + REMOVAL).saturating_sub(now);
        if left.is_zero() {
            return self.clusters.remove_key(key).await.map(Undone::from);
        }
        self.sim.pause().await;
        Ok(Undone::NotYetFor(left))
    }
}

impl UnmakingTransitions for Cloud {
    type Error = ShelfError;
    async fn create(&self, from: Requested, attempt: &UnmakingAttempt) -> Result<Built, ShelfError> {
        Ok(from.built(self.clusters.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn remove(&self, _: &Built, attempt: &UnmakingAttempt) -> Result<Undone, ShelfError> {
        self.going(attempt.key()).await
    }
    async fn remove_any(&self, _: &Requested, attempt: &UnmakingAttempt) -> Result<Undone, ShelfError> {
        self.going(attempt.key()).await
    }
    async fn back_up(&self, from: Built, attempt: &UnmakingAttempt) -> Result<BackedUp, ShelfError> {
        Ok(from.backed_up(self.backups.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn discard(&self, made: &BackedUp, _: &UnmakingAttempt) -> Result<Undone, ShelfError> {
        self.backups.remove(&made.backup).await.map(Undone::from)
    }
    fn keeps_backups(&self, app: &App) -> bool {
        app.0.image == "v1"
    }
    fn hand_over(&self, from: BackedUp, attempt: &UnmakingAttempt) -> Result<Serving, ShelfError> {
        Ok(from.serving(attempt.spec().image.clone()))
    }
    async fn drain(&self, _: &Serving, _: &UnmakingAttempt) -> Result<Undone, ShelfError> {
        self.sim.pause().await;
        Ok(Undone::Done)
    }
    fn changed(&self, at: &Serving, app: &App) -> bool {
        at.image != app.0.image
    }
}

impl World for Cloud {
    type Machine = UnmakingFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self {
            clusters: Shelf::new(sim, "cluster"),
            backups: Shelf::new(sim, "backup"),
            going: Arc::default(),
            sim: sim.clone(),
        }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &[])
    }
    fn edits() -> Vec<App> {
        vec![App::new("v2", &[])]
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.clusters.inventory(), self.backups.inventory()].concat()
    }
}

durable_fsm::survive! {
    mod survives for Cloud { create, back_up, hand_over }
}
