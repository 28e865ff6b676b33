//! Failures, and when the step is tried again. Invariant: a step that was set aside keeps its count and its wait until it is tried again.

use serde::{Deserialize, Serialize};

use super::Stamp;

/// The failures of the current step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Retry {
    /// How many there were.
    pub count: u32,
    /// When the first one was, if the step declares `give_up_after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Stamp>,
    /// When the last one was.
    pub since: Stamp,
    /// When it is tried again.
    pub at: Stamp,
    /// The class of the last error.
    pub class: String,
    /// The text of the last error.
    pub error: String,
}

/// How many steps may be set aside at once. If one more fails, the others wait for it.
pub const MOST_RETRYING: usize = 16;

/// The failures of a step that was set aside: a member of a set, or a step below one that `preempts`. Other steps go on meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Retrying {
    /// The transition.
    pub transition: String,
    /// The subject, for a member of a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its failures.
    pub retry: Retry,
    /// If the provider rejected it: the resource's generation then. Another one ends the wait, and so does a newer version of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<u64>,
}

impl Retrying {
    /// Whether it is of this transition and subject.
    #[must_use]
    pub fn is_of(&self, transition: &str, subject: Option<&str>) -> bool {
        self.transition == transition && self.subject.as_deref() == subject
    }
}
