//! Time and chance. Invariant: the driver knows no other source of either, so a harness that controls the clock controls both.

use std::time::{Duration, SystemTime};

use crate::machine::Boxed;

/// The only source of time and chance.
pub trait Clock: Send + Sync + 'static {
    /// The time of day. It is written into records for people. No safety decision compares it.
    fn wall(&self) -> SystemTime;

    /// Time since some fixed point. It never goes back. Deadlines and waits are measured with it, so it must go on while the computer is
    /// suspended: a controller that wakes up must see that its deadline has passed.
    fn monotonic(&self) -> Duration;

    /// Returns when `time` has passed.
    fn sleep(&self, time: Duration) -> Boxed<()>;

    /// An arbitrary number, for the names of incarnations and for jitter.
    fn chance(&self) -> u64;
}

/// The computer's clock, with tokio's timer. On Linux, Android, macOS and iOS its monotonic time goes on while the computer is
/// suspended. On other systems it is that of [`std::time::Instant`].
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: now::Time,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: now::now() }
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
        now::since(self.start)
    }

    fn sleep(&self, time: Duration) -> Boxed<()> {
        Box::pin(tokio::time::sleep(time))
    }

    fn chance(&self) -> u64 {
        fastrand::u64(..)
    }
}

/// Time that goes on while the computer is suspended.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
mod now {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    pub(super) type Time = Duration;

    // Apple's monotonic clock goes on in sleep; `Instant` is made of another one, which does not.
    #[cfg(target_vendor = "apple")]
    const CLOCK: ClockId = ClockId::Monotonic;
    #[cfg(not(target_vendor = "apple"))]
    const CLOCK: ClockId = ClockId::Boottime;

    pub(super) fn now() -> Time {
        Duration::try_from(clock_gettime(CLOCK)).unwrap_or_default()
    }

    pub(super) fn since(start: Time) -> Duration {
        now().saturating_sub(start)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
mod now {
    use std::time::{Duration, Instant};

    pub(super) type Time = Instant;

    pub(super) fn now() -> Time {
        Instant::now()
    }

    pub(super) fn since(start: Time) -> Duration {
        start.elapsed()
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::now;
    use super::{Clock, SystemClock};
    use rustix::time::{ClockId, clock_gettime};
    use std::time::Duration;

    /// On a computer that was never suspended both clocks say the same. To tell them apart, run this in a time namespace:
    /// `unshare --time --boottime 28800 --fork <test binary> boot_time`.
    #[test]
    fn monotonic_time_is_boot_time() {
        let boot = || Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap();
        let (before, now, after) = (boot(), now::now(), boot());
        assert!(before <= now && now <= after);
        assert!(SystemClock { start: before }.monotonic() >= now - before);
    }
}
