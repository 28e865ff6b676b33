//! What a transition's methods answer besides the next state. Invariant: "I do not know" is an error, never an answer.

use std::time::Duration;

/// What a look-up found.
///
/// If the provider cannot be asked, return an error, not `Absent`. Unknown never counts as absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<N> {
    /// The thing exists and is provably ours: the owner tag matches, our own credential opens it, or its name is in a namespace
    /// that is reserved for us.
    Ours(N),
    /// The thing does not exist.
    Absent,
    /// The thing exists, is ours, and is half-built. The transition's `abort` removes it before the transition runs again.
    Incomplete,
    /// A thing of that name exists and is not provably ours.
    NotOurs,
    /// The thing belongs to a deleted resource of the same name. It is taken over only if the transition declares
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
    /// The thing is gone, or was never there.
    Done,
    /// The thing is being removed: ask again after five seconds, or at the next wake-up.
    NotYet,
    /// The thing is being removed: ask again after this time (at most a day), or at the next wake-up.
    NotYetFor(Duration),
    /// The thing stays, for this reason. The record lists it as retained, and the undo of earlier things goes on.
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
    /// The wait is over.
    Done(N),
    /// Not yet: ask again after the declared retry interval, or at the next wake-up.
    NotYet,
    /// Not yet: ask again after this time (at most a day), or at the next wake-up.
    NotYetFor(Duration),
}
