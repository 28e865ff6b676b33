//! A server whose steps can end badly: it is refused, it is given up and begins again further back, or it never comes up.

use durable_fsm::testing::{At, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Failure, Fsm, Undone, Wait};

use crate::worlds::resource::App;

/// A server. The image `slow` never comes up.
#[derive(Fsm)]
#[fsm(name = "test.io/ends", version = 1, resource = App, settle = "2s", retry = "1s..1m")]
pub enum EndsFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(register -> Registered, in_doubt = repeat, undo = deregister, rejected = Refused)]
    Requested,
    /// The provider does not take it. It is tried again with another spec.
    #[fsm(resting, failed)]
    #[transition(register_again -> Requested, when = is_changed, rewind)]
    Refused { refused: Failure },
    /// It has a number.
    #[transition(prepare -> Prepared, in_doubt = repeat, undo = clean)]
    Registered { number: String },
    /// Its disk is ready. After two failures on one disk, another disk is taken.
    #[transition(install -> Installed, in_doubt = repeat, undo = wipe, attempts = 2, exhausted = rewind(Registered))]
    Prepared { disk: String },
    /// It starts.
    #[transition(await_start -> Running, waits, every = "1m", within = "10m", overdue = Failed)]
    Installed { system: String, image: String },
    /// It runs.
    #[fsm(resting)]
    #[transition(replace -> Registered, when = is_outdated, rewind)]
    Running,
    /// It did not come up. It is tried again with another spec.
    #[fsm(resting, failed)]
    #[transition(start_again -> Registered, when = may_start, rewind)]
    Failed { failure: Failure },
}

#[derive(Clone)]
pub struct Cloud {
    numbers: Shelf,
    disks: Shelf,
    systems: Shelf,
}

impl EndsTransitions for Cloud {
    type Error = ShelfError;
    async fn register(&self, from: Requested, attempt: &EndsAttempt) -> Result<Registered, ShelfError> {
        Ok(from.registered(self.numbers.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn deregister(&self, made: &Registered, _: &EndsAttempt) -> Result<Undone, ShelfError> {
        self.numbers.remove(&made.number).await.map(Undone::from)
    }
    fn is_changed(&self, at: &Refused, app: &App) -> bool {
        !at.refused.is_of(app)
    }
    async fn prepare(&self, from: Registered, attempt: &EndsAttempt) -> Result<Prepared, ShelfError> {
        Ok(from.prepared(self.disks.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn clean(&self, made: &Prepared, _: &EndsAttempt) -> Result<Undone, ShelfError> {
        self.disks.remove(&made.disk).await.map(Undone::from)
    }
    async fn install(&self, from: Prepared, attempt: &EndsAttempt) -> Result<Installed, ShelfError> {
        let image = attempt.spec().image.clone();
        let system = self.systems.made_of(&image).put(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.installed(InstalledFacts { system, image }))
    }
    async fn wipe(&self, made: &Installed, _: &EndsAttempt) -> Result<Undone, ShelfError> {
        self.systems.remove(&made.system).await.map(Undone::from)
    }
    async fn await_start(&self, from: Installed, _: &EndsAttempt) -> Result<Wait<Running>, ShelfError> {
        Ok(if from.image == "slow" { Wait::NotYet } else { Wait::Done(from.running()) })
    }
    fn is_outdated(&self, at: &Running, app: &App) -> bool {
        at.image != app.0.image
    }
    fn may_start(&self, at: &Failed, app: &App) -> bool {
        !at.failure.is_of(app)
    }
}

impl World for Cloud {
    type Machine = EndsFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self { numbers: Shelf::new(sim, "number"), disks: Shelf::new(sim, "disk"), systems: Shelf::new(sim, "system") }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &[])
    }
    fn edits() -> Vec<App> {
        vec![App::new("slow", &[]), App::new("v2", &[])]
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.numbers.inventory(), self.disks.inventory(), self.systems.inventory()].concat()
    }
    fn check(&self, at: &At<'_, App>) -> Result<(), String> {
        let state = at.record.filter(|record| record.direction.is_forward()).map(|record| record.state.as_str());
        match state {
            // After a restore the provider may answer for a key with what is gone.
            Some("Failed") if self.systems.is_empty() && !at.restored => {
                Err("what failed is gone before another spec came".to_owned())
            }
            _ => Ok(()),
        }
    }
}

durable_fsm::survive! {
    mod survives for Cloud { register, prepare, install }
    waits { await_start }
}

/// The pairs of faults go through each bad end.
#[test]
fn every_bad_end_is_reached() {
    let told = |plan: &str| explore::<Cloud>().timeline(&plan.parse().unwrap());
    let refused = told("register/effect#1=unacceptable");
    assert!(refused.contains("Refused by register_rejected"), "{refused}");
    let given_up = told("install/effect#1=throttled; install/effect#2=throttled");
    assert!(given_up.contains("undo of prepare"), "{given_up}");
    assert!(told("").contains("Failed by await_start_overdue"));
}
