//! Why a resource stops: held for a person, or blocked until something changes. Invariant: each reason says what ends it.

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
    /// A thing of that name exists, and nothing proves that this resource made it.
    NotOurs,
    /// The thing is half-built, and there is no `abort` to remove it.
    Incomplete,
    /// A fact or spec does not decode, or cannot be written.
    Unreadable,
    /// The record does not fit into the store.
    TooLarge,
    /// An older version of the machine wrote the record, and the current version declares no upgrade for it. The reason is not recorded: a version that
    /// declares one continues without a resolution.
    Upgrade,
    /// A rewind would go back to a state of which the record has no mark.
    NoMark,
    /// A step was refused under several specs, and a late duplicate of each request may still be carried out.
    Unsettled,
    /// There was a record, and it is gone or older than one that was written.
    RecordLost,
    /// The store accepts writes and does not keep them.
    NotKept,
    /// The machine does not come to rest: a guard stays true after its own transition.
    Restless,
    /// Somebody else than the machine has removed a thing, and its step declares `lost = hold`.
    Vanished,
    /// A step was given up, and declares `rejected`, `exhausted` or `overdue` as `hold`.
    GivenUp,
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
    /// The resource's generation then. Another generation releases the resource.
    pub generation: u64,
    /// When it is tried again even without a change.
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
    /// The provider rejected the request.
    Rejected,
    /// An effect was rejected, and the machine declares `on_rejected = undo`. Everything is being undone. The machine begins
    /// again when the block ends.
    RolledBack,
    /// A transition that waits has waited longer than it may.
    Overdue,
    /// The resource is to be deleted and refuses that ([`Resource::keeps`](crate::Resource::keeps)). The record does not say so: it is asked at
    /// every pass.
    DeletionRefused,
    /// Things are gone for more resources than the runner's `lost_limit` allows, so nothing is made again. The record does not say so: it is counted
    /// at every pass.
    LostLimit,
    /// What is next takes something away, and undos are stopped ([`Undos::stop`](crate::Undos::stop)). The record does not say so: it is asked at every
    /// pass.
    UndosStopped,
}
