//! Which faults there are where. Invariant: places are told apart by transition and kind, not by how often they were passed.

use super::Point;
use crate::testing::plan::Place;

/// For each transition, and for what belongs to none, one set of faults for each kind of place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Menus(Vec<u64>);

/// The sites, the awaits within each of them, what is between passes, and the requests of a store at each site.
const KINDS: usize = 34;

impl Menus {
    /// None yet, for so many transitions.
    pub(crate) fn new(transitions: usize) -> Self {
        Self(vec![0; (transitions + 1) * KINDS])
    }

    /// Adds faults at a place.
    pub(crate) fn add(&mut self, point: &Point, faults: u64) {
        let kind = match point.place {
            Place::Site(site) => site as usize,
            Place::Await(site, _) => 11 + site as usize,
            Place::Pass => 22,
            Place::Request(site, _) => 23 + site as usize,
        };
        // What belongs to no transition comes last.
        let last = (self.0.len() / KINDS).saturating_sub(1);
        if let Some(menu) = self.0.get_mut(usize::from(point.transition).min(last) * KINDS + kind) {
            *menu |= faults;
        }
    }

    /// Makes room for as many transitions as another has.
    pub(crate) fn widen(&mut self, other: &Menus) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
    }

    pub(crate) fn merge(&mut self, other: &Menus) {
        self.widen(other);
        for (here, more) in self.0.iter_mut().zip(&other.0) {
            *here |= more;
        }
    }

    /// How many there are for one transition.
    pub(crate) fn count(&self, transition: usize) -> u32 {
        self.0.iter().skip(transition * KINDS).take(KINDS).map(|menu| menu.count_ones()).sum()
    }
}
