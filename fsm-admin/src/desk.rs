//! What the routes share.

use std::sync::Arc;

use durable_fsm::controller::Window;
use tokio::sync::Semaphore;

/// The controllers, and the places for listeners.
pub(crate) struct Desk {
    pub(crate) windows: Vec<Window>,
    pub(crate) listeners: Arc<Semaphore>,
}

impl Desk {
    /// The controller of this machine.
    pub(crate) fn window(&self, machine: &str) -> Option<&Window> {
        self.windows.iter().find(|window| window.graph().name == machine)
    }
}
