//! A cluster: its network and its address are ordered together, its control plane is replaced one machine at a time, and its workers by one more than are
//! wanted.
//!
//! The machine is the enum [`ClusterFlow`]. What the cloud has to do for it is the trait [`ClusterTransitions`]; `tests/cluster.rs` implements it on a cloud
//! in memory and lets every fault strike everywhere.

use std::collections::BTreeSet;

use durable_fsm::{Each, Fsm, Resource, ResourceId};
use serde::{Deserialize, Serialize};

/// What an author asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterSpec {
    /// The version that all machines run.
    pub version: String,
    /// How many machines the control plane has.
    pub controls: u32,
    /// How many workers there are.
    pub workers: u32,
}

impl ClusterSpec {
    /// The names of machines of one role. A machine of another version is another machine, so it has another name.
    pub fn machines(&self, role: &str, count: u32) -> BTreeSet<String> {
        (0..count).map(|number| format!("{role}-{number}-{}", self.version)).collect()
    }
}

/// A cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// What is wanted.
    pub spec: ClusterSpec,
}

impl Resource for Cluster {
    type Spec = ClusterSpec;

    fn id(&self) -> ResourceId {
        ResourceId::new("default", &self.name)
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn spec(&self) -> &ClusterSpec {
        &self.spec
    }
}

/// A cluster, from its network to its workers.
#[derive(Fsm)]
#[fsm(name = "example.io/cluster", version = 1, resource = Cluster, transport = once, timeout = "30s", settle = "2s", retry = "1s..5m")]
pub enum ClusterFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(order_network -> NetworkOrdered, in_doubt = repeat, undo = remove_network)]
    Requested,

    /// The network is being made. Nothing waits for it yet: the address takes as long.
    #[transition(order_address -> Connecting, in_doubt = repeat, undo = release_address)]
    NetworkOrdered {
        /// The network's id.
        network: String,
    },

    /// Both are being made, and one wait is for both.
    #[transition(await_connection -> Running, waits, every = "10s", within = "10m")]
    Connecting {
        /// The address's id.
        address: String,
    },

    // ANCHOR: running
    /// It serves. Machines of another version replace those that are there: of the control plane one at a time, so that the others keep the quorum; of the
    /// workers with one more than are wanted.
    #[fsm(resting)]
    #[transition(start_control, for_each = controls, surge = 0, in_doubt = repeat, undo = stop_control)]
    #[transition(await_control, for_each = voters, on = controls, waits, every = "10s", within = "15m")]
    #[transition(start_worker, for_each = workers, surge = 1, in_doubt = repeat, undo = stop_worker)]
    #[transition(await_worker, for_each = ready, on = workers, waits, every = "10s", within = "15m")]
    #[transition(admit, for_each = nodes, on = ready, in_doubt = repeat, undo = drain)]
    Running {
        /// The machines of the control plane, by name, each with its id.
        controls: Each<String, String>,
        /// Those of them that vote.
        voters: Each<String, ()>,
        /// The machines of the workers, by name, each with its id.
        workers: Each<String, String>,
        /// Those of them that are up, each with its address.
        ready: Each<String, String>,
        /// Those of them that get work.
        nodes: Each<String, ()>,
    },
    // ANCHOR_END: running
}
