//! The machine under every fault, and every pair of faults, at a simulated provider.

// ANCHOR: world
use std::time::Duration;

use durable_fsm::Lookup;
use durable_fsm::testing::{Shelf, ShelfError, Sim, Thing, Timer, World};
use example_tutorial::*;

/// A simulated provider: databases and orders on shelves.
#[derive(Clone)]
struct Cloud {
    databases: Shelf,
    orders: Shelf,
    issued: Timer,
}

impl Provider for Cloud {
    type Error = ShelfError;

    async fn create_database(&self, key: &str, owner: &str) -> Result<String, ShelfError> {
        self.databases.put(key, owner).await
    }

    async fn drop_database(&self, id: &str) -> Result<(), ShelfError> {
        self.databases.remove(id).await
    }

    async fn order(&self, host: &str, key: &str, owner: &str) -> Result<String, ShelfError> {
        self.issued.start(Duration::from_secs(3));
        self.orders.made_of(host).add(key, owner).await
    }

    async fn find_order(&self, key: &str, owner: &str) -> Result<Option<String>, ShelfError> {
        Ok(match self.orders.find(key, owner).await {
            Lookup::Ours(order) => Some(order.id),
            _ => None,
        })
    }

    async fn serial(&self, order: &str) -> Result<Option<String>, ShelfError> {
        Ok(self.issued.is_done().then(|| format!("serial of {order}")))
    }

    async fn revoke(&self, order: &str) -> Result<(), ShelfError> {
        self.orders.remove(order).await
    }
}

fn tenant(host: &str) -> Tenant {
    let spec = TenantSpec { host: host.to_owned() };
    Tenant { name: "acme".to_owned(), uid: "uid-1".to_owned(), spec }
}

impl World for Cloud {
    type Machine = TenantFlow;
    type Transitions = Provisioner<Self>;

    fn new(sim: &Sim) -> Self {
        Self {
            databases: Shelf::new(sim, "database"),
            orders: Shelf::new(sim, "order").lagging(Duration::from_millis(500)),
            issued: Timer::new(sim),
        }
    }

    fn transitions(&self) -> Provisioner<Self> {
        Provisioner(self.clone())
    }

    fn resource() -> Tenant {
        tenant("acme.example")
    }

    fn edits() -> Vec<Tenant> {
        vec![tenant("acme.test")]
    }

    fn inventory(&self) -> Vec<Thing> {
        [self.databases.inventory(), self.orders.inventory()].concat()
    }
}

durable_fsm::survive! {
    mod tenant_flow for Cloud { create_database, order_certificate }
    waits { await_certificate }
}
// ANCHOR_END: world
