//! Whether a hold was needed. Invariant: every hold but one for a doubt uses up a reason that a provider or the store has given; one for a
//! doubt needs a contract that leaves doubts to people.

use durable_fsm_graph::{Cause, InDoubt, Kind};

use super::{Books, Oracle, Violation};
use crate::record::{Action, Held, HeldReason, Record};

impl Books {
    /// Something was answered or found that a person has to look at.
    pub(crate) fn may_hold(&mut self, reason: HeldReason) {
        self.reasons.insert(reason);
    }

    /// A hold is reported without being written.
    pub(crate) fn check_unwritten(&mut self, held: &Held) -> Option<Violation> {
        (!self.reasons.remove(&held.reason)).then(|| needless(held))
    }

    /// A record becomes held. `certain` is the step of which the writer was just told how it ended.
    pub(super) fn check_hold(&mut self, new: &Record, certain: Option<usize>) -> Option<Violation> {
        let held = new.held.as_ref()?;
        let needed = match held.reason {
            HeldReason::InDoubt => self.is_for_a_person(new, certain),
            HeldReason::GivenUp => self.is_given_up(new),
            reason => self.reasons.remove(&reason),
        };
        (!needed).then(|| needless(held))
    }

    /// Whether a step that stands here has failed as its end for a person wants it.
    fn is_given_up(&self, new: &Record) -> bool {
        let here = self.graph.state(&new.state).map(|(_, state)| state.transitions).unwrap_or_default();
        let ends = here.iter().filter_map(|index| self.graph.transitions.get(*index)).filter(|step| step.to.is_empty());
        let mut causes = ends.filter_map(|step| match step.kind {
            Kind::End(end) => Some(end.cause),
            _ => None,
        });
        let failed = |is_it: fn(&str) -> bool| new.retry.as_ref().filter(|retry| is_it(&retry.class));
        causes.any(|cause| match cause {
            Cause::Rejected => failed(|class| class == "rejected").is_some(),
            Cause::Exhausted { attempts, give_up_after } => failed(|class| class != "rejected").is_some_and(|retry| {
                let since = retry.first.map(|first| retry.since.after(first));
                let is_long = since.zip(give_up_after).is_some_and(|(since, after)| since >= after);
                attempts.is_some_and(|attempts| retry.count >= attempts) || is_long
            }),
            Cause::Overdue => new.intent.is_none(),
            Cause::Lost => false,
        })
    }

    /// Whether what is in doubt is declared to be for a person, and is in doubt.
    fn is_for_a_person(&self, new: &Record, certain: Option<usize>) -> bool {
        let is_hold = |name: &str| {
            self.graph.transition(name).is_some_and(|(index, step)| {
                step.contract().is_some_and(|contract| contract.in_doubt == InDoubt::Hold) && certain != Some(index)
            })
        };
        match &new.intent {
            Some(intent) => intent.action == Action::Run && is_hold(&intent.transition),
            None => new.unconfirmed.iter().any(|unconfirmed| is_hold(&unconfirmed.transition)),
        }
    }
}

fn needless(held: &Held) -> Violation {
    let message = format!("held as {:?}, and nothing gave a reason: {}", held.reason, held.message);
    Violation::new(Oracle::HeldForReason, message)
}
