//! Requests of operators.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use durable_fsm::record::{Direction, Expected, Resolution};
use durable_fsm::{OperateError, Outcome, Resource};

use crate::machine::{Thing, ThingRunner};
use crate::world::{Bench, Fault, Patient, Provider, Refusal};

#[tokio::test]
async fn a_release_leaves_everything_and_lists_it() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &["ann"]));
    let _ = bench.settle(&thing).await;
    let before = bench.provider.live();
    let left = bench.runner.release(&thing.id()).await.unwrap();
    assert_eq!(left.unreadable, None);
    let left: Vec<_> = left.left.iter().map(|it| (it.transition.as_str(), it.subject.as_deref())).collect();
    let expected =
        [("make_account", None), ("make_room", None), ("run_container", Some("web:1")), ("add_member", Some("ann"))];
    assert_eq!(left, expected);
    assert_eq!(bench.provider.live(), before);
    assert_eq!(bench.bytes(&thing).await, None);
}

#[tokio::test]
async fn a_copied_record_is_obeyed_only_after_a_rebind_and_keeps_its_keys() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let _ = bench.settle(&thing).await;
    let restored = Thing { uid: "uid-2".to_owned(), ..thing.clone() };
    let before = bench.bytes(&thing).await;
    let outcome = bench.pass(&restored).await;
    assert!(matches!(&outcome, Outcome::Held { message, .. } if message.contains("rebind")));
    assert_eq!(bench.bytes(&thing).await, before);
    bench.runner.rebind(&thing.id(), "uid-2").await.unwrap();
    bench.provider.calls();
    assert!(matches!(bench.pass(&restored).await, Outcome::Resting(_)));
    assert!(bench.provider.calls().is_empty());
    assert_eq!(bench.record(&thing).await.origin, "uid-1");
}

#[tokio::test]
async fn a_rollback_undoes_everything_and_begins_again() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_room", &[Fault::Refused(Refusal::Rejected)]);
    let _ = bench.pass(&thing).await;
    bench.runner.resolve(&thing.id(), Resolution::RollBack).await.unwrap();
    let outcome = bench.settle(&thing).await;
    assert!(matches!(outcome, Outcome::Resting(_)));
    let accounts = bench.provider.calls().iter().filter(|call| *call == "make_account").count();
    assert_eq!(accounts, 2, "the second is another life");
    assert_eq!(bench.provider.live().iter().filter(|id| id.starts_with("make_account")).count(), 1);
}

/// An undo may go by name, and the name is about to be used again.
#[tokio::test]
async fn what_was_rolled_back_begins_again_only_when_no_late_undo_can_come() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_room", &[Fault::Refused(Refusal::NotApplied)]);
    let _ = bench.pass(&thing).await;
    bench.runner.resolve(&thing.id(), Resolution::RollBack).await.unwrap();
    let (left, why) = loop {
        let Outcome::Progressing { after, reason, .. } = bench.pass(&thing).await else { panic!("it goes back") };
        if bench.provider.live().is_empty() {
            break (after, reason);
        }
        bench.clock.advance(after);
    };
    assert!(why.starts_with("a late request of an undo may still take effect, until"), "{why}");
    bench.provider.calls();
    bench.clock.advance(left - Duration::from_millis(1));
    assert_eq!(bench.pass(&thing).await.requeue_after(), Some(Duration::from_millis(1)));
    assert!(bench.provider.calls().is_empty());
    bench.clock.advance(Duration::from_millis(1));
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
}

#[tokio::test]
async fn a_request_that_the_record_does_not_allow_changes_nothing() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    assert!(bench.runner.pause(&thing.id()).await.is_err(), "there is no record yet");
    let _ = bench.settle(&thing).await;
    let before = bench.bytes(&thing).await;
    for resolution in [Resolution::Retry, Resolution::NotApplied, Resolution::RollBack] {
        let error = bench.runner.resolve(&thing.id(), resolution).await.unwrap_err();
        assert!(error.to_string().contains("nothing is held, blocked or waiting"), "{error}");
    }
    assert_eq!(bench.bytes(&thing).await, before);
}

#[tokio::test]
async fn a_drained_runner_begins_no_further_effect() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.runner.drain().await;
    let outcome = bench.pass(&thing).await;
    assert!(matches!(outcome, Outcome::Progressing { .. }));
    assert!(bench.provider.calls().is_empty());
    assert_eq!(bench.store.writes(), 0);
}

#[tokio::test]
async fn run_all_resumes_what_the_store_lists() {
    let (mut bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_account", &[Fault::Refused(Refusal::NotApplied)]);
    let after = bench.pass(&thing).await.requeue_after().unwrap();
    bench.clock.advance(after);
    bench.restart();
    let mut outcomes = Vec::new();
    let known = |_| std::future::ready(Some(thing.clone()));
    bench.runner.run_all(4, known, |id, outcome| outcomes.push((id, outcome.unwrap()))).await.unwrap();
    let [(id, Outcome::Resting(_))] = outcomes.as_slice() else { panic!("{} outcomes", outcomes.len()) };
    assert_eq!(*id, thing.id());
}

mod licence {
    //! Something that cannot be asked for again and is never given back.

    use crate::machine::{Refused, Thing};
    use crate::world::Provider;
    use durable_fsm::Fsm;

    #[derive(Fsm)]
    #[fsm(name = "test.io/licence", version = 1, resource = Thing)]
    pub enum LicenceFlow {
        #[fsm(initial)]
        #[transition(buy -> Bought, in_doubt = hold, undo = retain, timeout = "10s")]
        Wanted,
        #[fsm(resting)]
        Bought { licence: String },
    }

    impl LicenceTransitions for Provider {
        type Error = Refused;
        async fn buy(&self, from: Wanted, attempt: &LicenceAttempt) -> Result<Bought, Refused> {
            Ok(from.bought(self.make("buy", attempt.key(), "licence").await?))
        }
    }
}

#[tokio::test]
async fn what_is_retained_stays_listed_when_it_is_not_known_whether_it_is_there() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let runner =
        licence::LicenceRunner::builder(bench.provider.clone(), bench.store.clone()).clock(bench.clock.clone()).build();
    bench.provider.will("buy", &[Fault::Applied(Refusal::Unknown)]);
    let outcome = runner.reconcile(&thing).await.unwrap();
    bench.clock.advance(outcome.requeue_after().unwrap());
    assert!(matches!(runner.reconcile(&thing).await.unwrap(), Outcome::Held { .. }));
    runner.resolve(&thing.id(), Resolution::RollBack).await.unwrap();
    // The way back begins when the attempt is quiet, and when nothing of it can come any more it begins again: under the same key, so
    // nothing is bought twice.
    let outcome = runner.reconcile(&thing).await.unwrap();
    bench.clock.advance(outcome.requeue_after().unwrap());
    assert!(matches!(runner.reconcile(&thing).await.unwrap(), Outcome::Resting(_)));
    assert_eq!(bench.provider.live().len(), 1);
    let left = runner.release(&thing.id()).await.unwrap();
    assert_eq!(left.left.iter().map(|it| it.transition.as_str()).collect::<Vec<_>>(), ["buy"]);
}

#[tokio::test]
async fn a_decision_about_one_effect_is_not_carried_out_on_another() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_room", &[Fault::Refused(Refusal::Unknown)]);
    let _ = bench.pass(&thing).await;
    let before = bench.record(&thing).await;
    assert_eq!(before.intent.as_ref().map(|intent| intent.transition.as_str()), Some("make_room"));
    let other = Expected { transition: Some("make_account".to_owned()), seq: None };
    let error = bench.runner.resolve_if(&thing.id(), other, Resolution::NotApplied).await.unwrap_err();
    assert!(error.to_string().contains("meant for `make_account`, and `make_room` is under way"), "{error}");
    let stale = Expected { transition: None, seq: Some(before.seq - 1) };
    let error = bench.runner.resolve_if(&thing.id(), stale, Resolution::NotApplied).await.unwrap_err();
    assert!(error.to_string().contains("meant for sequence number"), "{error}");
    assert_eq!(bench.record(&thing).await, before);
    // What was sent last is over.
    bench.clock.advance(Duration::from_secs(10 + 5));
    let seen = Expected { transition: Some("make_room".to_owned()), seq: Some(before.seq) };
    assert!(bench.runner.resolve_if(&thing.id(), seen, Resolution::NotApplied).await.unwrap().intent.is_none());
}

/// A licence that was refused once, and is being bought again by a call that goes on: the first failure still stands in the record. Nothing takes
/// too long on its clock.
struct Buying {
    bench: Bench,
    runner: licence::LicenceRunner<Provider>,
    pass: Pin<Box<dyn Future<Output = Outcome<licence::LicenceState>>>>,
}

async fn buying(thing: &Thing) -> Buying {
    let bench = Bench::new();
    let clock = Patient(bench.clock.clone());
    let runner = licence::LicenceRunner::builder(bench.provider.clone(), bench.store.clone()).clock(clock).build();
    bench.provider.will("buy", &[Fault::Refused(Refusal::NotApplied), Fault::Silent]);
    let after = runner.reconcile(thing).await.unwrap().requeue_after().unwrap();
    bench.clock.advance(after);
    let (caller, of) = (runner.clone(), thing.clone());
    let mut pass: Pin<Box<dyn Future<Output = _>>> = Box::pin(async move { caller.reconcile(&of).await.unwrap() });
    assert!(pass.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(bench.provider.all_faults_fired());
    bench.provider.calls();
    Buying { bench, runner, pass }
}

fn bought() -> Resolution {
    let facts = std::iter::once(("licence".to_owned(), "L-1".into())).collect();
    Resolution::Applied { state: "Bought".to_owned(), facts }
}

#[tokio::test]
async fn what_became_of_an_attempt_is_not_for_saying_while_it_is_under_way() {
    for resolution in [Resolution::NotApplied, bought()] {
        let thing = Thing::new("web:1", &[]);
        let Buying { bench, runner, pass } = buying(&thing).await;
        let before = runner.inspect(&thing.id()).await.unwrap().unwrap();
        assert!(before.retry.is_some() && before.intent.is_some());
        for elapsed in [0, 9] {
            bench.clock.advance(Duration::from_secs(elapsed));
            let error = runner.resolve(&thing.id(), resolution.clone()).await.unwrap_err();
            let OperateError::UnderWay { transition, attempt, left } = &error else { panic!("{error}") };
            assert_eq!((transition.as_str(), *attempt, left.as_secs()), ("buy", 2, 10 - elapsed));
            assert!(error.to_string().contains("may still be under way (attempt 2)"), "{error}");
            assert_eq!(runner.inspect(&thing.id()).await.unwrap().unwrap(), before);
        }
        drop(pass);
        bench.clock.advance(Duration::from_secs(1));
        let record = runner.resolve(&thing.id(), resolution).await.unwrap();
        assert!(record.intent.is_none(), "now nothing of it can come");
    }
}

#[tokio::test]
async fn another_process_counts_an_attempt_from_when_it_has_seen_it() {
    let thing = Thing::new("web:1", &[]);
    let Buying { bench, runner, .. } = buying(&thing).await;
    bench.clock.advance(Duration::from_secs(3600));
    let other = licence::LicenceRunner::builder(bench.provider.clone(), bench.store.clone());
    let other = other.clock(bench.clock.of_another_process()).build();
    let error = other.resolve(&thing.id(), Resolution::NotApplied).await.unwrap_err();
    assert!(matches!(error, OperateError::UnderWay { left, .. } if left == Duration::from_secs(10)), "{error}");
    bench.clock.advance(Duration::from_secs(10));
    assert!(other.resolve(&thing.id(), Resolution::NotApplied).await.is_ok());
    assert!(runner.inspect(&thing.id()).await.unwrap().unwrap().intent.is_none());
}

#[tokio::test]
async fn what_is_held_in_doubt_is_for_saying_at_once() {
    let thing = Thing::new("web:1", &[]);
    let Buying { bench, pass, .. } = buying(&thing).await;
    drop(pass);
    let mut process = bench.clock.clone();
    let mut judge = || {
        process = process.of_another_process();
        licence::LicenceRunner::builder(bench.provider.clone(), bench.store.clone()).clock(process.clone()).build()
    };
    let first = judge();
    let after = first.reconcile(&thing).await.unwrap().requeue_after().unwrap();
    bench.clock.advance(after);
    assert!(matches!(first.reconcile(&thing).await.unwrap(), Outcome::Held { .. }));
    // Also by a controller that has not seen it before: the operator who held it has waited.
    assert!(judge().resolve(&thing.id(), Resolution::NotApplied).await.unwrap().intent.is_none());
}

#[tokio::test]
async fn a_retry_and_a_roll_back_leave_an_attempt_that_is_under_way_open() {
    for (resolution, direction) in
        [(Resolution::Retry, Direction::Forward), (Resolution::RollBack, Direction::RollingBack)]
    {
        let thing = Thing::new("web:1", &[]);
        let Buying { bench, runner, pass } = buying(&thing).await;
        let record = runner.resolve(&thing.id(), resolution).await.unwrap();
        assert_eq!((record.intent.unwrap().attempt, record.direction), (2, direction));
        // The next pass waits for it.
        let outcome = runner.reconcile(&thing).await.unwrap();
        assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(10)));
        assert!(bench.provider.calls().is_empty());
        drop(pass);
    }
}

#[tokio::test]
async fn a_rebind_leaves_an_attempt_that_is_under_way_open_for_the_new_owner() {
    let thing = Thing::new("web:1", &[]);
    let Buying { bench, runner, pass } = buying(&thing).await;
    runner.rebind(&thing.id(), "uid-2").await.unwrap();
    let moved = Thing { uid: "uid-2".to_owned(), ..thing };
    let outcome = runner.reconcile(&moved).await.unwrap();
    assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(10)));
    bench.clock.advance(Duration::from_secs(10));
    drop(pass);
    assert!(matches!(runner.reconcile(&moved).await.unwrap(), Outcome::Held { .. }), "a person says what became of it");
    assert!(bench.provider.calls().is_empty());
    assert_eq!(bench.provider.live().len(), 1, "the one that was sent before");
}

#[tokio::test]
async fn a_record_is_not_released_while_an_attempt_is_under_way() {
    let thing = Thing::new("web:1", &[]);
    let Buying { bench, runner, pass } = buying(&thing).await;
    let error = runner.release(&thing.id()).await.unwrap_err();
    assert!(matches!(error, OperateError::UnderWay { .. }), "{error}");
    assert!(runner.inspect(&thing.id()).await.unwrap().is_some());
    drop(pass);
    bench.clock.advance(Duration::from_secs(10));
    let left = runner.release(&thing.id()).await.unwrap().left;
    assert_eq!(left.iter().map(|it| (it.transition.as_str(), it.in_doubt)).collect::<Vec<_>>(), [("buy", true)]);
}

#[tokio::test]
async fn a_request_that_others_overtake_again_and_again_ends() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let _ = bench.settle(&thing).await;
    let busy = crate::interference::Busy::new(&bench.store);
    let runner = ThingRunner::builder(bench.provider.clone(), busy.clone()).clock(bench.clock.clone()).build();
    let before = bench.clock.elapsed();
    for _ in 0..2 {
        assert!(matches!(runner.pause(&thing.id()).await, Err(OperateError::Store(durable_fsm::StoreError::Conflict))));
        assert!(matches!(
            runner.release(&thing.id()).await,
            Err(OperateError::Store(durable_fsm::StoreError::Conflict))
        ));
    }
    assert_eq!(busy.tries(), 4 * 10, "each tries as often as this");
    assert!(bench.clock.elapsed() - before > Duration::from_secs(4), "and waits in between");
}
