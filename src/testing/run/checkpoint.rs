//! A place of a run, between two passes, from which other runs go on that are the same up to there. Invariant: everything that decides how a run goes on is
//! here, but for the state of its world, of which only what was asked is known.

use std::sync::{Arc, Mutex};

use super::clean::Rested;
use super::course::Course;
use crate::driver::Incarnation;
use crate::testing::sim::{Asked, Core};

/// A place from which other runs go on.
pub(crate) struct Checkpoint {
    /// How many places the run had passed.
    pub(crate) passed: usize,
    /// How many faults had struck: all of its plan.
    pub(super) struck: usize,
    pub(super) core: Mutex<Core>,
    pub(super) asked: Arc<Asked>,
    pub(super) incarnations: [Incarnation; 2],
    pub(super) course: Course,
    pub(super) lead: usize,
    pub(super) passes: u32,
    pub(super) rests: Vec<Rested>,
    pub(super) outdated: bool,
    pub(super) behind: bool,
    pub(super) asked_at: usize,
}
