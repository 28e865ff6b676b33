//! A machine of every other shape: a branch whose arms join, a wait, a step without effect, a loop that updates, something left behind
//! on purpose, and roll-back when a step is rejected.

use std::time::Duration;

use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Fsm, Undone, Wait};

use crate::worlds::resource::App;

/// Every other shape.
#[derive(Fsm)]
#[fsm(name = "test.io/shapes", version = 1, resource = App, on_rejected = undo, timeout = "10s", settle = "5s", retry = "500ms..2m")]
pub enum ShapesFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(open_archive -> Archived, in_doubt = repeat, undo = retain)]
    Requested,
    /// The archive outlives the resource.
    #[transition(place -> OnDocker | OnPod, in_doubt = repeat, undo = unplace)]
    Archived { archive: String },
    /// In a container.
    #[transition(name_container -> Placed, no_effect)]
    OnDocker { container: String },
    /// In a pod, which takes its time.
    #[transition(wait_pod -> Placed, waits, every = "10s", within = "5m")]
    OnPod { pod: String },
    /// Somewhere.
    #[transition(apply_first -> Ready, in_doubt = repeat, undo = none)]
    Placed { place: String },
    /// Runs what is wanted.
    #[fsm(resting)]
    #[transition(apply -> Ready, when = image_changed, in_doubt = repeat, undo = none)]
    Ready { applied: String },
}

#[derive(Clone)]
pub struct Cloud {
    archives: Shelf,
    places: Shelf,
    sim: Sim,
}

impl ShapesTransitions for Cloud {
    type Error = ShelfError;
    async fn open_archive(&self, from: Requested, attempt: &ShapesAttempt) -> Result<Archived, ShelfError> {
        Ok(from.archived(self.archives.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn place(&self, from: Archived, attempt: &ShapesAttempt) -> Result<PlaceNext, ShelfError> {
        let place = self.places.put(attempt.key(), attempt.owner_tag()).await?;
        Ok(if attempt.spec().members.is_empty() { from.on_docker(place).into() } else { from.on_pod(place).into() })
    }
    async fn unplace(&self, made: PlaceMade<'_>, _: &ShapesAttempt) -> Result<Undone, ShelfError> {
        (match made {
            PlaceMade::OnDocker(made) => self.places.remove(&made.container).await,
            PlaceMade::OnPod(made) => self.places.remove(&made.pod).await,
        })
        .map(Undone::from)
    }
    fn name_container(&self, from: OnDocker, _: &ShapesAttempt) -> Result<Placed, ShelfError> {
        let place = from.container.clone();
        Ok(from.placed(place))
    }
    async fn wait_pod(&self, from: OnPod, attempt: &ShapesAttempt) -> Result<Wait<Placed>, ShelfError> {
        let place = from.pod.clone();
        let slow = attempt.spec().image == "slow";
        let ready_at = Duration::from_secs(if slow { 330 } else { 30 });
        Ok(match self.sim.now() >= ready_at {
            true => Wait::Done(from.placed(place)),
            false if slow => Wait::NotYetFor(Duration::from_secs(100)),
            false => Wait::NotYet,
        })
    }
    async fn apply_first(&self, from: Placed, attempt: &ShapesAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(attempt.spec().image.clone()))
    }
    fn image_changed(&self, at: &Ready, app: &App) -> bool {
        at.applied != app.0.image
    }
    async fn apply(&self, from: Ready, attempt: &ShapesAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(attempt.spec().image.clone()))
    }
}

impl World for Cloud {
    type Machine = ShapesFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self { archives: Shelf::new(sim, "archive"), places: Shelf::new(sim, "place"), sim: sim.clone() }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &["pod"])
    }
    fn edits() -> Vec<App> {
        vec![App::new("v2", &["pod"])]
    }
    /// The place cannot be asked which image it runs.
    fn idle_edits() -> Vec<usize> {
        vec![1]
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.archives.inventory(), self.places.inventory()].concat()
    }
}

durable_fsm::survive! {
    mod survives for Cloud { open_archive, place, apply_first, apply }
    waits { wait_pod }
    worlds {
        on_a_pod => [App::new("v1", &["pod"]), App::new("v2", &["pod"])],
        in_a_container => [App::new("v1", &[]), App::new("v2", &[])],
    }
}

/// The pod takes longer than the wait may: it is reported, and goes on when the pod is there all the same.
#[test]
fn survives_every_fault_when_a_wait_is_overdue() {
    let slow = explore::<Cloud>().resources(vec![App::new("slow", &["pod"]), App::new("v2", &["pod"])]);
    let slow = slow.idle_edit(1).unreached("place -> OnDocker").unreached("name_container -> Placed");
    println!("{}", slow.run().assert_ok());
}
