//! Runs transitions that change nothing outside the record: those without effect, and those that wait. Invariant: a look that answers "not yet" writes nothing,
//! unless it makes the wait overdue.

use std::time::Duration;

use durable_fsm_graph::{Cause, Kind};

use super::decision::Ending;
use super::looked::{Answer, Look};
use super::pass::{DEFAULT_BACKOFF, Halt, Pass, WAIT_TIMEOUT};
use super::replacing::Replacing;
use super::seen;
use super::sightings::OpenEnd;
use super::waits::{self, LONGEST_WAIT};
use crate::Class;
use crate::machine::{Failure, Reply};
use crate::probe::{Side, Site};
use crate::record::{BlockedReason, Direction, Event, HeldReason};
use crate::steps::Ask;

impl Pass<'_> {
    /// Runs a transition that has no effect, or lets one that waits look. Nothing is written for it until something else is.
    pub(super) async fn compute(&mut self, transition: usize) -> Result<(), Halt> {
        let step = &self.steps.graph().transitions[transition];
        if matches!(step.kind, Kind::Waits { .. }) && !self.learnt.is_empty() {
            // A look may take long, and what an effect has given must not hang on that.
            return self.write(Site::Commit).await.map(drop);
        }
        let reply = match step.kind {
            Kind::Waits { .. } => self.see(transition, None).await,
            Kind::NoEffect | Kind::Effect(_) | Kind::Deferred(_) | Kind::Rewind | Kind::End(_) => {
                self.steps.run(self.ask_here(transition, step.from)).await
            }
        };
        match reply {
            Ok(Reply::Made(made)) => {
                if let Some(message) = self.brake.walk(&self.record.state) {
                    return self.hold(HeldReason::Restless, message).await;
                }
                let transition = step.name.to_owned();
                self.apply(Event::Derived { transition, made, at: self.now() })
            }
            Ok(Reply::NotYet(after)) if self.looks_at_rest(transition) => {
                let now = self.driver.clock.monotonic();
                let again = now + self.next_look(step.kind, after);
                self.looked.note_at_rest(transition, Look { again, failed: None });
                self.driver.looks().note(self.id, transition, self.record.since, again, now);
                Ok(())
            }
            Ok(Reply::NotYet(after)) => self.not_yet(step.name, step.kind, after).await,
            Ok(Reply::Member(_)) => {
                self.hold(HeldReason::Unreadable, format!("`{}` answered for a set, and is none", step.name)).await
            }
            Err(Failure::Fact(error)) => self.stuck(error).await,
            Err(Failure::Unrecorded(error)) => self.hold(HeldReason::Unreadable, error.to_string()).await,
            Err(Failure::Provider { class, message }) if self.looks_at_rest(transition) => {
                let again = self.driver.clock.monotonic() + self.backoff(class, &DEFAULT_BACKOFF);
                let failed = Some(format!("`{}` could not look, and looks again: {message}", step.name));
                self.looked.note_at_rest(transition, Look { again, failed });
                Ok(())
            }
            Err(Failure::Provider { class, message }) => {
                let after = self.backoff(class, &DEFAULT_BACKOFF);
                let (transition, at, generation) = (step.name.to_owned(), self.now(), self.generation());
                self.apply(Event::NotAsked { transition, class, error: message, at, after, generation })?;
                match class {
                    // What it stops at stands in the record.
                    Class::Rejected | Class::NotOurs => Ok(()),
                    Class::Unknown | Class::NotApplied { .. } => {
                        let why = format!("`{}` failed, and is tried again at {}", step.name, at.later(after));
                        self.wait(after, why).await
                    }
                }
            }
        }
    }

    /// Whether it only looks, while the machine rests all the same.
    fn looks_at_rest(&self, transition: usize) -> bool {
        let graph = self.steps.graph();
        graph.state(&self.record.state).is_some_and(|(state, _)| graph.looks_at_rest(state, transition))
            && self.record.direction == Direction::Forward
    }

    async fn not_yet(&mut self, name: &str, kind: Kind<'_>, after: Option<Duration>) -> Result<(), Halt> {
        let after = self.next_look(kind, after);
        let now = self.now();
        if let Kind::Waits { within: Some(within), .. } = kind {
            let (here, monotonic) = (OpenEnd::Here(&self.record), self.driver.clock.monotonic());
            let left = self.driver.sightings().left(self.whose, here, within, monotonic);
            let waited = within - left.unwrap_or_default();
            let reported = self.record.blocked.is_some();
            if waited >= within && self.ends_overdue(name) {
                let (transition, generation) = (name.to_owned(), self.generation());
                return match self.steps.spec() {
                    Ok(spec) => self.apply(Event::Overdue { transition, waited, at: now, generation, spec }),
                    Err(error) => self.stuck(error).await,
                };
            }
            if waited >= within && !reported {
                let message = format!(
                    "`{name}` has waited for {} s; it goes on as soon as what it waits for is there",
                    waited.as_secs()
                );
                let generation = self.generation();
                self.apply(Event::Blocked { reason: BlockedReason::Overdue, message, at: now, after, generation })?;
            }
            if waited >= within {
                return self.stop(Ending::Blocked(after)).await;
            }
            let why = format!(
                "`{name}` is not done yet; after {} s in this state it is reported as overdue",
                within.as_secs()
            );
            return self.wait(after.min(within - waited), why).await;
        }
        self.wait(after, format!("`{name}` is not done yet")).await
    }

    /// Whether this step has an end for a wait that takes too long.
    fn ends_overdue(&self, name: &str) -> bool {
        let graph = self.steps.graph();
        let here = graph.state(&self.record.state).zip(graph.transition(name));
        let end = here.and_then(|((state, _), (of, _))| graph.end(state, of, |cause| cause == Cause::Overdue));
        end.is_some() && self.record.direction == Direction::Forward
    }

    /// Lets a transition that waits look.
    async fn see(&mut self, transition: usize, subject: Option<String>) -> Result<Reply, Failure> {
        let step = &self.steps.graph().transitions[transition];
        let ask = Ask { subject: subject.clone(), ..self.ask_here(transition, step.from) };
        self.about = (step.name, subject.clone());
        self.cross(Site::Wait, Side::Before).await;
        let until = self.driver.clock.monotonic() + WAIT_TIMEOUT;
        let span = seen::call(self.id, Site::Wait, step.name, subject.as_deref(), 1);
        let reply = seen::told(span, self.limited(self.steps.run(ask), until)).await;
        self.cross(Site::Wait, Side::After).await;
        reply
    }

    /// Looks whether a member is there. If it is not, nothing is written, and the other members go on.
    pub(super) async fn look_at(&mut self, transition: usize, subject: String) -> Result<(), Halt> {
        if !self.learnt.is_empty() {
            return self.write(Site::Commit).await.map(drop);
        }
        let step = &self.steps.graph().transitions[transition];
        let name = step.name;
        let answer = match self.see(transition, Some(subject.clone())).await {
            Ok(Reply::Member(value)) => {
                let (transition, at) = (name.to_owned(), self.now());
                return self.apply(Event::Joined { transition, subject, value, at });
            }
            Ok(Reply::NotYet(after)) => self.not_there(transition, &subject, after),
            Ok(Reply::Made(_)) => {
                return self
                    .hold(HeldReason::Unreadable, format!("`{name}` keeps a set, and answered with a state"))
                    .await;
            }
            Err(Failure::Fact(error)) => return self.stuck(error).await,
            Err(Failure::Unrecorded(error)) => return self.hold(HeldReason::Unreadable, error.to_string()).await,
            Err(Failure::Provider { class, message }) => {
                let after = self.backoff(class, &DEFAULT_BACKOFF);
                let refused = matches!(class, Class::Rejected | Class::NotOurs);
                let (why, blocks) = match refused {
                    true => (format!("`{name}` for {subject} was refused: {message}"), Some(BlockedReason::Rejected)),
                    false => (format!("`{name}` for {subject} failed, and is tried again: {message}"), None),
                };
                Answer { again: self.driver.clock.monotonic() + after, why, blocks }
            }
        };
        self.looked.note(transition, subject, answer);
        Ok(())
    }

    /// When a member that is not there yet is looked at again, and whether it has taken too long.
    fn not_there(&self, transition: usize, subject: &str, after: Option<Duration>) -> Answer {
        let step = &self.steps.graph().transitions[transition];
        let now = self.driver.clock.monotonic();
        let after = self.next_look(step.kind, after);
        let made = Replacing::made(self.steps.graph(), &self.record, transition, subject);
        let (within, made) = match (step.kind, made) {
            (Kind::Waits { within: Some(within), .. }, Some(made)) => (within, made),
            _ => {
                let why = format!("`{}` for {subject} is not done yet", step.name);
                return Answer { again: now + after, why, blocks: None };
            }
        };
        let left = self.driver.sightings().left(self.whose, OpenEnd::Live(made), within, now);
        let (why, blocks, after) = match left {
            None => {
                let why = format!(
                    "`{}` for {subject} has waited for more than {} s; it goes on as soon as what it waits for is there",
                    step.name,
                    within.as_secs()
                );
                (why, Some(BlockedReason::Overdue), after)
            }
            Some(left) => {
                let until = self.now().later(left);
                (
                    format!("`{}` for {subject} is not done yet; it may take until {until}", step.name),
                    None,
                    after.min(left),
                )
            }
        };
        Answer { again: now + after, why, blocks }
    }

    /// After how long something that is not there yet is looked at again.
    fn next_look(&self, kind: Kind<'_>, after: Option<Duration>) -> Duration {
        let every = match kind {
            Kind::Waits { every, .. } => every,
            Kind::NoEffect | Kind::Effect(_) | Kind::Deferred(_) | Kind::Rewind | Kind::End(_) => None,
        };
        let next = || every.map(|every| waits::until_next(every, self.id, self.driver.clock.monotonic()));
        after.or_else(next).unwrap_or(DEFAULT_BACKOFF.base * 5).min(LONGEST_WAIT)
    }

    /// Ends the pass as blocked: all that is left was refused or takes too long.
    pub(super) async fn block(&mut self, reason: BlockedReason, message: String, after: Duration) -> Result<(), Halt> {
        // A wait is looked at in every pass. Its block is written once.
        let is_reported = self.record.blocked.as_ref().is_some_and(|it| it.reason == reason && it.message == message);
        if !is_reported {
            let (at, generation) = (self.now(), self.generation());
            self.apply(Event::Blocked { reason, message, at, after, generation })?;
        }
        // The record is looked at again before the block ends, if something is asked about, or a transition looks at rest.
        let due = self.due().map_or(after, |due| due.left);
        self.stop(Ending::Blocked(after.min(due).min(self.looks_after().unwrap_or(after)))).await
    }

    /// After how long a transition looks again that looks where the machine rests.
    fn looks_after(&self) -> Option<Duration> {
        let (graph, now) = (self.steps.graph(), self.driver.clock.monotonic());
        let (_, state) = graph.state(&self.record.state)?;
        let looks = state.transitions.iter().copied().filter(|transition| self.looks_at_rest(*transition));
        let soonest = looks.filter_map(|transition| self.looks_again(transition)).min()?;
        Some(soonest.saturating_sub(now).max(Duration::from_millis(1)))
    }

    /// When a transition that looks at rest looks again, on the monotonic clock: it has looked in this pass, or in an earlier one that put the next look off. None if it
    /// is to look now.
    pub(super) fn looks_again(&self, transition: usize) -> Option<Duration> {
        let now = self.driver.clock.monotonic();
        let look = self.looked.at_rest(transition).map(|look| look.again);
        look.or_else(|| self.driver.looks().again(self.id, transition, self.record.since, now))
    }
}
