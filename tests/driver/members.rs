//! Members of a set that fail, while others go on.

use std::time::Duration;

use durable_fsm::record::{BlockedReason, MOST_RETRYING};
use durable_fsm::{Outcome, Plan};

use crate::golden::check;
use crate::machine::{Thing, ThingState};
use crate::world::{Bench, Fault, Refusal};

fn of(names: &[&str]) -> Thing {
    Thing::new("web:1", names)
}

/// A resource that rests, of which no member is made yet.
async fn bench() -> Bench {
    let bench = Bench::new();
    assert!(matches!(bench.settle(&of(&[])).await, Outcome::Resting(_)));
    bench.provider.calls();
    bench
}

fn made(bench: &Bench) -> usize {
    bench.provider.live().iter().filter(|id| id.starts_with("add_member")).count()
}

fn reason(outcome: &Outcome<ThingState>) -> &str {
    match outcome {
        Outcome::Progressing { reason, .. } => reason,
        _ => panic!("it has nothing to wait for"),
    }
}

#[tokio::test]
async fn a_member_that_was_not_made_lets_the_others_go_on_and_keeps_its_own_wait() {
    let bench = bench().await;
    bench.provider.will("add_member", &[Fault::Refused(Refusal::NotApplied)]);
    let outcome = bench.pass(&of(&["ann", "bob", "cid"])).await;
    assert_eq!(made(&bench), 2, "bob and cid");
    assert!(reason(&outcome).starts_with("`add_member` for ann failed 1 times"), "{}", reason(&outcome));
    let record = bench.record(&of(&[])).await;
    assert_eq!((record.retry, record.retrying.len()), (None, 1));
    check("retrying", &bench, &of(&[])).await;
    bench.provider.calls();
    assert!(matches!(bench.pass(&of(&["ann", "bob", "cid"])).await, Outcome::Progressing { .. }));
    assert!(bench.provider.calls().is_empty(), "not before its time");
    bench.clock.advance(outcome.requeue_after().unwrap());
    bench.provider.will("add_member", &[Fault::Refused(Refusal::NotApplied)]);
    let again = bench.pass(&of(&["ann", "bob", "cid"])).await;
    assert!(reason(&again).contains("for ann failed 2 times"), "{}", reason(&again));
    assert!(again.requeue_after() > outcome.requeue_after(), "each wait is longer than the one before");
    assert!(matches!(bench.settle(&of(&["ann", "bob", "cid"])).await, Outcome::Resting(_)));
    assert!(bench.provider.all_faults_fired() && made(&bench) == 3);
    assert!(bench.record(&of(&[])).await.retrying.is_empty());
}

#[tokio::test]
async fn a_member_in_doubt_lets_the_others_go_on_and_is_looked_for_when_it_is_quiet() {
    let bench = bench().await;
    bench.provider.will("add_member", &[Fault::Applied(Refusal::Unknown)]);
    let outcome = bench.pass(&of(&["ann", "bob"])).await;
    assert_eq!(made(&bench), 2);
    assert!(matches!(outcome, Outcome::Progressing { .. }));
    let record = bench.record(&of(&[])).await;
    assert!(record.intent.is_none() && record.unconfirmed[0].in_doubt);
    bench.provider.calls();
    bench.clock.advance(Duration::from_secs(15));
    assert!(matches!(bench.pass(&of(&["ann", "bob"])).await, Outcome::Resting(_)));
    assert_eq!(bench.provider.calls(), ["lookup_add_member"], "it is there, and is not made again");
    assert_eq!(made(&bench), 2);
}

#[tokio::test]
async fn a_member_in_doubt_that_is_not_wanted_any_more_is_looked_for_and_removed() {
    for (fault, calls) in [
        (Fault::Applied(Refusal::Unknown), vec!["lookup_add_member", "find_member", "remove_member"]),
        (Fault::Refused(Refusal::Unknown), vec!["lookup_add_member"]),
    ] {
        let bench = bench().await;
        bench.provider.will("add_member", &[fault]);
        let _ = bench.pass(&of(&["ann"])).await;
        bench.provider.calls();
        assert!(matches!(bench.pass(&of(&[])).await, Outcome::Progressing { .. }), "it does not rest in doubt");
        bench.clock.advance(Duration::from_secs(15));
        assert!(matches!(bench.settle(&of(&[])).await, Outcome::Resting(_)));
        let seen = bench.provider.calls();
        assert!(calls.iter().all(|call| seen.contains(&(*call).to_owned())), "{seen:?}");
        assert!(!seen.contains(&"add_member".to_owned()), "it is not wanted, so it is not sent again");
        assert_eq!(made(&bench), 0);
        assert!(bench.record(&of(&[])).await.unconfirmed.is_empty());
    }
}

#[tokio::test]
async fn a_rejected_member_blocks_when_nothing_else_is_left_and_a_changed_spec_ends_that() {
    let bench = bench().await;
    bench.provider.will("add_member", &[Fault::Refused(Refusal::Rejected)]);
    let outcome = bench.pass(&of(&["ann", "bob"])).await;
    assert_eq!(made(&bench), 1, "bob");
    let Outcome::Blocked { reason: BlockedReason::Rejected, message, .. } = &outcome else {
        panic!("it is not blocked")
    };
    assert!(message.starts_with("`add_member` for ann was rejected"), "{message}");
    bench.provider.calls();
    assert!(matches!(bench.pass(&of(&["ann", "bob"])).await, Outcome::Blocked { .. }));
    assert!(matches!(bench.runner.plan(&of(&["ann", "bob"])).await.unwrap(), Plan::Wait { .. }));
    assert!(bench.provider.calls().is_empty());
    let changed = of(&["ann", "bob", "cid"]);
    assert!(matches!(bench.settle(&changed).await, Outcome::Resting(_)));
    assert_eq!(made(&bench), 3);
}

#[tokio::test]
async fn a_removal_that_fails_lets_the_others_go_on() {
    let bench = bench().await;
    assert!(matches!(bench.settle(&of(&["ann", "bob"])).await, Outcome::Resting(_)));
    bench.clock.advance(Duration::from_secs(20));
    bench.provider.will("remove_member", &[Fault::Refused(Refusal::NotApplied)]);
    let outcome = bench.pass(&of(&["cid"])).await;
    assert_eq!(made(&bench), 2, "cid is made, bob is removed, and ann is still there");
    assert!(reason(&outcome).contains("the undo of `add_member` for ann failed 1 times"), "{}", reason(&outcome));
    assert!(matches!(bench.settle(&of(&["cid"])).await, Outcome::Resting(_)));
    assert!(bench.provider.all_faults_fired() && made(&bench) == 1);
}

#[tokio::test]
async fn more_failures_than_can_be_put_aside_stop_the_set_and_do_not_spin() {
    let bench = bench().await;
    let names: Vec<String> = (0..MOST_RETRYING + 4).map(|number| format!("m{number:02}")).collect();
    let all = of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    bench.provider.will("add_member", &[Fault::Refused(Refusal::NotApplied); MOST_RETRYING + 4]);
    let outcome = bench.pass(&all).await;
    assert!(outcome.requeue_after().is_some_and(|after| !after.is_zero()));
    let sent = bench.provider.calls().iter().filter(|call| *call == "add_member").count();
    assert_eq!(sent, MOST_RETRYING + 1);
    let record = bench.record(&all).await;
    assert_eq!((record.retrying.len(), record.retry.is_some()), (MOST_RETRYING, true));
    let words = record.retrying.iter().filter(|it| !it.retry.error.is_empty()).count();
    assert_eq!(words, 3, "the errors of the last three are kept in words");
    assert!(matches!(bench.settle(&all).await, Outcome::Resting(_)));
    assert!(bench.provider.all_faults_fired());
}
