//! Old names. Invariant: a life keeps its key when its transition is renamed.

use serde::{Deserialize, Serialize};

/// A transition that had another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Renamed {
    /// What it is called now.
    pub transition: String,
    /// What it was called.
    pub was: String,
    /// The last life that has its key under that name.
    pub until: u64,
}
