//! Why a record stops: held for a person, or blocked until something changes. Invariant: each reason says what ends it.

use serde::{Deserialize, Serialize};

use super::Stamp;

/// A person has to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Held {
    /// Why.
    pub reason: HeldReason,
    /// What to look for, and what to do then.
    pub message: String,
    /// Since when.
    pub since: Stamp,
}

/// Why a person has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HeldReason {
    /// An effect under `in_doubt = hold` may or may not have happened.
    InDoubt,
    /// Something of that name exists and is not provably ours.
    NotOurs,
    /// The thing is half-built, and there is no `abort` to remove it.
    Incomplete,
    /// A fact or spec does not decode, or cannot be written.
    Unreadable,
    /// The record does not fit into the store.
    TooLarge,
    /// An older version of the machine has left it, and this one does not say how it goes on. It is not recorded: a version that says so goes on by itself.
    Upgrade,
    /// A rewind would go back to a state of which the record has no mark.
    NoMark,
    /// A step was refused under several specs, and each of them may still be carried out late.
    Unsettled,
    /// There was a record, and it is gone or has gone back.
    RecordLost,
    /// The store answers, but does not keep what is written.
    NotKept,
    /// The machine does not come to rest: a guard stays true after its own transition.
    Restless,
    /// A guard, a wanted set or the resource itself panicked, and nothing was sent. It is not recorded: the next pass tries again.
    Panicked,
}

/// Something has to change, and then it goes on by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Blocked {
    /// Why.
    pub reason: BlockedReason,
    /// What would release it.
    pub message: String,
    /// Since when.
    pub since: Stamp,
    /// The resource's generation then; another one releases it.
    pub generation: u64,
    /// When it is tried again all the same.
    pub at: Stamp,
}

/// Who was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Refused {
    /// The resource's generation then.
    pub generation: u64,
    /// The highest version of the machine that was refused for this generation, or has ended a block of it.
    pub version: u32,
}

/// Why it is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BlockedReason {
    /// The provider will not do it as things stand.
    Rejected,
    /// An effect was rejected, and everything is undone for it, because the machine says `on_rejected = undo`. Undoing goes on; it begins
    /// again when the block ends.
    RolledBack,
    /// A transition that waits has waited longer than it may.
    Overdue,
    /// It is to be deleted, and the resource refuses that ([`Resource::keeps`](crate::Resource::keeps)). No record says so: it is asked anew at
    /// every pass.
    DeletionRefused,
}
