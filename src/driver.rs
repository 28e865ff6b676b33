//! The driver: carries a record forward, or back. Invariant: no effect is called without an intent that is durable, ours, and young
//! enough that nobody else has taken it over.
//!
//! The protocol and which of its rules is needed for what stand in `DESIGN.md`.

mod attempt;
mod decide;
mod load;
mod pass;
mod sightings;
mod write;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) use decide::{Decision, Ending};
pub(crate) use pass::{Planned, Report};
use sightings::Sightings;
use tokio::sync::Notify;

use crate::record::{Held, Record};
use crate::steps::Steps;
use crate::{Clock, Probe, RecordId, Store, StoreError};

/// One incarnation of a controller.
pub(crate) struct Driver<P> {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) probe: P,
    /// After how long a blocked resource is tried again all the same.
    pub(crate) blocked_for: Duration,
    incarnation: String,
    calls: AtomicU64,
    under_way: Mutex<BTreeSet<String>>,
    idle: Notify,
    draining: AtomicBool,
    sightings: Sightings,
}

impl<P: Probe> Driver<P> {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, probe: P, blocked_for: Duration) -> Self {
        let incarnation = format!("{:016x}", clock.chance());
        Self {
            store,
            clock,
            probe,
            blocked_for,
            incarnation,
            calls: AtomicU64::new(0),
            under_way: Mutex::default(),
            idle: Notify::new(),
            draining: AtomicBool::new(false),
            sightings: Sightings::default(),
        }
    }

    /// What tells this incarnation from every other.
    #[cfg(feature = "testing")]
    pub(crate) fn incarnation(&self) -> &str {
        &self.incarnation
    }

    /// Carries one resource as far as it goes.
    pub(crate) async fn reconcile(&self, steps: &dyn Steps, id: &RecordId, delete: bool) -> Result<Report, StoreError> {
        let call = self.begin_call();
        pass::Pass::run(self, steps, id, call.holder.clone(), delete).await
    }

    /// What a pass would do first, and the record it would do it on.
    pub(crate) async fn plan(&self, steps: &dyn Steps, id: &RecordId) -> Result<Planned, StoreError> {
        pass::Pass::plan(self, steps, id).await
    }

    /// No pass begins another effect from here on.
    pub(crate) fn stop(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Returns when no pass is under way.
    pub(crate) async fn idle(&self) {
        loop {
            let notified = self.idle.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.calls_under_way().is_empty() {
                return;
            }
            notified.await;
        }
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Whether the call that wrote an intent is over: it is one of this incarnation's and has ended, or it belongs to another
    /// incarnation and the store proves that none is left.
    fn is_gone(&self, holder: &str) -> bool {
        match holder.split_once('/') {
            Some((incarnation, _)) if incarnation == self.incarnation => {
                !self.calls_under_way().contains(call_of(holder))
            }
            _ => self.store.exclusive(),
        }
    }

    fn begin_call(&self) -> UnderWay<'_, P> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let holder = format!("{}/{number}", self.incarnation);
        self.calls_under_way().insert(holder.clone());
        UnderWay { driver: self, holder }
    }

    fn calls_under_way(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The call that holds an intent: the holder without the intent's number within the call.
fn call_of(holder: &str) -> &str {
    holder.rsplit_once('.').map_or(holder, |(call, _)| call)
}

/// A call that is under way; it ends also when its future is dropped.
struct UnderWay<'d, P: Probe> {
    driver: &'d Driver<P>,
    holder: String,
}

impl<P: Probe> Drop for UnderWay<'_, P> {
    fn drop(&mut self) {
        self.driver.calls_under_way().remove(&self.holder);
        self.driver.idle.notify_waiters();
    }
}

/// A record that may not be changed, as it is reported: held without being written.
pub(crate) fn held_unwritten(record: Option<Arc<Record>>, held: Held) -> Report {
    Report { ending: Ending::Held, record, waits: None, unwritten: Some(held) }
}
