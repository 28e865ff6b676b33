//! What the members of sets answered that wait. Invariant: a pass looks at each member once, so that it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::record::BlockedReason;

/// What was answered in this pass, by transition and subject.
#[derive(Debug, Default)]
pub(crate) struct Looked(BTreeMap<(usize, String), Answer>);

/// Why a member is not there.
#[derive(Debug)]
pub(super) struct Answer {
    /// When it is looked at again, on the own monotonic clock.
    pub(super) again: Duration,
    /// What it waits for, or why it was refused.
    pub(super) why: String,
    /// It is reported, because it has taken too long or was refused.
    pub(super) blocks: Option<BlockedReason>,
}

impl Looked {
    pub(super) fn note(&mut self, transition: usize, subject: String, answer: Answer) {
        self.0.insert((transition, subject), answer);
    }

    /// What this member has answered, if it was asked.
    pub(super) fn answer(&self, transition: usize, subject: &str) -> Option<&Answer> {
        self.0.get(&(transition, subject.to_owned()))
    }
}
