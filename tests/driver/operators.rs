//! What operators ask for.

use durable_fsm::record::{Expected, Resolution};
use durable_fsm::{Outcome, Resource};

use crate::machine::Thing;
use crate::world::{Bench, Fault, Refusal};

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
async fn what_is_retained_stays_listed_when_nobody_knows_whether_it_is_there() {
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
    let seen = Expected { transition: Some("make_room".to_owned()), seq: Some(before.seq) };
    assert!(bench.runner.resolve_if(&thing.id(), seen, Resolution::NotApplied).await.unwrap().intent.is_none());
}
