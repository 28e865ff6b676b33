//! A world with events of its own: a pod becomes ready, a pod is lost, and somebody takes a free name.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Fsm, Undone, Wait};

use crate::worlds::resource::App;

/// A pod, and an alias for it.
#[derive(Fsm)]
#[fsm(name = "test.io/events", version = 1, resource = App)]
pub enum EventsFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(create_pod -> Created, in_doubt = repeat, undo = delete_pod, settle = "5s")]
    Requested,
    /// The pod is there.
    #[transition(wait_pod -> Running, waits, within = "5m")]
    Created { pod: String },
    /// It runs.
    #[transition(claim_alias -> Ready, in_doubt = repeat, undo = release_alias, settle = "5s")]
    Running,
    /// It has its alias.
    #[fsm(resting)]
    Ready { alias: String },
}

#[derive(Clone)]
pub struct Cloud {
    pods: Shelf,
    aliases: Shelf,
    is_ready: Arc<AtomicBool>,
    sim: Sim,
}

impl EventsTransitions for Cloud {
    type Error = ShelfError;
    async fn create_pod(&self, from: Requested, attempt: &EventsAttempt) -> Result<Created, ShelfError> {
        Ok(from.created(self.pods.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn delete_pod(&self, made: &Created, _: &EventsAttempt) -> Result<Undone, ShelfError> {
        self.pods.remove(&made.pod).await.map(Undone::from)
    }
    async fn wait_pod(&self, from: Created, _: &EventsAttempt) -> Result<Wait<Running>, ShelfError> {
        let is_ready = self.is_ready.load(Ordering::SeqCst) || self.sim.now() >= Duration::from_secs(4);
        Ok(if is_ready { Wait::Done(from.running()) } else { Wait::NotYet })
    }
    async fn claim_alias(&self, from: Running, attempt: &EventsAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(self.aliases.claim("alias", attempt.key(), attempt.owner_tag()).await?))
    }
    async fn release_alias(&self, made: &Ready, _: &EventsAttempt) -> Result<Undone, ShelfError> {
        self.aliases.remove(&made.alias).await.map(Undone::from)
    }
}

impl World for Cloud {
    type Machine = EventsFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        let shelf = |kind| Shelf::new(sim, kind);
        Self { pods: shelf("pod"), aliases: shelf("alias"), is_ready: Arc::default(), sim: sim.clone() }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &[])
    }
    fn events() -> &'static [&'static str] {
        &["pod-ready", "pod-lost", "alias-taken"]
    }
    fn happen(&self, event: &str) {
        match event {
            "pod-ready" => self.is_ready.store(true, Ordering::SeqCst),
            "pod-lost" => self.pods.lose(),
            _ if self.aliases.is_empty() => self.strangers(),
            _ => {}
        }
    }
    fn strangers(&self) {
        self.aliases.foreign("alias", "somebody");
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.pods.inventory(), self.aliases.inventory()].concat()
    }
}

durable_fsm::survive! {
    mod survives for Cloud { create_pod, claim_alias }
    waits { wait_pod }
}

#[test]
fn survives_every_pair_of_faults_among_strangers() {
    println!("{}", explore::<Cloud>().among_strangers().faults(2).run().assert_ok());
}

/// The pod is not looked at again before it is ready by itself; where the event comes first, one look is enough.
#[test]
fn an_event_comes_before_the_look_that_it_answers() {
    let looks = |plan: &str| explore::<Cloud>().timeline(&plan.parse().unwrap()).matches("Progressing(5s)").count();
    let (late, early) = (looks(""), looks("wait_pod/wait#1=event(pod-ready)"));
    assert!(late > 0 && early == 0, "{late} {early}");
}

/// What a stranger has taken is never ours, and is there when everything of ours is gone.
#[test]
fn a_stranger_who_comes_in_the_middle_stays() {
    let plan = "claim_alias/intent#1=event(alias-taken)".parse().unwrap();
    explore::<Cloud>().replay(&plan).assert_ok();
    let timeline = explore::<Cloud>().timeline(&plan);
    assert!(timeline.contains("not-ours") && timeline.contains("the pass ends: Gone"), "{timeline}");
}
