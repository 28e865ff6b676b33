//! A bare-metal host: registered, inspected, made ready, and given an image. It is powered as it is wanted, handed over for maintenance and taken back, and
//! given up after three failures.
//!
//! The machine is the enum [`HostFlow`]. What the site has to do for it is the trait [`HostTransitions`]; `tests/host.rs` implements it on a site in
//! memory and lets every fault strike everywhere.

use durable_fsm::{Failure, Fsm, Kept, Resource, ResourceId};
use serde::{Deserialize, Serialize};

/// What an author asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostSpec {
    /// The address of the host's management controller.
    pub address: String,
    /// The image that is to run; nothing for a host that waits for one.
    pub image: Option<String>,
    /// Whether it is to be powered.
    pub powered: bool,
    /// Whether somebody works on it, and nothing else may.
    pub in_maintenance: bool,
}

/// A host.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// What is wanted.
    pub spec: HostSpec,
}

impl Resource for Host {
    type Spec = HostSpec;

    fn id(&self) -> ResourceId {
        ResourceId::new("default", &self.name)
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn spec(&self) -> &HostSpec {
        &self.spec
    }
}

/// A host, from its registration to its image.
#[derive(Fsm)]
#[fsm(name = "example.io/host", version = 1, resource = Host, timeout = "30s", settle = "2s", retry = "1s..5m")]
pub enum HostFlow {
    /// Nothing is known of it.
    #[fsm(initial)]
    #[transition(register -> Registered, in_doubt = repeat, undo = deregister, rejected = Unreachable)]
    Requested,

    /// Its management controller does not let us in. Another address is another try.
    #[fsm(resting, failed)]
    #[transition(register_again -> Requested, when = has_other_spec, rewind)]
    Unreachable {
        /// What it said.
        refused: Failure,
    },

    /// The site knows it. Before it is deregistered, it is powered off.
    #[transition(take_power -> Inspecting, no_effect, undo = power_off)]
    Registered {
        /// The node's id.
        node: String,
    },

    /// It counts its processors.
    #[transition(await_inspection -> Available, waits, every = "30s", within = "1h")]
    Inspecting,

    // ANCHOR: ends
    /// It could run an image.
    #[fsm(resting)]
    #[transition(set_power, keep = power, in_doubt = repeat, undo = none)]
    #[transition(hand_over -> InMaintenance, when = is_handed_over, in_doubt = repeat, undo = take_back)]
    #[transition(install -> Installing, when = has_image, in_doubt = repeat, undo = wipe, attempts = 3, exhausted = Broken)]
    Available {
        /// Its processors.
        processors: u32,
        /// Whether it is powered.
        power: Kept<bool>,
    },

    /// The image is being written.
    #[transition(await_image -> Running, waits, every = "1m", within = "20m", overdue = Broken)]
    Installing {
        /// The installation's id.
        installation: String,
        /// The image.
        image: String,
    },

    // ANCHOR_END: ends
    // ANCHOR: maintenance
    /// It runs the image. Another image is another installation.
    #[fsm(resting)]
    #[transition(set_power)]
    #[transition(hand_over)]
    #[transition(reinstall -> Available, when = has_other_image, rewind)]
    Running,

    /// Somebody works on it. Afterwards it is what it was before.
    #[fsm(resting)]
    #[transition(resume -> Available | Running, when = is_given_back, rewind)]
    InMaintenance {
        /// The ticket.
        ticket: String,
    },
    // ANCHOR_END: maintenance
    /// The image could not be installed. Another spec is another try.
    #[fsm(resting, failed)]
    #[transition(try_again -> Available, when = may_try_again, rewind)]
    Broken {
        /// What went wrong.
        failure: Failure,
    },
}
