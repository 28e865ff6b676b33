//! What a transition's methods answer besides the next state. Invariant: "I do not know" is an error, never an answer.

use std::time::Duration;

/// What a look-up found.
///
/// A provider that cannot be asked is an error, not `Absent`: unknown never counts as absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<N> {
    /// It exists and is provably ours: the owner tag matches, our own credential opens it, or the name lies in a namespace
    /// that is reserved for us.
    Ours(N),
    /// There is no such thing.
    Absent,
    /// It exists, is ours, and is half-built. The transition's `abort` removes it before the transition runs again.
    Incomplete,
    /// Something of that name exists and is not provably ours.
    NotOurs,
    /// It belongs to a deleted namesake of this resource. It is taken over only where the transition says
    /// `predecessor = adopt`.
    Predecessor(N),
}

impl<N> Lookup<N> {
    pub(crate) fn try_map<M, E>(self, f: impl FnOnce(N) -> Result<M, E>) -> Result<Lookup<M>, E> {
        Ok(match self {
            Lookup::Ours(next) => Lookup::Ours(f(next)?),
            Lookup::Absent => Lookup::Absent,
            Lookup::Incomplete => Lookup::Incomplete,
            Lookup::NotOurs => Lookup::NotOurs,
            Lookup::Predecessor(next) => Lookup::Predecessor(f(next)?),
        })
    }
}

/// What an undo or an abort answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// It is gone, or was never there.
    Done,
    /// It is on its way out: ask again after five seconds, or at the next wake-up.
    NotYet,
    /// It is on its way out: ask again after this long (a day at most, a longer time counts as a day), or at the next wake-up.
    NotYetFor(Duration),
    /// It stays, for this reason. The record lists it as retained, and what was made before it is undone.
    Left(String),
}

impl From<()> for Undone {
    fn from((): ()) -> Self {
        Undone::Done
    }
}

/// What a transition that waits answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait<N> {
    /// What was waited for is there.
    Done(N),
    /// Not yet: ask again after the declared retry interval, or at the next wake-up.
    NotYet,
    /// Not yet: ask again after this long (a day at most, a longer time counts as a day), or at the next wake-up.
    NotYetFor(Duration),
}
