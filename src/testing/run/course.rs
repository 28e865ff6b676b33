//! How far a run has come. Invariant: together with the simulation it says how the run goes on, at every place between two passes.

use std::time::Duration;

/// Where a phase of the run ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rest {
    Resting,
    /// Held for a person who cannot end it: in doubt, or because somebody else has the name.
    Held,
    Gone,
    /// Something was violated, or how it goes on is known.
    Over,
}

/// How far a resource has come towards a rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settling {
    pub(super) until: Rest,
    pub(super) begun: Duration,
    /// When the next pass begins, if nothing wakes the controller up before.
    pub(super) due: Duration,
    pub(super) has_retried: bool,
    /// How many passes it has left.
    pub(super) left: u32,
}

/// How far a run has come in its course.
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
    /// Of a second resource of the same name: whether the first one ended held.
    pub(super) again: Option<bool>,
    /// Whether this one has been held to its end.
    pub(super) ended_held: bool,
    /// The spec with which it began to settle.
    pub(super) stage: usize,
    pub(super) settling: Settling,
}
