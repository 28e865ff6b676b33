//! When transitions that look at rest look again. Invariant: nothing of it is written, so a restart looks a little earlier; and a look is put off only while the
//! resource stays where it was when it was looked at.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::waits::LONGEST_WAIT;
use crate::RecordId;
use crate::record::Stamp;

/// The looks that found nothing, by resource and transition.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    hasher: RandomState,
    table: Mutex<Table>,
}

#[derive(Debug, Clone, Default)]
struct Table {
    /// By transition.
    looks: HashMap<u64, Vec<(usize, Again)>>,
    /// With so many resources it is time to forget those of resources that no pass has come to any more.
    sweep_at: usize,
}

/// When a transition looks again.
#[derive(Debug, Clone, Copy)]
struct Again {
    /// Since when the resource was in its state then.
    since: Stamp,
    /// On the monotonic clock of this controller.
    at: Duration,
}

impl Looks {
    /// The same, for somebody who goes on from here alone.
    #[cfg(feature = "testing")]
    pub(super) fn copied(&self) -> Self {
        Self { hasher: self.hasher.clone(), table: Mutex::new(self.table().clone()) }
    }

    /// When this transition looks again, if it need not look now.
    pub(super) fn again(&self, id: &RecordId, transition: usize, since: Stamp, now: Duration) -> Option<Duration> {
        let table = self.table();
        let (_, again) = table.looks.get(&self.key(id))?.iter().find(|(of, _)| *of == transition)?;
        (again.since == since && again.at > now).then_some(again.at)
    }

    /// This transition has looked, and nothing has happened.
    pub(super) fn note(&self, id: &RecordId, transition: usize, since: Stamp, at: Duration, now: Duration) {
        let key = self.key(id);
        let mut table = self.table();
        if !table.looks.contains_key(&key) && table.looks.len() >= table.sweep_at.max(1024) {
            table.looks.retain(|_, looks| looks.iter().any(|(_, again)| now.saturating_sub(again.at) < LONGEST_WAIT));
            table.sweep_at = table.looks.len().saturating_mul(2);
        }
        let looks = table.looks.entry(key).or_default();
        looks.retain(|(of, _)| *of != transition);
        looks.push((transition, Again { since, at }));
    }

    /// There is no record of this resource any more, or it is to be looked at now.
    pub(super) fn forget(&self, id: &RecordId) {
        let mut table = self.table();
        if !table.looks.is_empty() {
            table.looks.remove(&self.key(id));
        }
    }

    fn key(&self, id: &RecordId) -> u64 {
        self.hasher.hash_one(id)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
