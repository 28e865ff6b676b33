//! A clock that a test moves by hand. Invariant: a sleep ends when the clock was moved far enough, and never by itself.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use crate::Clock;
use crate::machine::Boxed;

/// A clock that stands still until a test moves it. Cheap to clone; every clone is the same clock.
///
/// ```
/// use std::time::Duration;
/// use durable_fsm::{Clock as _, testing::TestClock};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let clock = TestClock::new();
/// let sleep = tokio::spawn(clock.sleep(Duration::from_secs(30)));
/// tokio::task::yield_now().await;
/// assert_eq!(clock.next(), Some(Duration::from_secs(30)));
/// clock.advance(Duration::from_secs(30));
/// sleep.await.unwrap();
/// # });
/// ```
#[derive(Debug, Clone, Default)]
pub struct TestClock(Arc<Mutex<Hands>>);

#[derive(Debug, Default)]
struct Hands {
    now: Duration,
    chance: u64,
    sleepers: BTreeMap<u64, (Duration, Waker)>,
    next: u64,
}

/// Where the time of day begins: in November 2023.
const START: Duration = Duration::from_secs(1_700_000_000);

impl TestClock {
    /// A clock at its beginning.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock, and wakes everything that has slept long enough.
    pub fn advance(&self, time: Duration) {
        let mut hands = self.hands();
        hands.now += time;
        let now = hands.now;
        let awake: Vec<Waker> =
            hands.sleepers.values().filter(|(until, _)| *until <= now).map(|(_, waker)| waker.clone()).collect();
        drop(hands);
        awake.into_iter().for_each(Waker::wake);
    }

    /// How long until the next sleeper wakes; none if nothing sleeps.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        let hands = self.hands();
        hands.sleepers.values().map(|(until, _)| until.saturating_sub(hands.now)).min()
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for TestClock {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + START + self.hands().now
    }

    fn monotonic(&self) -> Duration {
        self.hands().now
    }

    fn sleep(&self, time: Duration) -> Boxed<()> {
        let mut hands = self.hands();
        hands.next += 1;
        let (ticket, until) = (hands.next, hands.now + time);
        Box::pin(Sleep { clock: self.clone(), ticket, until })
    }

    fn chance(&self) -> u64 {
        let mut hands = self.hands();
        hands.chance += 1;
        let hash = blake3::hash(&hands.chance.to_be_bytes());
        hash.as_bytes()[..8].iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }
}

struct Sleep {
    clock: TestClock,
    ticket: u64,
    until: Duration,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut hands = self.clock.hands();
        if hands.now >= self.until {
            hands.sleepers.remove(&self.ticket);
            return Poll::Ready(());
        }
        hands.sleepers.insert(self.ticket, (self.until, context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.hands().sleepers.remove(&self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_in_time_and_the_next_one_is_known() {
        let clock = TestClock::new();
        let (first, second) = (clock.sleep(Duration::from_secs(2)), clock.sleep(Duration::from_secs(5)));
        let (first, second) = (tokio::spawn(first), tokio::spawn(second));
        tokio::task::yield_now().await;
        assert_eq!(clock.next(), Some(Duration::from_secs(2)));
        clock.advance(Duration::from_secs(3));
        first.await.unwrap();
        assert_eq!(clock.next(), Some(Duration::from_secs(2)));
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        assert_eq!((clock.next(), clock.monotonic()), (None, Duration::from_secs(3)));
        assert_ne!(clock.chance(), clock.chance());
    }
}
