//! The holder of an intent, and how long other controllers leave it alone.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use durable_fsm::{Crossing, Outcome, Probe, Runner, Side, Site};

use crate::altered::Altered;
use crate::machine::{Thing, ThingFlow, ThingRunner};
use crate::world::{Bench, Fault, Patient, Provider, Refusal};

fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// A bench on whose clock nothing takes too long, and whose first account is made without an answer.
fn silent() -> (Bench, ThingRunner<Provider>) {
    let bench = Bench::new();
    bench.provider.will("make_account", &[Fault::Silent]);
    let clock = Patient(bench.clock.clone());
    let runner = ThingRunner::builder(bench.provider.clone(), bench.store.clone()).clock(clock).build();
    (bench, runner)
}

#[tokio::test]
async fn a_call_that_goes_on_is_waited_for_and_one_that_has_ended_is_not() {
    let ((bench, runner), thing) = (silent(), Thing::new("web:1", &[]));
    let mut first = Box::pin(runner.reconcile(&thing));
    assert!(poll(&mut first).is_pending());
    assert_eq!(bench.provider.calls(), ["make_account"]);
    let second = runner.reconcile(&thing).await.unwrap();
    assert_eq!(second.requeue_after(), Some(Duration::from_secs(10)), "the time-out of `make_account`");
    assert!(bench.provider.calls().is_empty());
    drop(first);
    assert!(matches!(runner.reconcile(&thing).await.unwrap(), Outcome::Resting(_)), "no one is at it any more");
    assert_eq!(bench.provider.live().iter().filter(|id| id.starts_with("make_account")).count(), 1);
}

#[tokio::test]
async fn a_drain_returns_when_the_last_pass_has_ended() {
    let ((bench, runner), thing) = (silent(), Thing::new("web:1", &[]));
    let mut pass = Box::pin(runner.reconcile(&thing));
    assert!(poll(&mut pass).is_pending());
    let mut drain = Box::pin(runner.drain());
    assert!(poll(&mut drain).is_pending());
    drop(pass);
    assert!(poll(&mut drain).is_ready());
    bench.provider.calls();
    let _ = runner.reconcile(&thing).await.unwrap();
    assert!(bench.provider.calls().is_empty());
}

#[tokio::test]
async fn a_repeat_follows_at_once_only_a_holder_that_is_known_to_be_gone() {
    let (retry, timeout) = (Some(Duration::from_secs(1)), Some(Duration::from_secs(10)));
    let (mut bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_account", &[Fault::Applied(Refusal::Unknown)]);
    assert_eq!(bench.pass(&thing).await.requeue_after(), retry, "it was its own");
    assert_eq!(bench.pass(&thing).await.requeue_after(), retry, "it was an earlier call of its own");
    bench.restart();
    assert_eq!(bench.pass(&thing).await.requeue_after(), timeout, "another process may be at it still");
    let alone =
        ThingRunner::builder(bench.provider.clone(), Altered::exclusive(&bench.store)).clock(bench.clock.clone());
    assert_eq!(alone.build().reconcile(&thing).await.unwrap().requeue_after(), retry, "there is no other process");
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
    assert_eq!(bench.provider.live().iter().filter(|id| id.starts_with("make_account")).count(), 1);
}

/// Asks the runner to stop when a look-up is over.
#[derive(Clone, Default)]
struct StopsAfterLookup(Arc<OnceLock<Runner<ThingFlow, Provider>>>);

impl Probe for StopsAfterLookup {
    async fn cross(&self, crossing: &Crossing<'_>) {
        if let (Site::Lookup, Side::After, Some(runner)) = (crossing.site, crossing.side, self.0.get()) {
            // The pass itself is under way, so that this does not return before it.
            let mut drain = pin!(runner.drain());
            poll_fn(|context| Poll::Ready(drain.as_mut().poll(context).is_pending())).await;
        }
    }
}

#[tokio::test]
async fn what_is_stopped_while_it_looks_takes_its_intent_back() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let probe = StopsAfterLookup::default();
    let builder = ThingRunner::builder(bench.provider.clone(), bench.store.clone()).clock(bench.clock.clone());
    let runner = builder.probe(probe.clone()).build();
    assert!(probe.0.set(runner.clone()).is_ok());
    let outcome = runner.reconcile(&thing).await.unwrap();
    assert_eq!(outcome.requeue_after(), Some(Duration::ZERO));
    assert_eq!(bench.provider.calls(), ["make_account", "lookup_make_room"]);
    let record = bench.record(&thing).await;
    assert!(record.intent.is_none() && record.unconfirmed.is_empty(), "nothing was sent");
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
}

/// Writes down each crossing.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Probe for Diary {
    async fn cross(&self, crossing: &Crossing<'_>) {
        self.0.lock().unwrap().push(crossing.to_string());
    }
}

#[tokio::test]
async fn crossings_are_labelled_by_the_step_that_they_are_about() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &["ann"]));
    let diary = Diary::default();
    let builder = ThingRunner::builder(bench.provider.clone(), bench.store.clone()).clock(bench.clock.clone());
    let runner = builder.probe(diary.clone()).build();
    assert!(matches!(runner.reconcile(&thing).await.unwrap(), Outcome::Resting(_)));
    let crossed = std::mem::take(&mut *diary.0.lock().unwrap());
    let before: Vec<&str> = crossed.iter().filter_map(|label| label.strip_suffix(":before")).collect();
    // An outcome is written with the next intent, or before a look that may take long, and under the label of what was done last.
    let steps = [
        "load",
        "make_account/intent",
        "make_account/effect",
        "make_account/commit",
        "make_room/lookup",
        "make_room/effect",
        "make_room/commit",
        "roll_out/wait",
        "send_mail/intent",
        "send_mail/effect",
        "send_mail/commit",
        "run_container(web:1)/effect",
        "run_container(web:1)/commit",
        "add_member(ann)/lookup",
        "add_member(ann)/effect",
        "add_member(ann)/commit",
    ];
    assert_eq!(before, steps);
    assert_eq!(crossed.len(), 2 * before.len(), "each has an end");
}

#[tokio::test]
async fn time_is_counted_from_when_each_attempt_was_first_seen() {
    let (mut bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_account", &[Fault::Refused(Refusal::Unknown); 2]);
    let holder = bench.runner.clone();
    let _ = holder.reconcile(&thing).await.unwrap();
    bench.restart();
    let timeout = Some(Duration::from_secs(10));
    assert_eq!(bench.pass(&thing).await.requeue_after(), timeout);
    bench.clock.advance(Duration::from_secs(9));
    assert_eq!(bench.pass(&thing).await.requeue_after(), Some(Duration::from_secs(1)));
    let _ = holder.reconcile(&thing).await.unwrap();
    assert!(bench.provider.all_faults_fired());
    assert_eq!(bench.pass(&thing).await.requeue_after(), timeout, "this is another attempt");
}

#[tokio::test]
async fn an_undo_waits_for_the_effect_that_it_undoes_and_not_for_an_older_one() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &["ann"]));
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
    bench.clock.advance(Duration::from_secs(3600));
    let changed = Thing::new("web:2", &["ann"]);
    assert!(matches!(bench.pass(&changed).await, Outcome::Resting(_)), "the old container is quiet");
    let deleted = Thing { deleting: true, ..changed };
    assert_eq!(bench.pass(&deleted).await.requeue_after(), Some(Duration::from_secs(10)));
    bench.clock.advance(Duration::from_secs(10));
    bench.provider.calls();
    assert!(matches!(bench.pass(&deleted).await, Outcome::Gone));
    assert_eq!(bench.provider.calls()[0], "stop_container");
}

/// `make_room` is looked up, so its requests are delivered once.
#[tokio::test]
async fn an_undo_waits_only_where_a_late_request_may_still_land() {
    for (fault, waits) in [(None, 5), (Some(Fault::Applied(Refusal::Unknown)), 15)] {
        let (mut bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
        bench.provider.set_rolled_out(false);
        bench.provider.will("make_room", fault.as_slice());
        let outcome = bench.pass(&thing).await;
        bench.clock.advance(outcome.requeue_after().unwrap());
        let _ = bench.pass(&thing).await;
        assert_eq!(bench.record(&thing).await.undo.len(), 2);
        bench.restart();
        let deleted = Thing { deleting: true, ..thing };
        // What was answered is there; only the look-up before the undo may not know it yet.
        assert_eq!(bench.pass(&deleted).await.requeue_after(), Some(Duration::from_secs(waits)));
        assert!(bench.provider.all_faults_fired());
    }
}

#[tokio::test]
async fn the_undo_of_what_was_sent_waits_for_the_last_life_of_it() {
    let bench = Bench::new();
    bench.provider.will("make_account", &[Fault::Refused(Refusal::NotApplied); 2]);
    let _ = bench.pass(&Thing::new("web:1", &[])).await;
    bench.clock.advance(Duration::from_secs(3600));
    let changed = Thing::new("web:2", &[]);
    let _ = bench.pass(&changed).await;
    let lives: Vec<_> =
        bench.record(&changed).await.unconfirmed.iter().map(|unconfirmed| unconfirmed.attempt).collect();
    assert_eq!(lives, [1, 1], "each spec has its own, and its own attempts");
    bench.provider.calls();
    let deleted = Thing { deleting: true, ..changed };
    assert_eq!(bench.pass(&deleted).await.requeue_after(), Some(Duration::from_secs(10)));
    assert!(bench.provider.calls().is_empty(), "it may still be on its way");
}

#[tokio::test]
async fn a_drain_waits_for_the_passes_of_all_runners_of_one_controller() {
    for from_the_first in [true, false] {
        let ((bench, runner), thing) = (silent(), Thing::new("web:1", &[]));
        let other = runner.on_store(bench.store.clone());
        let third = other.on_store(bench.store.clone());
        let mut pass = Box::pin(third.reconcile(&thing));
        assert!(poll(&mut pass).is_pending());
        let drained = async {
            if from_the_first {
                runner.drain().await;
            } else {
                third.drain().await;
            }
        };
        let mut drain = Box::pin(drained);
        assert!(poll(&mut drain).is_pending(), "a pass is under way");
        drop(pass);
        assert!(poll(&mut drain).is_ready());
        bench.provider.calls();
        for runner in [&runner, &other, &third] {
            let _ = runner.reconcile(&thing).await.unwrap();
        }
        assert!(bench.provider.calls().is_empty(), "none of them begins another effect");
    }
}

#[tokio::test]
async fn what_one_runner_has_seen_the_others_of_its_controller_have_seen() {
    let (mut bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_account", &[Fault::Applied(Refusal::Unknown)]);
    let _ = bench.pass(&thing).await;
    bench.restart();
    assert_eq!(bench.pass(&thing).await.requeue_after(), Some(Duration::from_secs(10)));
    bench.clock.advance(Duration::from_secs(9));
    let other = bench.runner.on_store(bench.store.clone());
    assert_eq!(other.reconcile(&thing).await.unwrap().requeue_after(), Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn a_method_does_not_go_on_when_the_process_stood_still_past_its_deadline() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    let clock = Patient(bench.clock.clone());
    bench.provider.wait_before("make_account");
    let runner = ThingRunner::builder(bench.provider.clone(), bench.store.clone()).clock(clock).build();
    let mut pass = Box::pin(runner.reconcile(&thing));
    assert!(poll(&mut pass).is_pending(), "it is about to send");
    bench.clock.advance(Duration::from_secs(8 * 3600));
    bench.provider.go_on();
    let Poll::Ready(outcome) = poll(&mut pass) else { panic!("the deadline has passed") };
    assert!(outcome.unwrap().requeue_after().is_some());
    assert!(bench.provider.live().is_empty(), "nothing was sent eight hours late");
    let retry = bench.record(&thing).await.retry.unwrap();
    assert!(retry.class == "unknown" && retry.error.contains("no answer within 10000 ms"), "{retry:?}");
}
