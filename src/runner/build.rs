//! Building a runner. Invariant: what is not set is the system's own.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::driver::Driver;
use crate::driver::waits::LONGEST_WAIT;
use crate::machine::Dispatch;
use crate::{Clock, Machine, Probe, Runner, Silent, Store, SystemClock};

/// Builds a [`Runner`].
#[must_use]
pub struct RunnerBuilder<M: Machine, T, P = Silent> {
    transitions: T,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    probe: P,
    blocked_for: Duration,
    machine: PhantomData<fn() -> M>,
}

impl<M: Machine, T> RunnerBuilder<M, T> {
    pub(super) fn new(transitions: T, store: impl Store) -> Self {
        Self {
            transitions,
            store: Arc::new(store),
            clock: Arc::new(SystemClock::new()),
            probe: Silent,
            blocked_for: Duration::from_secs(600),
            machine: PhantomData,
        }
    }
}

impl<M: Dispatch<T>, T: Send + Sync + 'static, P: Probe> RunnerBuilder<M, T, P> {
    /// Takes time and chance from this clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Passes every crossing to this probe.
    pub fn probe<Q: Probe>(self, probe: Q) -> RunnerBuilder<M, T, Q> {
        let Self { transitions, store, clock, probe: _, blocked_for, machine } = self;
        RunnerBuilder { transitions, store, clock, probe, blocked_for, machine }
    }

    /// Tries a blocked resource again after this time even if nothing has changed. The default is ten minutes. A time longer than a day
    /// counts as a day.
    pub fn blocked_for(mut self, time: Duration) -> Self {
        self.blocked_for = time.min(LONGEST_WAIT);
        self
    }

    /// The runner.
    pub fn build(self) -> Runner<M, T, P> {
        let driver = Driver::new(self.store, self.clock, self.probe, self.blocked_for);
        Runner { transitions: Arc::new(self.transitions), driver: Arc::new(driver), machine: PhantomData }
    }
}
