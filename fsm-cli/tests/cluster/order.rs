//! Orders as custom resources, a machine that charges a card, and a bank that does not always answer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use durable_fsm::{Class, Classify, Fsm, Undone};
use durable_fsm_kube::FsmStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[kube(group = "shop.example", version = "v1", kind = "Order", namespaced, status = "OrderStatus")]
pub(crate) struct OrderSpec {
    pub(crate) cents: u32,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderStatus {
    #[serde(default)]
    pub(crate) fsm: Option<FsmStatus>,
    #[serde(default)]
    pub(crate) conditions: Vec<Condition>,
    #[serde(default)]
    pub(crate) observed_generation: Option<i64>,
}

durable_fsm_kube::resource!(Order, OrderSpec);

/// What the card was charged in. `fsm` does not know the type; the controller does.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Currency {
    Euro,
    Yen,
}

/// Reserves the goods, then charges the card.
#[derive(Fsm)]
#[fsm(name = "shop.example/order", version = 1, resource = Order)]
pub(crate) enum OrderFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(reserve -> Reserved, in_doubt = repeat, undo = put_back, timeout = "300ms", retry = "100ms..200ms")]
    Requested,
    /// The goods are reserved.
    #[transition(charge -> Charged, in_doubt = hold, undo = none, timeout = "300ms", retry = "1h..1h")]
    Reserved { shelf: String },
    /// The card is charged. Rests here.
    #[fsm(resting)]
    Charged { receipt: String, currency: Currency },
}

/// What exists at the bank and on the shelves. Every clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Bank(Arc<Mutex<Ledger>>);

#[derive(Default)]
struct Ledger {
    silent: BTreeSet<String>,
    charged: Vec<String>,
    reserved: BTreeSet<String>,
}

impl Bank {
    /// The reply to a charge of one of these is lost.
    pub(crate) fn is_silent_for(&self, names: &[&str]) {
        self.0.lock().unwrap().silent = names.iter().map(|name| (*name).to_owned()).collect();
    }

    pub(crate) fn charges_of(&self, name: &str) -> usize {
        self.0.lock().unwrap().charged.iter().filter(|charged| *charged == name).count()
    }

    pub(crate) fn reserves(&self, name: &str) -> bool {
        self.0.lock().unwrap().reserved.contains(name)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the reply of the bank was lost")]
pub(crate) struct Lost;

impl Classify for Lost {
    fn classify(&self) -> Class {
        Class::Unknown
    }
}

impl OrderTransitions for Bank {
    type Error = Lost;

    async fn reserve(&self, from: Requested, attempt: &OrderAttempt) -> Result<Reserved, Lost> {
        let name = attempt.resource().metadata.name.clone().unwrap_or_default();
        self.0.lock().unwrap().reserved.insert(name.clone());
        Ok(from.reserved(format!("shelf of {name}")))
    }

    async fn put_back(&self, _: &Reserved, attempt: &OrderAttempt) -> Result<Undone, Lost> {
        let name = attempt.resource().metadata.name.clone().unwrap_or_default();
        self.0.lock().unwrap().reserved.remove(&name);
        Ok(Undone::Done)
    }

    async fn charge(&self, from: Reserved, attempt: &OrderAttempt) -> Result<Charged, Lost> {
        let name = attempt.resource().metadata.name.clone().unwrap_or_default();
        let mut ledger = self.0.lock().unwrap();
        ledger.charged.push(name.clone());
        if ledger.silent.contains(&name) {
            return Err(Lost);
        }
        Ok(from.charged(ChargedFacts { receipt: format!("receipt of {name}"), currency: Currency::Euro }))
    }
}
