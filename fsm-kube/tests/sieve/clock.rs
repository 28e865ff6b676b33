//! Tokio's clock as the driver's. The system's own never advances while virtual time does.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use durable_fsm::Clock;
use tokio::time::Instant;

/// The time of day at which every run begins: 2026-01-01T00:00:00Z, as the memory server's.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// One incarnation's time and chance, both the same in every run.
pub struct TokioClock {
    start: Instant,
    chances: AtomicU64,
}

impl TokioClock {
    /// A clock for the controller with this number.
    pub fn new(incarnation: u64) -> Self {
        Self { start: Instant::now(), chances: AtomicU64::new(incarnation << 32) }
    }
}

impl Clock for TokioClock {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + EPOCH + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(time))
    }

    fn chance(&self) -> u64 {
        // Spread over all bits, so that jitter is not always the smallest.
        (self.chances.fetch_add(1, Ordering::SeqCst) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}
