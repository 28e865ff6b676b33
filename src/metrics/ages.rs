//! The times since when resources are in a condition.

use std::collections::BTreeMap;
use std::time::SystemTime;

/// By machine: since when resources are in a condition, with how many there are.
#[derive(Debug, Default)]
pub(super) struct Ages(BTreeMap<String, BTreeMap<SystemTime, usize>>);

impl Ages {
    /// One more is in the condition since then.
    pub(super) fn add(&mut self, machine: &str, since: Option<SystemTime>) {
        if let Some(since) = since {
            *self.0.entry(machine.to_owned()).or_default().entry(since).or_default() += 1;
        }
    }

    /// One that was added is no longer in it.
    pub(super) fn remove(&mut self, machine: &str, since: Option<SystemTime>) {
        if let (Some(since), Some(ages)) = (since, self.0.get_mut(machine))
            && let Some(count) = ages.get_mut(&since)
        {
            *count -= 1;
            if *count == 0 {
                ages.remove(&since);
            }
        }
    }

    /// Since when the oldest is in it, in seconds since 1970. 0 if there is none.
    pub(super) fn oldest(&self, machine: &str) -> i64 {
        let oldest = self.0.get(machine).and_then(|ages| ages.keys().next());
        let since = oldest.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
    }
}
