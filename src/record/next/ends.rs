//! The bad ends of steps. Invariant: what a step that is given up may have made stays among the unconfirmed steps, and is undone or aborted at its place.

use std::time::Duration;

use durable_fsm_graph::{Cause, End, InDoubt, Transition};

use super::Change;
use crate::record::event::Illegal;
use crate::record::failure::{Failure, digest_of};
use crate::record::{Blocked, BlockedReason, Direction, HeldReason, Life, Spec, Stamp};
use crate::{Class, Facts};

impl<'g> Change<'g, '_> {
    /// Where a step ends that has failed again, if that is its end.
    pub(super) fn end_of(&self, name: &str, class: Class, at: Stamp) -> Option<(&'g Transition<'g>, End)> {
        if self.record.direction != Direction::Forward {
            return None;
        }
        let retry = self.record.retry.as_ref();
        let is_held = || {
            let open = self.record.intent.as_ref().filter(|open| open.in_doubt);
            open.is_some() && self.contract(name).is_ok_and(|contract| contract.in_doubt == InDoubt::Hold)
        };
        let is_it = |cause| match (cause, class) {
            (Cause::Rejected, Class::Rejected) => true,
            (Cause::Exhausted { attempts, give_up_after }, Class::Unknown | Class::NotApplied { .. }) => {
                let often = retry.zip(attempts).is_some_and(|(retry, attempts)| retry.count >= attempts);
                let first = retry.and_then(|retry| retry.first).unwrap_or(at);
                (often || give_up_after.is_some_and(|after| at.after(first) >= after)) && !is_held()
            }
            _ => false,
        };
        self.end_here(name, is_it)
    }

    fn end_here(&self, name: &str, is_it: impl Fn(Cause) -> bool) -> Option<(&'g Transition<'g>, End)> {
        let (state, _) = self.graph.state(&self.record.state)?;
        let (of, _) = self.graph.transition(name)?;
        self.graph.end(state, of, is_it)
    }

    /// Goes to the bad end of a step, or turns back to its mark.
    pub(super) fn give_up(
        &mut self,
        (step, end): (&'g Transition<'g>, End),
        failure: Failure,
        after: Duration,
    ) -> Result<(), Illegal> {
        let at = failure.since;
        if step.to.is_empty() {
            self.hold_given_up(&failure);
            return Ok(());
        }
        let Some(target) = step.to.first().and_then(|to| self.graph.states.get(*to)) else {
            return self.illegal("there is no such state");
        };
        if end.back && !target.initial && self.record.mark(target.name).is_none() {
            let message = format!(
                "`{}` goes back to {}, and the record has no mark of it; nothing was undone: resolve with a roll-back, which undoes everything and begins again, or delete the resource",
                step.name, target.name
            );
            self.hold(HeldReason::NoMark, message, at);
            return Ok(());
        }
        if let Some(open) = self.record.intent.take() {
            self.keep_unconfirmed(open);
        }
        self.end_doubt();
        self.forget_retrying(&failure.step, None);
        self.record.retry = None;
        self.record.blocked = None;
        if !end.back {
            let fact = target.facts.iter().find(|fact| fact.ty.rsplit("::").next() == Some("Failure"));
            if let Some(fact) = fact {
                let Ok(value) = serde_json::to_value(&failure) else {
                    return self.illegal("a failure is not writable");
                };
                let facts: Facts = std::iter::once((fact.name.to_owned(), value)).collect();
                let by = Life { transition: &failure.step, subject: None, number: self.record.seq };
                self.overwrite(&facts, by);
            }
            self.enter(target.name, step.name, at);
            return Ok(());
        }
        let to = self.record.mark(target.name).map(|mark| mark.state.clone());
        self.turn(Direction::RollingBack, to, at)?;
        // Without a wait it would fail and go back forever.
        let waits = self.contract(&failure.step).map_or(after, |contract| after.max(contract.retry.max));
        let (generation, name) = (failure.generation, &failure.step);
        let message = format!(
            "`{name}` was given up after {} attempts, last {}: {}; the machine goes back to {}, and begins again when the spec or the version changes, or at {}",
            failure.attempts,
            failure.class,
            failure.message,
            target.name,
            at.later(waits)
        );
        self.refuse(generation);
        let reason = BlockedReason::RolledBack;
        self.record.blocked = Some(Blocked { reason, message, since: at, generation, at: at.later(waits) });
        Ok(())
    }

    /// A person decides about a step that was given up. Until then it is as after any other failure.
    fn hold_given_up(&mut self, failure: &Failure) {
        self.record.blocked = None;
        let Failure { step, class, message, attempts, .. } = failure;
        let (what, remedy) = match class.as_str() {
            "overdue" => (format!("is overdue: {message}"), "find out why, then resolve with `retry` (it looks again)"),
            "rejected" => (format!("was rejected: {message}"), "mend it, then resolve with `retry`"),
            _ => (
                format!("was given up after {attempts} attempts, last {class}: {message}"),
                "mend it, then resolve with `retry`",
            ),
        };
        let message = format!("`{step}` {what}; {remedy}, or with `roll-back`");
        self.hold(HeldReason::GivenUp, message, failure.since);
    }

    /// A step has waited for too long.
    pub(super) fn overdue(
        &mut self,
        name: &str,
        waited: Duration,
        at: Stamp,
        generation: u64,
        spec: &Spec,
    ) -> Result<(), Illegal> {
        let Some(end) = self.end_here(name, |cause| cause == Cause::Overdue) else {
            return self.illegal(format!("`{name}` has no end for a wait that takes too long"));
        };
        if self.record.intent.is_some() || self.record.direction != Direction::Forward || self.record.held.is_some() {
            return self.illegal("an effect is under way, or the machine does not go forward");
        }
        let message = format!("it has waited for {} s", waited.as_secs());
        let (step, class) = (name.to_owned(), "overdue".to_owned());
        let attempts = self.record.retry.as_ref().map_or(0, |retry| retry.count);
        let spec = digest_of(spec);
        self.give_up(end, Failure { step, class, message, attempts, generation, spec, since: at }, waited)
    }

    /// What is recorded of a step that is given up after its last error.
    pub(super) fn failure(&self, name: &str, class: Class, at: Stamp, generation: u64, spec: Option<&Spec>) -> Failure {
        let (attempts, message) =
            self.record.retry.as_ref().map_or((1, String::new()), |retry| (retry.count, retry.error.clone()));
        let class = class.name().to_owned();
        let spec = spec.map_or_else(String::new, |spec| digest_of(spec));
        Failure { step: name.to_owned(), class, message, attempts, generation, spec, since: at }
    }
}
