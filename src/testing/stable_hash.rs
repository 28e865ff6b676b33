//! A hash that is the same in every run. Invariant: runs that are compared by it are compared by what they have done alone.

use std::hash::BuildHasher as _;

use foldhash::quality::{FixedState, FoldHasher};

/// Hashes what runs have written, and what exists. No one chooses these inputs so that two hashes are equal.
pub(crate) type StableHasher = FoldHasher<'static>;

/// For tables whose keys are hashed so.
pub(crate) type StableState = FixedState;

pub(crate) fn stable_hasher() -> StableHasher {
    FixedState::default().build_hasher()
}
