//! Virtual time. It passes while somebody sleeps, or when it is told to.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use durable_fsm::Clock;

/// The time of all processes. Every clone is the same time.
#[derive(Clone, Default)]
pub struct Time {
    now: Arc<Mutex<Duration>>,
    processes: Arc<AtomicU64>,
}

impl Time {
    pub fn now(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    pub fn advance_to(&self, time: Duration) {
        let mut now = self.now.lock().unwrap();
        *now = time.max(*now);
    }

    /// The clock of one more process. What it deals adds nothing to a backoff.
    pub fn of_a_process(&self) -> ProcessClock {
        let process = self.processes.fetch_add(1, Ordering::SeqCst) + 1;
        ProcessClock { time: self.clone(), chance: process * 256 }
    }
}

pub struct ProcessClock {
    time: Time,
    chance: u64,
}

impl Clock for ProcessClock {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.time.now()
    }
    fn monotonic(&self) -> Duration {
        self.time.now()
    }
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = self.time.clone();
        Box::pin(async move { clock.advance_to(clock.now() + time) })
    }
    fn chance(&self) -> u64 {
        self.chance
    }
}
