//! Since when this incarnation has seen what. Invariant: all waiting on others is measured from here, on our own monotonic clock;
//! a time that somebody wrote is never part of it.
//!
//! The rule is client-go's for leases: a holder is given its full time from the moment at which *we* first saw it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::RecordId;
use crate::record::{Effect, Intent, Record, Touched};

/// For each record, when each of its open ends was first seen.
#[derive(Debug, Default)]
pub(crate) struct Sightings(Mutex<HashMap<RecordId, BTreeMap<String, Duration>>>);

impl Sightings {
    /// Takes note of a record as it is now; what is no longer in it is forgotten.
    pub(crate) fn observe(&self, id: &RecordId, record: &Record, now: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = all.entry(id.clone()).or_default();
        let marks = record.intent.iter().map(of_intent);
        let marks = marks.chain(record.undo.iter().map(of_effect)).chain(record.touched.iter().map(of_touched));
        *seen = marks
            .map(|mark| {
                let since = seen.get(&mark).copied().unwrap_or(now);
                (mark, since)
            })
            .collect();
        if seen.is_empty() {
            all.remove(id);
        }
    }

    /// When this mark was first seen; now, if it was not.
    pub(crate) fn since(&self, id: &RecordId, mark: &str, now: Duration) -> Duration {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(id).and_then(|seen| seen.get(mark)).copied().unwrap_or(now)
    }

    /// The record is gone.
    pub(crate) fn forget(&self, id: &RecordId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

pub(crate) fn of_intent(intent: &Intent) -> String {
    format!("intent {} {} {}", intent.holder, intent.attempt, intent.life)
}

pub(crate) fn of_effect(effect: &Effect) -> String {
    format!("live {} {:?} {}", effect.transition, effect.subject, effect.life)
}

pub(crate) fn of_touched(touched: &Touched) -> String {
    format!("touched {} {:?} {} {}", touched.transition, touched.subject, touched.life, touched.attempt)
}
