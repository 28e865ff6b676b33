//! How fast time goes. Invariant: clock and time-outs go by one factor, so whatever holds at the real pace holds when it is hurried.

use std::time::{Duration, SystemTime};

use durable_fsm::{Clock, SystemClock};

/// How long a request to a server may take. Each step gives its requests a little longer.
const PATIENCE: Duration = Duration::from_secs(25);

/// A pace: how many times faster than real time goes. The machines are declared for real servers; demonstrations and tests on one machine hurry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace(u32);

impl Pace {
    /// As things are.
    pub const REAL: Pace = Pace(1);
    /// For servers on the same machine that have nothing else to do.
    pub const HURRIED: Pace = Pace(15);

    /// So many times faster; not slower.
    #[must_use]
    pub fn of(times: u32) -> Self {
        Pace(times.max(1))
    }

    /// How many times faster.
    #[must_use]
    pub fn times(self) -> u32 {
        self.0
    }

    /// How long a request may take.
    #[must_use]
    pub fn patience(self) -> Duration {
        PATIENCE / self.0
    }

    /// A clock of this pace.
    #[must_use]
    pub fn clock(self) -> Hurried {
        Hurried { system: SystemClock::new(), times: self.0 }
    }
}

/// A clock on which time passes several times faster. The time of day is the real one.
#[derive(Debug, Clone)]
pub struct Hurried {
    system: SystemClock,
    times: u32,
}

impl Clock for Hurried {
    fn wall(&self) -> SystemTime {
        self.system.wall()
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic() * self.times
    }

    fn sleep(&self, time: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        self.system.sleep(time / self.times)
    }

    fn chance(&self) -> u64 {
        self.system.chance()
    }
}
