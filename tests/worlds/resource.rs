//! The resource that all machines here provision for.

use std::collections::BTreeSet;

use durable_fsm::{Resource, ResourceId};
use serde::{Deserialize, Serialize};

/// The uid of all of them: the first one that an API server in memory gives to an object of its users.
pub const UID: &str = "00000000-0000-4000-8000-000000000002";

#[derive(Clone, Serialize, Deserialize, PartialEq)]
pub struct Spec {
    pub image: String,
    pub members: BTreeSet<String>,
}

#[derive(Clone)]
pub struct App(pub Spec);

impl App {
    pub fn new(image: &str, members: &[&str]) -> Self {
        Self(Spec { image: image.to_owned(), members: members.iter().map(ToString::to_string).collect() })
    }
}

impl Resource for App {
    type Spec = Spec;
    fn id(&self) -> ResourceId {
        ResourceId::new("default", "app")
    }
    fn uid(&self) -> &str {
        UID
    }
    fn spec(&self) -> &Spec {
        &self.0
    }
}
