//! Steps that are given up and say `hold`: a person decides, and nothing else does. The enum says it once for all of them.

use std::time::Duration;

use durable_fsm::record::{HeldReason, Resolution};
use durable_fsm::store::MemoryStore;
use durable_fsm::{Outcome, Resource as _};

use crate::machine::Thing;
use crate::world::{Fault, ManualClock, Provider, Refusal};

mod crate_ {
    use durable_fsm::{Fsm, Undone, Wait};

    use crate::machine::{Refused, Thing};
    use crate::world::Provider;

    /// A crate that is packed, sent and picked up.
    #[derive(Fsm)]
    #[fsm(
        name = "test.io/crate",
        version = 1,
        resource = Thing,
        timeout = "10s",
        retry = "1s..1s",
        rejected = hold,
        exhausted = hold,
        attempts = 2,
        overdue = hold
    )]
    pub enum CrateFlow {
        #[fsm(initial)]
        #[transition(pack -> Packed, in_doubt = repeat, undo = unpack)]
        Wanted,
        #[transition(send -> Sent, in_doubt = repeat, undo = call_back, attempts = 3)]
        Packed { parcel: String },
        #[transition(await_pick_up -> PickedUp, waits, every = "1m", within = "5m")]
        Sent { receipt: String },
        #[fsm(resting)]
        PickedUp,
    }

    impl CrateTransitions for Provider {
        type Error = Refused;
        async fn pack(&self, from: Wanted, attempt: &CrateAttempt) -> Result<Packed, Refused> {
            Ok(from.packed(self.make("pack", attempt.key(), "").await?))
        }
        async fn unpack(&self, made: &Packed, _: &CrateAttempt) -> Result<Undone, Refused> {
            self.remove("unpack", &made.parcel).await.map(Undone::from)
        }
        async fn send(&self, from: Packed, attempt: &CrateAttempt) -> Result<Sent, Refused> {
            Ok(from.sent(self.make("send", attempt.key(), "").await?))
        }
        async fn call_back(&self, made: &Sent, _: &CrateAttempt) -> Result<Undone, Refused> {
            self.remove("call_back", &made.receipt).await.map(Undone::from)
        }
        async fn await_pick_up(&self, from: Sent, _: &CrateAttempt) -> Result<Wait<PickedUp>, Refused> {
            self.find("await_pick_up", "").await?;
            Ok(if self.is_rolled_out() { Wait::Done(from.picked_up()) } else { Wait::NotYet })
        }
    }
}

use crate_::{CrateRunner, CrateState};

struct Crate {
    provider: Provider,
    clock: ManualClock,
    runner: CrateRunner<Provider>,
}

impl Crate {
    fn new() -> Self {
        let (provider, clock) = (Provider::default(), ManualClock::default());
        provider.set_rolled_out(true);
        let runner = CrateRunner::builder(provider.clone(), MemoryStore::new()).clock(clock.clone()).build();
        Self { provider, clock, runner }
    }

    async fn settle(&self, thing: &Thing) -> Outcome<CrateState> {
        for _ in 0..50 {
            match self.runner.reconcile(thing).await.unwrap() {
                Outcome::Progressing { after, .. } => self.clock.advance(after),
                outcome => return outcome,
            }
        }
        panic!("it does not come to rest");
    }

    async fn is_held(&self, thing: &Thing, what: &str) {
        let Outcome::Held { reason, message } = self.settle(thing).await else { panic!("not held") };
        assert_eq!(reason, HeldReason::GivenUp);
        assert!(message.contains(what), "{message}");
    }
}

#[tokio::test]
async fn what_was_rejected_waits_for_a_person_and_not_for_an_edit() {
    let (site, thing) = (Crate::new(), Thing::new("web:1", &[]));
    site.provider.will("send", &[Fault::Refused(Refusal::Rejected)]);
    site.is_held(&thing, "`send` was rejected: Rejected; mend it, then resolve with `retry`, or with `roll-back`")
        .await;
    assert_eq!(site.provider.calls(), ["pack", "send"]);
    let edited = Thing::new("web:2", &[]);
    site.clock.advance(Duration::from_secs(86_400));
    site.is_held(&edited, "`send` was rejected").await;
    assert!(site.provider.calls().is_empty(), "it was not decided");
    site.runner.resolve(&thing.id(), Resolution::Retry).await.unwrap();
    assert!(matches!(site.settle(&edited).await, Outcome::Resting(CrateState::PickedUp(_))));
    assert_eq!(site.provider.calls(), ["send", "await_pick_up"]);
}

#[tokio::test]
async fn a_step_counts_from_one_after_it_was_given_up() {
    let (site, thing) = (Crate::new(), Thing::new("web:1", &[]));
    let fails = [Fault::Refused(Refusal::NotApplied); 5];
    site.provider.will("send", &fails);
    site.is_held(&thing, "`send` was given up after 3 attempts").await;
    assert_eq!(site.provider.calls(), ["pack", "send", "send", "send"], "its own `attempts` count");
    site.runner.resolve(&thing.id(), Resolution::Retry).await.unwrap();
    assert!(matches!(site.settle(&thing).await, Outcome::Resting(_)), "two failures are fewer than three");
    assert!(site.provider.all_faults_fired());

    let site = Crate::new();
    site.provider.will("pack", &fails[..2]);
    site.is_held(&thing, "`pack` was given up after 2 attempts").await;
}

#[tokio::test]
async fn an_overdue_wait_looks_once_more_for_each_retry_and_does_not_stop_a_deletion() {
    let (site, thing) = (Crate::new(), Thing::new("web:1", &[]));
    site.provider.set_rolled_out(false);
    site.is_held(&thing, "`await_pick_up` is overdue: it has waited for 300 s").await;
    site.provider.calls();
    site.runner.resolve(&thing.id(), Resolution::Retry).await.unwrap();
    site.is_held(&thing, "`await_pick_up` is overdue").await;
    assert_eq!(site.provider.calls(), ["await_pick_up"]);
    let deleted = Thing { deleting: true, ..thing };
    assert!(matches!(site.settle(&deleted).await, Outcome::Gone));
    assert!(site.provider.live().is_empty());
}

mod bundle {
    use durable_fsm::{Each, Fsm, Kept};

    use crate::machine::Thing;

    /// Steps of each kind, under ends that the enum gives.
    #[derive(Fsm)]
    #[fsm(
        name = "test.io/bundle",
        version = 1,
        resource = Thing,
        rejected = Broken,
        exhausted = hold,
        attempts = 3,
        overdue = hold
    )]
    pub enum BundleFlow {
        #[fsm(initial)]
        #[transition(tie -> Tied, in_doubt = repeat, undo = untie)]
        Wanted,
        #[transition(count -> Counted, no_effect)]
        Tied { knot: String },
        #[transition(await_van -> Loaded, waits, within = "1m")]
        Counted,
        #[transition(load -> Stored, in_doubt = repeat, undo = none, rejected = hold)]
        Loaded,
        #[fsm(resting)]
        #[transition(label, for_each = labels, in_doubt = repeat, undo = none)]
        #[transition(weigh, keep = weight, in_doubt = repeat, undo = none)]
        #[transition(see_it_fall -> Broken, waits, every = "1m")]
        #[transition(sign_out -> Leaving, on_delete, in_doubt = repeat, undo = none)]
        Stored { labels: Each<String, ()>, weight: Kept<u32> },
        #[fsm(resting, failed)]
        #[transition(sign_out)]
        Broken,
        #[fsm(leaving)]
        #[transition(await_porter -> Left, waits, within = "1m")]
        Leaving,
        #[fsm(leaving)]
        Left,
    }
}

#[test]
fn the_enum_gives_ends_to_steps_that_can_have_them_and_say_nothing_of_their_own() {
    let graph = bundle::BundleFlow::GRAPH;
    let ends = graph.transitions.iter().filter(|step| matches!(step.kind, durable_fsm::graph::Kind::End(_)));
    let led = |step: &durable_fsm::graph::Transition<'_>| step.to.first().map(|to| graph.states[*to].name);
    let ends: Vec<_> = ends.map(|step| (step.name, led(step))).collect();
    assert_eq!(
        ends,
        [
            ("tie_rejected", Some("Broken")),
            ("tie_exhausted", None),
            ("await_van_overdue", None),
            ("load_rejected", None),
            ("load_exhausted", None),
        ],
        "members, values, steps of a deletion, and what has no effect have none"
    );
}
