//! One attempt at an effect. Invariant: the method is called only after our intent is durable, before our own deadline, and once.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use durable_fsm_graph::{Contract, InDoubt, Predecessor};

use super::pass::{Halt, Pass, WAIT_TIMEOUT};
use super::seen;
use super::waits::LONGEST_WAIT;
use crate::attempt::Details;
use crate::machine::{Boxed, Failure, Reply};
use crate::probe::{Side, Site};
use crate::record::{Action, Direction, Event, HeldReason, Intent, RESERVE, RetainedBy};
use crate::steps::Ask;
use crate::text::redacted;
use crate::{Class, Lookup, Undone};

/// After how long an undo is asked again that is not done yet and does not say when.
const UNMAKING: Duration = Duration::from_secs(5);

/// What an attempt was told.
enum Told {
    Reply(Reply),
    Undone(Undone),
}

impl Pass<'_> {
    /// Writes an intent, then makes the attempt.
    pub(super) async fn begin(
        &mut self,
        transition: usize,
        subject: Option<String>,
        action: Action,
        set_aside: bool,
    ) -> Result<(), Halt> {
        let name = self.name(transition);
        let Some(contract) = self.steps.graph().transitions[transition].contract() else {
            return Err(self.unwritten(HeldReason::Unreadable, format!("`{name}` has no effect")));
        };
        // What is undone or aborted has nothing to do with what is wanted now, which may be what cannot be written.
        let is_forward = action == Action::Run && self.record.direction.is_forward();
        let spec = match is_forward.then(|| self.steps.spec()).transpose() {
            Ok(spec) => spec,
            Err(error) => return self.stuck(error).await,
        };
        if let Err(error) = self.may_begin(transition, subject.as_deref(), action) {
            return self.stuck(error).await;
        }
        if set_aside {
            self.apply(Event::SetAside { aborting: true })?;
        }
        let started = self.driver.clock.monotonic();
        let deadline = self.now().later(contract.timeout);
        // The write carries the outcome of the step before, and is labelled by it.
        let site = if self.learnt.is_empty() { Site::Intent } else { Site::Commit };
        if site == Site::Intent {
            self.about = (name, subject.clone());
        }
        let transition = name.to_owned();
        let holder = self.next_holder();
        self.apply(Event::Intended { transition, subject, action, holder, deadline, spec })?;
        // What is begun going forward leaves room for the way back; the steps of a deletion may use half of it.
        let reserve = match self.record.direction {
            Direction::Forward if is_forward => RESERVE,
            Direction::Leaving if is_forward => RESERVE / 2,
            _ => 0,
        };
        if self.write_leaving(site, reserve).await? { self.attempt(started).await } else { Ok(()) }
    }

    /// Takes an intent in doubt over, then makes the attempt.
    pub(super) async fn take_over(&mut self) -> Result<(), Halt> {
        let Some((name, contract)) = self.intended() else { return Ok(()) };
        let may_call = self.record.intent.as_ref().map_or(Ok(()), |intent| self.may_call(intent));
        if let Err(error) = may_call {
            return self.stuck(error).await;
        }
        let started = self.driver.clock.monotonic();
        let deadline = self.now().later(contract.timeout);
        self.about = (name, self.record.intent.as_ref().and_then(|intent| intent.subject.clone()));
        let holder = self.next_holder();
        self.apply(Event::TakenOver { holder, deadline })?;
        if self.write(Site::TakeOver).await? { self.attempt(started).await } else { Ok(()) }
    }

    /// Makes the attempt for which our intent stands. What it gives is learnt, and written with whatever comes next.
    async fn attempt(&mut self, started: Duration) -> Result<(), Halt> {
        let (Some((name, contract)), Some(mut intent)) = (self.intended(), self.record.intent.clone()) else {
            return Ok(());
        };
        self.about = (name, intent.subject.clone());
        self.brake.act();
        if self.is_interrupted() {
            return self.withdraw(&intent);
        }
        let until = started + contract.timeout;
        let asks_first = match intent.action {
            Action::Run => contract.in_doubt == InDoubt::Lookup && (intent.in_doubt || contract.look_first),
            // What was imported was not made under a tag or key of ours, so that a look-up would not find it.
            Action::Undo => {
                contract.in_doubt == InDoubt::Lookup && self.record.effect_of(&intent).is_none_or(|it| !it.imported)
            }
            Action::Abort => false,
        };
        if asks_first {
            if !self.look(&intent, contract, until).await? {
                return Ok(());
            }
            // A life that was not found has its spec with its intent alone.
            let Some(open) = self.record.intent.clone() else { return Ok(()) };
            intent = open;
        }
        // A look-up and a slow store take time. Past the deadline others may already act on our silence.
        if self.driver.clock.monotonic() >= until || self.is_interrupted() {
            return self.withdraw(&intent);
        }
        let site = match intent.action {
            Action::Run => Site::Effect,
            Action::Undo => Site::Undo,
            Action::Abort => Site::Abort,
        };
        let ask = self.ask(&intent);
        self.cross(site, Side::Before).await;
        if self.driver.clock.monotonic() >= until {
            return self.withdraw(&intent);
        }
        let span = seen::call(self.id, site, name, intent.subject.as_deref(), intent.attempt);
        let outcome = match intent.action {
            Action::Run => seen::told(span, self.limited(self.steps.run(ask), until)).await.map(Told::Reply),
            Action::Undo => seen::told(span, self.limited(self.steps.undo(ask), until)).await.map(Told::Undone),
            Action::Abort => seen::told(span, self.limited(self.steps.abort(ask), until)).await.map(Told::Undone),
        };
        self.cross(site, Side::After).await;
        let class = match &outcome {
            Err(Failure::Provider { class, .. }) => Some(*class),
            Ok(_) | Err(Failure::Fact(_) | Failure::Unrecorded(_)) => None,
        };
        self.driver.probe.attempted(&self.at(site, Side::After), class);
        match outcome {
            Ok(Told::Reply(reply)) => self.reached(reply, false),
            Ok(Told::Undone(Undone::Done)) => self.learn(Event::Undone { at: self.now() }),
            Ok(Told::Undone(Undone::NotYet)) => self.unmaking(None).await,
            Ok(Told::Undone(Undone::NotYetFor(after))) => self.unmaking(Some(after)).await,
            Ok(Told::Undone(Undone::Left(why))) => {
                let (transition, subject, life) = (intent.transition, intent.subject, intent.life);
                let (by, why) = (RetainedBy::Provider, redacted(&why));
                self.learn(Event::Retained { transition, subject, life, by, why, at: self.now() })
            }
            Err(failure) => self.failed(failure, &intent, contract),
        }
    }

    /// An undo has begun and is not done: it is asked again when its time has come, under an intent of its own, so that a controller which has read
    /// an old record does not ask.
    async fn unmaking(&mut self, after: Option<Duration>) -> Result<(), Halt> {
        self.learn(Event::NotYet)?;
        let after = after.unwrap_or(UNMAKING).min(LONGEST_WAIT);
        let (name, subject) = &self.about;
        let of = subject.as_ref().map(|subject| format!(" for {subject}")).unwrap_or_default();
        let why = format!("the undo of `{name}`{of} is not done yet; it is asked again at {}", self.now().later(after));
        // Where somebody else has written first, the answer is written again: the next round has to wait all the same.
        loop {
            self.wait(after, why.clone()).await?;
            if self.learnt.is_empty() {
                return Ok(());
            }
        }
    }

    /// Asks the provider. True if the method is to be called.
    async fn look(&mut self, intent: &Intent, contract: &Contract<'_>, until: Duration) -> Result<bool, Halt> {
        let ask = self.ask_lookup(intent);
        self.cross(Site::Lookup, Side::Before).await;
        // A slow store may have taken all the time: what was not asked has not failed.
        if self.driver.clock.monotonic() >= until {
            return self.withdraw(intent).map(|()| false);
        }
        let span = seen::call(self.id, Site::Lookup, self.about.0, intent.subject.as_deref(), intent.attempt);
        let found = seen::told(span, self.limited(self.steps.lookup(ask), until)).await;
        self.cross(Site::Lookup, Side::After).await;
        let found = match found {
            // Said either way, it means the same.
            Err(Failure::Provider { class: Class::NotOurs, .. }) => Ok(Lookup::NotOurs),
            found => found,
        };
        let forward = self.record.direction.is_forward();
        let undoing = intent.action == Action::Undo;
        match found {
            Ok(Lookup::Ours(_) | Lookup::Incomplete) if undoing => Ok(true),
            Ok(Lookup::Absent) if undoing => self.learn(Event::Undone { at: self.now() }).map(|()| false),
            Ok(Lookup::Ours(reply)) => self.reached(reply, true).map(|()| false),
            Ok(Lookup::Absent) => {
                self.learn(Event::SeenAbsent)?;
                self.is_still_wanted(intent, forward)
            }
            Ok(Lookup::Predecessor(reply)) if !undoing && contract.predecessor == Predecessor::Adopt => {
                self.reached(reply, true).map(|()| false)
            }
            Ok(Lookup::NotOurs | Lookup::Predecessor(_)) if !undoing && !forward => {
                self.learn(Event::SeenAbsent).map(|()| false)
            }
            Ok(Lookup::NotOurs) => {
                let error = "something of that name exists and is not provably ours".to_owned();
                self.not_ours(error).map(|()| false)
            }
            Ok(Lookup::Predecessor(_)) => {
                let error =
                    "a deleted resource of the same name left it behind; declare `predecessor = adopt` to take it over"
                        .to_owned();
                self.not_ours(error).map(|()| false)
            }
            Ok(Lookup::Incomplete) if contract.abort.is_some() => {
                // Set aside, it is aborted before anything else, and the transition runs afresh.
                self.learn(Event::SetAside { aborting: true }).map(|()| false)
            }
            Ok(Lookup::Incomplete) => {
                let message = format!(
                    "`{}` has left something half-built; remove it, then resolve with `not-applied`, or declare an `abort`",
                    intent.transition
                );
                self.learn(Event::Held { reason: HeldReason::Incomplete, message, at: self.now() })?;
                Ok(false)
            }
            Err(Failure::Fact(error) | Failure::Unrecorded(error)) => {
                self.withdraw(intent)?;
                self.learn(Event::Held { reason: HeldReason::Unreadable, message: error.to_string(), at: self.now() })?;
                Ok(false)
            }
            Err(Failure::Provider { class, message }) => {
                let (transition, after) = (intent.transition.clone(), self.backoff(class, &contract.retry));
                let (at, generation) = (self.now(), self.generation());
                self.learn(Event::NotAsked { transition, class, error: message, at, after, generation })?;
                Ok(false)
            }
        }
    }

    fn not_ours(&mut self, error: String) -> Result<(), Halt> {
        let (at, generation) = (self.now(), self.generation());
        self.learn(Event::Failed { class: Class::NotOurs, error, at, after: Duration::ZERO, generation })
    }

    /// Whether an effect that was seen absent is to be called now. With another spec than it was sent with it is another thing, which has a
    /// life of its own.
    fn is_still_wanted(&mut self, intent: &Intent, forward: bool) -> Result<bool, Halt> {
        if !forward {
            return Ok(false);
        }
        let spec = match self.steps.spec() {
            Ok(spec) => spec,
            Err(error) => return Err(self.unwritten(HeldReason::Unreadable, error.to_string())),
        };
        let sent = self.record.intent.as_ref().and_then(|open| self.record.spec_of(open));
        if sent == Some(&spec) && self.is_member_wanted(intent)? {
            return Ok(true);
        }
        self.learn(Event::Withdrawn).map(|()| false)
    }

    /// Whether the subject of this intent is in the wanted set by now; true for what is no member.
    fn is_member_wanted(&self, intent: &Intent) -> Result<bool, Halt> {
        let (Some(subject), Some((index, _))) = (&intent.subject, self.steps.graph().transition(&intent.transition))
        else {
            return Ok(true);
        };
        let wanted = self.steps.wanted(index, &self.record.facts);
        let wanted = wanted.map_err(|error| self.unwritten(HeldReason::Unreadable, error.to_string()))?;
        Ok(wanted.contains(subject))
    }

    fn reached(&mut self, reply: Reply, found: bool) -> Result<(), Halt> {
        let at = self.now();
        match reply {
            Reply::Made(made) => {
                self.learn(Event::Reached { made, found, at })?;
                self.brake()
            }
            Reply::Member(value) => self.learn(Event::Member { value, found, at }),
            Reply::NotYet(_) => Err(self.unwritten(
                HeldReason::Unreadable,
                "an effect answered `not yet`, which only a transition that waits may answer".to_owned(),
            )),
        }
    }

    /// Ends the pass where the effect that was just committed is made again and again.
    fn brake(&mut self) -> Result<(), Halt> {
        let Some((index, step)) = self.steps.graph().transition(self.about.0) else { return Ok(()) };
        if !self.record.direction.is_forward() {
            return Ok(());
        }
        match self.brake.commit(index, step.name, &self.record) {
            Some(message) => self.learn(Event::Held { reason: HeldReason::Restless, message, at: self.now() }),
            None => Ok(()),
        }
    }

    fn failed(&mut self, failure: Failure, intent: &Intent, contract: &Contract<'_>) -> Result<(), Halt> {
        let (at, generation) = (self.now(), self.generation());
        match failure {
            Failure::Provider { class, message } => {
                let after = self.backoff(class, &contract.retry);
                self.learn(Event::Failed { class, error: message, at, after, generation })
            }
            Failure::Fact(error) => {
                self.withdraw(intent)?;
                self.learn(Event::Held { reason: HeldReason::Unreadable, message: error.to_string(), at })
            }
            // It is there, and its record would not say what it is.
            Failure::Unrecorded(error) => {
                let after = self.backoff(Class::Unknown, &contract.retry);
                let message = error.to_string();
                self.learn(Event::Failed { class: Class::Unknown, error: message.clone(), at, after, generation })?;
                self.learn(Event::Held { reason: HeldReason::Unreadable, message, at })
            }
        }
    }

    /// Takes back an intent whose effect has not begun. One that was in doubt before stays so.
    fn withdraw(&mut self, intent: &Intent) -> Result<(), Halt> {
        if intent.in_doubt { Ok(()) } else { self.learn(Event::Withdrawn) }
    }

    /// The call, until the deadline; what has not answered by then may have happened.
    pub(super) async fn limited<A>(&self, mut call: Boxed<Result<A, Failure>>, until: Duration) -> Result<A, Failure> {
        let clock = &self.driver.clock;
        let left = until.saturating_sub(clock.monotonic());
        let late = || {
            let message = format!("no answer within {} ms", left.as_millis());
            Err(Failure::Provider { class: Class::Unknown, message })
        };
        // A call that answers at once needs no timer.
        let mut timer = None;
        poll_fn(|context| {
            let now = clock.monotonic();
            // Where the process stood still past the deadline, the method does not go on: it would send what others take for settled.
            if now > until {
                return Poll::Ready(late());
            }
            if let Poll::Ready(answer) = call.as_mut().poll(context) {
                return Poll::Ready(answer);
            }
            let timer = timer.get_or_insert_with(|| clock.sleep(until.saturating_sub(clock.monotonic())));
            timer.as_mut().poll(context).map(|()| late())
        })
        .await
    }

    fn intended(&self) -> Option<(&'static str, &'static Contract<'static>)> {
        let intent = self.record.intent.as_ref()?;
        let (_, step) = self.steps.graph().transition(&intent.transition)?;
        step.contract().map(|contract| (step.name, contract))
    }

    pub(super) fn ask(&self, intent: &Intent) -> Ask {
        let mut ask = self.ask_lookup(intent);
        if intent.action != Action::Undo {
            return ask;
        }
        let graph = self.steps.graph();
        let step = &graph.transitions[ask.transition];
        let branch = self.record.effect_of(intent).and_then(|live| live.state.clone());
        let branch = branch.and_then(|name| graph.state(&name).map(|(index, _)| index));
        ask.state = branch.or(step.to.first().copied()).unwrap_or(step.from);
        ask
    }

    /// The call of a look-up: as `ask`, but of the state from which the transition starts.
    pub(super) fn ask_lookup(&self, intent: &Intent) -> Ask {
        let (transition, step) = match self.steps.graph().transition(&intent.transition) {
            Some(found) => found,
            None => return self.ask_here(usize::MAX, usize::MAX),
        };
        let subject = intent.subject.clone();
        let facts = self.record.facts_of(intent, step.for_each().map(|for_each| for_each.fact));
        let member = match (step.for_each(), &subject) {
            (Some(for_each), Some(subject)) => facts.member(for_each.fact, subject).cloned(),
            _ => None,
        };
        Ask {
            transition,
            state: step.from,
            facts,
            member,
            spec: self.record.spec_of(intent).cloned(),
            details: Details {
                key: self.record.key(&intent.transition, subject.as_deref(), intent.life),
                owner_tag: self.owner_tag.clone(),
                number: intent.attempt,
                since: self.record.since.time(),
                deadline: intent.deadline.time(),
                resumed: intent.attempt > 1,
            },
            subject,
        }
    }

    /// The call of a transition without effect.
    pub(super) fn ask_here(&self, transition: usize, state: usize) -> Ask {
        let deadline = self.driver.clock.wall() + WAIT_TIMEOUT;
        Ask {
            transition,
            state,
            facts: self.record.facts.clone(),
            subject: None,
            member: None,
            spec: None,
            details: Details {
                key: String::new(),
                owner_tag: self.owner_tag.clone(),
                number: 1,
                since: self.record.since.time(),
                deadline,
                resumed: false,
            },
        }
    }
}
