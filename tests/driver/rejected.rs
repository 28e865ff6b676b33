//! A machine that undoes everything when an effect is rejected.

use std::time::Duration;

use durable_fsm::record::{BlockedReason, Direction, Record, Resolution};
use durable_fsm::store::MemoryStore;
use durable_fsm::{Fsm, Outcome, RecordId, Resource as _, Store as _, Undone};

use crate::golden::check_bytes;
use crate::machine::{Refused, Thing};
use crate::world::{Fault, ManualClock, Provider, Refusal};

/// A trip of a flight and a hotel: one without the other is of no use, and costs money.
#[derive(Fsm)]
#[fsm(name = "test.io/trip", version = 1, resource = Thing, on_rejected = undo)]
pub enum TripFlow {
    /// Nothing is booked.
    #[fsm(initial)]
    #[transition(book_flight -> Flight, in_doubt = repeat, undo = cancel_flight, timeout = "10s")]
    Wanted,
    /// The flight is booked.
    #[transition(book_hotel -> Booked, in_doubt = repeat, undo = cancel_hotel, timeout = "10s")]
    Flight { flight: String },
    /// Both are.
    #[fsm(resting)]
    Booked { hotel: String },
}

impl TripTransitions for Provider {
    type Error = Refused;
    async fn book_flight(&self, from: Wanted, attempt: &TripAttempt) -> Result<Flight, Refused> {
        Ok(from.flight(self.make("book_flight", attempt.key(), "").await?))
    }
    async fn cancel_flight(&self, made: &Flight, _: &TripAttempt) -> Result<Undone, Refused> {
        self.remove("cancel_flight", &made.flight).await.map(Undone::from)
    }
    async fn book_hotel(&self, from: Flight, attempt: &TripAttempt) -> Result<Booked, Refused> {
        Ok(from.booked(self.make("book_hotel", attempt.key(), "").await?))
    }
    async fn cancel_hotel(&self, made: &Booked, _: &TripAttempt) -> Result<Undone, Refused> {
        self.remove("cancel_hotel", &made.hotel).await.map(Undone::from)
    }
}

struct Agency {
    provider: Provider,
    store: MemoryStore,
    clock: ManualClock,
    runner: TripRunner<Provider>,
}

impl Agency {
    fn new() -> Self {
        let (provider, store, clock) = (Provider::default(), MemoryStore::new(), ManualClock::default());
        let runner = TripRunner::builder(provider.clone(), store.clone()).clock(clock.clone()).build();
        Self { provider, store, clock, runner }
    }

    /// The hotel is full, once.
    fn full() -> Self {
        let agency = Self::new();
        agency.provider.will("book_hotel", &[Fault::Refused(Refusal::Rejected)]);
        agency
    }

    /// Passes until it does not go on by itself, waiting as long as it is told to.
    async fn settle(&self, thing: &Thing) -> Outcome<TripState> {
        loop {
            match self.runner.reconcile(thing).await.unwrap() {
                Outcome::Progressing { after, .. } => self.clock.advance(after),
                outcome => return outcome,
            }
        }
    }

    async fn bytes(&self) -> Vec<u8> {
        let id = RecordId { machine: TripFlow::GRAPH.name.to_owned(), resource: trip().id() };
        self.store.load(&id).await.unwrap().bytes.unwrap()
    }

    async fn record(&self) -> Record {
        Record::decode(&TripFlow::GRAPH, &self.bytes().await).unwrap()
    }
}

fn trip() -> Thing {
    Thing::new("in May", &[])
}

fn elsewhere() -> Thing {
    Thing::new("in June", &[])
}

#[tokio::test]
async fn everything_is_undone_at_once_and_begun_again_when_the_spec_changes() {
    let agency = Agency::full();
    let before = durable_fsm::Clock::monotonic(&agency.clock);
    let Outcome::Blocked { reason, message, after, .. } = agency.settle(&trip()).await else { panic!("not blocked") };
    let took = durable_fsm::Clock::monotonic(&agency.clock) - before;
    assert!(took < Duration::from_secs(60), "only what may be under way still is waited for: {took:?}");
    assert_eq!(after, Duration::from_secs(600) - took);
    assert_eq!(reason, BlockedReason::RolledBack);
    assert!(message.contains("`book_hotel` was rejected") && message.contains("everything is undone"), "{message}");
    assert!(agency.provider.live().is_empty() && agency.provider.all_faults_fired());
    check_bytes("rolled-back", &TripFlow::GRAPH, &agency.bytes().await);

    agency.provider.calls();
    assert!(matches!(agency.settle(&trip()).await, Outcome::Blocked { .. }));
    assert!(agency.provider.calls().is_empty(), "nothing is booked while nothing has changed");
    assert!(matches!(agency.settle(&elsewhere()).await, Outcome::Resting(_)));
    assert_eq!(agency.provider.calls(), ["book_flight", "book_hotel"]);
}

#[tokio::test]
async fn it_begins_again_when_the_slow_timer_fires_or_an_operator_says_so() {
    let agency = Agency::full();
    let after = agency.settle(&trip()).await.requeue_after().unwrap();
    agency.clock.advance(after - Duration::from_secs(1));
    assert!(matches!(agency.runner.reconcile(&trip()).await.unwrap(), Outcome::Blocked { .. }));
    agency.clock.advance(Duration::from_secs(1));
    assert!(matches!(agency.settle(&trip()).await, Outcome::Resting(_)));
    assert_eq!(agency.provider.live().len(), 2);

    let agency = Agency::full();
    let _ = agency.settle(&trip()).await;
    agency.runner.resolve(&trip().id(), Resolution::Retry).await.unwrap();
    assert!(matches!(agency.settle(&trip()).await, Outcome::Resting(_)));
}

#[tokio::test]
async fn what_is_changed_half_way_is_undone_all_the_same() {
    let agency = Agency::full();
    agency.provider.will("cancel_flight", &[Fault::Refused(Refusal::NotApplied)]);
    while !agency.provider.all_faults_fired() {
        let after = agency.runner.reconcile(&trip()).await.unwrap().requeue_after().unwrap();
        agency.clock.advance(after);
    }
    assert_eq!(agency.record().await.direction, Direction::RollingBack);
    assert_eq!(
        agency.record().await.blocked.unwrap().reason,
        BlockedReason::RolledBack,
        "a failed undo is another thing"
    );
    agency.provider.calls();
    assert!(matches!(agency.settle(&elsewhere()).await, Outcome::Resting(_)));
    assert_eq!(agency.provider.calls(), ["cancel_flight", "book_flight", "book_hotel"]);
    assert_eq!(agency.provider.live().len(), 2);
}

#[tokio::test]
async fn an_undo_that_is_rejected_too_says_so() {
    let agency = Agency::full();
    agency.provider.will("cancel_flight", &[Fault::Refused(Refusal::Rejected)]);
    let Outcome::Blocked { reason, message, .. } = agency.settle(&trip()).await else { panic!("not blocked") };
    assert_eq!(reason, BlockedReason::Rejected);
    assert!(message.contains("the undo of `book_flight` was rejected"), "{message}");
    agency.clock.advance(Duration::from_secs(600));
    assert!(matches!(agency.settle(&trip()).await, Outcome::Resting(_)));
    assert_eq!(agency.provider.live().len(), 2);
}

#[tokio::test]
async fn a_deletion_does_not_wait_for_the_block_to_end() {
    let agency = Agency::full();
    let _ = agency.settle(&trip()).await;
    assert!(matches!(agency.settle(&Thing { deleting: true, ..trip() }).await, Outcome::Gone));
    assert!(agency.provider.live().is_empty());
}
