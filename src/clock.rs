//! Time and chance. Invariant: the driver knows no other source of either, so a harness that controls the clock controls both.

use std::time::{Duration, Instant, SystemTime};

use crate::machine::Boxed;

/// The only source of time and chance.
pub trait Clock: Send + Sync + 'static {
    /// The time of day. It is written into records for people, and never compared to decide what is safe.
    fn wall(&self) -> SystemTime;

    /// Time since some fixed point, never going back. Deadlines and waits are measured with it.
    fn monotonic(&self) -> Duration;

    /// Returns when `time` has passed.
    fn sleep(&self, time: Duration) -> Boxed<()>;

    /// An arbitrary number: for telling incarnations apart and for jitter.
    fn chance(&self) -> u64;
}

/// The machine's own clock, sleeping on tokio's timer.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, time: Duration) -> Boxed<()> {
        Box::pin(tokio::time::sleep(time))
    }

    fn chance(&self) -> u64 {
        fastrand::u64(..)
    }
}
