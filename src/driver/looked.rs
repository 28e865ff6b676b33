//! What was answered when a pass looked at members of sets. Invariant: a pass looks at each missing member at most once, so it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::record::BlockedReason;

/// The answers of this pass, by transition and subject.
#[derive(Debug, Default)]
pub(crate) struct Looked(BTreeMap<(usize, String), Answer>);

/// Why a member is not there yet.
#[derive(Debug)]
pub(super) struct Answer {
    /// When the member is looked at again, on the monotonic clock of this controller.
    pub(super) again: Duration,
    /// The text for the outcome: what the member waits for, or why it was refused.
    pub(super) why: String,
    /// Set if the resource is blocked for it: the member takes too long, or was refused.
    pub(super) blocks: Option<BlockedReason>,
}

impl Looked {
    pub(super) fn note(&mut self, transition: usize, subject: String, answer: Answer) {
        self.0.insert((transition, subject), answer);
    }

    /// The answer for this member, if the pass has looked at it.
    pub(super) fn answer(&self, transition: usize, subject: &str) -> Option<&Answer> {
        self.0.get(&(transition, subject.to_owned()))
    }
}
