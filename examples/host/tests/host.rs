//! The host under every single fault, on a site in memory. `FSM_FAULTS=2` strikes pairs: they take minutes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use durable_fsm::testing::{AssertOk, At, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Undone, Wait};
use example_host::*;

/// How long an inspection takes, and an installation.
const INSPECTION: Duration = Duration::from_secs(45);
/// How long it takes until an installation is wiped.
const WIPE: Duration = Duration::from_secs(40);

/// A site in memory. The image `huge` is never written.
#[derive(Clone)]
struct Site {
    nodes: Shelf,
    installations: Shelf,
    tickets: Shelf,
    /// Since when something is under way, by its id.
    since: Arc<Mutex<BTreeMap<String, Duration>>>,
    sim: Sim,
}

impl Site {
    /// How much is left of something that takes this long, and began when it was asked for first.
    fn left(&self, key: &str, takes: Duration) -> Duration {
        let now = self.sim.now();
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_owned()).or_insert(now);
        (since + takes).saturating_sub(now)
    }
}

impl HostTransitions for Site {
    type Error = ShelfError;

    async fn register(&self, from: Requested, attempt: &HostAttempt) -> Result<Registered, ShelfError> {
        Ok(from.registered(self.nodes.put(attempt.key(), attempt.owner_tag()).await?))
    }

    async fn deregister(&self, made: &Registered, _: &HostAttempt) -> Result<Undone, ShelfError> {
        self.nodes.remove(&made.node).await.map(Undone::from)
    }

    fn has_other_spec(&self, at: &Unreachable, host: &Host) -> bool {
        !at.refused.is_of(host)
    }

    fn take_power(&self, from: Registered, _: &HostAttempt) -> Result<Inspecting, ShelfError> {
        Ok(from.inspecting())
    }

    async fn power_off(&self, made: &Inspecting, _: &HostAttempt) -> Result<Undone, ShelfError> {
        match self.nodes.made_of("off").change(&made.node).await {
            Ok(()) | Err(ShelfError::Unknown(_)) => Ok(Undone::Done),
            Err(error) => Err(error),
        }
    }

    async fn await_inspection(&self, from: Inspecting, _: &HostAttempt) -> Result<Wait<Available>, ShelfError> {
        let left = self.left(&from.node, INSPECTION);
        Ok(if left.is_zero() { Wait::Done(from.available(8)) } else { Wait::NotYet })
    }

    fn power(&self, _: &Available, host: &Host) -> bool {
        host.spec.powered
    }

    async fn set_power(&self, at: &Available, value: &bool, _: &HostAttempt) -> Result<(), ShelfError> {
        self.nodes.made_of(if *value { "on" } else { "off" }).change(&at.node).await
    }

    // ANCHOR: maintenance
    fn is_handed_over(&self, _: &HandOverFrom, host: &Host) -> bool {
        host.spec.in_maintenance
    }

    async fn hand_over(&self, from: HandOverFrom, attempt: &HostAttempt) -> Result<InMaintenance, ShelfError> {
        Ok(from.in_maintenance(self.tickets.put(attempt.key(), attempt.owner_tag()).await?))
    }

    async fn take_back(&self, made: &InMaintenance, _: &HostAttempt) -> Result<Undone, ShelfError> {
        self.tickets.remove(&made.ticket).await.map(Undone::from)
    }

    fn is_given_back(&self, _: &InMaintenance, host: &Host) -> bool {
        !host.spec.in_maintenance
    }
    // ANCHOR_END: maintenance

    fn has_image(&self, _: &Available, host: &Host) -> bool {
        host.spec.image.is_some()
    }

    async fn install(&self, from: Available, attempt: &HostAttempt) -> Result<Installing, ShelfError> {
        let image = attempt.spec().image.clone().unwrap_or_default();
        let installation = self.installations.made_of(&image).put(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.installing(InstallingFacts { installation, image }))
    }

    async fn wipe(&self, made: &Installing, attempt: &HostAttempt) -> Result<Undone, ShelfError> {
        let left = self.left(attempt.key(), WIPE);
        if !left.is_zero() {
            self.sim.pause().await;
            return Ok(Undone::NotYetFor(left));
        }
        self.installations.remove(&made.installation).await.map(Undone::from)
    }

    async fn await_image(&self, from: Installing, _: &HostAttempt) -> Result<Wait<Running>, ShelfError> {
        Ok(if from.image == "huge" { Wait::NotYet } else { Wait::Done(from.running()) })
    }

    fn has_other_image(&self, at: &Running, host: &Host) -> bool {
        host.spec.image.as_ref() != Some(&at.image)
    }

    // ANCHOR: again
    fn may_try_again(&self, at: &Broken, host: &Host) -> bool {
        !at.failure.is_of(host)
    }
    // ANCHOR_END: again
}

fn host(image: Option<&str>, powered: bool, in_maintenance: bool) -> Host {
    Host {
        name: "r2u14".to_owned(),
        uid: "00000000-0000-4000-8000-000000000001".to_owned(),
        spec: HostSpec { address: "10.0.2.14".to_owned(), image: image.map(str::to_owned), powered, in_maintenance },
    }
}

impl World for Site {
    type Machine = HostFlow;
    type Transitions = Self;

    fn new(sim: &Sim) -> Self {
        Self {
            nodes: Shelf::new(sim, "node"),
            installations: Shelf::new(sim, "installation"),
            tickets: Shelf::new(sim, "ticket"),
            since: Arc::default(),
            sim: sim.clone(),
        }
    }

    fn transitions(&self) -> Self {
        self.clone()
    }

    fn resource() -> Host {
        host(Some("linux"), true, false)
    }

    fn inventory(&self) -> Vec<Thing> {
        [self.nodes.inventory(), self.installations.inventory(), self.tickets.inventory()].concat()
    }

    /// It is powered off before it is deregistered.
    fn check(&self, at: &At<'_, Host>) -> Result<(), String> {
        let undone = at.record.is_some_and(|record| record.undo.iter().all(|it| it.transition == "register"));
        let on = self.nodes.shelved().iter().any(|node| &*node.made_of == "on");
        let leaves = at.record.is_some_and(|record| record.direction.is_deletion() && record.intent.is_none());
        if undone && on && leaves && at.record.is_some_and(|record| record.unconfirmed.is_empty()) {
            return Err("it is about to be deregistered with its power on".to_owned());
        }
        Ok(())
    }
}

#[test]
fn a_host_that_changes_its_image_and_is_handed_over_survives_every_fault() {
    let specs =
        vec![host(Some("linux"), true, false), host(Some("linux"), false, true), host(Some("windows"), true, false)];
    let explorer = explore::<Site>().resources(specs).unreached("try_again -> Available");
    println!("{}", explorer.run().assert_ok());
}

#[test]
fn a_host_whose_image_cannot_be_installed_is_broken_until_another_spec_comes() {
    let specs = vec![host(Some("huge"), true, false), host(Some("linux"), true, false)];
    let explorer = explore::<Site>().resources(specs).unreached("hand_over -> InMaintenance");
    let explorer = explorer.unreached("undo hand_over").unreached("reinstall -> Available");
    let explorer = explorer.unreached("resume -> Available").unreached("resume -> Running");
    println!("{}", explorer.run().assert_ok());
}
