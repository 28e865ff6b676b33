//! Steps that are given up: how long the machine waits before it begins again, and what is never given up.

use std::time::Duration;

use durable_fsm::record::{BlockedReason, HeldReason, Record};
use durable_fsm::store::MemoryStore;
use durable_fsm::{Outcome, RecordId, Resource as _, Store as _};

use crate::machine::Thing;
use crate::world::{Fault, ManualClock, Provider, Refusal};

mod parcel {
    use durable_fsm::{Fsm, Undone};

    use crate::machine::{Refused, Thing};
    use crate::world::Provider;

    /// A parcel. After two failures to send it, it is packed anew.
    #[derive(Fsm)]
    #[fsm(name = "test.io/parcel", version = 1, resource = Thing, timeout = "10s")]
    pub enum ParcelFlow {
        #[fsm(initial)]
        #[transition(pack -> Packed, in_doubt = repeat, undo = unpack)]
        Wanted,
        #[transition(send -> Sent, in_doubt = repeat, undo = call_back, retry = "1s..2m", attempts = 2, exhausted = rewind(Wanted))]
        Packed { parcel: String },
        #[fsm(resting)]
        Sent { receipt: String },
    }

    impl ParcelTransitions for Provider {
        type Error = Refused;
        async fn pack(&self, from: Wanted, attempt: &ParcelAttempt) -> Result<Packed, Refused> {
            Ok(from.packed(self.make("pack", attempt.key(), "").await?))
        }
        async fn unpack(&self, made: &Packed, _: &ParcelAttempt) -> Result<Undone, Refused> {
            self.remove("unpack", &made.parcel).await.map(Undone::from)
        }
        async fn send(&self, from: Packed, attempt: &ParcelAttempt) -> Result<Sent, Refused> {
            Ok(from.sent(self.make("send", attempt.key(), "").await?))
        }
        async fn call_back(&self, made: &Sent, _: &ParcelAttempt) -> Result<Undone, Refused> {
            self.remove("call_back", &made.receipt).await.map(Undone::from)
        }
    }
}

mod deposit {
    use std::collections::BTreeSet;

    use durable_fsm::{Each, Failure, Fsm, Undone};

    use crate::machine::{Refused, Thing};
    use crate::world::Provider;

    /// A deposit, and coins that are made from it.
    #[derive(Fsm)]
    #[fsm(name = "test.io/deposit", version = 1, resource = Thing, timeout = "10s", debug)]
    pub enum DepositFlow {
        #[fsm(initial)]
        #[transition(pay -> Paid, in_doubt = hold, undo = none, attempts = 1, exhausted = Unpaid)]
        Owed,
        #[fsm(resting)]
        #[transition(mint, for_each = coins, in_doubt = hold, undo = melt, abort = sweep_up)]
        Paid { receipt: String, coins: Each<String, String> },
        #[fsm(resting, failed)]
        Unpaid { failure: Failure },
    }

    impl DepositTransitions for Provider {
        type Error = Refused;
        async fn pay(&self, from: Owed, attempt: &DepositAttempt) -> Result<Paid, Refused> {
            Ok(from.paid(self.make("pay", attempt.key(), "").await?))
        }
        fn coins(&self, _: &Paid, thing: &Thing) -> BTreeSet<String> {
            thing.spec.members.clone()
        }
        async fn mint(&self, _: &Paid, _: &String, attempt: &DepositAttempt) -> Result<String, Refused> {
            self.make("mint", attempt.key(), "").await
        }
        async fn melt(&self, _: &Paid, _: &String, coin: &String, _: &DepositAttempt) -> Result<Undone, Refused> {
            self.remove("melt", coin).await.map(Undone::from)
        }
        async fn sweep_up(&self, _: &Paid, _: &String, _: &DepositAttempt) -> Result<Undone, Refused> {
            Ok(Undone::Done)
        }
    }
}

use deposit::{DepositFlow, DepositRunner, DepositState};
use parcel::{ParcelRunner, ParcelState};

#[tokio::test]
async fn what_goes_back_because_a_step_was_given_up_waits_before_it_begins_again() {
    let (provider, clock) = (Provider::default(), ManualClock::default());
    let runner = ParcelRunner::builder(provider.clone(), MemoryStore::new()).clock(clock.clone()).build();
    provider.will("send", &[Fault::Refused(Refusal::NotApplied), Fault::Refused(Refusal::NotApplied)]);
    let settle = async |thing: &Thing| loop {
        match runner.reconcile(thing).await.unwrap() {
            Outcome::Progressing { after, .. } => clock.advance(after),
            outcome => return outcome,
        }
    };
    let thing = Thing::new("web:1", &[]);
    let Outcome::Blocked { reason, message, after, .. } = settle(&thing).await else { panic!("not blocked") };
    assert_eq!(reason, BlockedReason::RolledBack);
    assert!(message.contains("`send` was given up after 2 attempts"), "{message}");
    assert!(after > Duration::ZERO && after <= Duration::from_secs(120), "{after:?}");
    assert!(provider.all_faults_fired() && provider.live().is_empty());
    provider.calls();
    assert!(matches!(settle(&thing).await, Outcome::Blocked { .. }));
    assert!(provider.calls().is_empty(), "nothing is packed while nothing has changed");
    clock.advance(after);
    assert!(matches!(settle(&thing).await, Outcome::Resting(ParcelState::Sent(_))));
    assert_eq!(provider.calls(), ["pack", "send"]);
}

struct Bank {
    provider: Provider,
    store: MemoryStore,
    clock: ManualClock,
    runner: DepositRunner<Provider>,
}

impl Bank {
    fn new() -> Self {
        let (provider, store, clock) = (Provider::default(), MemoryStore::new(), ManualClock::default());
        let runner = DepositRunner::builder(provider.clone(), store.clone()).clock(clock.clone()).build();
        Self { provider, store, clock, runner }
    }

    async fn settle(&self, thing: &Thing) -> Outcome<DepositState> {
        loop {
            match self.runner.reconcile(thing).await.unwrap() {
                Outcome::Progressing { after, .. } => self.clock.advance(after),
                outcome => return outcome,
            }
        }
    }

    async fn record(&self, thing: &Thing) -> Record {
        let id = RecordId { machine: DepositFlow::GRAPH.name.to_owned(), resource: thing.id() };
        Record::decode(&DepositFlow::GRAPH, &self.store.load(&id).await.unwrap().bytes.unwrap()).unwrap()
    }
}

#[tokio::test]
async fn what_is_in_doubt_under_hold_is_never_given_up() {
    let thing = Thing::new("web:1", &[]);
    let bank = Bank::new();
    bank.provider.will("pay", &[Fault::Refused(Refusal::NotApplied)]);
    assert!(matches!(bank.settle(&thing).await, Outcome::Resting(DepositState::Unpaid(_))));

    let bank = Bank::new();
    bank.provider.will("pay", &[Fault::Refused(Refusal::Unknown)]);
    let outcome = bank.settle(&thing).await;
    assert!(matches!(&outcome, Outcome::Held { reason: HeldReason::InDoubt, .. }), "{outcome:?}");
    assert_eq!(bank.record(&thing).await.state, "Owed");
}

/// What a person has to look for stands in the record as what is under way, and no other member begins beside it.
#[tokio::test]
async fn a_member_in_doubt_under_hold_makes_no_way_for_others() {
    let thing = Thing::new("web:1", &["ann", "bob"]);
    let bank = Bank::new();
    bank.provider.will("mint", &[Fault::Refused(Refusal::Unknown)]);
    let outcome = bank.settle(&thing).await;
    assert!(matches!(&outcome, Outcome::Held { reason: HeldReason::InDoubt, .. }), "{outcome:?}");
    let record = bank.record(&thing).await;
    assert_eq!(record.intent.as_ref().map(|intent| &*intent.transition), Some("mint"));
    assert_eq!(bank.provider.calls(), ["pay", "mint"]);
}
