//! The cluster under every single fault, in a cloud in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use durable_fsm::testing::{AssertOk, At, Shelf, ShelfError, Sim, Thing, Timer, World, explore};
use durable_fsm::{Undone, Wait};
use example_cluster::*;

/// How long a network takes, an address, and a machine.
const CONNECTION: Duration = Duration::from_secs(25);
const MACHINE: Duration = Duration::from_secs(45);

/// A cloud in memory.
#[derive(Clone)]
struct Cloud {
    networks: Shelf,
    addresses: Shelf,
    machines: Shelf,
    nodes: Shelf,
    connection: Timer,
    /// When each machine is up, by its id.
    boots: Arc<Mutex<BTreeMap<String, Timer>>>,
    /// It has had all that is wanted.
    was_whole: Arc<AtomicBool>,
    sim: Sim,
}

impl Cloud {
    /// Starts a machine of this name, or finds the one that was started.
    async fn start(&self, name: &str, attempt: &ClusterAttempt) -> Result<String, ShelfError> {
        let id = self.machines.made_of(name).put(attempt.key(), attempt.owner_tag()).await?;
        let mut boots = self.boots.lock().unwrap_or_else(PoisonError::into_inner);
        boots.entry(id.clone()).or_insert_with(|| Timer::new(&self.sim)).start_once(MACHINE);
        Ok(id)
    }

    fn is_up(&self, id: &str) -> bool {
        self.boots.lock().unwrap_or_else(PoisonError::into_inner).get(id).is_some_and(Timer::is_done)
    }
}

impl ClusterTransitions for Cloud {
    type Error = ShelfError;

    async fn order_network(&self, from: Requested, attempt: &ClusterAttempt) -> Result<NetworkOrdered, ShelfError> {
        self.connection.start_once(CONNECTION);
        Ok(from.network_ordered(self.networks.put(attempt.key(), attempt.owner_tag()).await?))
    }

    async fn remove_network(&self, made: &NetworkOrdered, _: &ClusterAttempt) -> Result<Undone, ShelfError> {
        self.networks.remove(&made.network).await.map(Undone::from)
    }

    async fn order_address(&self, from: NetworkOrdered, attempt: &ClusterAttempt) -> Result<Connecting, ShelfError> {
        Ok(from.connecting(self.addresses.put(attempt.key(), attempt.owner_tag()).await?))
    }

    async fn release_address(&self, made: &Connecting, _: &ClusterAttempt) -> Result<Undone, ShelfError> {
        self.addresses.remove(&made.address).await.map(Undone::from)
    }

    async fn await_connection(&self, from: Connecting, _: &ClusterAttempt) -> Result<Wait<Running>, ShelfError> {
        Ok(if self.connection.is_done() { Wait::Done(from.running()) } else { Wait::NotYet })
    }

    // ANCHOR: control
    fn controls(&self, _: &Running, cluster: &Cluster) -> BTreeSet<String> {
        cluster.spec.machines("control", cluster.spec.controls)
    }

    async fn start_control(&self, _: &Running, name: &String, attempt: &ClusterAttempt) -> Result<String, ShelfError> {
        self.start(name, attempt).await
    }

    async fn await_control(&self, at: &Running, name: &String, _: &ClusterAttempt) -> Result<Wait<()>, ShelfError> {
        Ok(if self.is_up(&at.controls[name]) { Wait::Done(()) } else { Wait::NotYet })
    }

    async fn stop_control(
        &self,
        _: &Running,
        _: &String,
        id: &String,
        _: &ClusterAttempt,
    ) -> Result<Undone, ShelfError> {
        self.machines.remove(id).await.map(Undone::from)
    }
    // ANCHOR_END: control

    fn workers(&self, _: &Running, cluster: &Cluster) -> BTreeSet<String> {
        cluster.spec.machines("worker", cluster.spec.workers)
    }

    async fn start_worker(&self, _: &Running, name: &String, attempt: &ClusterAttempt) -> Result<String, ShelfError> {
        self.start(name, attempt).await
    }

    async fn await_worker(&self, at: &Running, name: &String, _: &ClusterAttempt) -> Result<Wait<String>, ShelfError> {
        let id = &at.workers[name];
        Ok(if self.is_up(id) { Wait::Done(format!("{id}.internal")) } else { Wait::NotYetFor(MACHINE / 3) })
    }

    async fn stop_worker(
        &self,
        _: &Running,
        _: &String,
        id: &String,
        _: &ClusterAttempt,
    ) -> Result<Undone, ShelfError> {
        self.machines.remove(id).await.map(Undone::from)
    }

    async fn admit(&self, _: &Running, name: &String, attempt: &ClusterAttempt) -> Result<(), ShelfError> {
        self.nodes.claim(name, attempt.key(), attempt.owner_tag()).await.map(drop)
    }

    async fn drain(&self, _: &Running, name: &String, _: &(), attempt: &ClusterAttempt) -> Result<Undone, ShelfError> {
        self.nodes.remove_name(name, attempt.owner_tag()).await.map(Undone::from)
    }
}

fn cluster(version: &str, controls: u32, workers: u32) -> Cluster {
    Cluster {
        name: "prod".to_owned(),
        uid: "00000000-0000-4000-8000-000000000001".to_owned(),
        spec: ClusterSpec { version: version.to_owned(), controls, workers },
    }
}

impl World for Cloud {
    type Machine = ClusterFlow;
    type Transitions = Self;

    fn new(sim: &Sim) -> Self {
        Self {
            networks: Shelf::new(sim, "network"),
            addresses: Shelf::new(sim, "address"),
            machines: Shelf::new(sim, "machine"),
            nodes: Shelf::new(sim, "node"),
            connection: Timer::new(sim),
            boots: Arc::default(),
            was_whole: Arc::default(),
            sim: sim.clone(),
        }
    }

    fn transitions(&self) -> Self {
        self.clone()
    }

    fn resource() -> Cluster {
        cluster("v1", 3, 2)
    }

    fn inventory(&self) -> Vec<Thing> {
        let shelves = [&self.networks, &self.addresses, &self.machines, &self.nodes];
        shelves.iter().flat_map(|shelf| shelf.inventory()).collect()
    }

    /// Once the control plane has a quorum, it keeps it; as many workers as are wanted get work, and there is never more than one above that; and none gets
    /// work that is not there.
    fn check(&self, at: &At<'_, Cluster>) -> Result<(), String> {
        let machines: BTreeSet<String> = self.machines.shelved().iter().map(|it| it.made_of.to_string()).collect();
        let of = |role: &str| machines.iter().filter(|name| name.starts_with(role)).count();
        if let Some(lost) = self.nodes.shelved().iter().find(|node| !machines.contains(&node.name)) {
            return Err(format!("{} gets work, and is no machine", lost.name));
        }
        // Of a cluster that is as large before as after an edit, the number is known.
        // After a restore, machines that no record knows are there too.
        let is_steady = !at.restored && (at.resource.spec.controls, at.resource.spec.workers) == (3, 2);
        if !is_steady || at.record.is_none_or(|record| record.direction.is_deletion()) {
            self.was_whole.store(false, Ordering::Relaxed);
            return Ok(());
        }
        let (controls, workers, nodes) = (of("control"), of("worker"), self.nodes.len());
        if controls > 3 || workers > 3 {
            return Err(format!("there are {controls} machines of the control plane and {workers} workers"));
        }
        if controls == 3 && nodes == 2 {
            self.was_whole.store(true, Ordering::Relaxed);
        }
        if self.was_whole.load(Ordering::Relaxed) && (controls < 2 || nodes < 2) {
            return Err(format!("only {controls} of 3 vote and {nodes} of 2 get work"));
        }
        Ok(())
    }
}

#[test]
fn a_cluster_whose_machines_are_replaced_survives_every_fault_and_keeps_its_quorum() {
    let explorer = explore::<Cloud>().resources(vec![cluster("v1", 3, 2), cluster("v2", 3, 2)]);
    println!("{}", explorer.run().assert_ok());
}

#[test]
fn a_cluster_that_shrinks_and_grows_survives_every_fault() {
    let specs = vec![cluster("v1", 1, 2), cluster("v1", 3, 0), cluster("v1", 3, 1)];
    println!("{}", explore::<Cloud>().resources(specs).run().assert_ok());
}
