//! What was answered when a pass looked: at members of sets, and by transitions that look at rest. Invariant: a pass looks at each missing member, and by each
//! such transition, at most once, so it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::record::BlockedReason;

/// The answers of this pass.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// By transition and subject.
    members: BTreeMap<(usize, String), Answer>,
    /// By transition.
    at_rest: BTreeMap<usize, Look>,
}

/// The result of a look at rest that leads nowhere: nothing has happened yet, or the look failed.
#[derive(Debug)]
pub(super) struct Look {
    /// When it looks again, on the monotonic clock of this controller.
    pub(super) again: Duration,
    /// The text for the outcome, if the look failed.
    pub(super) failed: Option<String>,
}

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
        self.members.insert((transition, subject), answer);
    }

    /// The answer for this member, if the pass has looked at it.
    pub(super) fn answer(&self, transition: usize, subject: &str) -> Option<&Answer> {
        self.members.get(&(transition, subject.to_owned()))
    }

    pub(super) fn note_at_rest(&mut self, transition: usize, look: Look) {
        self.at_rest.insert(transition, look);
    }

    /// The result of this transition's look, if it has looked in this pass.
    pub(super) fn at_rest(&self, transition: usize) -> Option<&Look> {
        self.at_rest.get(&transition)
    }
}
