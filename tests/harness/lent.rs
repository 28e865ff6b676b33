//! A disk that is attached to a host and detached again: one step that is listed on three states and leads back, and one that ends from each of them.

use std::time::Duration;

use durable_fsm::testing::{AssertOk, At, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Fsm, Undone, Wait};

use crate::worlds::resource::App;

/// A disk. The image says where it is wanted: `mounted`, `serving`, or `closed`.
#[derive(Fsm)]
#[fsm(name = "test.io/lent", version = 1, resource = App, timeout = "30s", settle = "5s")]
pub enum LentFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(create_disk -> Idle, in_doubt = repeat, undo = delete_disk)]
    Requested,
    /// On no host.
    #[fsm(resting)]
    #[transition(close -> Closed, when = is_closed, in_doubt = repeat, undo = delete_copy)]
    #[transition(mount -> Mounted, when = wants_host, in_doubt = repeat, undo = none)]
    Idle { disk: String },
    /// On a host.
    #[fsm(resting)]
    #[transition(close)]
    #[transition(detach -> Idle, when = wants_nothing, in_doubt = repeat, undo = none)]
    #[transition(publish -> Warming, when = wants_service, no_effect)]
    Mounted { host: String },
    /// It is read for the first time.
    #[transition(close)]
    #[transition(detach)]
    #[transition(warm -> Serving, waits, every = "10s", within = "10m")]
    Warming { image: String },
    /// It is read by many.
    #[fsm(resting)]
    #[transition(close)]
    #[transition(detach, when = leaves_service)]
    Serving {
        #[fsm(default)]
        served: bool,
    },
    /// A copy is kept as long as the resource is there.
    #[fsm(resting)]
    Closed { copy: String },
}

#[derive(Clone)]
pub struct Cloud {
    disks: Shelf,
    copies: Shelf,
    sim: Sim,
}

impl LentTransitions for Cloud {
    type Error = ShelfError;
    async fn create_disk(&self, from: Requested, attempt: &LentAttempt) -> Result<Idle, ShelfError> {
        Ok(from.idle(self.disks.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn delete_disk(&self, made: &Idle, _: &LentAttempt) -> Result<Undone, ShelfError> {
        self.disks.remove(&made.disk).await.map(Undone::from)
    }
    async fn close(&self, from: CloseFrom, attempt: &LentAttempt) -> Result<Closed, ShelfError> {
        Ok(from.closed(self.copies.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn delete_copy(&self, made: &Closed, _: &LentAttempt) -> Result<Undone, ShelfError> {
        self.copies.remove(&made.copy).await.map(Undone::from)
    }
    fn is_closed(&self, _: &CloseFrom, app: &App) -> bool {
        app.0.image == "closed"
    }
    async fn mount(&self, from: Idle, _: &LentAttempt) -> Result<Mounted, ShelfError> {
        let host = format!("host of {}", from.disk);
        Ok(from.mounted(host))
    }
    fn wants_host(&self, _: &Idle, app: &App) -> bool {
        app.0.image != "idle"
    }
    async fn detach(&self, from: DetachFrom, _: &LentAttempt) -> Result<Idle, ShelfError> {
        assert_eq!(from.host, format!("host of {}", from.disk), "what all three states know");
        Ok(from.idle_again())
    }
    fn wants_nothing(&self, at: &DetachFrom, app: &App) -> bool {
        !at.host.is_empty() && app.0.image == "idle"
    }
    fn leaves_service(&self, at: &Serving, app: &App) -> bool {
        at.served && app.0.image != "serving"
    }
    fn publish(&self, from: Mounted, attempt: &LentAttempt) -> Result<Warming, ShelfError> {
        Ok(from.warming(attempt.resource().0.image.clone()))
    }
    fn wants_service(&self, _: &Mounted, app: &App) -> bool {
        app.0.image == "serving"
    }
    async fn warm(&self, from: Warming, _: &LentAttempt) -> Result<Wait<Serving>, ShelfError> {
        Ok(if self.sim.now() < Duration::from_secs(15) { Wait::NotYet } else { Wait::Done(from.serving(true)) })
    }
}

impl World for Cloud {
    type Machine = LentFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self { disks: Shelf::new(sim, "disk"), copies: Shelf::new(sim, "copy"), sim: sim.clone() }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("serving", &[])
    }
    fn edits() -> Vec<App> {
        vec![App::new("mounted", &[]), App::new("closed", &[])]
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.disks.inventory(), self.copies.inventory()].concat()
    }
    /// A disk cannot be asked which host has it.
    fn idle_edits() -> Vec<usize> {
        vec![1]
    }
    fn check_final(&self, at: &At<'_, App>) -> Result<(), String> {
        let Some(record) = at.record else {
            let left = self.disks.len() + self.copies.len();
            return if left == 0 { Ok(()) } else { Err(format!("{left} disks and copies are left")) };
        };
        // Each state has its own reasons to be left.
        match (at.resource.0.image.as_str(), record.state.as_str()) {
            _ if at.deleting => Ok(()),
            ("mounted", "Mounted") | ("serving", "Serving") | ("closed", "Closed") => Ok(()),
            (wanted, state) => Err(format!("it rests in {state}, and is wanted {wanted}")),
        }
    }
}

#[test]
fn survives_every_pair_of_faults() {
    println!("{}", explore::<Cloud>().faults(2).run().assert_ok());
}
