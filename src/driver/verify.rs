//! Asks whether things are still there, where a resource rests. Invariants: only what is quiet is asked about, and only for the record that is stored; an error
//! is never an answer; and a loss is recorded only after two answers that are far enough apart, while fewer resources than the limit have lost things.

use std::time::Duration;

use durable_fsm_graph::Contract;

use super::asked::{asked, period};
use super::pass::{Halt, Pass};
use super::seen;
use super::sightings::OpenEnd;
use super::watches::{Due, Losses, Next};
use crate::machine::Failure;
use crate::probe::{Side, Site};
use crate::record::{Action, Direction, Effect, Entry as _, Event, Intent};
use crate::{Class, Lookup};

/// How far apart two answers are at least.
const APART: Duration = Duration::from_secs(1);

/// Whether something was found.
enum Answer {
    There,
    Missing,
    /// It is not known.
    Unknown,
}

impl Pass<'_> {
    /// When the things of this record are asked about; none if they are not.
    pub(super) fn due(&self) -> Option<Due> {
        let every = period(self.steps.graph(), &self.record).filter(|_| !self.is_deleting())?;
        Some(self.driver.watches().due(self.id, self.record.seq, every, self.driver.clock.monotonic()))
    }

    /// Asks about everything that may be asked about.
    pub(super) async fn verify(&mut self) -> Result<(), Halt> {
        if self.dirty {
            // What is asked about has to be recorded first.
            let site = if self.learnt.is_empty() { Site::Note } else { Site::Commit };
            return self.write(site).await.map(drop);
        }
        let graph = self.steps.graph();
        let Some(every) = period(graph, &self.record) else { return Ok(()) };
        let record = std::sync::Arc::clone(&self.record);
        let (mut missing, mut next) = (Vec::new(), Next { whole: Some(record.seq), ..Next::default() });
        for (transition, contract, live) in asked(graph, &record) {
            let now = self.driver.clock.monotonic();
            if let Some(left) = self.driver.sightings().until_quiet(self.whose, OpenEnd::Live(live), contract, now) {
                next.after = Some(next.after.map_or(left, |after| after.min(left)));
                next.whole = None;
                continue;
            }
            if self.is_interrupted() {
                return Ok(());
            }
            match self.is_there(transition, contract, live).await {
                Answer::There => {}
                Answer::Missing => missing.push((contract, live)),
                Answer::Unknown => next.whole = None,
            }
        }
        let now = self.driver.clock.monotonic();
        let marks: Vec<u64> = missing.iter().map(|(_, live)| live.mark()).collect();
        let since = self.driver.watches().found_missing(self.id, record.seq, &marks, now);
        if missing.is_empty() {
            self.driver.watches().asked(self.id, next, every, now);
            return Ok(());
        }
        let losses = self.driver.watches().losses(self.id, self.driver.lost_limit, every, now);
        let settle = missing.iter().map(|(contract, _)| contract.settle).max().unwrap_or_default();
        let apart = settle.max(APART).max(until_others_show(losses, every));
        // What is gone together is recorded together.
        let left = since.iter().map(|since| (*since + apart).saturating_sub(now)).max().unwrap_or_default();
        if !left.is_zero() {
            next.after = Some(next.after.map_or(left, |after| after.min(left)));
        }
        let is_gone = left.is_zero();
        next.whole = None;
        next.braked = (is_gone && losses.is_too_many()).then_some(losses);
        if is_gone && next.braked.is_none() {
            let gone: Vec<&Effect> = missing.into_iter().map(|(_, live)| live).collect();
            if !self.lose(&gone).await? {
                // Somebody else has written: it is still due.
                return Ok(());
            }
            self.driver.watches().acted(self.id, now);
        }
        self.driver.watches().asked(self.id, next, every, now);
        Ok(())
    }

    /// Records what is gone, the first one first. What leads elsewhere ends that: there the others are asked about again.
    /// True if that is durable.
    async fn lose(&mut self, gone: &[&Effect]) -> Result<bool, Halt> {
        let spec = match self.steps.spec() {
            Ok(spec) => spec,
            Err(error) => return self.stuck(error).await.map(|()| false),
        };
        let (seq, state) = (self.record.seq, self.record.state.clone());
        for live in gone {
            let Effect { transition, subject, life, .. } = live;
            let (transition, subject, spec) = (transition.clone(), subject.clone(), spec.clone());
            let (at, generation) = (self.now(), self.generation());
            self.apply(Event::Lost { transition, subject, life: *life, seq, at, generation, spec })?;
            let record = &self.record;
            if record.direction != Direction::Forward || record.held.is_some() || record.state != state {
                break;
            }
        }
        let is_written = self.write(Site::Note).await?;
        for Effect { transition, subject, .. } in gone.iter().filter(|_| is_written) {
            tracing::warn!(machine = %self.id.machine, resource = %self.id.resource, transition, subject, seq, "lost");
        }
        Ok(is_written)
    }

    /// Asks the provider about one thing.
    async fn is_there(&mut self, transition: usize, contract: &Contract<'_>, live: &Effect) -> Answer {
        let step = &self.steps.graph().transitions[transition];
        let deadline = self.now().later(contract.timeout);
        // The question is that of an undo: what was made, and the facts that were known then.
        let intent = Intent {
            transition: live.transition.clone(),
            subject: live.subject.clone(),
            life: live.life,
            order: live.order,
            action: Action::Undo,
            attempt: 1,
            in_doubt: false,
            holder: String::new(),
            deadline,
            spec: None,
        };
        let by = step.verify.and_then(|verify| verify.by);
        let ask = if by.is_some() { self.ask(&intent) } else { self.ask_lookup(&intent) };
        let until = self.driver.clock.monotonic() + contract.timeout;
        self.about = (step.name, live.subject.clone());
        self.cross(Site::Lookup, Side::Before).await;
        let span = seen::call(self.id, Site::Lookup, step.name, live.subject.as_deref(), 1);
        let answer = if by.is_some() {
            seen::told(span, self.limited(self.steps.verify(ask), until)).await
        } else {
            let found = seen::told(span, self.limited(self.steps.lookup(ask), until)).await;
            match found {
                Ok(Lookup::Absent) => Ok(false),
                Ok(Lookup::Ours(_)) => Ok(true),
                Ok(Lookup::Incomplete) => Err(unknown("it is half-built")),
                Ok(Lookup::NotOurs | Lookup::Predecessor(_)) => Err(unknown("something else has its name")),
                Err(failure) => Err(failure),
            }
        };
        self.cross(Site::Lookup, Side::After).await;
        match answer {
            Ok(true) => Answer::There,
            Ok(false) => Answer::Missing,
            Err(failure) => {
                let why = match failure {
                    Failure::Provider { message, .. } => message,
                    Failure::Fact(error) | Failure::Unrecorded(error) => error.to_string(),
                };
                let (transition, subject) = (step.name, live.subject.as_deref());
                tracing::info!(machine = %self.id.machine, resource = %self.id.resource, transition, subject, why, "it is not known whether it is there");
                Answer::Unknown
            }
        }
    }
}

fn unknown(why: &str) -> Failure {
    Failure::Provider { class: Class::Unknown, message: why.to_owned() }
}

/// How long it takes until enough other resources were asked about to recognise a provider that denies everything.
fn until_others_show(losses: Losses, every: Duration) -> Duration {
    let Losses { watched, most, .. } = losses;
    // A limit that cannot be exceeded is not waited for.
    if watched <= most {
        return Duration::ZERO;
    }
    // Half as many more, because places in the period are not quite even.
    every.min(every * (most + most / 2 + 5) / watched)
}
