//! What a pass does next. Invariant: [`decide()`] is pure: it reads the record and what surrounds it, and writes, calls and waits for
//! nothing, so that planning and doing cannot differ.

use durable_fsm_graph::{Contract, ForEach, Graph, InDoubt, Kind, Order, Transition, Undo};

use super::decision::{Decision, Ending, Surroundings, find};
use super::sets::{Difference, Sets};
use super::sightings::OpenEnd;
use super::undoing::{backward, undo_live};
use crate::FactError;
use crate::record::{
    Action, BlockedReason, Direction, Effect, HeldReason, Intent, MOST_UNSETTLED, Record, Spec, Unconfirmed,
    begins_leaving, is_certainly_absent, is_on_the_way, unsettled,
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
        // A deletion that the store tells of has moved its version on, so no other pass can write the first record any more. Elsewhere a
        // record that is written and removed again is what stops a pass which has found none.
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
        // Two versions that run at once would end each other's blocks in turn: only a newer one than was refused ends it.
        let refused_by = record.refused.map_or(record.version, |refused| refused.version);
        let is_newer_machine = around.steps.graph().version > refused_by;
        let changed = (blocked.generation != around.generation && !around.behind) || is_newer_machine;
        let left = around.until_unblocked(blocked);
        match blocked.reason {
            BlockedReason::Overdue | BlockedReason::DeletionRefused => {}
            BlockedReason::RolledBack if changed || left.is_none() => return Ok(Decision::Release),
            // Only beginning again is blocked.
            BlockedReason::RolledBack => {}
            // The refusal of what is in doubt stays on record until its abort has begun, or the next answer is there.
            BlockedReason::Rejected => match left.filter(|_| !changed) {
                Some(left) => return Ok(Decision::Stop(Ending::Blocked(left))),
                None if !is_refused_in_doubt(record, around)? => return Ok(Decision::Release),
                None => {}
            },
        }
    }
    if let Some(intent) = &record.intent {
        return resolve(record, intent, around);
    }
    match record.direction {
        Direction::Forward => forward(record, around, sets),
        Direction::Leaving => leave(record, around),
        Direction::Deleting | Direction::RollingBack => backward(record, around),
    }
}

/// Whether a record turns as soon as its resource is to be deleted. A rewind, once turned, finishes first where the state that it goes back to has
/// steps for a deletion.
pub(super) fn turns_to_delete(record: &Record, graph: &Graph<'_>) -> bool {
    let initial = || graph.states.get(graph.initial()).map_or("", |state| state.name);
    match record.direction {
        Direction::Forward => true,
        Direction::Leaving | Direction::Deleting => false,
        Direction::RollingBack => !begins_leaving(graph, record.to.as_deref().unwrap_or_else(initial)),
    }
}

/// An open intent that is not this call's own: its outcome is in doubt.
fn resolve(record: &Record, intent: &Intent, around: &Surroundings<'_>) -> Result<Decision, FactError> {
    let (transition, step, contract) = find(around, &intent.transition)?;
    // What was under way when a deletion began is left as it is, like everything on the way back.
    let forward = record.direction.is_forward() && {
        let graph = around.steps.graph();
        record.direction == Direction::Forward || is_on_the_way(graph, &record.state, step, record.direction)
    };
    let quiet_in = around.until_quiet(OpenEnd::Intent(intent), contract);
    let begin_abort =
        Decision::Begin { transition, subject: intent.subject.clone(), action: Action::Abort, set_aside: true };
    let is_refused = is_refused_in_doubt(record, around)?;
    // To repeat it would be refused for ever, and to begin another life needs the doubtful one out of the way.
    let makes_way = is_refused && record.spec_of(intent) != Some(&around.steps.spec()?);
    // Only a repeat going forward may follow a holder that is known to be gone at once: the dead holder's request may still be
    // in flight, and for every other contract that matters. So it does for an abort, which that request would outlive.
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
    // On the way back an outcome in doubt is settled at its place in the order, as everything else is. A holder that is still at it gets the
    // time to say what came of it.
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
    // Declared order is the order: what stands above is done first, and a set that is incomplete stops what stands below it.
    for (index, step) in state.transitions.iter().filter_map(|index| Some((*index, graph.transitions.get(*index)?))) {
        if let (Some(contract), Some(for_each)) = (step.contract(), step.for_each()) {
            match keep_set(record, around, sets, index, step, contract, for_each)? {
                Some(decision) => return Ok(decision),
                None => continue,
            }
        }
        let is_asked = graph.guard(at, index).is_some();
        if step.on_delete || is_asked && !around.steps.guard(at, index, &record.facts)? {
            continue;
        }
        return take(record, around, index, step);
    }
    Ok(Decision::Stop(around.kept.map_or(Ending::Resting, |why| Ending::Kept(why.to_owned()))))
}

fn take(
    record: &Record,
    around: &Surroundings<'_>,
    index: usize,
    step: &Transition<'_>,
) -> Result<Decision, FactError> {
    match &step.kind {
        Kind::NoEffect | Kind::Waits { .. } | Kind::Deferred(_) => Ok(Decision::Compute { transition: index }),
        Kind::Rewind => Ok(rewind(record, around.steps.graph(), step)),
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
    let (at, state) = graph.state(&record.state).ok_or_else(|| FactError::Foreign(record.state.clone()))?;
    for (index, step) in state.transitions.iter().filter_map(|index| Some((*index, graph.transitions.get(*index)?))) {
        let is_one = is_on_the_way(graph, &record.state, step, Direction::Leaving);
        if is_one && (graph.guard(at, index).is_none() || around.steps.guard(at, index, &record.facts)?) {
            return Ok(Some((index, step)));
        }
    }
    Ok(None)
}

/// Back to the mark that was left last among those of the targets.
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

fn begin(
    record: &Record,
    around: &Surroundings<'_>,
    transition: usize,
    subject: Option<String>,
    contract: &Contract<'_>,
) -> Result<Decision, FactError> {
    let step = &around.steps.graph().transitions[transition];
    let name = subject.as_deref();
    if let Some(left) = around.until_free(record, step.name, name, contract) {
        let why = format!("a late undo of `{}` may still be carried out, until {}", step.name, around.wall.later(left));
        return Ok(Decision::Wait(left, why));
    }
    if let Some(wait) = around.retry(record) {
        return Ok(wait);
    }
    let begin = || Decision::Begin { transition, subject: subject.clone(), action: Action::Run, set_aside: false };
    if record.unconfirmed.is_empty() {
        return Ok(begin());
    }
    let sent = || {
        record
            .unconfirmed
            .iter()
            .filter(|sent| sent.transition == step.name && sent.subject.as_deref() == subject.as_deref())
    };
    let spec = around.steps.spec()?;
    if let Some(doubted) = sent().find(|sent| sent.in_doubt) {
        return Ok(take_up(around, doubted, transition, step, contract, &spec));
    }
    if unsettled(around.steps.graph(), record, step.name, subject.as_deref()) >= MOST_UNSETTLED
        && sent().max_by_key(|sent| sent.order()).is_none_or(|last| last.spec.as_ref() != Some(&spec))
    {
        return Ok(make_room(around, record, transition, subject, contract));
    }
    // The thing may be known by name: a late duplicate of another life of it would write over what is sent now.
    let last = sent().max_by_key(|sent| sent.order());
    let others =
        sent().filter(|sent| last.is_none_or(|last| last.life != sent.life) || sent.spec.as_ref() != Some(&spec));
    let late = others.filter(|sent| !is_certainly_absent(around.steps.graph(), sent));
    let left = late.filter_map(|sent| around.until_quiet(OpenEnd::Unconfirmed(sent), contract)).max();
    Ok(left.map_or_else(begin, |left| around.late(left, step.name, name)))
}

/// A life that was set aside in doubt comes before any other life of its transition and subject.
fn take_up(
    around: &Surroundings<'_>,
    doubted: &Unconfirmed,
    transition: usize,
    step: &Transition<'_>,
    contract: &Contract<'_>,
    spec: &Spec,
) -> Decision {
    let is_same = doubted.spec.as_ref() == Some(spec);
    let action = match contract.in_doubt {
        // The same request continues; another spec follows only once this one is out of the way, where it can be.
        InDoubt::Repeat if is_same || contract.abort.is_none() => {
            let subject = doubted.subject.clone();
            return Decision::Begin { transition, subject, action: Action::Run, set_aside: false };
        }
        InDoubt::Lookup => Action::Run,
        InDoubt::Hold if contract.abort.is_none() => {
            let message = format!(
                "`{}` may or may not have happened (attempt {}); look at the provider, then resolve with `applied` or `not-applied`",
                step.name, doubted.attempt
            );
            return Decision::Hold { reason: HeldReason::InDoubt, message };
        }
        InDoubt::Repeat | InDoubt::Hold => Action::Abort,
    };
    let subject = doubted.subject.clone();
    around
        .until_quiet(OpenEnd::Unconfirmed(doubted), contract)
        .map(|left| around.late(left, step.name, doubted.subject.as_deref()))
        .unwrap_or(Decision::Begin { transition, subject, action, set_aside: false })
}

/// Too many lives of one step were refused and may exist all the same: one goes before another begins.
fn make_room(
    around: &Surroundings<'_>,
    record: &Record,
    transition: usize,
    subject: Option<String>,
    contract: &Contract<'_>,
) -> Decision {
    let name = around.steps.graph().transitions[transition].name;
    let is_it = |sent: &&Unconfirmed| sent.transition == name && sent.subject == subject;
    match record.unconfirmed.iter().filter(is_it).min_by_key(|sent| sent.order()) {
        Some(oldest) if contract.abort.is_some() => around
            .until_quiet(OpenEnd::Unconfirmed(oldest), contract)
            .map(|left| around.late(left, name, oldest.subject.as_deref()))
            .unwrap_or(Decision::Begin { transition, subject, action: Action::Abort, set_aside: false }),
        _ => {
            let message = format!(
                "`{name}` was refused under {MOST_UNSETTLED} specs, and a late duplicate of each may still be carried out; look at the provider, then resolve with `not-applied` if none of them exists"
            );
            Decision::Hold { reason: HeldReason::Unsettled, message }
        }
    }
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

/// The next thing to do so that the recorded set becomes the wanted one.
fn keep_set(
    record: &Record,
    around: &Surroundings<'_>,
    sets: &mut Sets,
    transition: usize,
    step: &Transition<'_>,
    contract: &Contract<'_>,
    for_each: &ForEach<'_>,
) -> Result<Option<Decision>, FactError> {
    let Difference { missing, surplus } = sets.difference(record, around.steps, transition, for_each.fact)?;
    let missing = around.free_first(record, step.name, missing, contract);
    // One whose undo has begun goes, whatever is wanted by now.
    let is_unmade = |it: &&Effect| it.unmaking && it.transition == step.name;
    let unmade = record.undo.has_unmaking().then(|| record.undo.iter().find(is_unmade)).flatten();
    let surplus = unmade.and_then(|it| it.subject.as_ref()).or(surplus.first());
    let surplus_first = for_each.order == Order::UndoFirst || missing.is_none();
    match (missing, surplus) {
        (_, Some(surplus)) if surplus_first => unmake(record, around, transition, step, contract, surplus).map(Some),
        (Some(missing), _) => begin(record, around, transition, Some(missing.clone()), contract).map(Some),
        (None, _) => Ok(None),
    }
}

fn unmake(
    record: &Record,
    around: &Surroundings<'_>,
    transition: usize,
    step: &Transition<'_>,
    contract: &Contract<'_>,
    subject: &str,
) -> Result<Decision, FactError> {
    match contract.undo {
        Undo::None | Undo::Retain => Ok(Decision::Drop { transition, subject: subject.to_owned() }),
        Undo::Method(_) => {
            let Some(live) = record.effect(step.name, Some(subject)) else {
                return Err(FactError::Missing(format!("{} (the live effect of {subject})", step.name)));
            };
            undo_live(record, around, transition, contract, live)
        }
    }
}
