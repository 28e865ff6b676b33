//! Many resources, many members, many steps: which limits hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use durable_fsm::record::HeldReason;
use durable_fsm::store::MemoryStore;
use durable_fsm::{Class, Classify, Fsm, Outcome, Resource as _, Undone};

use crate::machine::{Thing, ThingState};
use crate::world::{Bench, Fault, ManualClock, Patient, Refusal};

/// One effect that tells how many are at it at once, and then a guard that may never be content.
#[derive(Fsm)]
#[fsm(name = "test.io/gate", version = 1, resource = Thing)]
pub enum GateFlow {
    #[fsm(initial)]
    #[transition(enter -> Inside, in_doubt = repeat, undo = leave)]
    Outside,
    #[transition(look_round -> Waiting, no_effect)]
    Inside { ticket: String },
    #[fsm(resting)]
    #[transition(turn -> Waiting, no_effect, when = is_restless)]
    Waiting { turns: u32 },
}

#[derive(Clone, Default)]
struct Gate {
    open: Arc<AtomicBool>,
    /// How often it turns before it is content.
    turns: u32,
    inside: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

#[derive(Debug, thiserror::Error)]
#[error("the gate is closed")]
pub struct Closed;

impl Classify for Closed {
    fn classify(&self) -> Class {
        Class::NOT_APPLIED
    }
}

impl GateTransitions for Gate {
    type Error = Closed;
    async fn enter(&self, from: Outside, _: &GateAttempt) -> Result<Inside, Closed> {
        if !self.open.load(Ordering::SeqCst) {
            return Err(Closed);
        }
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        // Every other pass that may come in does so now.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
        Ok(from.inside("a ticket".to_owned()))
    }
    async fn leave(&self, _: &Inside, _: &GateAttempt) -> Result<Undone, Closed> {
        Ok(Undone::Done)
    }
    fn look_round(&self, from: Inside, _: &GateAttempt) -> Result<Waiting, Closed> {
        Ok(from.waiting(0))
    }
    fn is_restless(&self, at: &Waiting, _: &Thing) -> bool {
        at.turns < self.turns
    }
    fn turn(&self, from: Waiting, _: &GateAttempt) -> Result<Waiting, Closed> {
        let turns = from.turns + 1;
        Ok(from.waiting(turns))
    }
}

#[tokio::test]
async fn run_all_keeps_to_its_bound_and_leaves_unknown_resources_alone() {
    let (gate, store, clock) = (Gate::default(), MemoryStore::new(), ManualClock::default());
    let runner = GateRunner::builder(gate.clone(), store).clock(Patient(clock.clone())).build();
    let things: Vec<Thing> =
        (0..7).map(|number| Thing { name: format!("thing-{number}"), ..Thing::new("web:1", &[]) }).collect();
    for thing in &things {
        let outcome = runner.reconcile(thing).await.unwrap();
        assert!(outcome.requeue_after().is_some_and(|after| !after.is_zero()));
    }
    clock.advance(Duration::from_secs(5));
    gate.open.store(true, Ordering::SeqCst);
    let (known, unknown) = things.split_at(6);
    let resource = |id| std::future::ready(known.iter().find(|it| it.id() == id).cloned());
    let mut rested = Vec::new();
    let report = |id, outcome| {
        assert!(matches!(outcome, Ok(Outcome::Resting(GateState::Waiting(_)))));
        rested.push(id);
    };
    runner.run_all(2, resource, report).await.unwrap();
    rested.sort_unstable();
    assert_eq!(rested, known.iter().map(durable_fsm::Resource::id).collect::<Vec<_>>());
    assert_eq!(gate.most.load(Ordering::SeqCst), 2);
    assert_eq!(runner.inspect(&unknown[0].id()).await.unwrap().unwrap().state, "Outside");
}

#[tokio::test]
async fn a_loop_without_effect_is_held_and_what_was_made_before_it_is_recorded() {
    // With the look round these are a thousand steps, and one more.
    for (turns, rests) in [(999, true), (1000, false)] {
        let gate = Gate { turns, ..Gate::default() };
        gate.open.store(true, Ordering::SeqCst);
        let runner = GateRunner::new(gate, MemoryStore::new());
        let thing = Thing::new("web:1", &[]);
        match runner.reconcile(&thing).await.unwrap() {
            Outcome::Resting(GateState::Waiting(waiting)) if rests => assert_eq!(waiting.turns, turns),
            Outcome::Held { reason: HeldReason::Restless, message } if !rests => {
                assert!(message.contains("a guard that stays true"), "{message}");
            }
            other => panic!("{turns} turns end in {:?}", other.requeue_after()),
        }
        let record = runner.inspect(&thing.id()).await.unwrap().unwrap();
        assert_eq!((record.state.as_str(), record.undo.len()), ("Waiting", 1));
        assert_eq!(record.held.is_some(), !rests);
    }
}

#[tokio::test]
async fn more_members_than_any_loop_may_have_steps_are_made_in_one_pass() {
    let names: Vec<String> = (0..1001).map(|number| format!("{number:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bench = Bench::new();
    let outcome = bench.pass(&Thing::new("web:1", &names)).await;
    let Outcome::Resting(ThingState::Ready(ready)) = outcome else { panic!("it does not rest") };
    assert_eq!(ready.members.len(), 1001);
}

#[tokio::test]
async fn a_deletion_that_was_asked_for_once_goes_on_without_being_asked_again() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let _ = bench.settle(&thing).await;
    bench.provider.will("drop_account", &[Fault::Refused(Refusal::NotApplied)]);
    let mut outcome = bench.runner.delete(&thing).await.unwrap();
    while let Outcome::Progressing { after, .. } = outcome {
        bench.clock.advance(after);
        outcome = bench.pass(&thing).await;
    }
    assert!(matches!(outcome, Outcome::Gone));
    assert!(bench.provider.all_faults_fired());
    assert_eq!(bench.bytes(&thing).await, None);
    assert!(bench.provider.live().iter().all(|id| id.starts_with("send_mail")));
}

/// An effect whose guard may never be content.
#[derive(Fsm)]
#[fsm(name = "test.io/refresh", version = 1, resource = Thing)]
pub enum RefreshFlow {
    #[fsm(initial)]
    #[transition(begin -> Fresh, no_effect)]
    Begun,
    #[fsm(resting)]
    #[transition(refresh -> Fresh, in_doubt = repeat, undo = none, when = is_stale)]
    #[transition(leave -> Away, in_doubt = repeat, undo = none, when = goes_round)]
    Fresh { round: u32 },
    #[transition(come_back -> Fresh, in_doubt = repeat, undo = none)]
    Away { left: u32 },
}

/// Its guard stays true until this round, if there is one.
#[derive(Clone, Default)]
struct Stale {
    until: u32,
    /// A round records what it has done.
    counts: bool,
    goes_round: bool,
    calls: Arc<AtomicUsize>,
}

impl RefreshTransitions for Stale {
    type Error = Closed;
    fn begin(&self, from: Begun, _: &RefreshAttempt) -> Result<Fresh, Closed> {
        Ok(from.fresh(0))
    }
    fn is_stale(&self, at: &Fresh, _: &Thing) -> bool {
        !self.goes_round && at.round < self.until
    }
    fn goes_round(&self, at: &Fresh, _: &Thing) -> bool {
        self.goes_round && at.round < self.until
    }
    async fn refresh(&self, from: Fresh, _: &RefreshAttempt) -> Result<Fresh, Closed> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let round = if self.counts { from.round + 1 } else { from.round };
        Ok(from.fresh(round))
    }
    async fn leave(&self, from: Fresh, _: &RefreshAttempt) -> Result<Away, Closed> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let round = from.round;
        Ok(from.away(round))
    }
    async fn come_back(&self, from: Away, _: &RefreshAttempt) -> Result<Fresh, Closed> {
        let round = if self.counts { from.left + 1 } else { from.left };
        Ok(from.fresh(round))
    }
}

#[tokio::test]
async fn a_guard_that_stays_true_after_its_effect_stops_after_three_calls() {
    for goes_round in [false, true] {
        let (stale, thing) = (Stale { until: 1, goes_round, ..Stale::default() }, Thing::new("web:1", &[]));
        let runner = RefreshRunner::builder(stale.clone(), MemoryStore::new()).clock(ManualClock::default()).build();
        // The second pass begins where the first one was held.
        let passes = if goes_round { [("leave", 3), ("come_back", 5)] } else { [("refresh", 3), ("refresh", 6)] };
        for (name, calls) in passes {
            let outcome = runner.reconcile(&thing).await.unwrap();
            let Outcome::Held { reason: HeldReason::Restless, message } = outcome else { panic!("it is not held") };
            let expected = format!("`{name}` was made 3 times in one pass without changing state or facts");
            assert!(message.contains(&expected) && message.contains("a guard that stays true"), "{message}");
            assert_eq!(stale.calls.load(Ordering::SeqCst), calls);
            let record = runner.inspect(&thing.id()).await.unwrap().unwrap();
            assert!(record.intent.is_none(), "what was made is recorded");
            runner.resolve(&thing.id(), durable_fsm::record::Resolution::Retry).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_effect_that_makes_progress_each_time_may_be_made_a_thousand_times() {
    for goes_round in [false, true] {
        for (until, rests) in [(999, true), (1000, false)] {
            let stale = Stale { until, counts: true, goes_round, ..Stale::default() };
            let thing = Thing::new("web:1", &[]);
            let runner =
                RefreshRunner::builder(stale.clone(), MemoryStore::new()).clock(ManualClock::default()).build();
            match runner.reconcile(&thing).await.unwrap() {
                Outcome::Resting(RefreshState::Fresh(fresh)) if rests => assert_eq!(fresh.round, until),
                Outcome::Held { reason: HeldReason::Restless, message } if !rests => {
                    assert!(message.contains("1000 times in one pass"), "{message}");
                }
                other => panic!("{until} rounds end in {:?}", other.requeue_after()),
            }
            assert_eq!(stale.calls.load(Ordering::SeqCst), until as usize);
        }
    }
}
