//! Deletion from every state, with every step in doubt.

use durable_fsm::record::HeldReason;
use durable_fsm::{Outcome, Resource, Signals};

use crate::machine::{Thing, ThingState};
use crate::world::{Bench, Fault, Refusal};

fn deleted(thing: &Thing) -> Thing {
    Thing { deleting: true, ..thing.clone() }
}

#[tokio::test]
async fn everything_is_undone_the_latest_first() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &["ann"]));
    let _ = bench.settle(&thing).await;
    bench.provider.calls();
    assert!(matches!(bench.settle(&deleted(&thing)).await, Outcome::Gone));
    let calls = bench.provider.calls();
    let undone: Vec<_> = calls.iter().filter(|call| !call.contains("find") && !call.contains("lookup")).collect();
    assert_eq!(undone, ["remove_member", "stop_container", "close_room", "drop_account"]);
    // A mail cannot be unsent, and is declared so.
    assert_eq!(bench.provider.live().len(), 1);
    assert_eq!(bench.bytes(&thing).await, None);
    assert!(matches!(bench.pass(&deleted(&thing)).await, Outcome::Gone));
}

#[tokio::test]
async fn what_was_never_begun_is_gone_at_once() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    assert!(matches!(bench.pass(&deleted(&thing)).await, Outcome::Gone));
    // A record is written and removed: it stops a pass that has found none, too.
    assert_eq!((bench.store.writes(), bench.bytes(&thing).await), (2, None));
    // Where the store tells of the deletion, its version has moved on already.
    bench.store.set_signals(&Bench::id(&thing), durable_fsm::Signals { deleting: true, ..Default::default() });
    assert!(matches!(bench.pass(&deleted(&thing)).await, Outcome::Gone));
    assert_eq!(bench.store.writes(), 2);
    assert!(bench.provider.calls().is_empty());
}

#[tokio::test]
async fn deletion_works_after_every_call_and_every_kind_of_failure() {
    let calls = ["make_account", "make_room", "send_mail", "run_container", "add_member"];
    let mut cases = 0;
    for call in calls {
        for refusal in [Refusal::Unknown, Refusal::NotApplied, Refusal::Rejected, Refusal::NotOurs] {
            for fault in [Fault::Refused(refusal), Fault::Applied(refusal), Fault::Silent] {
                // What was applied and is vouched not to be is the author's lie; no machine survives that.
                if matches!(fault, Fault::Applied(refusal) if refusal != Refusal::Unknown) {
                    continue;
                }
                let (bench, thing) = (Bench::new(), Thing::new("web:1", &["ann"]));
                bench.provider.will(call, &[fault]);
                let _ = bench.pass(&thing).await;
                assert!(bench.provider.all_faults_fired(), "{call} {fault:?}");
                let outcome = bench.settle(&deleted(&thing)).await;
                assert!(
                    matches!(outcome, Outcome::Gone),
                    "{call} {fault:?}: {:?}",
                    outcome.state().map(ThingState::name)
                );
                let left: Vec<_> =
                    bench.provider.live().into_iter().filter(|id| !id.starts_with("send_mail")).collect();
                assert!(left.is_empty(), "{call} {fault:?} leaves {left:?}");
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 5 * (4 + 1 + 4));
}

#[tokio::test]
async fn an_undo_is_repeated_until_it_succeeds() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let _ = bench.settle(&thing).await;
    bench.provider.will(
        "close_room",
        &[
            Fault::Refused(Refusal::NotApplied),
            Fault::Refused(Refusal::Unknown),
            Fault::Silent,
            Fault::Refused(Refusal::NotApplied),
        ],
    );
    bench.provider.will("drop_account", &[Fault::Refused(Refusal::Unknown); 3]);
    assert!(matches!(bench.settle(&deleted(&thing)).await, Outcome::Gone));
    assert!(bench.provider.all_faults_fired());
    assert_eq!(bench.provider.live().len(), 1);
}

#[tokio::test]
async fn an_undo_of_something_that_is_not_ours_is_held() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let _ = bench.settle(&thing).await;
    bench.provider.will("drop_account", &[Fault::Refused(Refusal::NotOurs)]);
    let outcome = bench.settle(&deleted(&thing)).await;
    assert!(matches!(outcome, Outcome::Held { reason: HeldReason::NotOurs, .. }));
    assert!(bench.bytes(&thing).await.is_some());
}

#[tokio::test]
async fn a_deletion_that_comes_with_the_answer_to_the_intent_withdraws_it() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.store.set_signals(&Bench::id(&thing), Signals { deleting: true, ..Signals::default() });
    // A resource from a cache that does not know yet; the store does.
    let outcome = bench.settle(&thing).await;
    assert!(matches!(outcome, Outcome::Gone));
    assert!(bench.provider.calls().is_empty());
}

#[tokio::test]
async fn a_pause_holds_also_during_deletion() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let _ = bench.settle(&thing).await;
    bench.runner.pause(&thing.id()).await.unwrap();
    bench.provider.calls();
    assert!(matches!(bench.settle(&deleted(&thing)).await, Outcome::Paused));
    assert!(bench.provider.calls().is_empty());
    bench.runner.resume(&thing.id()).await.unwrap();
    assert!(matches!(bench.settle(&deleted(&thing)).await, Outcome::Gone));
}
