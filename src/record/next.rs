//! The one authority on what may happen to a record. Invariant: [`next()`] is total: for every record and event it answers with
//! the record that follows or with why it cannot be, and it never looks at a clock.

mod ahead;
mod aside;
mod back;
mod direction;
mod effects;
mod end;
mod ends;
mod import;
mod kept;
#[cfg(test)]
mod legality;
mod lost;
mod stays;

pub(crate) use direction::{begins_leaving, is_on_the_way};
pub(crate) use effects::{MOST_UNSETTLED, is_certainly_absent, unsettled};

use durable_fsm_graph::{Contract, Graph, Kind, Transition, Undo};

use super::event::{Event, Illegal};
use super::{Action, Blocked, Direction, Effect, Intent, Life, Record};
use crate::machine::Made;

/// The record that follows when `event` happens to `record`. Its `seq` is that of `record`: the write raises it.
///
/// # Errors
/// [`Illegal`], if the event cannot happen to this record.
pub fn next(graph: &Graph<'_>, record: &Record, event: Event) -> Result<Record, Illegal> {
    let mut record = record.clone();
    advance(graph, &mut record, event)?;
    Ok(record)
}

/// As [`next()`], in place. After an error the record may be half changed: it is not to be used.
///
/// # Errors
/// [`Illegal`], if the event cannot happen to this record.
pub(crate) fn advance(graph: &Graph<'_>, record: &mut Record, event: Event) -> Result<(), Illegal> {
    let name = event.name();
    let mut change = Change { graph, record, event: name };
    match event {
        Event::Intended { transition, subject, action, holder, deadline, spec } => {
            change.intend(transition, subject, action, holder, deadline, spec)?;
        }
        Event::TakenOver { holder, deadline } => change.take_over(holder, deadline)?,
        Event::Imported { found, at } => change.import(found, at)?,
        Event::Upgraded { to, at } => change.upgrade(to, at)?,
        Event::Withdrawn => change.withdraw()?,
        Event::SeenAbsent => change.see_absent()?,
        Event::Reached { made, found, at } => change.reach(&made, found, at)?,
        Event::Member { value, found, at } => change.add_member(value, found, at)?,
        Event::Derived { transition, made, at } => change.derive(&transition, &made, at)?,
        Event::Failed { class, error, at, after, generation } => {
            change.fail(class, error, at, after, generation)?;
        }
        Event::NotAsked { transition, class, error, at, after, generation } => {
            change.not_asked(&transition, class, error, at, after, generation)?;
        }
        Event::Overdue { transition, waited, at, generation, spec } => {
            change.overdue(&transition, waited, at, generation, &spec)?;
        }
        Event::Lost { transition, subject, life, seq, at, generation, spec } => {
            let life = Life { transition: &transition, subject: subject.as_deref(), number: life };
            change.lose(life, seq, at, generation, &spec)?;
        }
        Event::SetAside { aborting } => change.set_aside(aborting)?,
        Event::Turned { direction, to, at } => change.turn(direction, to, at)?,
        Event::Undone { at } => change.undone(at)?,
        Event::NotYet => change.not_yet()?,
        Event::Retained { transition, subject, life, by, why, at } => {
            let life = Life { transition: &transition, subject: subject.as_deref(), number: life };
            change.retain(life, by, why, at)?;
        }
        Event::Joined { transition, subject, value, at } => change.join(&transition, &subject, value, at)?,
        Event::Dropped { transition, subject } => change.drop_member(&transition, &subject)?,
        Event::Cleared { transition, subject, life } => {
            change.clear(Life { transition: &transition, subject: subject.as_deref(), number: life })?;
        }
        Event::Quiet { transition, subject, life } => {
            let ended = Life { transition: &transition, subject: subject.as_deref(), number: life };
            change.record.undone.retain(|undone| undone.of() != ended);
        }
        Event::RolledBack { at } => change.begin_again(at)?,
        Event::Held { reason, message, at } => change.hold(reason, message, at),
        Event::Blocked { reason, message, at, after, generation } => {
            change.record.blocked = Some(Blocked { reason, message, since: at, generation, at: at.later(after) });
        }
        Event::Released => {
            if let Some(blocked) = change.record.blocked.take() {
                // No version ends a block of one generation twice.
                change.refuse(blocked.generation);
            }
            change.record.retry = None;
            change.record.retrying.retain(|it| it.rejected.is_none());
        }
        Event::Resolved { resolution, expected, at } => change.resolve(resolution, &expected, at)?,
        Event::Paused(paused) => change.record.paused = paused,
        Event::Rebound { owner } => change.rebind(owner)?,
        Event::Renumbered { past } => change.renumber(past)?,
    }
    Ok(())
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
    if let Some(unconfirmed) = record.unconfirmed.first() {
        return illegal(format!("`{}` was sent and is not resolved", unconfirmed.transition));
    }
    match record.undo.iter().find(|effect| !is_retained(graph, effect)) {
        Some(effect) => illegal(format!("`{}` is not undone", effect.transition)),
        None => Ok(()),
    }
}

/// Whether this effect is left behind on purpose.
pub(crate) fn is_retained(graph: &Graph<'_>, effect: &Effect) -> bool {
    let contract = graph.transition(&effect.transition).and_then(|(_, step)| step.contract());
    contract.is_some_and(|contract| contract.undo == Undo::Retain)
}

/// A record that is being changed.
struct Change<'g, 'r> {
    graph: &'g Graph<'g>,
    record: &'r mut Record,
    event: &'static str,
}

impl<'g> Change<'g, '_> {
    pub(super) fn illegal<T>(&self, why: impl Into<String>) -> Result<T, Illegal> {
        Err(Illegal { event: self.event, why: why.into() })
    }

    pub(super) fn transition(&self, name: &str) -> Result<&'g Transition<'g>, Illegal> {
        match self.graph.transition(name) {
            Some((_, transition)) => Ok(transition),
            None => self.illegal(format!("there is no transition `{name}`")),
        }
    }

    pub(super) fn contract(&self, name: &str) -> Result<&'g Contract<'g>, Illegal> {
        match &self.transition(name)?.kind {
            Kind::Effect(contract) | Kind::Deferred(contract) => Ok(contract),
            Kind::NoEffect | Kind::Waits { .. } | Kind::Rewind | Kind::End(_) => {
                self.illegal(format!("`{name}` has no effect"))
            }
        }
    }

    pub(super) fn intent(&mut self) -> Result<&mut Intent, Illegal> {
        match &mut self.record.intent {
            Some(intent) => Ok(intent),
            None => Err(Illegal { event: self.event, why: "no effect is under way".to_owned() }),
        }
    }

    pub(super) fn take_intent(&mut self, action: Action) -> Result<Intent, Illegal> {
        match self.record.intent.take() {
            Some(intent) if intent.action == action => Ok(intent),
            Some(intent) => self.illegal(format!("`{}` is under way for {:?}", intent.transition, intent.action)),
            None => self.illegal("no effect is under way"),
        }
    }

    pub(super) fn stands_here(&self, name: &str) -> bool {
        let here = self.graph.state(&self.record.state).map(|(_, state)| state.transitions).unwrap_or_default();
        let mut steps = here.iter().filter_map(|index| self.graph.transitions.get(*index));
        let (state, direction) = (&self.record.state, self.record.direction);
        steps.any(|step| step.name == name && is_on_the_way(self.graph, state, step, direction))
    }
}
