//! What each answer of a look-up leads to, and members of sets that have no undo.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use durable_fsm::record::{BlockedReason, HeldReason};
use durable_fsm::store::MemoryStore;
use durable_fsm::{Class, Classify, Each, Fsm, Lookup, Outcome, RecordId, Resource as _, Store as _, Undone};

use crate::machine::Thing;
use crate::world::ManualClock;

/// A parcel that is ordered, paid for and tracked.
#[derive(Fsm)]
#[fsm(name = "test.io/parcel", version = 1, resource = Thing)]
pub enum ParcelFlow {
    #[fsm(initial)]
    #[transition(order -> Ordered, in_doubt = lookup, undo = cancel, abort = clear_order, predecessor = adopt, timeout = "10s", settle = "5s")]
    Wanted,
    #[transition(pay -> Paid, in_doubt = lookup, undo = refund, look_first = false, timeout = "10s", settle = "5s")]
    Ordered { order: String },
    #[transition(track, for_each = tracks, in_doubt = repeat, undo = retain)]
    #[transition(send -> Sent, no_effect)]
    Paid { payment: String, tracks: Each<String, String> },
    #[fsm(terminal)]
    Sent { number: String },
}

/// What the next look-ups find.
#[derive(Debug, Clone, Copy)]
enum Found {
    Ours,
    Absent,
    Incomplete,
    NotOurs,
    Predecessor,
}

#[derive(Debug, thiserror::Error)]
#[error("the shop said no")]
pub struct No(Class);

impl Classify for No {
    fn classify(&self) -> Class {
        self.0
    }
}

/// A shop that does what it is told.
#[derive(Clone, Default)]
pub struct Shop(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    /// What the next look-ups find, by method.
    finds: BTreeMap<&'static str, VecDeque<Found>>,
    /// What the next calls fail with, by method.
    fails: BTreeMap<&'static str, VecDeque<Class>>,
    calls: Vec<&'static str>,
    /// The number of each attempt to pay, and whether it was one of several.
    payments: Vec<(u32, bool)>,
}

impl Shop {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }

    fn call(&self, name: &'static str) -> Result<String, No> {
        let mut told = self.told();
        told.calls.push(name);
        match told.fails.get_mut(name).and_then(VecDeque::pop_front) {
            Some(class) => Err(No(class)),
            None => Ok(name.to_owned()),
        }
    }

    fn look<N>(&self, name: &'static str, next: impl FnOnce(String) -> N) -> Result<Lookup<N>, No> {
        self.call(name)?;
        let found = self.told().finds.get_mut(name).and_then(VecDeque::pop_front).unwrap_or(Found::Absent);
        Ok(match found {
            Found::Ours => Lookup::Ours(next("found".to_owned())),
            Found::Absent => Lookup::Absent,
            Found::Incomplete => Lookup::Incomplete,
            Found::NotOurs => Lookup::NotOurs,
            Found::Predecessor => Lookup::Predecessor(next("inherited".to_owned())),
        })
    }

    fn will_find(&self, name: &'static str, found: Found) {
        self.told().finds.entry(name).or_default().push_back(found);
    }

    fn will_fail(&self, name: &'static str, class: Class) {
        self.told().fails.entry(name).or_default().push_back(class);
    }

    /// The calls since this was asked last.
    fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.told().calls)
    }

    fn has_called(&self, name: &str) -> bool {
        self.told().calls.contains(&name)
    }

    /// Whether everything that it was told has come to pass.
    fn is_spent(&self) -> bool {
        let told = self.told();
        told.finds.values().all(VecDeque::is_empty) && told.fails.values().all(VecDeque::is_empty)
    }
}

impl ParcelTransitions for Shop {
    type Error = No;
    async fn order(&self, from: Wanted, _: &ParcelAttempt) -> Result<Ordered, No> {
        Ok(from.ordered(self.call("order")?))
    }
    async fn lookup_order(&self, from: Wanted, _: &ParcelAttempt) -> Result<Lookup<Ordered>, No> {
        self.look("lookup_order", |order| from.ordered(order))
    }
    async fn cancel(&self, _: &Ordered, _: &ParcelAttempt) -> Result<Undone, No> {
        self.call("cancel").map(drop).map(Undone::from)
    }
    async fn clear_order(&self, _: &Wanted, _: &ParcelAttempt) -> Result<Undone, No> {
        self.call("clear_order").map(drop).map(Undone::from)
    }
    async fn pay(&self, from: Ordered, attempt: &ParcelAttempt) -> Result<Paid, No> {
        self.told().payments.push((attempt.number(), attempt.is_resumed()));
        Ok(from.paid(self.call("pay")?))
    }
    async fn lookup_pay(&self, from: Ordered, _: &ParcelAttempt) -> Result<Lookup<Paid>, No> {
        self.look("lookup_pay", |payment| from.paid(payment))
    }
    async fn refund(&self, _: &Paid, _: &ParcelAttempt) -> Result<Undone, No> {
        self.call("refund").map(drop).map(Undone::from)
    }
    fn tracks(&self, _: &Paid, thing: &Thing) -> BTreeSet<String> {
        thing.spec.members.clone()
    }
    async fn track(&self, _: &Paid, subject: &String, _: &ParcelAttempt) -> Result<String, No> {
        self.call("track")?;
        Ok(format!("track of {subject}"))
    }
    fn send(&self, from: Paid, _: &ParcelAttempt) -> Result<Sent, No> {
        self.call("send")?;
        Ok(from.sent("RR1".to_owned()))
    }
}

struct Desk {
    shop: Shop,
    clock: ManualClock,
    store: MemoryStore,
    runner: ParcelRunner<Shop>,
}

impl Desk {
    fn new() -> Self {
        let (shop, clock, store) = (Shop::default(), ManualClock::default(), MemoryStore::new());
        let runner = ParcelRunner::builder(shop.clone(), store.clone()).clock(clock.clone()).build();
        Self { shop, clock, store, runner }
    }

    async fn settle(&self, thing: &Thing) -> Outcome<ParcelState> {
        for _ in 0..50 {
            match self.runner.reconcile(thing).await.unwrap() {
                Outcome::Progressing { after, .. } => self.clock.advance(after),
                outcome => return outcome,
            }
        }
        panic!("it does not settle");
    }

    /// Settles where it is to end: sent.
    async fn sent(&self) -> Sent {
        match self.settle(&thing()).await {
            Outcome::Resting(ParcelState::Sent(sent)) => sent,
            other => panic!("it is not sent: {:?}", other.requeue_after()),
        }
    }

    async fn held(&self, thing: &Thing) -> (HeldReason, String) {
        match self.settle(thing).await {
            Outcome::Held { reason, message } => (reason, message),
            other => panic!("it is not held: {:?}", other.requeue_after()),
        }
    }
}

fn thing() -> Thing {
    Thing::new("web:1", &["ann"])
}

fn gone() -> Thing {
    Thing { deleting: true, ..thing() }
}

#[tokio::test]
async fn a_terminal_state_rests_and_is_undone_like_any_other() {
    let desk = Desk::new();
    let sent = desk.sent().await;
    assert_eq!((sent.order.as_str(), sent.number.as_str()), ("order", "RR1"));
    let calls = desk.shop.calls();
    assert_eq!(
        calls,
        ["lookup_order", "order", "pay", "track", "send"],
        "`pay` is not looked up before its first attempt"
    );
    // What nothing undoes stays, and is in no one's way.
    desk.shop.will_find("lookup_pay", Found::Ours);
    desk.shop.will_find("lookup_order", Found::Incomplete);
    assert!(matches!(desk.settle(&gone()).await, Outcome::Gone));
    assert_eq!(desk.shop.calls(), ["lookup_pay", "refund", "lookup_order", "cancel"]);
}

#[tokio::test]
async fn what_is_retained_of_a_set_is_listed() {
    let desk = Desk::new();
    let _ = desk.sent().await;
    let released = desk.runner.release(&thing().id()).await.unwrap();
    let left: Vec<_> = released.left.iter().map(|it| (it.transition.as_str(), it.subject.as_deref())).collect();
    assert_eq!(left, [("order", None), ("pay", None), ("track", Some("ann"))]);
    assert_eq!(released.unreadable, None);
}

#[tokio::test]
async fn what_is_ours_already_is_not_made_again() {
    let desk = Desk::new();
    desk.shop.will_find("lookup_order", Found::Ours);
    assert_eq!(desk.sent().await.order, "found");
    assert!(!desk.shop.has_called("order"));
}

#[tokio::test]
async fn what_is_half_built_is_removed_before_it_is_made() {
    let desk = Desk::new();
    desk.shop.will_find("lookup_order", Found::Incomplete);
    assert_eq!(desk.sent().await.order, "order");
    assert_eq!(desk.shop.calls()[..4], ["lookup_order", "clear_order", "lookup_order", "order"]);
}

#[tokio::test]
async fn what_a_predecessor_left_is_taken_over_only_where_that_is_declared() {
    let desk = Desk::new();
    desk.shop.will_find("lookup_order", Found::Predecessor);
    assert_eq!(desk.sent().await.order, "inherited");
    assert!(!desk.shop.has_called("order"));

    let desk = Desk::new();
    desk.shop.will_fail("pay", Class::Unknown);
    desk.shop.will_find("lookup_pay", Found::Predecessor);
    let (reason, message) = desk.held(&thing()).await;
    assert_eq!(reason, HeldReason::NotOurs);
    assert!(message.contains("predecessor = adopt"), "{message}");
    assert!(desk.shop.is_spent());
}

#[tokio::test]
async fn what_is_not_ours_holds_going_forward_and_in_an_undo_whichever_way_it_is_said() {
    for say in [
        |shop: &Shop| shop.will_find("lookup_order", Found::NotOurs),
        |shop: &Shop| {
            shop.will_fail("lookup_order", Class::NotOurs);
        },
    ] {
        let desk = Desk::new();
        say(&desk.shop);
        assert_eq!(desk.held(&thing()).await.0, HeldReason::NotOurs);
        assert!(!desk.shop.has_called("order") && desk.shop.is_spent());
        // Nothing of ours is there, so nothing is in the way of a deletion.
        assert!(matches!(desk.settle(&gone()).await, Outcome::Gone));

        let desk = Desk::new();
        let _ = desk.sent().await;
        desk.shop.will_find("lookup_pay", Found::Ours);
        say(&desk.shop);
        assert_eq!(desk.held(&gone()).await.0, HeldReason::NotOurs);
        assert!(!desk.shop.has_called("cancel"), "it is somebody else's by now");
    }
}

#[tokio::test]
async fn a_look_up_that_is_rejected_blocks_until_the_spec_changes() {
    let desk = Desk::new();
    desk.shop.will_fail("lookup_order", Class::Rejected);
    let Outcome::Blocked { reason, message, .. } = desk.settle(&thing()).await else { panic!("it is not blocked") };
    assert_eq!(reason, BlockedReason::Rejected);
    assert!(message.contains("`order` was rejected"), "{message}");
    desk.shop.calls();
    assert!(matches!(desk.settle(&thing()).await, Outcome::Blocked { .. }));
    assert!(desk.shop.calls().is_empty(), "it is not tried while nothing has changed");
    let mended = Thing::new("web:2", &[]);
    assert!(matches!(desk.settle(&mended).await, Outcome::Resting(_)));
}

#[tokio::test]
async fn a_transition_without_effect_that_is_rejected_blocks_too() {
    let desk = Desk::new();
    desk.shop.will_fail("send", Class::Rejected);
    assert!(matches!(desk.settle(&thing()).await, Outcome::Blocked { reason: BlockedReason::Rejected, .. }));
    desk.clock.advance(Duration::from_secs(600));
    let _ = desk.sent().await;
}

#[tokio::test]
async fn a_newer_version_of_the_machine_tries_again_what_was_rejected() {
    for in_doubt in [false, true] {
        let desk = Desk::new();
        if in_doubt {
            desk.shop.will_fail("order", Class::Unknown);
            let _ = desk.runner.reconcile(&thing()).await.unwrap();
        }
        desk.shop.will_fail(if in_doubt { "lookup_order" } else { "order" }, Class::Rejected);
        assert!(matches!(desk.settle(&thing()).await, Outcome::Blocked { .. }));
        let id = RecordId { machine: ParcelFlow::GRAPH.name.to_owned(), resource: thing().id() };
        let loaded = desk.store.load(&id).await.unwrap();
        let mut record: serde_json::Value = serde_json::from_slice(&loaded.bytes.unwrap()).unwrap();
        record["refused"]["version"] = 0.into();
        desk.store.compare_and_swap(&id, &loaded.version, record.to_string().as_bytes()).await.unwrap();
        let before = desk.clock.elapsed();
        let _ = desk.sent().await;
        assert!(desk.clock.elapsed() - before < Duration::from_secs(60), "the block is over, and its back-off with it");
    }
}

#[tokio::test]
async fn what_is_half_built_and_has_no_abort_is_for_a_person() {
    let desk = Desk::new();
    desk.shop.will_fail("pay", Class::Unknown);
    desk.shop.will_find("lookup_pay", Found::Incomplete);
    let (reason, message) = desk.held(&thing()).await;
    assert_eq!(reason, HeldReason::Incomplete);
    assert!(message.contains("`pay` has left something half-built"), "{message}");
    assert!(desk.shop.is_spent());
}

#[tokio::test]
async fn what_is_in_doubt_and_found_to_be_of_others_is_nothing_to_undo() {
    for found in [Found::NotOurs, Found::Predecessor] {
        let desk = Desk::new();
        desk.shop.will_fail("pay", Class::Unknown);
        let _ = desk.runner.reconcile(&thing()).await.unwrap();
        desk.shop.calls();
        desk.shop.will_find("lookup_pay", found);
        desk.shop.will_find("lookup_order", Found::Ours);
        assert!(matches!(desk.settle(&gone()).await, Outcome::Gone), "{found:?}");
        assert_eq!(desk.shop.calls(), ["lookup_pay", "lookup_order", "cancel"], "{found:?}");
    }
}

#[tokio::test]
async fn an_attempt_knows_its_number_and_whether_there_was_one_before() {
    let desk = Desk::new();
    desk.shop.will_fail("pay", Class::NOT_APPLIED);
    desk.shop.will_fail("pay", Class::Unknown);
    let _ = desk.sent().await;
    assert_eq!(desk.shop.told().payments, [(1, false), (2, true), (3, true)]);
}

#[tokio::test]
async fn what_is_in_doubt_and_refused_is_aborted_before_another_spec_is_sent() {
    let changed = || Thing::new("web:2", &["ann"]);
    for (is_refused, next, calls) in [
        (true, changed(), &["clear_order", "lookup_order", "order"][..]),
        (true, thing(), &["lookup_order", "order"][..]),
        // What is absent is asked for as another thing.
        (false, changed(), &["lookup_order", "lookup_order", "order"][..]),
    ] {
        let desk = Desk::new();
        desk.shop.will_fail("order", Class::Unknown);
        let _ = desk.runner.reconcile(&thing()).await.unwrap();
        if is_refused {
            desk.shop.will_fail("lookup_order", Class::Rejected);
            assert!(matches!(desk.settle(&thing()).await, Outcome::Blocked { .. }));
        }
        desk.shop.calls();
        desk.clock.advance(Duration::from_secs(600));
        assert!(matches!(desk.settle(&next).await, Outcome::Resting(_)));
        assert_eq!(&desk.shop.calls()[..calls.len()], calls);
    }
    // Without an abort the doubt stays, and the new spec waits.
    let desk = Desk::new();
    desk.shop.will_fail("pay", Class::Unknown);
    let _ = desk.runner.reconcile(&thing()).await.unwrap();
    desk.shop.will_fail("lookup_pay", Class::Rejected);
    assert!(matches!(desk.settle(&thing()).await, Outcome::Blocked { .. }));
    desk.clock.advance(Duration::from_secs(600));
    desk.shop.will_find("lookup_pay", Found::Ours);
    assert!(matches!(desk.settle(&changed()).await, Outcome::Resting(_)));
    assert!(desk.shop.is_spent());
}

#[tokio::test]
async fn a_provider_that_says_when_to_come_back_is_asked_then() {
    let desk = Desk::new();
    desk.shop.will_fail("order", Class::NotApplied { retry_after: Some(Duration::from_secs(30)) });
    let outcome = desk.runner.reconcile(&thing()).await.unwrap();
    assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(30)));
}
