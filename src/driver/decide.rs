//! What a pass does next. Invariant: [`decide()`] is pure: it reads the record and what surrounds it, and writes, calls and waits for
//! nothing, so that planning and doing cannot differ.

use durable_fsm_graph::{Graph, InDoubt, Kind, State, Transition};

use super::asked;
use super::begin::{begin, settle};
use super::decision::{Decision, Ending, Surroundings, find};
use super::members::{self, first, is_act};
use super::sets::Sets;
use super::sightings::OpenEnd;
use super::undoing::{backward, strange};
use super::upgrade::{begun_elsewhere, upgrade};
use crate::FactError;
use crate::record::{
    Action, BlockedReason, Direction, HeldReason, Intent, Record, Unconfirmed, begins_leaving, is_on_the_way,
};

/// What to do next with this record.
///
/// # Errors
/// A state, guard or wanted set cannot be computed from the record's facts.
pub(crate) fn decide(record: &Record, around: &Surroundings<'_>, sets: &mut Sets) -> Result<Decision, FactError> {
    if record.paused || around.paused {
        return Ok(Decision::Stop(Ending::Paused));
    }
    if around.deleting && turns_to_delete(record, around.steps.graph()) {
        // Where the store itself says that the resource is to be deleted, its version has changed, so no other pass can still write a first
        // record. Elsewhere another pass may be about to write one: a record that is written here and removed again makes that write a conflict.
        if !around.stored && around.told {
            return Ok(Decision::Stop(Ending::Gone));
        }
        let leaves = around.stored && record.direction == Direction::Forward && way_out(record, around)?.is_some();
        return Ok(Decision::Turn(if leaves { Direction::Leaving } else { Direction::Deleting }, None));
    }
    if record.held.is_some() {
        return Ok(Decision::Stop(Ending::Held));
    }
    if let Some(blocked) = &record.blocked {
        // If any other version ended the block, two versions that run at once would end each other's without end. Only a version newer than the one that
        // was refused ends it.
        let refused_by = record.refused.map_or(record.version, |refused| refused.version);
        let is_newer_machine = around.steps.graph().version > refused_by;
        let changed = (blocked.generation != around.generation && !around.behind) || is_newer_machine;
        let left = around.until_unblocked(blocked);
        match blocked.reason {
            BlockedReason::Overdue
            | BlockedReason::DeletionRefused
            | BlockedReason::LostLimit
            | BlockedReason::UndosStopped => {}
            BlockedReason::RolledBack if changed || left.is_none() => return Ok(Decision::Release),
            // Only beginning again is blocked: the way back goes on.
            BlockedReason::RolledBack => {}
            // If the attempt that was refused is in doubt, too, the refusal stays recorded until its abort has begun or another answer is there.
            BlockedReason::Rejected => match left.filter(|_| !changed) {
                Some(left) => {
                    let decision = asked::meanwhile(record, around, Decision::Stop(Ending::Blocked(left)));
                    return Ok(look_at_rest(record, around, decision));
                }
                None if !is_refused_in_doubt(record, around)? => return Ok(Decision::Release),
                None => {}
            },
        }
    }
    if let Some(intent) = &record.intent {
        if let Some(decision) = before_it_is_resolved(record, intent, around) {
            return Ok(decision);
        }
        if is_preempted(record, intent, around)? {
            return Ok(Decision::SetAside);
        }
        return resolve(record, intent, around);
    }
    match record.direction {
        Direction::Forward => forward(record, around, sets),
        Direction::Leaving => leave(record, around),
        Direction::Deleting | Direction::RollingBack => backward(record, around),
    }
}

/// Whether a record turns to its deletion at once. A rewind that has begun is finished first if the state that it goes back to has steps for a
/// deletion.
pub(super) fn turns_to_delete(record: &Record, graph: &Graph<'_>) -> bool {
    let initial = || graph.states.get(graph.initial()).map_or("", |state| state.name);
    match record.direction {
        Direction::Forward => true,
        Direction::Leaving | Direction::Deleting => false,
        Direction::RollingBack => !begins_leaving(graph, record.to.as_deref().unwrap_or_else(initial)),
    }
}

/// What is done before an open intent is resolved: another version may have written it, on a way that this version does not go.
fn before_it_is_resolved(record: &Record, intent: &Intent, around: &Surroundings<'_>) -> Option<Decision> {
    let graph = around.steps.graph();
    if record.direction == Direction::Forward && intent.action == Action::Run {
        if let Some(decision) = begun_elsewhere(graph, record, intent) {
            return Some(decision);
        }
        return match upgrade(graph, record) {
            // It is taken up when the machine comes to the step again.
            Some(Decision::Upgrade { .. }) => Some(Decision::SetAside),
            None if comes_later(graph, record, &intent.transition) => Some(Decision::SetAside),
            other => other,
        };
    }
    let is_known = graph.transition(&intent.transition).is_some_and(|(_, step)| step.contract().is_some());
    if is_known || record.direction.is_forward() {
        return None;
    }
    // A person settles what this version does not know, at its place on the way back.
    Some(if intent.action == Action::Run {
        Decision::SetAside
    } else {
        strange(record, around, &intent.transition, intent.life)
    })
}

/// Whether a step that an older version has begun in this state begins in another state now, because steps were added before it.
fn comes_later(graph: &Graph<'_>, record: &Record, transition: &str) -> bool {
    record.entered_by.is_some_and(|version| version < graph.version) && !begins_here(graph, record, transition)
}

/// Whether a step can begin where the record is.
fn begins_here(graph: &Graph<'_>, record: &Record, transition: &str) -> bool {
    let (here, step) = (graph.state(&record.state), graph.transition(transition));
    here.zip(step).is_none_or(|((here, _), (step, _))| graph.places(step).any(|place| place == here))
        || record.lost(transition).is_some()
}

/// An open intent that is not this call's own: its outcome is in doubt.
fn resolve(record: &Record, intent: &Intent, around: &Surroundings<'_>) -> Result<Decision, FactError> {
    let (transition, step, contract) = find(around, &intent.transition)?;
    // A step that was under way when a deletion began does not go on, and neither does one on the way back.
    let forward = record.direction.is_forward() && {
        let graph = around.steps.graph();
        record.direction == Direction::Forward || is_on_the_way(graph, &record.state, step, record.direction)
    };
    let quiet_in = around.until_quiet(OpenEnd::Intent(intent), contract);
    let begin_abort =
        Decision::Begin { transition, subject: intent.subject.clone(), action: Action::Abort, set_aside: true };
    let is_refused = is_refused_in_doubt(record, around)?;
    // Repeating it would be refused each time, and another life may begin only when the one in doubt is out of the way.
    let makes_way = is_refused && record.spec_of(intent) != Some(&around.steps.spec()?);
    // If the holder is known to be gone, a repeat that goes forward may follow at once. The dead holder's request may still be in flight. It does
    // no harm to a repeat, but to every other contract it does, and to an abort: the request could take effect after it.
    let hurry = intent.action == Action::Run
        && forward
        && !makes_way
        && contract.in_doubt == InDoubt::Repeat
        && (around.is_gone)(&intent.holder);
    if let Some(left) = quiet_in.filter(|_| !hurry) {
        let attempt = format!("attempt {} at `{}`, by {},", intent.attempt, intent.transition, intent.holder);
        let until = around.wall.later(left);
        return Ok(Decision::Wait(left, format!("{attempt} may still be under way, until {until}")));
    }
    // On the way back an outcome in doubt is settled at its place in the order, as everything else is. A holder that
    // may still be at work has had the time to record it.
    if !forward && intent.action == Action::Run {
        return Ok(Decision::SetAside);
    }
    if intent.action != Action::Run {
        return Ok(around.retry(record).unwrap_or(Decision::TakeOver));
    }
    if contract.in_doubt == InDoubt::Hold {
        return Ok(Decision::Hold { reason: HeldReason::InDoubt, message: in_doubt_message(step, intent) });
    }
    if makes_way {
        return Ok(begin_abort);
    }
    // The end of a block is the end of its back-off.
    let waits = if is_refused { None } else { around.retry(record) };
    Ok(waits.unwrap_or(Decision::TakeOver))
}

/// Whether a step that is listed above the one under way `preempts`, and its guard holds.
fn is_preempted(record: &Record, intent: &Intent, around: &Surroundings<'_>) -> Result<bool, FactError> {
    if record.direction != Direction::Forward || intent.action != Action::Run {
        return Ok(false);
    }
    // A holder that may still be at work is not preempted: its request would have no intent in the record.
    let (_, _, contract) = find(around, &intent.transition)?;
    let is_over = intent.in_doubt && record.retry.is_some() || (around.is_gone)(&intent.holder);
    if !is_over && around.until_quiet(OpenEnd::Intent(intent), contract).is_some() {
        return Ok(false);
    }
    let graph = around.steps.graph();
    let Some((at, state)) = graph.state(&record.state) else { return Ok(false) };
    let steps = state.transitions.iter().filter_map(|index| Some((*index, graph.transitions.get(*index)?)));
    for (index, _) in steps.take_while(|(_, step)| step.name != intent.transition).filter(|(_, step)| step.preempts) {
        if around.steps.guard(at, index, &record.facts)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether an effect in doubt was refused, and has an abort.
fn is_refused_in_doubt(record: &Record, around: &Surroundings<'_>) -> Result<bool, FactError> {
    let is_refused = record.blocked.as_ref().is_some_and(|blocked| blocked.reason == BlockedReason::Rejected);
    let Some(intent) = record.intent.as_ref().filter(|_| is_refused && record.direction.is_forward()) else {
        return Ok(false);
    };
    let (_, _, contract) = find(around, &intent.transition)?;
    Ok(intent.action == Action::Run && contract.abort.is_some())
}

fn in_doubt_message(step: &Transition<'_>, intent: &Intent) -> String {
    format!(
        "`{}` may or may not have happened (attempt {}, by {}); look at the provider after {}, then resolve with `applied` or `not-applied`",
        step.name, intent.attempt, intent.holder, intent.deadline
    )
}

fn forward(record: &Record, around: &Surroundings<'_>, sets: &mut Sets) -> Result<Decision, FactError> {
    let graph = around.steps.graph();
    let (at, state) = graph.state(&record.state).ok_or_else(|| FactError::Foreign(record.state.clone()))?;
    if let Some(decision) = abort_doubted(record, around)? {
        return Ok(decision);
    }
    if let Some(decision) = upgrade(graph, record) {
        return Ok(decision);
    }
    if record.undo.has_lost() {
        return make_again(record, around, at, state);
    }
    // Declared order is the order: what is listed above is done first, and a set that is incomplete stops what is listed below it, but for the sets that depend on
    // it.
    let (mut pending, mut incomplete, mut looks) = (None, Vec::new(), Vec::new());
    let meanwhile =
        |looks: &[usize], decision| asked::looking(around.next_look(looks), asked::meanwhile(record, around, decision));
    let listed = state.transitions.iter().filter_map(|index| Some((*index, graph.transitions.get(*index)?)));
    for (index, step) in listed.filter(|(_, step)| !step.retired) {
        if let Some(for_each) = step.for_each() {
            if pending.is_some() && !for_each.on.is_some_and(|on| incomplete.contains(&on)) {
                continue;
            }
            match members::next(record, around, sets, index, step, for_each)? {
                Some(decision) if is_act(&decision) => return Ok(decision),
                Some(decision) => {
                    incomplete.push(for_each.fact);
                    pending = first(pending.into_iter().chain([decision]));
                }
                // What depends on it may need something all the same.
                None if for_each.on.is_some_and(|on| incomplete.contains(&on)) => incomplete.push(for_each.fact),
                None => {}
            }
            continue;
        }
        if pending.is_some() || matches!(step.kind, Kind::End(_)) {
            continue;
        }
        if graph.looks_at_rest(at, index) {
            // What would be left in doubt is settled first.
            if left_in_doubt(record, graph, step).is_none() {
                if !around.has_looked(index) {
                    return Ok(Decision::Compute { transition: index });
                }
                looks.push(index);
            }
            continue;
        }
        let is_asked = graph.guard(at, index).is_some();
        if step.on_delete || is_asked && !around.steps.guard(at, index, &record.facts)? {
            continue;
        }
        return match left_in_doubt(record, graph, step) {
            Some(sent) => settle(record, around, sent),
            None => take(record, around, index, step).map(|decision| meanwhile(&looks, decision)),
        };
    }
    if let Some(decision) = pending {
        return Ok(meanwhile(&looks, decision));
    }
    let aside = record.unconfirmed.iter().filter(|sent| sent.in_doubt && may_abort(graph, sent));
    if let Some(sent) = aside.max_by_key(|sent| sent.order()) {
        return settle(record, around, sent);
    }
    let rest = around.kept.map_or_else(|| asked::rest(around), |why| Decision::Stop(Ending::Kept(why.to_owned())));
    Ok(asked::looking(around.next_look(&looks), rest))
}

/// While the resource is blocked, transitions that look at rest look all the same: what they see may be the cause.
fn look_at_rest(record: &Record, around: &Surroundings<'_>, decision: Decision) -> Decision {
    let graph = around.steps.graph();
    let here = graph.state(&record.state).filter(|_| record.direction == Direction::Forward && record.intent.is_none());
    let Some((at, state)) = here.filter(|_| matches!(decision, Decision::Stop(_))) else { return decision };
    let looks: Vec<usize> = state.transitions.iter().copied().filter(|it| graph.looks_at_rest(at, *it)).collect();
    match looks.iter().find(|it| !around.has_looked(**it)) {
        Some(transition) => Decision::Compute { transition: *transition },
        None => asked::looking(around.next_look(&looks), decision),
    }
}

/// What is lost is made again before anything that may depend on it, the first one first.
fn make_again(record: &Record, around: &Surroundings<'_>, at: usize, state: &State<'_>) -> Result<Decision, FactError> {
    let graph = around.steps.graph();
    let listed = state.transitions.iter().filter_map(|index| Some((*index, graph.transitions.get(*index)?)));
    for (index, step) in listed.filter(|(_, step)| step.preempts && !step.retired) {
        if around.steps.guard(at, index, &record.facts)? {
            return take(record, around, index, step);
        }
    }
    let Some(lost) = record.undo.iter().find(|it| it.lost) else { return Ok(Decision::Stop(Ending::Resting)) };
    let (transition, _, contract) = find(around, &lost.transition)?;
    begin(record, around, transition, None, contract)
}

fn may_abort(graph: &Graph<'_>, sent: &Unconfirmed) -> bool {
    let contract = graph.transition(&sent.transition).and_then(|(_, step)| step.contract());
    contract.is_some_and(|contract| contract.abort.is_some())
}

/// The step in doubt that this step would leave behind: the state to which this step leads does not list it, and without an `abort` only the way back
/// could settle it there.
fn left_in_doubt<'r>(record: &'r Record, graph: &Graph<'_>, step: &Transition<'_>) -> Option<&'r Unconfirmed> {
    let is_kept = |sent: &Unconfirmed| {
        let places = graph.transition(&sent.transition).map(|(index, _)| graph.places(index).collect::<Vec<_>>());
        step.to.iter().all(|to| places.as_ref().is_some_and(|places| places.contains(to)))
    };
    let doubted = record.unconfirmed.iter().filter(|sent| sent.in_doubt && sent.transition != step.name);
    // An upgrade may have led to a state that does not list it. It is taken up when the machine comes to its state again.
    let doubted = doubted.filter(|sent| begins_here(graph, record, &sent.transition));
    let stays = step.kind == Kind::Rewind || step.preempts;
    doubted.filter(|sent| !stays && !may_abort(graph, sent) && !is_kept(sent)).max_by_key(|sent| sent.order())
}

fn take(
    record: &Record,
    around: &Surroundings<'_>,
    index: usize,
    step: &Transition<'_>,
) -> Result<Decision, FactError> {
    match &step.kind {
        Kind::NoEffect | Kind::Waits { .. } | Kind::Deferred(_) => Ok(Decision::Compute { transition: index }),
        Kind::Rewind | Kind::End(_) => Ok(rewind(record, around.steps.graph(), step)),
        Kind::Effect(contract) => begin(record, around, index, None, contract),
    }
}

/// The next step of a deletion; where none is left, the undo list runs.
fn leave(record: &Record, around: &Surroundings<'_>) -> Result<Decision, FactError> {
    match way_out(record, around)? {
        Some((index, step)) => take(record, around, index, step),
        None => Ok(Decision::Turn(Direction::Deleting, None)),
    }
}

/// The first step of a deletion in this state whose guard holds.
fn way_out(
    record: &Record,
    around: &Surroundings<'_>,
) -> Result<Option<(usize, &'static Transition<'static>)>, FactError> {
    let graph = around.steps.graph();
    // In a state that this version does not know, a deletion has no steps of its own.
    let Some((at, state)) = graph.state(&record.state) else { return Ok(None) };
    for (index, step) in state.transitions.iter().filter_map(|index| Some((*index, graph.transitions.get(*index)?))) {
        let is_one = is_on_the_way(graph, &record.state, step, Direction::Leaving)
            && !matches!(step.kind, Kind::End(_))
            && !step.retired;
        if is_one && (graph.guard(at, index).is_none() || around.steps.guard(at, index, &record.facts)?) {
            return Ok(Some((index, step)));
        }
    }
    Ok(None)
}

/// Back to the latest mark among those of the targets.
fn rewind(record: &Record, graph: &Graph<'_>, step: &Transition<'_>) -> Decision {
    let targets = || step.to.iter().filter_map(|index| graph.states.get(*index));
    let marks = targets().filter_map(|state| record.mark(state.name));
    if let Some(mark) = marks.max_by_key(|mark| mark.seq) {
        return Decision::Turn(Direction::RollingBack, Some(mark.state.clone()));
    }
    if targets().any(|state| state.initial) {
        return Decision::Turn(Direction::RollingBack, None);
    }
    let names: Vec<&str> = targets().map(|state| state.name).collect();
    let message = format!(
        "`{}` goes back to {}, and the record has no mark of it, because it was written before that rewind was declared; nothing was undone: resolve with a roll-back, which undoes everything and begins again, or delete the resource",
        step.name,
        names.join(" or ")
    );
    Decision::Hold { reason: HeldReason::NoMark, message }
}

/// A step whose abort was begun and not finished goes before everything else.
fn abort_doubted(record: &Record, around: &Surroundings<'_>) -> Result<Option<Decision>, FactError> {
    let Some(unconfirmed) = record.unconfirmed.iter().rev().find(|unconfirmed| unconfirmed.aborting) else {
        return Ok(None);
    };
    let (transition, _, contract) = find(around, &unconfirmed.transition)?;
    let quiet = around.until_quiet(OpenEnd::Unconfirmed(unconfirmed), contract).filter(|_| !unconfirmed.unmaking);
    let subject = unconfirmed.subject.clone();
    let waits = around.pause(record, quiet, &unconfirmed.transition, subject.as_deref());
    Ok(Some(waits.unwrap_or(Decision::Begin { transition, subject, action: Action::Abort, set_aside: false })))
}
