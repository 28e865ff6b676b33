//! The one authority on what may happen to a record. Invariant: [`next()`] is total: for every record and event it answers with
//! the record that follows or with why it cannot be, and it never looks at a clock.

use durable_fsm_graph::{Contract, Graph, Kind, Transition, Undo};
use serde_json::Value;

use super::event::{Event, Illegal, Resolution};
use super::{Action, Blocked, BlockedReason, Direction, Effect, HISTORY, Held, HeldReason, Intent, Record, Retry};
use super::{Stamp, Touched};
use crate::machine::Made;
use crate::{Class, Facts};

/// The record that follows when `event` happens to `record`. Its `seq` is that of `record`: the write raises it.
///
/// # Errors
/// [`Illegal`], if the event cannot happen to this record.
pub fn next(graph: &Graph<'_>, record: &Record, event: Event) -> Result<Record, Illegal> {
    let name = event.name();
    let mut change = Change { graph, record: record.clone(), event: name };
    match event {
        Event::Intended { transition, subject, action, holder, deadline, spec } => {
            change.intend(transition, subject, action, holder, deadline, spec)?;
        }
        Event::TakenOver { holder, deadline } => change.take_over(holder, deadline)?,
        Event::Withdrawn => change.withdraw()?,
        Event::SeenAbsent => change.see_absent()?,
        Event::Reached { made, at } => change.reach(&made, at)?,
        Event::Member { value, at } => change.add_member(value, at)?,
        Event::Derived { transition, made, at } => change.derive(&transition, &made, at)?,
        Event::Failed { class, error, at, after, generation } => {
            change.fail(class, error, at, after, generation)?;
        }
        Event::NotAsked { class, error, at, after } => change.not_asked(class, error, at, after)?,
        Event::SetAside => change.set_aside()?,
        Event::Turned { direction, at } => change.turn(direction, at)?,
        Event::Undone { at } => change.undone(at)?,
        Event::Dropped { transition, subject } => change.drop_member(&transition, &subject)?,
        Event::Cleared { transition, subject, life } => change.clear(&transition, subject.as_deref(), life)?,
        Event::RolledBack { at } => change.begin_again(at)?,
        Event::Held { reason, message, at } => change.hold(reason, message, at),
        Event::Blocked { reason, message, at, after, generation } => {
            change.record.blocked = Some(Blocked { reason, message, since: at, generation, at: at.later(after) });
        }
        Event::Released => {
            change.record.blocked = None;
            change.record.retry = None;
        }
        Event::Resolved { resolution, at } => change.resolve(resolution, at)?,
        Event::Paused(paused) => change.record.paused = paused,
        Event::Rebound { owner } => change.rebind(owner)?,
    }
    Ok(change.record)
}

/// Whether the record may be removed: nothing is left to undo, and nothing is under way.
///
/// # Errors
/// [`Illegal`], naming what is left.
pub(crate) fn may_remove(graph: &Graph<'_>, record: &Record) -> Result<(), Illegal> {
    let illegal = |why: String| Err(Illegal { event: "removing the record", why });
    if record.direction != Direction::Deleting {
        return illegal("the resource is not to be deleted".to_owned());
    }
    if let Some(intent) = &record.intent {
        return illegal(format!("`{}` is under way", intent.transition));
    }
    if let Some(touched) = record.touched.first() {
        return illegal(format!("`{}` was sent and is not resolved", touched.transition));
    }
    match record.undo.iter().find(|effect| !is_retained(graph, effect)) {
        Some(effect) => illegal(format!("`{}` is not undone", effect.transition)),
        None => Ok(()),
    }
}

fn is_retained(graph: &Graph<'_>, effect: &Effect) -> bool {
    let contract = graph.transition(&effect.transition).and_then(|(_, step)| step.contract());
    contract.is_some_and(|contract| contract.undo == Undo::Retain)
}

/// A record that is being changed.
struct Change<'g> {
    graph: &'g Graph<'g>,
    record: Record,
    event: &'static str,
}

impl<'g> Change<'g> {
    fn illegal<T>(&self, why: impl Into<String>) -> Result<T, Illegal> {
        Err(Illegal { event: self.event, why: why.into() })
    }

    fn transition(&self, name: &str) -> Result<&'g Transition<'g>, Illegal> {
        match self.graph.transition(name) {
            Some((_, transition)) => Ok(transition),
            None => self.illegal(format!("there is no transition `{name}`")),
        }
    }

    fn contract(&self, name: &str) -> Result<&'g Contract<'g>, Illegal> {
        match &self.transition(name)?.kind {
            Kind::Effect(contract) => Ok(contract),
            Kind::NoEffect | Kind::Waits { .. } => self.illegal(format!("`{name}` has no effect")),
        }
    }

    fn intent(&mut self) -> Result<&mut Intent, Illegal> {
        match &mut self.record.intent {
            Some(intent) => Ok(intent),
            None => Err(Illegal { event: self.event, why: "no effect is under way".to_owned() }),
        }
    }

    fn take_intent(&mut self, action: Action) -> Result<Intent, Illegal> {
        match self.record.intent.take() {
            Some(intent) if intent.action == action => Ok(intent),
            Some(intent) => self.illegal(format!("`{}` is under way for {:?}", intent.transition, intent.action)),
            None => self.illegal("no effect is under way"),
        }
    }

    fn stands_here(&self, name: &str) -> bool {
        let here = self.graph.state(&self.record.state).map(|(_, state)| state.transitions).unwrap_or_default();
        here.iter().any(|index| self.graph.transitions.get(*index).is_some_and(|step| step.name == name))
    }

    fn intend(
        &mut self,
        transition: String,
        subject: Option<String>,
        action: Action,
        holder: String,
        deadline: Stamp,
        spec: Value,
    ) -> Result<(), Illegal> {
        if let Some(open) = &self.record.intent {
            return self.illegal(format!("`{}` is under way", open.transition));
        }
        if self.record.held.is_some() {
            return self.illegal("the resource is held; resolve it first");
        }
        let contract = self.contract(&transition)?;
        if contract.for_each.is_some() != subject.is_some() {
            return self.illegal(format!("`{transition}` with the wrong kind of subject"));
        }
        let is_it = |other: &str, of: &Option<String>| other == transition && *of == subject;
        let touched = self.record.touched.iter().rev().find(|touched| is_it(&touched.transition, &touched.subject));
        let live = self.record.effect(&transition, subject.as_deref());
        let forward = self.record.direction.is_forward();
        let (life, attempt, in_doubt, spec) = match action {
            Action::Run if forward => {
                if !self.stands_here(&transition) {
                    return self.illegal(format!("`{transition}` does not start at {}", self.record.state));
                }
                match (live, touched) {
                    // While an effect lives, running its transition again is the same thing.
                    (Some(live), _) => (live.life, 1, false, spec),
                    // The same input continues the life that was sent already; another input is another thing.
                    (None, Some(touched)) if touched.spec == spec => {
                        (touched.life, touched.attempt.saturating_add(1), touched.in_doubt, spec)
                    }
                    (None, _) => (self.record.seq + 1, 1, false, spec),
                }
            }
            Action::Run | Action::Abort => match touched {
                Some(touched) => {
                    (touched.life, touched.attempt.saturating_add(1), touched.in_doubt, touched.spec.clone())
                }
                None => return self.illegal(format!("`{transition}` was never sent")),
            },
            Action::Undo => match live {
                Some(live) if !forward || contract.for_each.is_some() => (live.life, 1, false, Value::Null),
                Some(_) => return self.illegal("the machine goes forward"),
                None => return self.illegal(format!("`{transition}` is not live")),
            },
        };
        self.record.blocked = None;
        self.record.intent =
            Some(Intent { transition, subject, life, action, attempt, in_doubt, holder, deadline, spec });
        Ok(())
    }

    fn take_over(&mut self, holder: String, deadline: Stamp) -> Result<(), Illegal> {
        if self.record.held.is_some() {
            return self.illegal("the resource is held; resolve it first");
        }
        self.record.blocked = None;
        let intent = self.intent()?;
        intent.attempt = intent.attempt.saturating_add(1);
        intent.in_doubt = true;
        intent.holder = holder;
        intent.deadline = deadline;
        Ok(())
    }

    fn withdraw(&mut self) -> Result<(), Illegal> {
        let intent = self.intent()?;
        if intent.in_doubt {
            return self.illegal("an earlier attempt may have taken effect");
        }
        self.record.intent = None;
        self.end_doubt();
        Ok(())
    }

    fn see_absent(&mut self) -> Result<(), Illegal> {
        let forward = self.record.direction.is_forward();
        let intent = self.intent()?;
        match intent.action {
            Action::Run if forward => intent.in_doubt = false,
            Action::Run => {
                let intent = self.take_intent(Action::Run)?;
                self.forget_touched(&intent.transition, intent.subject.as_deref(), intent.life);
                self.record.retry = None;
            }
            Action::Undo | Action::Abort => return self.illegal("an undo is under way, not an effect"),
        }
        Ok(())
    }

    fn reach(&mut self, made: &Made, at: Stamp) -> Result<(), Illegal> {
        let intent = self.take_intent(Action::Run)?;
        let step = self.transition(&intent.transition)?;
        let contract = self.contract(&intent.transition)?;
        if !step.to.contains(&made.state) {
            return self.illegal(format!("`{}` does not lead there", intent.transition));
        }
        let Some(target) = self.graph.states.get(made.state) else {
            return self.illegal("there is no such state");
        };
        let branch = (step.to.len() > 1).then(|| target.name.to_owned());
        if self.record.direction.is_forward() {
            self.overwrite(&made.facts, &intent.transition);
            self.keep_effect(contract, &intent, branch, &made.facts);
            self.enter(target.name, &intent.transition, at);
        } else {
            // On the way back the machine does not move: what was made is known to its undo alone.
            self.keep_effect(contract, &intent, branch, &made.facts);
            self.note(at, &format!("{} was made after all", intent.transition));
        }
        self.settle(&intent);
        Ok(())
    }

    fn add_member(&mut self, value: Value, at: Stamp) -> Result<(), Illegal> {
        let intent = self.take_intent(Action::Run)?;
        let contract = self.contract(&intent.transition)?;
        let (Some(for_each), Some(subject)) = (&contract.for_each, intent.subject.clone()) else {
            return self.illegal(format!("`{}` does not make members", intent.transition));
        };
        let mut made = Facts::default();
        if self.record.direction.is_forward() {
            self.record.facts.set_member(for_each.fact, &subject, value);
        } else {
            // The set may hold what another life has made for this subject: what is made now is known to its undo alone.
            made.set_member(for_each.fact, &subject, value);
        }
        self.keep_effect(contract, &intent, None, &made);
        self.note(at, &format!("{} for {subject}", intent.transition));
        self.settle(&intent);
        Ok(())
    }

    fn derive(&mut self, transition: &str, made: &Made, at: Stamp) -> Result<(), Illegal> {
        if self.record.intent.is_some() || !self.record.direction.is_forward() || self.record.held.is_some() {
            return self.illegal("an effect is under way, or the machine does not go forward");
        }
        let step = self.transition(transition)?;
        if step.contract().is_some() {
            return self.illegal(format!("`{transition}` has an effect, and needs an intent"));
        }
        if !self.stands_here(transition) || !step.to.contains(&made.state) {
            return self.illegal(format!("`{transition}` does not lead there from {}", self.record.state));
        }
        let Some(target) = self.graph.states.get(made.state) else {
            return self.illegal("there is no such state");
        };
        self.overwrite(&made.facts, transition);
        self.enter(target.name, transition, at);
        self.record.retry = None;
        self.record.blocked = None;
        Ok(())
    }

    fn fail(
        &mut self,
        class: Class,
        error: String,
        at: Stamp,
        after: std::time::Duration,
        generation: u64,
    ) -> Result<(), Illegal> {
        let forward = self.record.direction.is_forward();
        let (name, action, doubted) = {
            let intent = self.intent()?;
            let doubted = intent.in_doubt;
            intent.in_doubt |= class == Class::Unknown;
            (intent.transition.clone(), intent.action, doubted)
        };
        // What did not happen leaves no intent, unless an earlier attempt left a doubt: that is not for a later one to say.
        let certain = class != Class::Unknown && !doubted;
        let mut nothing_there = false;
        match action {
            Action::Run if certain => {
                let intent = self.take_intent(Action::Run)?;
                self.end_doubt();
                nothing_there = !forward && matches!(class, Class::Rejected | Class::NotOurs);
                if nothing_there {
                    self.forget_touched(&intent.transition, intent.subject.as_deref(), intent.life);
                } else {
                    self.touch(intent);
                }
            }
            Action::Undo | Action::Abort if certain && matches!(class, Class::NotApplied { .. }) => {
                self.record.intent = None;
            }
            Action::Run | Action::Undo | Action::Abort => {}
        }
        self.count_failure(class, error.clone(), at, after);
        match class {
            Class::Unknown | Class::NotApplied { .. } => {}
            Class::Rejected | Class::NotOurs if nothing_there => self.record.retry = None,
            Class::Rejected => {
                self.note(at, &format!("{name} rejected"));
                let message =
                    format!("`{name}` was rejected: {error}; it is tried again when the spec or the version changes");
                self.record.blocked = Some(Blocked {
                    reason: BlockedReason::Rejected,
                    message,
                    since: at,
                    generation,
                    at: at.later(after),
                });
                if certain && forward && action == Action::Run && self.graph.undo_on_rejected {
                    self.record.direction = Direction::RollingBack;
                }
            }
            Class::NotOurs => {
                let message = format!(
                    "`{name}`: something of that name exists and is not provably ours: {error}; remove or rename it, or give this resource another name, then resolve with `retry`"
                );
                self.hold(HeldReason::NotOurs, message, at);
            }
        }
        Ok(())
    }

    fn not_asked(&mut self, class: Class, error: String, at: Stamp, after: std::time::Duration) -> Result<(), Illegal> {
        if self.record.intent.as_ref().is_some_and(|intent| !intent.in_doubt && intent.action == Action::Run) {
            let intent = self.take_intent(Action::Run)?;
            // An attempt that continues a life which was sent before stays touched.
            let sent_before =
                |touched: &Touched| touched.life == intent.life && touched.transition == intent.transition;
            debug_assert!(intent.attempt == 1 || self.record.touched.iter().any(sent_before));
        }
        self.count_failure(class, error, at, after);
        Ok(())
    }

    fn set_aside(&mut self) -> Result<(), Illegal> {
        let mut intent = self.take_intent(Action::Run)?;
        intent.in_doubt = true;
        self.touch(intent);
        Ok(())
    }

    fn turn(&mut self, direction: Direction, at: Stamp) -> Result<(), Illegal> {
        let allowed = match (self.record.direction, direction) {
            (_, Direction::Forward) | (Direction::Deleting, _) => false,
            (Direction::Forward | Direction::RollingBack, Direction::Deleting) => true,
            (from, Direction::RollingBack) => from == Direction::Forward,
        };
        if !allowed {
            return self.illegal(format!("from {:?} to {direction:?}", self.record.direction));
        }
        self.record.direction = direction;
        self.record.held = None;
        self.record.blocked = None;
        self.record.retry = None;
        self.note(at, if direction == Direction::Deleting { "deleting" } else { "rolling back" });
        Ok(())
    }

    fn undone(&mut self, at: Stamp) -> Result<(), Illegal> {
        let Some(intent) = self.record.intent.take() else {
            return self.illegal("no undo is under way");
        };
        let (name, subject) = (intent.transition.as_str(), intent.subject.as_deref());
        match intent.action {
            Action::Run => return self.illegal(format!("`{name}` is under way, not its undo")),
            Action::Abort => self.forget_touched(name, subject, intent.life),
            Action::Undo => {
                let is_it = |effect: &Effect| {
                    effect.transition == name && effect.subject.as_deref() == subject && effect.life == intent.life
                };
                let Some(index) = self.record.undo.iter().position(is_it) else {
                    return self.illegal(format!("`{name}` is not live"));
                };
                let live = self.record.undo.remove(index);
                if let (Some(for_each), Some(subject)) = (&self.contract(name)?.for_each, subject)
                    && live.saved.member(for_each.fact, subject).is_none()
                {
                    self.record.facts.remove_member(for_each.fact, subject);
                }
            }
        }
        self.record.retry = None;
        self.record.blocked = None;
        let of = subject.map(|subject| format!(" for {subject}")).unwrap_or_default();
        self.note(at, &format!("undone {name}{of}"));
        Ok(())
    }

    fn drop_member(&mut self, transition: &str, subject: &str) -> Result<(), Illegal> {
        let contract = self.contract(transition)?;
        let Some(for_each) = &contract.for_each else {
            return self.illegal(format!("`{transition}` does not make members"));
        };
        if matches!(contract.undo, Undo::Method(_)) {
            return self.illegal(format!("`{transition}` has an undo"));
        }
        self.record.facts.remove_member(for_each.fact, subject);
        Ok(())
    }

    fn clear(&mut self, transition: &str, subject: Option<&str>, life: u64) -> Result<(), Illegal> {
        if matches!(self.contract(transition)?.undo, Undo::Method(_)) {
            return self.illegal(format!("`{transition}` has an undo, and has to be resolved"));
        }
        self.forget_touched(transition, subject, life);
        Ok(())
    }

    fn begin_again(&mut self, at: Stamp) -> Result<(), Illegal> {
        if self.record.direction != Direction::RollingBack {
            return self.illegal("the machine is not rolling back");
        }
        if self.record.intent.is_some() || !self.record.touched.is_empty() {
            return self.illegal("an effect is not resolved");
        }
        if self.record.undo.iter().any(|effect| !is_retained(self.graph, effect)) {
            return self.illegal("an effect is not undone");
        }
        let initial = self.graph.states.get(self.graph.initial()).map(|state| state.name).unwrap_or_default();
        self.record.direction = Direction::Forward;
        self.record.state = initial.to_owned();
        self.record.since = at;
        self.record.facts = Facts::default();
        self.note(at, "rolled back");
        Ok(())
    }

    fn hold(&mut self, reason: HeldReason, message: String, at: Stamp) {
        self.note(at, "held");
        self.record.held = Some(Held { reason, message, since: at });
    }

    fn resolve(&mut self, resolution: Resolution, at: Stamp) -> Result<(), Illegal> {
        let in_doubt = self.record.held.as_ref().is_some_and(|held| held.reason == HeldReason::InDoubt);
        if self.record.held.is_none() && self.record.blocked.is_none() && self.record.retry.is_none() {
            return self.illegal("nothing is held, blocked or waiting to be tried again");
        }
        if in_doubt && resolution == Resolution::Retry {
            return self.illegal("the outcome is in doubt: say whether it was applied, or roll back");
        }
        self.record.held = None;
        self.record.blocked = None;
        self.record.retry = None;
        self.note(at, "resolved by an operator");
        match resolution {
            Resolution::Retry => Ok(()),
            Resolution::Applied { state, facts } => match self.graph.state(&state) {
                Some((state, _)) => self.reach(&Made { state, facts }, at),
                None => self.illegal(format!("there is no state {state}")),
            },
            Resolution::AppliedMember { value } => self.add_member(value, at),
            Resolution::NotApplied => {
                let intent = self.intent()?;
                if intent.action != Action::Run {
                    return self.illegal("an undo is under way; it is repeated until it succeeds");
                }
                let intent = self.take_intent(Action::Run)?;
                self.forget_touched(&intent.transition, intent.subject.as_deref(), intent.life);
                Ok(())
            }
            Resolution::RollBack => self.turn(Direction::RollingBack, at),
        }
    }

    fn rebind(&mut self, owner: String) -> Result<(), Illegal> {
        if owner.is_empty() {
            return self.illegal("the new owner has no uid");
        }
        self.record.owner = owner;
        Ok(())
    }

    /// Adds the effect of an intent to the live ones, or renews it.
    ///
    /// Going forward its undo reads what it made from the record; on the way back nothing moves, and the entry keeps it.
    fn keep_effect(&mut self, contract: &Contract<'_>, intent: &Intent, state: Option<String>, made: &Facts) {
        if contract.undo == Undo::None {
            return;
        }
        let forward = self.record.direction.is_forward();
        let is_it = |effect: &Effect| {
            effect.transition == intent.transition && effect.subject == intent.subject && effect.life == intent.life
        };
        let index = self.record.undo.iter().position(is_it).unwrap_or_else(|| {
            self.record.undo.push(Effect {
                transition: intent.transition.clone(),
                subject: intent.subject.clone(),
                life: intent.life,
                state: None,
                saved: Facts::default(),
            });
            self.record.undo.len() - 1
        });
        let live = &mut self.record.undo[index];
        live.state = state;
        for (name, value) in made.iter() {
            if forward {
                live.saved.remove(name);
            } else {
                live.saved.set(name, value.clone());
            }
        }
    }

    /// Takes new facts in. A live effect whose undo can read an old value keeps that value.
    fn overwrite(&mut self, facts: &Facts, by: &str) {
        for (name, value) in facts.iter() {
            let Some(old) = self.record.facts.value(name).cloned() else { continue };
            if old == *value {
                continue;
            }
            for effect in &mut self.record.undo {
                if effect.transition != by && undo_reads(self.graph, effect, name) && effect.saved.value(name).is_none()
                {
                    effect.saved.set(name, old.clone());
                }
            }
        }
        for (name, value) in facts.iter() {
            self.record.facts.set(name, value.clone());
        }
    }

    fn enter(&mut self, state: &str, by: &str, at: Stamp) {
        self.record.state = state.to_owned();
        self.record.since = at;
        self.note(at, &format!("{state} by {by}"));
    }

    /// The step is committed: its failures are over, and it is no longer merely touched.
    fn settle(&mut self, intent: &Intent) {
        self.forget_touched(&intent.transition, intent.subject.as_deref(), intent.life);
        self.record.retry = None;
        self.record.blocked = None;
        self.end_doubt();
    }

    /// The outcome of the intent is known, by the one who holds it: if others took it for doubtful in the meantime, it is no longer.
    fn end_doubt(&mut self) {
        if self.record.held.as_ref().is_some_and(|held| held.reason == HeldReason::InDoubt) {
            self.record.held = None;
        }
    }

    fn touch(&mut self, intent: Intent) {
        self.forget_touched(&intent.transition, intent.subject.as_deref(), intent.life);
        // A live effect is undone anyway; only a doubt about its last attempt is worth keeping.
        if !intent.in_doubt && self.record.effect_of(&intent).is_some() {
            return;
        }
        let Intent { transition, subject, life, attempt, in_doubt, spec, .. } = intent;
        self.record.touched.push(Touched { transition, subject, life, attempt, in_doubt, spec });
    }

    fn forget_touched(&mut self, transition: &str, subject: Option<&str>, life: u64) {
        self.record.touched.retain(|touched| {
            touched.transition != transition || touched.subject.as_deref() != subject || touched.life != life
        });
    }

    fn count_failure(&mut self, class: Class, error: String, at: Stamp, after: std::time::Duration) {
        let count = self.record.retry.as_ref().map_or(0, |retry| retry.count).saturating_add(1);
        self.record.retry = Some(Retry { count, at: at.later(after), class: class.name().to_owned(), error });
    }

    fn note(&mut self, at: Stamp, line: &str) {
        self.record.history.push(format!("{at} {line}"));
        let surplus = self.record.history.len().saturating_sub(HISTORY);
        self.record.history.drain(..surplus);
    }
}

/// Whether the undo of this effect is given a state that knows the fact.
fn undo_reads(graph: &Graph<'_>, effect: &Effect, fact: &str) -> bool {
    let Some((_, step)) = graph.transition(&effect.transition) else { return false };
    let reached = match &effect.state {
        Some(name) => graph.state(name).map(|(index, _)| index),
        None => Some(step.to.first().copied().unwrap_or(step.from)),
    };
    reached.and_then(|index| graph.states.get(index)).is_some_and(|state| state.known.contains(&fact))
}
