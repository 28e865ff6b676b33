//! Where runs join. Invariant: two runs join only if all of this is equal: the records, ignoring sequence numbers, timestamps and messages; the things in their
//! worlds; what every shelf will answer; the spec that is refused. The pass must have the latest spec, and nothing may be under way in either run.
//!
//! A world that asks for the time joins nothing until it has asked for the last time.
//!
//! Two things are not compared: since when each controller has seen something, and what was undone and is not quiet yet. They only decide how long a controller
//! waits, and while nothing is under way nothing happens during a wait.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use super::Core;
use crate::testing::stable_hash::stable_hasher;

/// A run among those with as many faults: its branch, and its number in the branch.
pub(crate) type Order = (usize, u64);

/// The first runs that were at a place, in their order.
#[derive(Clone, Copy)]
pub(crate) struct First {
    /// Of all runs.
    any: Order,
    /// Of the runs whose faults are combined with others.
    combined: Option<Order>,
}

/// Places where runs have been, as hashes of all that decides how they go on.
#[derive(Clone, Default)]
pub(crate) struct Joins(HashMap<u64, First, foldhash::fast::FixedState>);

impl Joins {
    /// A run has been there, and found nothing.
    pub(crate) fn add(&mut self, here: u64, order: Order, is_combined: bool) {
        let combined = is_combined.then_some(order);
        let first = self.0.entry(here).or_insert(First { any: order, combined });
        first.any = first.any.min(order);
        first.combined = first.combined.into_iter().chain(combined).min();
    }
}

/// Where a run may end, because another one goes on from there.
///
/// Of the runs that come to a place, the first one in their order never ends there or before, so it goes on. What is found therefore does not depend on which run was
/// faster.
#[derive(Clone, Default)]
pub(crate) struct Followed {
    /// Where runs with fewer faults have been.
    pub(crate) fewer: Vec<Arc<Joins>>,
    /// Where runs with as many faults have been, and which of them this is.
    pub(crate) as_many: Option<(AsMany, Order)>,
    /// More faults are to follow, so it ends only where a run was with which they are combined.
    pub(crate) is_extended: bool,
}

/// Where runs with as many faults have been.
#[derive(Clone)]
pub(crate) enum AsMany {
    /// All of them.
    All(Arc<Joins>),
    /// Those that were run so far.
    SoFar(Arc<RwLock<Joins>>),
}

impl Followed {
    fn has(&self, here: u64) -> bool {
        let first = |known: &Joins| {
            let first = known.0.get(&here)?;
            if self.is_extended { first.combined } else { Some(first.any) }
        };
        let is_earlier = || {
            let (known, own) = self.as_many.as_ref()?;
            let first = match known {
                AsMany::All(known) => first(known),
                AsMany::SoFar(known) => first(&known.read().unwrap_or_else(PoisonError::into_inner)),
            };
            Some(first? < *own)
        };
        self.fewer.iter().any(|known| first(known).is_some()) || is_earlier() == Some(true)
    }
}

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
        self.joined = self.followed.has(here);
    }
}

#[cfg(test)]
mod tests {
    use super::{AsMany, Followed, Joins};
    use std::sync::Arc;

    #[test]
    fn the_first_run_at_a_place_goes_on() {
        let mut been = Joins::default();
        been.add(7, (2, 1), false);
        let ends = |been: &Joins, order, is_extended| {
            let as_many = Some((AsMany::All(Arc::new(been.clone())), order));
            Followed { as_many, is_extended, ..Followed::default() }.has(7)
        };
        assert_eq!([(1, 5), (2, 1), (2, 2), (3, 1)].map(|order| ends(&been, order, false)), [false, false, true, true]);
        assert!(!ends(&been, (9, 1), true), "its faults are not combined with others");
        been.add(7, (4, 1), true);
        assert_eq!([(3, 1), (5, 1)].map(|order| ends(&been, order, true)), [false, true]);
        been.add(7, (1, 1), true);
        assert!(ends(&been, (2, 1), true) && ends(&been, (2, 1), false));
        assert!(Followed { fewer: vec![Arc::new(been)], ..Followed::default() }.has(7));
    }
}
