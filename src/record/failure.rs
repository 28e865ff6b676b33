//! Why a step was given up. Invariant: a failure has what the record knew when the machine went to the bad end.

use serde::{Deserialize, Serialize};

use super::Stamp;
use crate::{Resource, canonical};

/// Why a step was given up: the fact that a bad end (`rejected`, `exhausted`, `overdue`) may add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Failure {
    /// The step.
    pub step: String,
    /// The class of its last error, such as `rejected`; `overdue` for a wait that took too long.
    pub class: String,
    /// The last error, without the secrets of its URLs, at most 2 KiB.
    pub message: String,
    /// How many failures there were in a row.
    pub attempts: u32,
    /// The resource's generation then.
    pub generation: u64,
    /// A digest of the spec with which it failed; see [`is_of`](Self::is_of).
    pub spec: String,
    /// When it was given up.
    pub since: Stamp,
}

impl Failure {
    /// Whether the resource still has the spec with which the step failed. A guard that asks this leaves the bad end when the spec has changed.
    #[must_use]
    pub fn is_of(&self, resource: &impl Resource) -> bool {
        canonical::form(resource.spec()).is_ok_and(|spec| digest_of(&spec) == self.spec)
    }
}

/// The digest of a spec in its canonical form, as 16 hex digits.
pub(super) fn digest_of(spec: &serde_json::Value) -> String {
    format!("{:016x}", canonical::digest(spec))
}
