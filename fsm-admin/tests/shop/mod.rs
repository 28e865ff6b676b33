//! A running controller of orders, a bank that does what a test wants, and the page before them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use durable_fsm::controller::{Change, Controller, Window};
use durable_fsm::store::MemoryStore;
use durable_fsm::{Class, Classify, Fsm, Resource, ResourceId, Undone};
use durable_fsm_admin::Admin;
use futures::channel::mpsc;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

pub const MACHINE: &str = "example.io/order";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub name: String,
    pub uid: String,
    /// Where it goes. It is part of the spec, which is never shown.
    pub address: String,
}

impl Resource for Order {
    type Spec = String;
    fn id(&self) -> ResourceId {
        ResourceId::new("shop", &self.name)
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn spec(&self) -> &String {
        &self.address
    }
}

/// Reserves the goods, charges the card, and ships them.
#[derive(Fsm)]
#[fsm(name = "example.io/order", version = 1, resource = Order, timeout = "3s", retry = "1s..2s")]
pub enum OrderFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(reserve -> Reserved, in_doubt = repeat, undo = put_back, transport = once, verify = is_reserved, lost = ignore)]
    Requested,
    /// The goods are reserved.
    #[transition(charge -> Charged, in_doubt = hold, undo = none)]
    Reserved { shelf: String },
    /// The card is charged.
    #[transition(ship -> Shipped, in_doubt = repeat, undo = none, transport = once, timeout = "60s")]
    Charged { receipt: String, cents: u32 },
    /// The goods are on their way. The machine rests here.
    #[fsm(resting, verify = "1h")]
    Shipped { parcel: String },
}

/// A bank and a warehouse. By order: what they do instead of what they should.
#[derive(Clone, Default)]
pub struct Bank(Arc<Inner>);

#[derive(Default)]
struct Inner {
    moods: Mutex<BTreeMap<String, Mood>>,
    charged: Mutex<BTreeSet<String>>,
    changed: Notify,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Mood {
    /// Shipping waits until the mood changes.
    Closed,
    /// The reply to a charge is lost.
    Silent,
    /// A charge is refused, with this message.
    Refusing(String),
}

impl Bank {
    pub fn is(&self, order: &str, mood: Mood) {
        self.moods().insert(order.to_owned(), mood);
        self.0.changed.notify_waiters();
    }

    pub fn is_well(&self, order: &str) {
        self.moods().remove(order);
        self.0.changed.notify_waiters();
    }

    pub fn has_charged(&self, order: &str) -> bool {
        self.0.charged.lock().unwrap().contains(order)
    }

    fn moods(&self) -> MutexGuard<'_, BTreeMap<String, Mood>> {
        self.0.moods.lock().unwrap()
    }

    fn mood(&self, order: &str) -> Option<Mood> {
        self.moods().get(order).cloned()
    }

    /// Waits for as long as it is closed.
    async fn open(&self, order: &str) {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.mood(order) != Some(Mood::Closed) {
                return;
            }
            changed.await;
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BankError {
    #[error("the connection was reset")]
    Reset,
    #[error("{0}")]
    Refused(String),
}

impl Classify for BankError {
    fn classify(&self) -> Class {
        match self {
            BankError::Reset => Class::Unknown,
            BankError::Refused(_) => Class::Rejected,
        }
    }
}

impl OrderTransitions for Bank {
    type Error = BankError;
    async fn reserve(&self, from: Requested, attempt: &OrderAttempt) -> Result<Reserved, BankError> {
        Ok(from.reserved(format!("shelf of {}", attempt.resource().name)))
    }
    async fn is_reserved(&self, _: &Reserved, _: &OrderAttempt) -> Result<bool, BankError> {
        Ok(true)
    }
    async fn put_back(&self, _: &Reserved, _: &OrderAttempt) -> Result<Undone, BankError> {
        Ok(Undone::Done)
    }
    async fn charge(&self, from: Reserved, attempt: &OrderAttempt) -> Result<Charged, BankError> {
        let name = &attempt.resource().name;
        match self.mood(name) {
            Some(Mood::Silent) => return Err(BankError::Reset),
            Some(Mood::Refusing(why)) => return Err(BankError::Refused(why)),
            Some(Mood::Closed) | None => {}
        }
        self.0.charged.lock().unwrap().insert(name.clone());
        Ok(from.charged(ChargedFacts { receipt: format!("receipt for {name}"), cents: 1250 }))
    }
    async fn ship(&self, from: Charged, attempt: &OrderAttempt) -> Result<Shipped, BankError> {
        let name = &attempt.resource().name;
        self.open(name).await;
        Ok(from.shipped(format!("parcel of {name}")))
    }
}

/// A controller under way.
pub struct Shop {
    pub bank: Bank,
    pub window: Window,
    pub orders: mpsc::UnboundedSender<Change<Order>>,
    stop: Option<oneshot::Sender<()>>,
    controller: Option<JoinHandle<()>>,
    pages: Vec<JoinHandle<()>>,
}

impl Shop {
    /// Opens without orders.
    pub fn open() -> Self {
        let bank = Bank::default();
        let (orders, stream) = mpsc::unbounded();
        let runner = OrderRunner::new(bank.clone(), MemoryStore::new());
        let controller = Controller::follow(runner, stream);
        let window = controller.window();
        let (stop, stopped) = oneshot::channel::<()>();
        let controller = tokio::spawn(controller.run_until(async { drop(stopped.await) }));
        Self { bank, window, orders, stop: Some(stop), controller: Some(controller), pages: Vec::new() }
    }

    pub fn order(&self, name: &str) {
        let order =
            Order { name: name.to_owned(), uid: format!("uid-of-{name}"), address: format!("the home of {name}") };
        self.orders.unbounded_send(Change::Wanted(order)).unwrap();
    }

    pub fn cancel(&self, name: &str) {
        self.orders.unbounded_send(Change::Unwanted(ResourceId::new("shop", name))).unwrap();
    }

    /// Waits until a resource is as it should be. `is` is given state, phase and reason; none of a resource that is not there.
    pub async fn until(&self, name: &str, is: impl Fn(Option<(&str, &str, &str)>) -> bool) {
        let mut changes = self.window.changes();
        let patience = tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                let seen = self.window.look(&ResourceId::new("shop", name)).await.unwrap();
                let told = seen.as_ref().map(|seen| {
                    let state = seen.record.as_ref().and_then(|it| it.as_ref().ok()).map_or("", |it| &it.state);
                    let reason = seen.position.reason;
                    (state, reason.phase().word(), reason.name())
                });
                if is(told) {
                    return;
                }
                // One that is too far behind looks again at once.
                drop(changes.recv().await);
            }
        });
        if patience.await.is_err() {
            let seen = self.window.look(&ResourceId::new("shop", name)).await;
            panic!("{name} does not become what it should: {seen:?}");
        }
    }

    pub async fn until_in(&self, name: &str, state: &str, phase: &str) {
        self.until(name, |told| told.is_some_and(|(at, in_phase, _)| at == state && in_phase == phase)).await;
    }

    /// Serves the page on a port of its own, and returns where.
    pub async fn serve(&mut self, set_up: impl FnOnce(Admin) -> Admin) -> SocketAddr {
        let page = set_up(Admin::of(self.window.clone())).bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = page.address().unwrap();
        self.pages.push(tokio::spawn(async { page.serve().await.unwrap() }));
        address
    }

    /// Ends in good order.
    pub async fn close(mut self) {
        drop(self.stop.take());
        self.controller.take().unwrap().await.expect("the controller does not panic");
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.pages.iter().for_each(JoinHandle::abort);
    }
}
