//! Runs a pass without a runtime, and ends it where a process dies.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use durable_fsm::{Crossing, Probe};

/// Lets a process die at one of its crossings. Every clone is the same process.
#[derive(Clone, Default)]
pub struct Death {
    left: Arc<AtomicU32>,
    is_here: Arc<AtomicBool>,
    crossed: Arc<AtomicU32>,
}

impl Death {
    /// At the crossing of this number, from 1.
    pub fn at(crossing: u32) -> Self {
        let death = Self::default();
        death.left.store(crossing, Ordering::SeqCst);
        death
    }

    /// How many crossings the process has come to.
    pub fn crossed(&self) -> u32 {
        self.crossed.load(Ordering::SeqCst)
    }
}

impl Probe for Death {
    fn cross(&self, _: &Crossing<'_>) -> impl Future<Output = ()> + Send {
        self.crossed.fetch_add(1, Ordering::SeqCst);
        let last = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) == Ok(1);
        if last {
            self.is_here.store(true, Ordering::SeqCst);
        }
        std::future::poll_fn(move |_| if last { Poll::Pending } else { Poll::Ready(()) })
    }
}

/// Polls until it is done. None if the process dies.
pub fn drive<T>(future: impl Future<Output = T>, death: Option<&Death>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..1000 {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(done);
        }
        if death.is_some_and(|death| death.is_here.load(Ordering::SeqCst)) {
            return None;
        }
    }
    panic!("a pass waits for nothing")
}
