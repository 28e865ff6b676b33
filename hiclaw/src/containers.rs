//! What runs a worker. Invariant: a container carries its worker's mark and the key that it was made with, and only what carries them is
//! ever touched.

use std::fmt;

use async_trait::async_trait;

use crate::names;
use crate::provision::ProvisionError;
use crate::worker::Worker;

/// The label under which a container carries its worker's mark.
pub const OWNER_LABEL: &str = "io.hiclaw.owner";
/// The label under which a container carries the key that it was made with.
pub const KEY_LABEL: &str = "io.hiclaw.key";

/// A container that is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The worker that it runs.
    pub worker: &'a Worker,
    /// Its image.
    pub image: &'a str,
    /// The worker's mark.
    pub owner_tag: &'a str,
    /// The key of the effect that makes it.
    pub key: &'a str,
}

/// A container that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its id, which the engine chose.
    pub id: String,
    /// The mark that it carries.
    pub owner_tag: Option<String>,
    /// Whether it was started and is not on its way out.
    pub started: bool,
}

/// A Docker Engine, or a Kubernetes cluster.
#[async_trait]
pub trait Containers: fmt::Debug + Send + Sync {
    /// Creates and starts a container, and gives its id. It may be half done when this fails.
    async fn run(&self, wanted: &Wanted<'_>) -> Result<String, ProvisionError>;

    /// The worker's containers that were made with this key.
    async fn with_key(&self, worker: &Worker, key: &str) -> Result<Vec<Found>, ProvisionError>;

    /// Removes a container of the worker. Done when nothing is left of it; what is not there is removed.
    async fn remove(&self, worker: &Worker, id: &str) -> Result<(), ProvisionError>;
}

/// The name of a worker's container, on an engine that knows no namespaces.
#[must_use]
pub fn name(worker: &Worker) -> String {
    format!("hiclaw-worker-{}", names::of_worker(worker))
}
