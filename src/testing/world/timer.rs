//! Work that takes a provider its time. Invariant: what it answers depends on how much time is left, and on nothing else of the time.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::Sim;

/// Work that is done so long after it was begun. Every clone is the same work.
///
/// Ask a timer, and not [`Sim::now`], when a method that waits wants to know whether something is done. The explorer knows how much time a timer
/// has left, so it ends a run where another run has been; a world that asks for the time itself is run to its end each time.
#[derive(Clone)]
pub struct Timer {
    sim: Sim,
    due: Arc<Mutex<Option<Duration>>>,
}

impl Timer {
    /// Work that was not begun.
    #[must_use]
    pub fn new(sim: &Sim) -> Self {
        let due = Arc::<Mutex<Option<Duration>>>::default();
        let hashed = Arc::clone(&due);
        sim.keep_shelf(Box::new(move |_, now, hasher| {
            let due = *hashed.lock().unwrap_or_else(PoisonError::into_inner);
            due.map(|due| due.saturating_sub(now)).hash(hasher);
        }));
        Self { sim: sim.clone(), due }
    }

    /// Begins the work, which takes this long. Work that was begun before begins anew.
    pub fn start(&self, time: Duration) {
        let due = self.sim.time() + time;
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = Some(due);
    }

    /// As [`start`](Self::start), unless it was begun before.
    pub fn start_once(&self, time: Duration) {
        let due = self.sim.time() + time;
        self.due.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(due);
    }

    /// As if it was never begun.
    pub fn reset(&self) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How much longer it takes; nothing once it is done. None if it was never begun.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.map(|due| due.saturating_sub(self.sim.time()))
    }

    /// Whether it is done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}
