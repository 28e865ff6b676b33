//! How often each record was written, for versions. Invariant: the memory is bounded, however many records come and go, and a writer that
//! is late by less than [`GENERATION`] writes of the whole store is told right.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::RecordId;

/// How many records one generation remembers. Two generations are kept.
const GENERATION: usize = 16_384;

/// The number of the last write or removal of each record that was written lately. All others share the number at which the current
/// generation began.
///
/// A number that was given for a record stays valid while the record is untouched, until two more generations have begun. After that a
/// writer that still holds the number meets a conflict and reads again, which costs a read.
#[derive(Debug, Default)]
pub(super) struct Counts {
    hasher: RandomState,
    last: u64,
    /// The numbers at which the older and the newer generation began.
    floors: [u64; 2],
    older: HashMap<u64, u64>,
    newer: HashMap<u64, u64>,
}

impl Counts {
    /// The number for this record now.
    pub(super) fn of(&self, id: &RecordId) -> u64 {
        self.recent(id).unwrap_or(self.floors[1])
    }

    /// Whether the record is untouched since it had this number.
    pub(super) fn is_current(&self, id: &RecordId, count: u64) -> bool {
        match self.recent(id) {
            Some(recent) => recent == count,
            None => self.floors.contains(&count),
        }
    }

    /// The record is written or removed.
    pub(super) fn moved(&mut self, id: &RecordId) {
        self.last += 1;
        if self.newer.len() >= GENERATION {
            self.older = std::mem::take(&mut self.newer);
            self.floors = [self.floors[1], self.last - 1];
        }
        self.newer.insert(self.hasher.hash_one(id), self.last);
    }

    fn recent(&self, id: &RecordId) -> Option<u64> {
        let hash = self.hasher.hash_one(id);
        self.newer.get(&hash).or_else(|| self.older.get(&hash)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ResourceId;

    fn id(number: usize) -> RecordId {
        RecordId { machine: "test.io/thing".to_owned(), resource: ResourceId::new("default", format!("n{number}")) }
    }

    #[test]
    fn memory_does_not_grow_with_deleted_records() {
        let mut counts = Counts::default();
        for number in 0..10 * GENERATION {
            counts.moved(&id(number));
        }
        assert!(counts.older.len() + counts.newer.len() <= 2 * GENERATION);
    }

    #[test]
    fn a_number_is_valid_until_its_record_is_touched() {
        let mut counts = Counts::default();
        let (touched, untouched) = (counts.of(&id(0)), counts.of(&id(1)));
        counts.moved(&id(0));
        assert!(!counts.is_current(&id(0), touched) && counts.is_current(&id(0), counts.of(&id(0))));
        // One generation later both are told as before.
        for number in 2..GENERATION + 3 {
            counts.moved(&id(number));
        }
        assert!(!counts.is_current(&id(0), touched) && counts.is_current(&id(1), untouched));
        // Two generations later the old number of the touched record is still no good.
        for number in 2..2 * GENERATION + 3 {
            counts.moved(&id(number));
        }
        assert!(!counts.is_current(&id(0), touched));
        assert!(counts.is_current(&id(0), counts.of(&id(0))) && counts.is_current(&id(1), counts.of(&id(1))));
    }
}
