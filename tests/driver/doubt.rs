//! Effects whose outcome is in doubt.

use std::time::Duration;

use durable_fsm::record::{HeldReason, Resolution};
use durable_fsm::{Facts, Outcome};

use crate::machine::{Thing, ThingState};
use crate::world::{Bench, Fault, Refusal};

fn count(bench: &Bench, what: &str) -> usize {
    bench.provider.live().iter().filter(|id| id.starts_with(what)).count()
}

#[tokio::test]
async fn a_repeat_after_a_lost_reply_finds_the_same_thing() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_account", &[Fault::Applied(Refusal::Unknown), Fault::Silent]);
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
    assert_eq!(count(&bench, "make_account"), 1);
    assert!(bench.provider.all_faults_fired());
}

#[tokio::test]
async fn a_lookup_after_a_lost_reply_adopts_what_was_made() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_room", &[Fault::Applied(Refusal::Unknown)]);
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
    assert_eq!(count(&bench, "make_room"), 1, "the room has no name; a second call would have made another");
    assert!(bench.provider.all_faults_fired());
}

#[tokio::test]
async fn absent_is_believed_only_after_deadline_and_settle() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_room", &[Fault::Refused(Refusal::Unknown)]);
    let outcome = bench.pass(&thing).await;
    assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(15)));
    bench.clock.advance(Duration::from_secs(1));
    bench.provider.calls();
    let outcome = bench.pass(&thing).await;
    assert!(bench.provider.calls().is_empty(), "nothing is asked while the request may still land");
    assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(15 - 1)));
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
    assert_eq!(count(&bench, "make_room"), 1);
}

#[tokio::test]
async fn a_lookup_that_fails_is_not_an_absence() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_room", &[Fault::Applied(Refusal::Unknown)]);
    bench.provider.will("lookup_make_room", &[Fault::Refused(Refusal::NotApplied), Fault::Refused(Refusal::Unknown)]);
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
    assert_eq!(count(&bench, "make_room"), 1);
    assert!(bench.provider.all_faults_fired());
}

#[tokio::test]
async fn a_doubt_stays_whatever_a_later_attempt_says() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let faults = [Fault::Applied(Refusal::Unknown), Fault::Refused(Refusal::NotApplied)];
    bench.provider.will("make_account", &faults);
    for _ in 0..2 {
        let after = bench.pass(&thing).await.requeue_after().unwrap();
        bench.clock.advance(after);
    }
    let intent = bench.record(&thing).await.intent.unwrap();
    assert!(intent.in_doubt);
    // Deleted now, the account that the first attempt made must go.
    let mut deleted = thing.clone();
    deleted.deleting = true;
    assert!(matches!(bench.settle(&deleted).await, Outcome::Gone));
    assert!(bench.provider.live().is_empty());
}

#[tokio::test]
async fn a_hold_asks_an_operator_and_calls_nothing_again() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("send_mail", &[Fault::Applied(Refusal::Unknown)]);
    let outcome = bench.settle(&thing).await;
    let Outcome::Held { reason: HeldReason::InDoubt, message } = outcome else {
        panic!("{:?} is not held", outcome.state().map(ThingState::name))
    };
    assert!(
        message.contains("`send_mail`") && message.contains("resolve with `applied` or `not-applied`"),
        "{message}"
    );
    assert!(
        bench.runner.resolve(&durable_fsm::Resource::id(&thing), Resolution::Retry).await.is_err(),
        "it was not looked up"
    );
    let facts: Facts = [("mail".to_owned(), "seen in the outbox".into())].into_iter().collect();
    let applied = Resolution::Applied { state: "Ready".to_owned(), facts };
    bench.runner.resolve(&durable_fsm::Resource::id(&thing), applied).await.unwrap();
    let outcome = bench.settle(&thing).await;
    let Outcome::Resting(ThingState::Ready(ready)) = outcome else { panic!("it does not rest") };
    assert_eq!(ready.mail, "seen in the outbox");
    assert_eq!(count(&bench, "send_mail"), 1);
}

#[tokio::test]
async fn a_hold_that_did_not_happen_is_called_again() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("send_mail", &[Fault::Refused(Refusal::Unknown)]);
    assert!(matches!(bench.settle(&thing).await, Outcome::Held { .. }));
    bench.runner.resolve(&durable_fsm::Resource::id(&thing), Resolution::NotApplied).await.unwrap();
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
    assert_eq!(count(&bench, "send_mail"), 1);
}

#[tokio::test]
async fn what_is_not_ours_is_held_and_never_adopted() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_account", &[Fault::Refused(Refusal::NotOurs)]);
    let outcome = bench.settle(&thing).await;
    assert!(matches!(&outcome, Outcome::Held { reason: HeldReason::NotOurs, message } if message.contains("retry")));
    bench.runner.resolve(&durable_fsm::Resource::id(&thing), Resolution::Retry).await.unwrap();
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
}

#[tokio::test]
async fn another_controller_waits_out_an_open_intent() {
    let (mut bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    // The first controller dies inside its effect, after the room was made.
    bench.provider.will("make_room", &[Fault::Applied(Refusal::Unknown)]);
    let _ = bench.pass(&thing).await;
    bench.clock.advance(Duration::from_secs(3600));
    bench.restart();
    bench.provider.calls();
    let outcome = bench.pass(&thing).await;
    assert_eq!(
        outcome.requeue_after(),
        Some(Duration::from_secs(15)),
        "it counts from when it saw it, not from what is written"
    );
    assert!(bench.provider.calls().is_empty());
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
    assert_eq!(count(&bench, "make_room"), 1);
}

#[tokio::test]
async fn a_repeat_sends_the_spec_of_its_first_attempt() {
    let bench = Bench::new();
    bench.provider.will("make_account", &[Fault::Refused(Refusal::Unknown)]);
    let outcome = bench.pass(&Thing::new("web:1", &[])).await;
    bench.clock.advance(outcome.requeue_after().unwrap());
    assert!(matches!(bench.settle(&Thing::new("web:2", &[])).await, Outcome::Resting(_)));
    assert!(bench.provider.live().iter().any(|id| id.starts_with("make_account:web:1")), "{:?}", bench.provider.live());
}
