//! Sets whose wanted members change while the set is incomplete.

use std::time::Duration;

use durable_fsm::Outcome;

use crate::golden::check;
use crate::machine::{Thing, ThingState};
use crate::world::{Bench, Fault, Refusal};

#[tokio::test]
async fn five_specs_with_a_lost_reply_leave_one_container_and_deletion_none() {
    let bench = Bench::new();
    for (round, image) in ["web:1", "web:2", "web:3", "web:4", "web:5"].into_iter().enumerate() {
        if round == 2 {
            bench.provider.will("run_container", &[Fault::Applied(Refusal::Unknown)]);
        }
        if round == 3 {
            bench.provider.will("stop_container", &[Fault::Applied(Refusal::Unknown)]);
        }
        assert!(matches!(bench.settle(&Thing::new(image, &[])).await, Outcome::Resting(_)));
        let containers: Vec<_> =
            bench.provider.live().into_iter().filter(|id| id.starts_with("run_container")).collect();
        assert_eq!(containers.len(), 1, "{containers:?}");
        assert!(containers[0].starts_with(&format!("run_container:{image}")), "{containers:?}");
    }
    assert!(bench.provider.all_faults_fired());
    let last = Thing { deleting: true, ..Thing::new("web:5", &[]) };
    assert!(matches!(bench.settle(&last).await, Outcome::Gone));
    assert!(bench.provider.live().iter().all(|id| id.starts_with("send_mail")));
}

#[tokio::test]
async fn the_same_image_again_is_another_life() {
    let bench = Bench::new();
    for image in ["web:1", "web:2", "web:1"] {
        assert!(matches!(bench.settle(&Thing::new(image, &[])).await, Outcome::Resting(_)));
    }
    let containers: Vec<_> = bench.provider.live().into_iter().filter(|id| id.starts_with("run_container")).collect();
    assert_eq!(containers, ["run_container:web:1#6"], "the first one was stopped; its key is spent");
}

#[tokio::test]
async fn twenty_members_come_and_go_while_half_done() {
    let names: Vec<String> = (0..20).map(|number| format!("member-{number:02}")).collect();
    let of = |range: std::ops::Range<usize>| {
        let members: Vec<&str> = names[range].iter().map(String::as_str).collect();
        Thing::new("web:1", &members)
    };
    let bench = Bench::new();
    let live = || bench.provider.live().iter().filter(|id| id.starts_with("add_member")).count();
    let at = |nth: usize, fault| [vec![Fault::None; nth - 1], vec![fault]].concat();
    // The eighth gets no answer, and while that is in doubt the wanted set moves.
    bench.provider.will("add_member", &at(8, Fault::Refused(Refusal::Unknown)));
    let _ = bench.pass(&of(0..20)).await;
    assert_eq!(live(), 19, "the others do not wait for it");
    // Of those that are not wanted any more, the third is removed, and the answer is lost.
    bench.provider.will("remove_member", &at(3, Fault::Applied(Refusal::Unknown)));
    let outcome = bench.settle(&of(5..12)).await;
    let Outcome::Resting(ThingState::Ready(ready)) = outcome else { panic!("it does not rest") };
    assert_eq!(ready.members.keys().collect::<Vec<_>>(), names[5..12].iter().collect::<Vec<_>>());
    assert_eq!(live(), 7);
    assert!(bench.provider.all_faults_fired());
    bench.clock.advance(Duration::from_secs(20));
    // Half-way through the next change it is made, the answer is lost, and then it is to be deleted.
    bench.provider.will("add_member", &at(4, Fault::Applied(Refusal::Unknown)));
    let _ = bench.pass(&of(10..20)).await;
    assert_eq!(live(), 15, "the others are made, and none is gone while one is missing");
    let outcome = bench.settle(&of(10..20)).await;
    let Outcome::Resting(ThingState::Ready(ready)) = outcome else { panic!("it does not rest") };
    assert_eq!((ready.members.len(), live()), (10, 10));
    assert!(bench.provider.all_faults_fired());
    let gone = Thing { deleting: true, ..of(10..20) };
    assert!(matches!(bench.settle(&gone).await, Outcome::Gone));
    assert!(bench.provider.live().iter().all(|id| id.starts_with("send_mail")), "{:?}", bench.provider.live());
}

/// `remove_member` may be delivered once more for as long as its timeout and settle say, 15 seconds.
#[tokio::test]
async fn a_member_that_comes_back_waits_until_its_undo_is_quiet_and_holds_up_no_other() {
    let (mut bench, only_bob) = (Bench::new(), Thing::new("web:1", &["bob"]));
    assert!(matches!(bench.settle(&Thing::new("web:1", &["ann", "bob"])).await, Outcome::Resting(_)));
    bench.provider.will("remove_member", &[Fault::Applied(Refusal::Unknown)]);
    assert!(matches!(bench.settle(&only_bob).await, Outcome::Resting(_)));
    assert!(bench.provider.all_faults_fired());
    check("undone", &bench, &only_bob).await;
    let all = Thing::new("web:1", &["ann", "bob", "cid"]);
    bench.provider.calls();
    // A controller that has not seen the undo begins to wait when it comes up.
    bench.clock.advance(Duration::from_secs(10));
    bench.restart();
    assert_eq!(bench.pass(&all).await.requeue_after(), Some(Duration::from_secs(15)));
    assert_eq!(bench.provider.calls(), ["lookup_add_member", "add_member"], "cid is no newcomer's namesake");
    bench.clock.advance(Duration::from_secs(14));
    assert_eq!(bench.pass(&all).await.requeue_after(), Some(Duration::from_secs(1)));
    assert!(bench.provider.calls().is_empty());
    bench.clock.advance(Duration::from_secs(1));
    assert!(matches!(bench.pass(&all).await, Outcome::Resting(_)));
    assert_eq!(bench.provider.calls(), ["lookup_add_member", "add_member"]);
    assert!(bench.record(&all).await.undone.is_empty());
}

#[tokio::test]
async fn what_was_undone_is_forgotten_with_the_next_write_after_it_is_quiet() {
    let bench = Bench::new();
    assert!(matches!(bench.settle(&Thing::new("web:1", &["ann"])).await, Outcome::Resting(_)));
    let empty = Thing::new("web:1", &[]);
    bench.provider.will("remove_member", &[Fault::Applied(Refusal::Unknown)]);
    assert!(matches!(bench.settle(&empty).await, Outcome::Resting(_)));
    assert!(bench.provider.all_faults_fired());
    bench.clock.advance(Duration::from_secs(60));
    let writes = bench.store.writes();
    assert!(matches!(bench.pass(&empty).await, Outcome::Resting(_)));
    assert_eq!(bench.store.writes(), writes, "nothing is written for it alone");
    let undone = bench.record(&empty).await.undone;
    assert_eq!(undone.iter().map(|it| it.subject.as_deref()).collect::<Vec<_>>(), [Some("ann")]);
    assert!(matches!(bench.settle(&Thing::new("web:1", &["bob"])).await, Outcome::Resting(_)));
    assert!(bench.record(&empty).await.undone.is_empty());
}
