//! The database under every single fault, on a provider in memory. `FSM_FAULTS=2` strikes pairs: they take minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use durable_fsm::testing::{AssertOk, At, Explorer, Plan, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Undone, Wait};
use example_database::*;

/// How long it takes until a backup is written.
const BACKUP: Duration = Duration::from_secs(90);
/// How long it takes until a server has closed its connections.
const DRAIN: Duration = Duration::from_secs(40);

/// A provider in memory. What is slow there is slow by the clock of the simulation.
#[derive(Clone)]
struct Cloud {
    volumes: Shelf,
    servers: Shelf,
    accounts: Shelf,
    grants: Shelf,
    backups: Shelf,
    /// Of each server, whether the provider has moved it to the standby.
    is_moved: Arc<Mutex<BTreeMap<String, bool>>>,
    /// Since when backups are written and servers are stopped, by key.
    since: Arc<Mutex<BTreeMap<String, Duration>>>,
    sim: Sim,
}

impl Cloud {
    fn moved(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        self.is_moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is left of something that takes this long, and began when it was asked for first.
    fn left(&self, key: &str, takes: Duration) -> Duration {
        let now = self.sim.now();
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_owned()).or_insert(now);
        (since + takes).saturating_sub(now)
    }
}

impl DatabaseTransitions for Cloud {
    type Error = ShelfError;

    async fn create_volume(&self, from: Requested, attempt: &DatabaseAttempt) -> Result<Empty, ShelfError> {
        Ok(from.empty(self.volumes.put(attempt.key(), attempt.owner_tag()).await?))
    }

    async fn delete_volume(&self, made: &Empty, _: &DatabaseAttempt) -> Result<Undone, ShelfError> {
        self.volumes.remove(&made.volume).await.map(Undone::from)
    }

    async fn fill(&self, from: Empty, attempt: &DatabaseAttempt) -> Result<FillNext, ShelfError> {
        self.sim.pause().await;
        Ok(match &attempt.spec().restore_from {
            Some(backup) => from.restored(backup.clone()).into(),
            None => from.initialised().into(),
        })
    }

    async fn start(&self, from: StartFrom, attempt: &DatabaseAttempt) -> Result<Serving, ShelfError> {
        let server = self.servers.put(attempt.key(), attempt.owner_tag()).await?;
        // A new server begins on the first host.
        self.moved().entry(server.clone()).or_insert(false);
        Ok(from.serving(ServingFacts { server, release: attempt.spec().release.clone() }))
    }

    // ANCHOR: stop
    async fn stop(&self, made: &Serving, attempt: &DatabaseAttempt) -> Result<Undone, ShelfError> {
        let left = self.left(attempt.key(), DRAIN);
        if !left.is_zero() {
            self.sim.pause().await;
            return Ok(Undone::NotYetFor(left));
        }
        self.servers.remove(&made.server).await.map(Undone::from)
    }
    // ANCHOR_END: stop

    // ANCHOR: fail_over
    async fn see_fail_over(&self, from: Serving, _: &DatabaseAttempt) -> Result<Wait<OnStandby>, ShelfError> {
        self.sim.pause().await;
        let is_moved = self.moved().get(&from.server) == Some(&true);
        Ok(if is_moved { Wait::Done(from.on_standby("zone b".to_owned())) } else { Wait::NotYet })
    }

    async fn see_fail_back(&self, from: OnStandby, _: &DatabaseAttempt) -> Result<Wait<Serving>, ShelfError> {
        self.sim.pause().await;
        let is_moved = self.moved().get(&from.server) == Some(&true);
        Ok(if is_moved { Wait::NotYet } else { Wait::Done(from.serving_again()) })
    }
    // ANCHOR_END: fail_over

    // ANCHOR: guard
    fn is_upgrade_approved(&self, at: &Serving, database: &Database) -> bool {
        at.release != database.spec.release && database.spec.release == database.spec.approved
    }
    // ANCHOR_END: guard

    // ANCHOR: users
    fn users(&self, _: &Serving, database: &Database) -> BTreeSet<String> {
        database.spec.users.clone()
    }

    async fn create_user(&self, _: &Serving, _: &String, attempt: &DatabaseAttempt) -> Result<String, ShelfError> {
        self.accounts.put(attempt.key(), attempt.owner_tag()).await
    }

    async fn drop_user(
        &self,
        _: &Serving,
        _: &String,
        made: &String,
        _: &DatabaseAttempt,
    ) -> Result<Undone, ShelfError> {
        self.accounts.remove(made).await.map(Undone::from)
    }
    // ANCHOR_END: users

    async fn grant(&self, _: &Serving, _: &String, attempt: &DatabaseAttempt) -> Result<String, ShelfError> {
        self.grants.put(attempt.key(), attempt.owner_tag()).await
    }

    async fn revoke(&self, _: &Serving, _: &String, made: &String, _: &DatabaseAttempt) -> Result<Undone, ShelfError> {
        self.grants.remove(made).await.map(Undone::from)
    }

    async fn start_last_backup(
        &self,
        from: StartLastBackupFrom,
        attempt: &DatabaseAttempt,
    ) -> Result<BackingUp, ShelfError> {
        let backup = self.backups.put(attempt.key(), attempt.owner_tag()).await?;
        self.left(&backup, BACKUP);
        Ok(from.backing_up(backup))
    }

    async fn delete_backup(&self, made: &BackingUp, _: &DatabaseAttempt) -> Result<Undone, ShelfError> {
        self.backups.remove(&made.last_backup).await.map(Undone::from)
    }

    // ANCHOR: keep
    fn keeps_last_backup(&self, database: &Database) -> bool {
        database.spec.keep_last_backup
    }

    async fn await_backup(&self, from: BackingUp, _: &DatabaseAttempt) -> Result<Wait<BackedUp>, ShelfError> {
        let left = self.left(&from.last_backup, BACKUP);
        Ok(if left.is_zero() { Wait::Done(from.backed_up()) } else { Wait::NotYet })
    }
    // ANCHOR_END: keep
}

fn database(release: &str, approved: &str, restore_from: Option<&str>, keep_last_backup: bool) -> Database {
    Database {
        name: "orders".to_owned(),
        uid: "00000000-0000-4000-8000-000000000001".to_owned(),
        spec: DatabaseSpec {
            release: release.to_owned(),
            approved: approved.to_owned(),
            users: BTreeSet::from(["ann".to_owned(), "bob".to_owned()]),
            restore_from: restore_from.map(str::to_owned),
            keep_last_backup,
            deletion_protection: false,
        },
    }
}

impl World for Cloud {
    type Machine = DatabaseFlow;
    type Transitions = Self;

    fn new(sim: &Sim) -> Self {
        Self {
            volumes: Shelf::new(sim, "volume"),
            servers: Shelf::new(sim, "server"),
            accounts: Shelf::new(sim, "account"),
            grants: Shelf::new(sim, "grant"),
            backups: Shelf::new(sim, "backup"),
            is_moved: Arc::default(),
            since: Arc::default(),
            sim: sim.clone(),
        }
    }

    fn transitions(&self) -> Self {
        self.clone()
    }

    fn resource() -> Database {
        database("17", "17", None, true)
    }

    fn inventory(&self) -> Vec<Thing> {
        [&self.volumes, &self.servers, &self.accounts, &self.grants, &self.backups].map(Shelf::inventory).concat()
    }

    fn events() -> &'static [&'static str] {
        &["fails-over", "fails-back"]
    }

    fn happen(&self, event: &str) {
        self.moved().values_mut().for_each(|is_moved| *is_moved = event == "fails-over");
    }

    fn check(&self, at: &At<'_, Database>) -> Result<(), String> {
        let is_there = |kind| at.things.iter().any(|thing| thing.kind == kind);
        let backs_up = at.record.is_some_and(|record| record.state == "BackingUp" && record.direction.is_forward());
        // After a restore the provider may answer for a key with what is gone.
        if backs_up && !at.restored && !(is_there("volume") && is_there("server")) {
            return Err("what is being backed up is gone".to_owned());
        }
        Ok(())
    }
}

/// To come back from the standby takes two events, so only pairs of faults do.
fn comes_back(explorer: Explorer<Cloud>) -> Explorer<Cloud> {
    let is_of_pairs = std::env::var("FSM_FAULTS").is_ok_and(|faults| faults != "1");
    if is_of_pairs { explorer } else { explorer.unreached("see_fail_back -> Serving") }
}

/// The second spec wants a new release without approval, so it changes nothing.
#[test]
fn a_database_that_begins_empty_survives_every_fault() {
    let released = |release, approved| database(release, approved, None, true);
    let specs = vec![released("17", "17"), released("18", "17"), released("18", "18")];
    let explorer = explore::<Cloud>().resources(specs).idle_edit(1);
    let explorer = explorer.unreached("fill -> Restored").unreached("upgrade -> Restored");
    comes_back(explorer).unreached("undo start_last_backup").run().assert_ok();
}

#[test]
fn a_database_that_is_restored_survives_every_fault() {
    let released = |release| database(release, release, Some("nightly"), false);
    let explorer = explore::<Cloud>().resources(vec![released("17"), released("18")]);
    comes_back(explorer).unreached("fill -> Initialised").unreached("upgrade -> Initialised").run().assert_ok();
}

#[test]
fn the_last_backup_stays_where_that_is_wanted_and_the_server_is_stopped_after_it() {
    let told = explore::<Cloud>().resources(vec![database("17", "17", None, true)]).timeline(&Plan::default());
    let at = |what: &str| told.find(what).unwrap_or_else(|| panic!("{what} is missing:\n{told}"));
    assert!(at("effect of start_last_backup") < at("(retained start_last_backup)"));
    assert!(at("(retained start_last_backup)") < at("undo of grant"));
    assert!(at("undo of grant") < at("undo of create_user"));
    assert!(at("undo of create_user") < at("undo of start,"));
    assert!(at("undo of start,") < at("undo of create_volume"));
    let told = explore::<Cloud>().resources(vec![database("17", "17", None, false)]).timeline(&Plan::default());
    assert!(told.contains("undo of start_last_backup"), "{told}");
}

#[test]
fn a_fail_over_is_seen_and_so_is_the_fail_back() {
    // A release that is not approved changes nothing, and is the occasion for another pass.
    let specs = ["17", "18", "19"].map(|release| database(release, "17", None, true)).to_vec();
    let explorer = explore::<Cloud>().resources(specs);
    let plan = "pass#2=event(fails-over); pass#4=event(fails-back)";
    let told = explorer.timeline(&plan.parse().unwrap());
    let at = |what: &str| told.find(what).unwrap_or_else(|| panic!("{what} is missing:\n{told}"));
    assert!(at("OnStandby by see_fail_over") < at("event(fails-back)"), "{told}");
    assert!(at("event(fails-back)") < at("Serving by see_fail_back"), "{told}");
    assert_eq!(told.matches("effect of start,").count(), 1, "no server is made for it: {told}");
}
