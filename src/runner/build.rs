//! Building a runner. Invariant: what is not set is the system's own.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::driver::waits::LONGEST_WAIT;
use crate::driver::{Driver, LostLimit};
use crate::machine::Dispatch;
use crate::probe::Watch;
use crate::{Clock, Machine, Probe, Runner, Store, SystemClock, Undos};

/// Builds a [`Runner`].
#[must_use]
pub struct RunnerBuilder<M: Machine, T> {
    transitions: T,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    probe: Watch,
    blocked_for: Duration,
    lost_limit: LostLimit,
    undos: Undos,
    machine: PhantomData<fn() -> M>,
}

impl<M: Machine, T> RunnerBuilder<M, T> {
    pub(super) fn new(transitions: T, store: impl Store) -> Self {
        Self {
            transitions,
            store: Arc::new(store),
            clock: Arc::new(SystemClock::new()),
            probe: Watch::default(),
            blocked_for: Duration::from_secs(600),
            lost_limit: LostLimit::default(),
            undos: Undos::new(),
            machine: PhantomData,
        }
    }
}

impl<M: Dispatch<T>, T: Send + Sync + 'static> RunnerBuilder<M, T> {
    /// Takes time and chance from this clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Passes every crossing to this probe.
    pub fn probe(mut self, probe: impl Probe) -> Self {
        self.probe = Watch::of(probe);
        self
    }

    /// Tries a blocked resource again after this time even if nothing has changed. The default is ten minutes. A time longer than a day
    /// counts as a day.
    pub fn blocked_for(mut self, time: Duration) -> Self {
        self.blocked_for = time.min(LONGEST_WAIT);
        self
    }

    /// Makes nothing again while things of more resources are gone than this: `percent` of the resources that are watched (at rest in a state with
    /// `verify`), or `least` resources, whichever is more. What is counted is one period of `verify`. The default is 10 % or 20 resources.
    ///
    /// A provider that answers for the wrong account looks like a loss of everything. Beyond the limit the outcome is
    /// [`Outcome::Blocked`](crate::Outcome::Blocked) with [`BlockedReason::LostLimit`](crate::record::BlockedReason::LostLimit). It ends by itself when the provider finds the
    /// things again.
    pub fn lost_limit(mut self, percent: u8, least: u32) -> Self {
        self.lost_limit = LostLimit { percent, least };
        self
    }

    /// Limits how many undos run at once or in a minute, and lets them all be stopped. The default is no limit, which can be stopped all the same by
    /// [`Runner::undos`]. Give the same [`Undos`] to several runners and they count together.
    pub fn undos(mut self, undos: Undos) -> Self {
        self.undos = undos;
        self
    }

    /// The runner.
    pub fn build(self) -> Runner<M, T> {
        let mut driver = Driver::new(self.store, self.clock, self.probe, self.blocked_for);
        driver.lost_limit = self.lost_limit;
        driver.undos = self.undos;
        Runner { transitions: Arc::new(self.transitions), driver: Arc::new(driver), machine: PhantomData }
    }
}
