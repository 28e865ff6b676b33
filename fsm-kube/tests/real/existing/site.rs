//! What the operator has before and after: the kind, and a registrar.

use std::sync::{Arc, Mutex};

use durable_fsm_kube::FsmStatus;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(group = "test.durable-fsm.io", version = "v1", kind = "Site", namespaced, status = "SiteStatus")]
pub struct SiteSpec {
    pub host: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub struct SiteStatus {
    /// The registration's number.
    pub registration: Option<String>,
    pub fsm: Option<FsmStatus>,
}

/// It has a number for each registration. A request with an idempotency key that it knows gets the same number.
#[derive(Clone, Default)]
pub struct Registrar(Arc<Mutex<Register>>);

#[derive(Default)]
struct Register {
    made: usize,
    /// Number, host and idempotency key.
    kept: Vec<(String, String, String)>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Kubernetes(#[from] kube::Error),
    #[error(transparent)]
    Store(#[from] durable_fsm::StoreError),
    #[error("no such finalizer: {0}")]
    Finalizer(String),
}

impl Registrar {
    pub async fn register(&self, host: &str, key: &str) -> Result<String, Error> {
        let mut register = self.0.lock().unwrap();
        if let Some((number, ..)) = register.kept.iter().find(|(.., it)| !key.is_empty() && it == key) {
            return Ok(number.clone());
        }
        register.made += 1;
        let number = format!("registration-{}", register.made);
        register.kept.push((number.clone(), host.to_owned(), key.to_owned()));
        Ok(number)
    }

    pub async fn remove(&self, number: &str) -> Result<(), Error> {
        self.0.lock().unwrap().kept.retain(|(it, ..)| it != number);
        Ok(())
    }

    /// How many were ever made, and the hosts that are registered.
    pub fn list(&self) -> (usize, Vec<String>) {
        let register = self.0.lock().unwrap();
        (register.made, register.kept.iter().map(|(_, host, _)| host.clone()).collect())
    }
}
