//! A machine that charges a card, a bank that does not always answer, and fleets that were left by their controller.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_fsm::store::FileStore;
use durable_fsm::testing::TestClock;
use durable_fsm::{Class, Classify, Fsm, Outcome, Resource, ResourceId, Undone};

#[derive(Clone)]
pub(crate) struct Order {
    name: String,
    uid: String,
}

impl Order {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), uid: format!("uid-of-{name}") }
    }
}

impl Resource for Order {
    type Spec = ();
    fn id(&self) -> ResourceId {
        ResourceId::new("shop", &self.name)
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn spec(&self) -> &() {
        &()
    }
}

/// Reserves the goods, then charges the card.
#[derive(Fsm)]
#[fsm(name = "example.io/order", version = 3, resource = Order)]
pub(crate) enum OrderFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(reserve -> Reserved, in_doubt = repeat, undo = put_back, timeout = "2s")]
    Requested,
    /// The goods are reserved.
    #[transition(charge -> Charged, in_doubt = hold, undo = none, timeout = "2s", retry = "1h..1h")]
    Reserved { shelf: String },
    /// The card is charged. Rests here.
    #[fsm(resting)]
    Charged { receipt: String, cents: u32 },
}

/// What the bank does to which orders.
#[derive(Clone, Default)]
pub(crate) struct Bank(Arc<Mutex<Ledger>>);

#[derive(Default)]
struct Ledger {
    silent: BTreeSet<String>,
    refusing: BTreeSet<String>,
    /// The order of each charge that was asked for.
    charged: Vec<String>,
}

impl Bank {
    /// The reply to a charge of one of these is lost.
    pub(crate) fn is_silent_for(&self, orders: impl IntoIterator<Item = String>) {
        self.0.lock().unwrap().silent = orders.into_iter().collect();
    }

    /// A charge of one of these is refused.
    pub(crate) fn refuses(&self, orders: impl IntoIterator<Item = String>) {
        self.0.lock().unwrap().refusing = orders.into_iter().collect();
    }

    pub(crate) fn charges_of(&self, order: &str) -> usize {
        self.0.lock().unwrap().charged.iter().filter(|charged| *charged == order).count()
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BankError {
    #[error("the connection was reset")]
    Reset,
    #[error("card \u{1b}[31mexpired\u{1b}[0m")]
    Expired,
}

impl Classify for BankError {
    fn classify(&self) -> Class {
        match self {
            BankError::Reset => Class::Unknown,
            BankError::Expired => Class::Rejected,
        }
    }
}

impl OrderTransitions for Bank {
    type Error = BankError;
    async fn reserve(&self, from: Requested, attempt: &OrderAttempt) -> Result<Reserved, BankError> {
        Ok(from.reserved(format!("shelf of {}", attempt.resource().name)))
    }
    async fn put_back(&self, _: &Reserved, _: &OrderAttempt) -> Result<Undone, BankError> {
        Ok(Undone::Done)
    }
    async fn charge(&self, from: Reserved, attempt: &OrderAttempt) -> Result<Charged, BankError> {
        let name = attempt.resource().name.clone();
        let mut ledger = self.0.lock().unwrap();
        ledger.charged.push(name.clone());
        if ledger.refusing.contains(&name) {
            return Err(BankError::Expired);
        }
        if ledger.silent.contains(&name) {
            return Err(BankError::Reset);
        }
        Ok(from.charged(ChargedFacts { receipt: format!("receipt of {name}"), cents: 500 }))
    }
}

/// A controller of orders on a directory, which it leaves when it is dropped.
pub(crate) struct Controller {
    pub(crate) runner: OrderRunner<Bank>,
    clock: TestClock,
}

impl Controller {
    pub(crate) fn start(bank: &Bank, directory: &Path) -> Self {
        let clock = TestClock::new();
        let store = FileStore::open(directory).unwrap();
        let runner = OrderRunner::builder(bank.clone(), store).clock(clock.clone()).build();
        Self { runner, clock }
    }

    /// Reconciles each order until it stands still.
    pub(crate) async fn run(&self, orders: &[String]) {
        self.runner.keep_graph().await.unwrap();
        for order in orders {
            let order = Order::new(order);
            for _ in 0..12 {
                match self.runner.reconcile(&order).await.unwrap() {
                    Outcome::Progressing { after, .. } if after < Duration::from_secs(60) => self.clock.advance(after),
                    _ => break,
                }
            }
        }
    }

    pub(crate) async fn states(&self, orders: &[String]) -> Vec<String> {
        let mut states = Vec::new();
        for order in orders {
            let id = ResourceId::new("shop", order);
            states.push(self.runner.inspect(&id).await.unwrap().unwrap().state);
        }
        states
    }
}

/// The names of so many orders.
pub(crate) fn orders(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("order-{number:03}")).collect()
}
