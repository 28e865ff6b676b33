//! Where runs join. Invariant: two runs join only if all of this is equal: the records, ignoring sequence numbers, timestamps and messages; the things in their
//! worlds; what every shelf will answer; the spec that is refused. The pass must have the latest spec, and nothing may be under way in either run.
//!
//! A world that asks for the time joins nothing until it has asked for the last time.
//!
//! Two things are not compared: since when each controller has seen something, and what was undone and is not quiet yet. They only decide how long a controller
//! waits, and while nothing is under way nothing happens during a wait.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use super::Core;
use crate::testing::stable_hash::stable_hasher;

/// Places where runs have been, as hashes of all that decides how they go on.
pub(crate) type Joins = HashSet<u64>;

impl Core {
    /// Takes note of where the run is, after a write, if nothing but the record and the world decides how it goes on.
    pub(super) fn note_join(&mut self) {
        let calm = self.stopped == 0
            && self.suspended == 0
            && self.touched.is_none()
            && !self.draining
            && !self.replying
            && self.is_up_to_date()
            && self.flights.is_empty()
            && self.stored.is_calm()
            && self.plan.iter().all(|planned| planned.fired);
        if !calm || self.quiet {
            return;
        }
        let Some(decoded) = &self.stored.decoded else { return };
        let mut hasher = stable_hasher();
        (
            self.edit,
            self.deleting,
            self.made_again.is_some(),
            self.books.has_forgotten(),
            &self.by_itself,
            self.books.world,
            self.stored.hidden,
            decoded.outline,
            self.unacceptable.as_ref().filter(|_| !self.deleting),
        )
            .hash(&mut hasher);
        for shelf in &self.shelves {
            shelf(&decoded.known, self.now, &mut hasher);
        }
        if decoded.record.next_retry().is_some() || decoded.record.blocked.is_some() {
            // Only then does the time of day decide anything.
            self.skew.hash(&mut hasher);
        }
        let here = hasher.finish();
        self.joins.push(here);
        self.joined = self.known.iter().any(|known| known.contains(&here));
    }
}
