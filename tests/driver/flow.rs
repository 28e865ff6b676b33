//! The run without faults: what is called, what is written, when the machine rests.

use std::time::Duration;

use durable_fsm::record::BlockedReason;
use durable_fsm::{Outcome, Plan, Resource as _};

use crate::altered::Altered;
use crate::machine::{Thing, ThingFlow, ThingRunner, ThingState};
use crate::world::{Bench, Fault, ManualClock, Provider, Refusal};

#[tokio::test]
async fn a_flow_of_n_effects_makes_n_plus_one_writes_and_one_before_what_waits() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &["ann", "bob"]));
    let outcome = bench.pass(&thing).await;
    let Outcome::Resting(ThingState::Ready(ready)) = outcome else { panic!("it does not rest") };
    assert_eq!(ready.containers.keys().collect::<Vec<_>>(), ["web:1"]);
    assert_eq!(ready.members.len(), 2);
    let effects = ["make_account", "make_room", "send_mail", "run_container", "add_member", "add_member"];
    let calls = bench.provider.calls();
    let made: Vec<_> = calls.iter().filter(|call| !call.starts_with("lookup")).collect();
    assert_eq!(made, effects);
    assert_eq!(calls.len() - effects.len(), 3, "one look-up before each first attempt under `lookup`");
    assert_eq!(bench.store.writes(), effects.len() as u64 + 1 + 1);
}

#[tokio::test]
async fn one_more_pass_changes_nothing() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &["ann"]));
    let _ = bench.settle(&thing).await;
    let (before, writes) = (bench.bytes(&thing).await, bench.store.writes());
    bench.provider.calls();
    assert!(matches!(bench.pass(&thing).await, Outcome::Resting(_)));
    assert_eq!(bench.bytes(&thing).await, before);
    assert_eq!(bench.store.writes(), writes);
    assert!(bench.provider.calls().is_empty());
}

#[tokio::test]
async fn waiting_writes_nothing_and_goes_on_when_it_is_there() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.set_rolled_out(false);
    let outcome = bench.pass(&thing).await;
    assert!(matches!(&outcome, Outcome::Progressing { state: ThingState::Configured(_), .. }));
    let now = durable_fsm::Clock::wall(&bench.clock);
    assert_eq!(bench.provider.deadline(), Some(now + Duration::from_secs(60)), "how long a look may take");
    let writes = bench.store.writes();
    for _ in 0..5 {
        let outcome = bench.pass(&thing).await;
        assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(5)));
        bench.clock.advance(Duration::from_secs(5));
    }
    assert_eq!(bench.store.writes(), writes);
    assert_eq!(bench.record(&thing).await.blocked, None);
    // It comes back in time to say that it takes too long.
    bench.clock.advance(Duration::from_secs(600 - 5 * 5 - 2));
    assert_eq!(bench.pass(&thing).await.requeue_after(), Some(Duration::from_secs(2)));
    bench.provider.set_rolled_out(true);
    assert!(matches!(bench.pass(&thing).await, Outcome::Resting(ThingState::Ready(_))));
}

#[tokio::test]
async fn a_wait_that_takes_too_long_is_blocked_and_still_looks() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.set_rolled_out(false);
    let _ = bench.pass(&thing).await;
    bench.clock.advance(Duration::from_secs(601));
    let outcome = bench.pass(&thing).await;
    assert!(matches!(outcome, Outcome::Blocked { reason: BlockedReason::Overdue, .. }));
    let writes = bench.store.writes();
    assert!(matches!(bench.pass(&thing).await, Outcome::Blocked { reason: BlockedReason::Overdue, .. }));
    assert_eq!(bench.store.writes(), writes, "it is reported once");
    bench.provider.set_rolled_out(true);
    assert!(matches!(bench.pass(&thing).await, Outcome::Resting(_)));
    assert_eq!(bench.record(&thing).await.blocked, None);
}

#[tokio::test]
async fn a_rejected_effect_blocks_until_the_spec_changes() {
    let (bench, thing) = (Bench::new(), Thing::new("bad", &[]));
    bench.provider.will("make_account", &[Fault::Refused(Refusal::Rejected)]);
    let outcome = bench.pass(&thing).await;
    assert!(matches!(&outcome, Outcome::Blocked { reason: BlockedReason::Rejected, .. }));
    bench.provider.calls();
    assert!(matches!(bench.pass(&thing).await, Outcome::Blocked { .. }));
    assert!(bench.provider.calls().is_empty(), "it is not tried while nothing has changed");
    assert!(matches!(bench.settle(&Thing::new("good", &[])).await, Outcome::Resting(_)));
    assert!(bench.provider.all_faults_fired());
}

#[tokio::test]
async fn a_rejected_effect_is_tried_again_when_the_slow_timer_fires() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_account", &[Fault::Refused(Refusal::Rejected)]);
    let outcome = bench.pass(&thing).await;
    assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(600)));
    bench.clock.advance(Duration::from_secs(600));
    assert!(matches!(bench.pass(&thing).await, Outcome::Resting(_)));
}

#[tokio::test]
async fn retries_slow_down_and_a_restart_does_not_reset_them() {
    let (mut bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_account", &[Fault::Refused(Refusal::NotApplied); 12]);
    let mut waits = Vec::new();
    for _ in 0..12 {
        bench.restart();
        let after = bench.pass(&thing).await.requeue_after().unwrap();
        waits.push(after.as_secs());
        bench.clock.advance(after);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    assert!(matches!(bench.pass(&thing).await, Outcome::Resting(_)));
    assert_eq!(bench.record(&thing).await.retry, None);
}

#[tokio::test]
async fn a_plan_says_what_comes_and_does_nothing() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let plan = bench.runner.plan(&thing).await.unwrap();
    assert_eq!(plan, Plan::Run { transition: "make_account".to_owned(), subject: None });
    assert_eq!(bench.store.writes(), 0);
    let _ = bench.settle(&thing).await;
    bench.provider.calls();
    assert_eq!(bench.runner.plan(&thing).await.unwrap(), Plan::Rest);
    let changed = Thing::new("web:2", &[]);
    let plan = bench.runner.plan(&changed).await.unwrap();
    assert_eq!(plan, Plan::Run { transition: "run_container".to_owned(), subject: Some("web:2".to_owned()) });
    assert!(bench.provider.calls().is_empty());
}

#[test]
fn the_graph_is_what_was_declared() {
    let graph = ThingFlow::GRAPH;
    assert_eq!(graph.states.len(), 6);
    assert_eq!(graph.transitions.len(), 7);
    let (_, ready) = graph.state("Ready").unwrap();
    assert_eq!(ready.known, ["account", "room", "config", "containers", "members", "mail"]);
    assert_eq!(ready.transitions, [5, 6]);
}

/// The bench's controller on a store that knows the resource's generation, by how often was written.
fn telling(bench: &Bench, generation: fn(u64) -> u64) -> ThingRunner<Provider> {
    let counted = bench.store.clone();
    let store = Altered::telling(&bench.store, move |loaded| {
        loaded.signals.generation = Some(generation(counted.writes()));
    });
    ThingRunner::builder(bench.provider.clone(), store).clock(bench.clock.clone()).build()
}

#[tokio::test]
async fn a_pass_whose_spec_is_outdated_ends_before_its_next_effect() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let runner = telling(&bench, |writes| if writes < 3 { 1 } else { 2 });
    let outcome = runner.reconcile(&thing).await.unwrap();
    assert_eq!(outcome.requeue_after(), Some(Duration::ZERO), "it is to come back at once, with the new spec");
    let effects = |calls: Vec<String>| calls.into_iter().filter(|it| !it.starts_with("lookup")).collect::<Vec<_>>();
    assert_eq!(effects(bench.provider.calls()), ["make_account", "make_room"]);
    // The intent that went with the second outcome is withdrawn, so it leaves no doubt.
    assert!(bench.record(&thing).await.intent.is_none());
    assert!(matches!(runner.reconcile(&thing).await.unwrap(), Outcome::Resting(_)));
}

/// What a cache gives may be older than what the store knows. To act on it would bring an old spec back, for a moment.
#[tokio::test]
async fn a_pass_for_a_resource_that_is_out_of_date_does_nothing() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let runner = telling(&bench, |_| u64::MAX);
    let outcome = runner.reconcile(&thing).await.unwrap();
    assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(1)));
    assert_eq!((bench.provider.calls(), bench.store.writes()), (Vec::new(), 0));
}

#[tokio::test]
async fn what_is_to_be_deleted_is_undone_whatever_spec_the_pass_was_given() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let _ = bench.settle(&thing).await;
    // A deletion raises the generation, and the spec that the pass has is older.
    let runner = telling(&bench, |_| u64::MAX);
    let deleted = Thing { deleting: true, ..thing.clone() };
    let mut outcome = runner.reconcile(&deleted).await.unwrap();
    for _ in 0..50 {
        let Some(after) = outcome.requeue_after() else { break };
        bench.clock.advance(after);
        outcome = runner.reconcile(&deleted).await.unwrap();
    }
    assert!(matches!(outcome, Outcome::Gone));
    assert_eq!(bench.bytes(&thing).await, None);
}

#[tokio::test]
async fn a_pass_for_the_resource_that_the_store_knows_goes_on() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let runner = telling(&bench, |_| Thing::new("web:1", &[]).generation());
    assert!(matches!(runner.reconcile(&thing).await.unwrap(), Outcome::Resting(_)));
}

#[tokio::test]
async fn what_failed_together_does_not_come_back_together() {
    for (chance, wait) in [(0, 1000), (128, 875), (256 + 128, 875), (255, 1000 - 249)] {
        let (provider, store) = (Provider::default(), durable_fsm::store::MemoryStore::new());
        provider.will("make_account", &[Fault::Refused(Refusal::NotApplied)]);
        let runner = ThingRunner::builder(provider, store).clock(ManualClock::dealing(chance)).build();
        let outcome = runner.reconcile(&Thing::new("web:1", &[])).await.unwrap();
        let after = outcome.requeue_after().unwrap();
        assert_eq!(after.as_micros().div_ceil(1000), wait, "{chance} of 256: up to a quarter less");
    }
}
