//! The resource that every release provisions.

use durable_fsm::{Resource, ResourceId};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone)]
pub struct Site {
    pub name: String,
    pub spec: Spec,
    pub deleting: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub image: u32,
    pub large: bool,
}

impl Site {
    pub fn new(number: usize) -> Self {
        Self {
            name: format!("site-{number}"),
            spec: Spec { image: 1, large: number.is_multiple_of(3) },
            deleting: false,
        }
    }
}

impl Resource for Site {
    type Spec = Spec;
    fn id(&self) -> ResourceId {
        ResourceId::new("default", &self.name)
    }
    // One uid for one name: the provider counts by it whose things are made, whatever the machine is called.
    fn uid(&self) -> &str {
        &self.name
    }
    fn spec(&self) -> &Spec {
        &self.spec
    }
    fn deleting(&self) -> bool {
        self.deleting
    }
}
