//! A server whose steps are for a person as soon as they are given up: the enum says it once for all.

use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Fsm, Lookup, Undone, Wait};

use crate::worlds::resource::App;

/// A server that comes up a minute after it was installed.
#[derive(Fsm)]
#[fsm(
    name = "test.io/given-up",
    version = 1,
    resource = App,
    settle = "2s",
    retry = "1s..1m",
    rejected = hold,
    exhausted = hold,
    attempts = 2
)]
pub enum GivenUpFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(prepare -> Prepared, in_doubt = lookup, undo = clean)]
    Requested,
    /// Its disk is ready.
    #[transition(install -> Installed, in_doubt = repeat, undo = wipe)]
    Prepared { disk: String },
    /// It starts.
    #[transition(await_start -> Running, waits, every = "1m", within = "10m")]
    Installed { system: String },
    /// It runs.
    #[fsm(resting)]
    Running,
}

#[derive(Clone)]
pub struct Cloud {
    disks: Shelf,
    systems: Shelf,
    sim: Sim,
}

impl GivenUpTransitions for Cloud {
    type Error = ShelfError;
    async fn prepare(&self, from: Requested, attempt: &GivenUpAttempt) -> Result<Prepared, ShelfError> {
        Ok(from.prepared(self.disks.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn lookup_prepare(&self, from: Requested, attempt: &GivenUpAttempt) -> Result<Lookup<Prepared>, ShelfError> {
        Ok(match self.disks.find_owned(attempt.owner_tag()).await {
            Lookup::Ours(disk) => Lookup::Ours(from.prepared(disk.id)),
            Lookup::Absent => Lookup::Absent,
            Lookup::Incomplete => Lookup::Incomplete,
            Lookup::NotOurs => Lookup::NotOurs,
            Lookup::Predecessor(disk) => Lookup::Predecessor(from.prepared(disk.id)),
        })
    }
    async fn clean(&self, made: &Prepared, _: &GivenUpAttempt) -> Result<Undone, ShelfError> {
        self.disks.remove(&made.disk).await.map(Undone::from)
    }
    async fn install(&self, from: Prepared, attempt: &GivenUpAttempt) -> Result<Installed, ShelfError> {
        Ok(from.installed(self.systems.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn wipe(&self, made: &Installed, _: &GivenUpAttempt) -> Result<Undone, ShelfError> {
        self.systems.remove(&made.system).await.map(Undone::from)
    }
    async fn await_start(&self, from: Installed, _: &GivenUpAttempt) -> Result<Wait<Running>, ShelfError> {
        Ok(if self.sim.now().as_secs() < 60 { Wait::NotYet } else { Wait::Done(from.running()) })
    }
}

impl World for Cloud {
    type Machine = GivenUpFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self { disks: Shelf::new(sim, "disk"), systems: Shelf::new(sim, "system"), sim: sim.clone() }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &[])
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.disks.inventory(), self.systems.inventory()].concat()
    }
}

durable_fsm::survive! {
    mod survives for Cloud { prepare, install }
    waits { await_start }
}

/// A rejection and a second failure hold the resource for a person, who has it tried again.
#[test]
fn a_rejection_and_a_second_failure_are_for_a_person() {
    println!("{}", explore::<Cloud>().faults(2).run().assert_ok());
    let told = |plan: &str| explore::<Cloud>().timeline(&plan.parse().unwrap());
    for plan in ["install/effect#1=rejected", "install/effect#1=throttled; install/effect#2=throttled"] {
        let told = told(plan);
        assert!(told.contains("the pass ends: Held") && told.contains("resolves with Retry"), "{told}");
        assert!(told.contains("Running by await_start"), "{told}");
    }
}
