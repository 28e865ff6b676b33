//! One incarnation of a controller: its calls, and what it has seen. Invariant: all runners that were made from one another are one incarnation,
//! whichever stores they write to, so that a drain ends the passes of all of them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::looks::Looks;
use super::seen::Told;
use super::sightings::Sightings;
use super::watches::Watches;

/// One incarnation of a controller.
#[derive(Debug)]
pub(crate) struct Incarnation {
    name: String,
    calls: AtomicU64,
    under_way: Mutex<BTreeSet<String>>,
    idle: Notify,
    draining: AtomicBool,
    pub(super) sightings: Sightings,
    pub(super) told: Told,
    pub(super) watches: Watches,
    pub(super) looks: Looks,
}

impl Incarnation {
    pub(super) fn new(chance: u64) -> Self {
        Self {
            name: format!("{chance:016x}"),
            calls: AtomicU64::new(0),
            under_way: Mutex::default(),
            idle: Notify::new(),
            draining: AtomicBool::new(false),
            sightings: Sightings::default(),
            told: Told::default(),
            watches: Watches::default(),
            looks: Looks::default(),
        }
    }

    /// This incarnation as it is now, with no call under way.
    #[cfg(feature = "testing")]
    pub(super) fn copied(&self) -> Self {
        Self {
            name: self.name.clone(),
            calls: AtomicU64::new(self.calls.load(Ordering::SeqCst)),
            under_way: Mutex::default(),
            idle: Notify::new(),
            draining: AtomicBool::new(self.is_draining()),
            sightings: self.sightings.copied(),
            told: self.told.copied(),
            watches: self.watches.copied(),
            looks: self.looks.copied(),
        }
    }

    /// What tells it from every other.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// No pass begins another effect from here on.
    pub(super) fn stop(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Returns when no pass is under way.
    pub(super) async fn idle(&self) {
        loop {
            let notified = self.idle.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.under_way().is_empty() {
                return;
            }
            notified.await;
        }
    }

    pub(super) fn begin_call(&self) -> Call<'_> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let holder = [&*self.name, &number.to_string()].join("/");
        self.under_way().insert(holder.clone());
        Call { incarnation: self, holder }
    }

    /// Whether the call of this holder is over; none if it was another incarnation's.
    pub(super) fn is_over(&self, holder: &str) -> Option<bool> {
        match holder.split_once('/') {
            Some((incarnation, _)) if incarnation == self.name => Some(!self.under_way().contains(call_of(holder))),
            _ => None,
        }
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that is under way; it ends also when its future is dropped.
pub(super) struct Call<'i> {
    incarnation: &'i Incarnation,
    pub(super) holder: String,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.incarnation.under_way().remove(&self.holder);
        self.incarnation.idle.notify_waiters();
    }
}

/// The call that holds an intent: the holder without the intent's number within the call.
pub(super) fn call_of(holder: &str) -> &str {
    holder.rsplit_once('.').map_or(holder, |(call, _)| call)
}
