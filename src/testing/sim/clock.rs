//! Virtual time. Invariant: time passes only between polls, and only as far as somebody waits.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use super::{Core, Sim};
use crate::Clock;
use crate::machine::Boxed;

/// When runs take place: early enough for some times ten years ahead, late enough for four times ten years back.
const START: Duration = Duration::from_secs(1_700_000_000);

/// The simulation's time, as a clock.
#[derive(Clone)]
pub(crate) struct SimClock(pub(crate) Sim);

impl Clock for SimClock {
    fn wall(&self) -> SystemTime {
        self.0.core().wall()
    }

    fn monotonic(&self) -> Duration {
        self.0.core().now
    }

    fn sleep(&self, time: Duration) -> Boxed<()> {
        let until = self.monotonic() + time;
        Box::pin(Sleep { sim: self.0.clone(), until })
    }

    fn chance(&self) -> u64 {
        self.0.core().chance()
    }
}

impl Core {
    /// The time of day.
    pub(super) fn wall(&self) -> SystemTime {
        let time = SystemTime::UNIX_EPOCH + START + self.now;
        let skew = Duration::from_secs(self.skew.unsigned_abs());
        if self.skew < 0 { time - skew } else { time + skew }
    }
}

struct Sleep {
    sim: Sim,
    until: Duration,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let mut core = self.sim.core();
        if core.now >= self.until {
            return Poll::Ready(());
        }
        core.wake = Some(core.wake.map_or(self.until, |wake| wake.min(self.until)));
        Poll::Pending
    }
}
