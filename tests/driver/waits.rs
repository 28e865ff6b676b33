//! How long a resource waits after a failure or a block, with clocks that are wrong.

use std::time::{Duration, SystemTime};

use durable_fsm::record::{BlockedReason, Record, Stamp};
use durable_fsm::{Class, Classify, Clock, Fsm, Outcome, Wait};

use crate::machine::{Thing, ThingRunner};
use crate::world::{Bench, Fault, ManualClock, Refusal};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

fn thing() -> Thing {
    Thing::new("web:1", &[])
}

/// A clock whose time of day is so far ahead.
struct Ahead(ManualClock, Duration);

impl Clock for Ahead {
    fn wall(&self) -> SystemTime {
        self.0.wall() + self.1
    }
    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
    fn sleep(&self, time: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.sleep(time)
    }
    fn chance(&self) -> u64 {
        512
    }
}

/// One pass of a controller whose time of day is so far ahead.
async fn pass_ahead(bench: &Bench, by: Duration) -> Outcome<crate::machine::ThingState> {
    let clock = Ahead(bench.clock.clone(), by);
    let runner = ThingRunner::builder(bench.provider.clone(), bench.store.clone()).clock(clock).build();
    runner.reconcile(&thing()).await.unwrap()
}

#[tokio::test]
async fn a_clock_that_was_years_ahead_delays_nothing_by_years() {
    // A failure waits a second, and a block ten minutes, as when the clock is right.
    for (refusal, wait) in [(Refusal::NotApplied, 1), (Refusal::Rejected, 600)] {
        for by in [HOUR, 2 * DAY, YEARS] {
            let (bench, wait) = (Bench::new(), Duration::from_secs(wait));
            bench.provider.will("make_account", &[Fault::Refused(refusal)]);
            let _ = pass_ahead(&bench, by).await;
            assert!(bench.provider.all_faults_fired());
            assert_eq!(bench.pass(&thing()).await.requeue_after(), Some(wait), "{refusal:?} {by:?}");
            bench.clock.advance(wait - Duration::from_millis(1));
            bench.provider.calls();
            assert_eq!(bench.pass(&thing()).await.requeue_after(), Some(Duration::from_millis(1)));
            assert!(bench.provider.calls().is_empty(), "it is not time yet");
            bench.clock.advance(Duration::from_millis(1));
            assert!(matches!(bench.settle(&thing()).await, Outcome::Resting(_)), "{refusal:?} {by:?}");
        }
    }
}

#[tokio::test]
async fn a_wait_ends_at_its_time_for_every_controller() {
    let mut bench = Bench::new();
    bench.provider.will("make_account", &[Fault::Refused(Refusal::Rejected)]);
    assert!(matches!(bench.pass(&thing()).await, Outcome::Blocked { .. }));
    bench.clock.advance(Duration::from_secs(599));
    bench.restart();
    let left = bench.pass(&thing()).await.requeue_after();
    assert_eq!(left, Some(Duration::from_secs(1)), "a restart makes no wait longer");
}

#[tokio::test]
async fn a_block_without_end_ends_after_a_day() {
    let bench = Bench::new();
    let builder = ThingRunner::builder(bench.provider.clone(), bench.store.clone()).clock(bench.clock.clone());
    let runner = builder.blocked_for(Duration::MAX).build();
    bench.provider.will("make_account", &[Fault::Refused(Refusal::Rejected)]);
    assert_eq!(runner.reconcile(&thing()).await.unwrap().requeue_after(), Some(DAY));
    bench.provider.calls();
    bench.clock.advance(DAY - Duration::from_secs(1));
    assert!(matches!(runner.reconcile(&thing()).await.unwrap(), Outcome::Blocked { .. }));
    assert!(bench.provider.calls().is_empty());
    bench.clock.advance(Duration::from_secs(1));
    assert!(matches!(runner.reconcile(&thing()).await.unwrap(), Outcome::Resting(_)));
}

/// A wait and an effect whose provider asks to be left alone.
#[derive(Fsm)]
#[fsm(name = "test.io/queue", version = 1, resource = Thing)]
pub enum QueueFlow {
    #[fsm(initial)]
    #[transition(take_number -> Waiting, in_doubt = repeat, undo = none)]
    Arrived,
    #[transition(look -> Served, waits, every = "10m", within = "2h")]
    Waiting { number: u32 },
    #[fsm(resting)]
    Served,
}

struct Office {
    /// What the provider asks for, if it refuses.
    retry_after: Option<Duration>,
    /// The time that it answers with, if with any.
    again: Option<Duration>,
}

#[derive(Debug, thiserror::Error)]
#[error("come back later")]
struct Closed(Duration);

impl Classify for Closed {
    fn classify(&self) -> Class {
        Class::NotApplied { retry_after: Some(self.0) }
    }
}

impl QueueTransitions for Office {
    type Error = Closed;
    async fn take_number(&self, from: Arrived, _: &QueueAttempt) -> Result<Waiting, Closed> {
        match self.retry_after {
            Some(after) => Err(Closed(after)),
            None => Ok(from.waiting(7)),
        }
    }
    async fn look(&self, _: Waiting, _: &QueueAttempt) -> Result<Wait<Served>, Closed> {
        Ok(self.again.map_or(Wait::NotYet, Wait::NotYetFor))
    }
}

fn office(retry_after: Option<Duration>, again: Option<Duration>) -> (Bench, QueueRunner<Office>) {
    let bench = Bench::new();
    let builder = QueueRunner::builder(Office { retry_after, again }, bench.store.clone());
    let runner = builder.clock(bench.clock.clone()).build();
    (bench, runner)
}

async fn record(runner: &QueueRunner<Office>) -> Record {
    runner.inspect(&durable_fsm::Resource::id(&thing())).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_provider_is_left_alone_for_a_day_at_most() {
    for (asked, left) in [(HOUR, HOUR), (DAY, DAY), (YEARS, DAY), (Duration::MAX, DAY)] {
        let (bench, runner) = office(Some(asked), Some(HOUR));
        assert_eq!(runner.reconcile(&thing()).await.unwrap().requeue_after(), Some(left), "{asked:?}");
        let retry = record(&runner).await.retry.unwrap();
        assert_eq!(retry.at.after(retry.since), left, "{asked:?}");
        bench.clock.advance(left - Duration::from_secs(1));
        let outcome = runner.reconcile(&thing()).await.unwrap();
        assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(1)), "{asked:?}");
    }
}

#[tokio::test]
async fn a_look_that_may_be_put_off_is_put_off_for_a_day_at_most() {
    let (_, runner) = office(None, Some(Duration::MAX));
    // What it may wait in all comes before that.
    assert_eq!(runner.reconcile(&thing()).await.unwrap().requeue_after(), Some(2 * HOUR));
    let unlimited = Bench::new();
    unlimited.provider.set_rolled_out(false);
    assert_eq!(unlimited.pass(&thing()).await.requeue_after(), Some(Duration::from_secs(5)));
    let office = Office { retry_after: None, again: Some(Duration::MAX) };
    let runner = PatienceRunner::builder(office, unlimited.store.clone()).clock(unlimited.clock.clone()).build();
    assert_eq!(runner.reconcile(&thing()).await.unwrap().requeue_after(), Some(DAY));
}

/// A wait that may last forever.
#[derive(Fsm)]
#[fsm(name = "test.io/patience", version = 1, resource = Thing)]
pub enum PatienceFlow {
    #[fsm(initial)]
    #[transition(await_word -> Told, waits)]
    Quiet,
    #[fsm(resting)]
    Told,
}

impl PatienceTransitions for Office {
    type Error = Closed;
    async fn await_word(&self, _: Quiet, _: &PatienceAttempt) -> Result<Wait<Told>, Closed> {
        Ok(self.again.map_or(Wait::NotYet, Wait::NotYetFor))
    }
}

/// As a release without that limit has written it, or an editor's hand.
#[tokio::test]
async fn a_wait_of_years_that_is_found_in_a_record_ends_after_a_day() {
    for refusal in [Refusal::NotApplied, Refusal::Rejected] {
        let bench = Bench::new();
        bench.provider.will("make_account", &[Fault::Refused(refusal)]);
        let _ = bench.pass(&thing()).await;
        let mut record = bench.record(&thing()).await;
        record.retry.iter_mut().for_each(|retry| retry.at = retry.since.later(YEARS));
        record.blocked.iter_mut().for_each(|blocked| blocked.at = blocked.since.later(YEARS));
        bench.put(&thing(), &serde_json::to_vec(&record).unwrap()).await;
        assert_eq!(bench.pass(&thing()).await.requeue_after(), Some(DAY), "{refusal:?}");
        bench.clock.advance(DAY);
        assert!(matches!(bench.settle(&thing()).await, Outcome::Resting(_)), "{refusal:?}");
    }
}

#[test]
fn what_is_later_than_time_goes_is_no_later() {
    let now = Stamp::from(SystemTime::UNIX_EPOCH + YEARS);
    assert_eq!(now.later(Duration::MAX), now);
    assert_eq!(now.later(DAY).after(now), DAY);
}

#[tokio::test]
async fn a_look_without_a_time_is_repeated_at_the_declared_interval() {
    let (bench, runner) = office(None, None);
    let every = Duration::from_secs(600);
    let first = runner.reconcile(&thing()).await.unwrap().requeue_after().unwrap();
    assert!(!first.is_zero() && first <= every, "{first:?}");
    bench.clock.advance(first);
    assert_eq!(runner.reconcile(&thing()).await.unwrap().requeue_after(), Some(every));
    // Somebody wakes it up in between: the next look is when it would have been.
    bench.clock.advance(Duration::from_secs(100));
    assert_eq!(runner.reconcile(&thing()).await.unwrap().requeue_after(), Some(Duration::from_secs(500)));
    // An answer with a time counts more.
    let office = Office { retry_after: None, again: Some(Duration::from_secs(7)) };
    let runner = QueueRunner::builder(office, bench.store.clone()).clock(bench.clock.clone()).build();
    assert_eq!(runner.reconcile(&thing()).await.unwrap().requeue_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn what_waits_is_overdue_after_its_time_on_the_own_clock() {
    // Seen by one whose time of day is years ahead it is not overdue at once, and seen by one to whom it has not begun yet it is in the end.
    for (writer, reader) in [(Duration::ZERO, YEARS), (YEARS, Duration::ZERO)] {
        let bench = Bench::new();
        let runner = |ahead: Duration| {
            let office = Office { retry_after: None, again: Some(Duration::from_secs(60)) };
            let clock = Ahead(bench.clock.clone(), ahead);
            QueueRunner::builder(office, bench.store.clone()).clock(clock).build()
        };
        let _ = runner(writer).reconcile(&thing()).await.unwrap();
        let reader = runner(reader);
        for _ in 0..2 * 60 {
            let outcome = reader.reconcile(&thing()).await.unwrap();
            assert!(matches!(outcome, Outcome::Progressing { .. }), "{writer:?}");
            bench.clock.advance(Duration::from_secs(60));
        }
        let outcome = reader.reconcile(&thing()).await.unwrap();
        let Outcome::Blocked { reason, message, .. } = outcome else { panic!("{writer:?}: it is not overdue") };
        assert_eq!(reason, BlockedReason::Overdue);
        assert!(message.contains("has waited for 7200 s"), "{message}");
    }
}

#[tokio::test]
async fn a_backoff_is_jittered_down_by_less_than_a_quarter() {
    // The number that is dealt, and the milliseconds that are left of 16 s after the fifth failure. A quarter less would be 12,000.
    for (dealt, left) in [(0, 16_000), (1, 15_985), (128, 14_000), (255, 12_016), (256, 16_000), (511, 12_016)] {
        let bench = Bench::new();
        let clock = ManualClock::dealing(dealt);
        let runner = ThingRunner::builder(bench.provider.clone(), bench.store.clone()).clock(clock.clone()).build();
        bench.provider.will("make_account", &[Fault::Refused(Refusal::NotApplied); 5]);
        while !bench.provider.all_faults_fired() {
            let after = runner.reconcile(&thing()).await.unwrap().requeue_after().unwrap();
            if !bench.provider.all_faults_fired() {
                clock.advance(after);
            } else {
                assert_eq!(after.as_millis(), left, "{dealt}");
            }
        }
        // And for so long it is left alone, to the millisecond.
        bench.provider.calls();
        clock.advance(Duration::from_millis(u64::try_from(left).unwrap() - 1));
        let outcome = runner.reconcile(&thing()).await.unwrap();
        assert_eq!(outcome.requeue_after(), Some(Duration::from_millis(1)), "{dealt}");
        assert!(bench.provider.calls().is_empty(), "{dealt}");
        clock.advance(Duration::from_millis(1));
        assert!(matches!(runner.reconcile(&thing()).await.unwrap(), Outcome::Resting(_)), "{dealt}");
    }
}

#[tokio::test]
async fn a_record_that_was_written_as_often_as_can_be_counted_is_held() {
    let bench = Bench::new();
    bench.provider.will("make_room", &[Fault::Refused(Refusal::NotApplied)]);
    let _ = bench.pass(&thing()).await;
    bench.clock.advance(HOUR);
    let good = bench.record(&thing()).await;
    for seq in [u64::MAX, u64::MAX - 1, i64::MAX as u64] {
        let record = Record { seq, ..good.clone() };
        bench.put(&thing(), &serde_json::to_vec(&record).unwrap()).await;
        bench.provider.calls();
        let Outcome::Held { message, .. } = bench.pass(&thing()).await else { panic!("{seq}: it is not held") };
        assert!(message.contains("`seq`") && message.contains("restore it from a backup"), "{message}");
        assert!(bench.provider.calls().is_empty());
        assert!(bench.runner.pause(&durable_fsm::Resource::id(&thing())).await.is_err());
    }
    // Below that it is counted on.
    let record = Record { seq: i64::MAX as u64 - 1, ..good };
    bench.put(&thing(), &serde_json::to_vec(&record).unwrap()).await;
    assert!(matches!(bench.pass(&thing()).await, Outcome::Resting(_)));
}
