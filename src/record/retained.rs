//! Things that are left behind on purpose. Invariant: an entry that leaves the undo list without being undone is listed here, or counted.

use serde::{Deserialize, Serialize};

use super::Stamp;
use crate::Facts;

/// How many entries [`Record::retained`](super::Record::retained) has at most.
pub const MOST_RETAINED: usize = 32;

/// A thing that is left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Retained {
    /// The transition that made it.
    pub transition: String,
    /// The subject, for a member of a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The life under which it was made. With the record's origin and machine it gives the idempotency key.
    pub life: u64,
    /// What was recorded of it: the values by which a person finds it.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub made: Facts,
    /// Whether it may not exist: it was sent, and its outcome was not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
    /// Who said so.
    pub by: RetainedBy,
    /// Why.
    pub why: String,
    /// When.
    pub at: Stamp,
}

/// Who decided that a thing is left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetainedBy {
    /// The machine, by `retain_when`.
    Machine,
    /// The provider, by [`Undone::Left`](crate::Undone::Left).
    Provider,
    /// An operator, by [`Resolution::Waive`](super::Resolution::Waive).
    Operator,
}
