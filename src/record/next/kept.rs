//! Kept values. Invariant: the value is recorded only while nothing that was sent for it is open, and each request has a key of its own.
//!
//! The rules are those that a model checker found to be needed: a round that does not wait for the quiet of the one before lets an old value land on a
//! newer one.

use super::Change;
use crate::record::{Ended, Intent};

impl Change<'_, '_> {
    /// A value is about to be sent: from here on none is recorded, and what was sent before is part of this round. The number of its attempt, and
    /// whether something of it may have been carried out.
    pub(super) fn next_round(&mut self, transition: &str) -> (u32, bool) {
        let mut sent = (0, false);
        self.record.unconfirmed.retain(|earlier| {
            let is_it = earlier.transition == transition;
            if is_it {
                sent = (sent.0.max(earlier.attempt), sent.1 || earlier.in_doubt);
            }
            !is_it
        });
        if let Some(set) = self.graph.transition(transition).and_then(|(_, step)| step.for_each()) {
            for subject in self.record.facts.subjects(set.fact) {
                self.record.facts.remove_member(set.fact, &subject);
            }
        }
        self.record.retrying.retain(|it| it.transition != transition);
        self.record.undone.retain(|it| it.transition != transition);
        (sent.0.saturating_add(1), sent.1)
    }

    /// A value was confirmed. What may be carried out once more is waited for before the next one.
    pub(super) fn end_round(&mut self, intent: &Intent, is_over: bool) {
        let Intent { transition, subject, life, .. } = intent.clone();
        if !is_over {
            self.record.undone.push(Ended { transition, subject, life });
        }
    }
}
