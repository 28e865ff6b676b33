//! Steps that are put aside after a failure, so that others go on. Invariant: whatever of such a step may exist is among the unconfirmed steps, and its
//! failures are among those that are tried again, until it is tried again.

use durable_fsm_graph::InDoubt;

use super::Change;
use crate::Class;
use crate::record::event::Illegal;
use crate::record::{Action, Intent, MOST_RETRYING, Retrying, Stamp};

/// How many errors of steps that were put aside are kept in words.
const WORDED: usize = 3;

impl Change<'_, '_> {
    /// Whether this step makes way for others when it fails: going forward, a member of a set does, and a step below one that
    /// `preempts`. What is in doubt under `hold` waits for a person,
    /// and stays where the person looks for it.
    pub(super) fn makes_way(&self, intent: &Intent, class: Class) -> bool {
        let Ok(contract) = self.contract(&intent.transition) else { return false };
        let in_doubt = intent.in_doubt || class == Class::Unknown;
        let others = self.record.retrying.iter().filter(|it| !it.is_of(&intent.transition, intent.subject.as_deref()));
        let is_tried_again = match intent.action {
            Action::Run => class != Class::NotOurs,
            // What is refused on the way back is for a person or for another spec.
            Action::Undo => matches!(class, Class::Unknown | Class::NotApplied { .. }),
            Action::Abort => false,
        };
        let rolls_back = class == Class::Rejected && !in_doubt && self.graph.undo_on_rejected;
        self.record.direction.is_forward()
            && (intent.subject.is_some() || self.is_preempted(&intent.transition))
            && is_tried_again
            && !rolls_back
            && !(in_doubt && contract.in_doubt == InDoubt::Hold && intent.action == Action::Run)
            && others.count() < MOST_RETRYING
    }

    /// Whether a step above this one may run although this one is not settled.
    fn is_preempted(&self, name: &str) -> bool {
        let here = self.graph.state(&self.record.state).map(|(_, state)| state.transitions).unwrap_or_default();
        let steps = here.iter().filter_map(|index| self.graph.transitions.get(*index));
        steps.into_iter().take_while(|step| step.name != name).any(|step| step.preempts)
    }

    /// Puts the open intent aside after a failure that was counted. One that was not `sent` leaves no trace but that.
    pub(super) fn put_aside(&mut self, sent: bool, class: Class, at: Stamp, generation: u64) -> Result<(), Illegal> {
        let Some(intent) = self.record.intent.take() else {
            return self.illegal("no effect is under way");
        };
        let (transition, subject) = (intent.transition.clone(), intent.subject.clone());
        let rejected = (class == Class::Rejected).then_some(generation);
        if rejected.is_some() {
            self.note(at, format_args!("{transition} rejected"));
            self.refuse(generation);
        }
        // What may be undone already goes, whatever is wanted by then.
        if intent.action == Action::Undo
            && intent.in_doubt
            && let Some(index) = self.record.undo.position(intent.of())
            && let Some(live) = self.record.undo.amend_unmaking(index)
        {
            live.unmaking = true;
        }
        if intent.action == Action::Run && (sent || intent.in_doubt) {
            self.keep_unconfirmed(intent);
        }
        self.unblock();
        self.end_doubt();
        let Some(retry) = self.record.retry.take() else { return Ok(()) };
        self.forget_retrying(&transition, subject.as_deref());
        self.record.retrying.push(Retrying { transition, subject, retry, rejected });
        if let Some(older) = self.record.retrying.len().checked_sub(WORDED + 1) {
            self.record.retrying[older].retry.error.clear();
        }
        Ok(())
    }

    /// A step is tried again: its failures are those of the current step.
    pub(super) fn take_up(&mut self, transition: &str, subject: Option<&str>) -> bool {
        let found = self.record.retrying.iter().position(|it| it.is_of(transition, subject));
        if let Some(index) = found {
            self.record.retry = Some(self.record.retrying.remove(index).retry);
        }
        found.is_some()
    }

    /// It was not tried after all.
    pub(super) fn put_back(&mut self, intent: &Intent) {
        if intent.subject.is_some()
            && self.record.retrying.len() < MOST_RETRYING
            && let Some(retry) = self.record.retry.take()
        {
            let (transition, subject) = (intent.transition.clone(), intent.subject.clone());
            self.record.retrying.push(Retrying { transition, subject, retry, rejected: None });
        }
    }

    pub(super) fn forget_retrying(&mut self, transition: &str, subject: Option<&str>) {
        self.record.retrying.retain(|it| !it.is_of(transition, subject));
    }

    /// Everything that was put aside is tried again at once. That an undo may have been carried out stays known.
    pub(super) fn hurry(&mut self) {
        for it in &mut self.record.retrying {
            it.retry.at = it.retry.since;
            it.rejected = None;
        }
    }
}
