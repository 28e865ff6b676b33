//! What is undone next. Invariant: the entry of the highest order goes first, and what is to stay is asked for before anything is sent.

use std::time::Duration;

use durable_fsm_graph::{Contract, InDoubt, Kind, Transition, Undo};

use super::decision::{BEHIND_FOR, Decision, Ending, Surroundings, find};
use super::sightings::OpenEnd;
use super::upgrade::stands_by;
use crate::FactError;
use crate::record::{Action, Direction, Effect, HeldReason, Record, Unconfirmed, is_certainly_absent, is_retained};

/// What is to be undone next: the entry of the highest order, live or unconfirmed. What depends on others goes before them, and an entry
/// that has to wait is never passed over.
pub(super) fn backward(record: &Record, around: &Surroundings<'_>) -> Result<Decision, FactError> {
    let graph = around.steps.graph();
    let goes = |transition: &str, order| record.is_above_mark(graph, transition, order);
    let live = record.undo.iter().rev().find(|it| !is_retained(graph, it) && goes(&it.transition, it.order()));
    let sent = record.unconfirmed.iter().filter(|it| goes(&it.transition, it.order())).max_by_key(|it| it.order());
    match (sent, live) {
        (Some(sent), live) if live.is_none_or(|live| sent.order() >= live.order()) => {
            return undo_unconfirmed(record, around, sent);
        }
        (_, Some(live)) => {
            let Some((transition, _, contract)) = known(around, &live.transition, live.subject.as_deref()) else {
                return Ok(strange(record, around, &live.transition, live.life));
            };
            return undo_live(record, around, transition, contract, live);
        }
        (_, None) => {}
    }
    Ok(match record.direction {
        Direction::Deleting => Decision::Remove,
        Direction::Forward | Direction::Leaving | Direction::RollingBack => match &record.blocked {
            // A deletion that waits for the end of the way back does not wait for what it would begin again with.
            Some(blocked) if !around.deleting => {
                Decision::Stop(Ending::Blocked(around.until_unblocked(blocked).unwrap_or_default()))
            }
            _ => match around.until_undone(record) {
                Some(left) => {
                    let until = around.wall.later(left);
                    Decision::Wait(left, format!("a late request of an undo may still take effect, until {until}"))
                }
                None => Decision::BeginAgain,
            },
        },
    })
}

/// A transition with its contract, if it makes things of this kind.
fn known(
    around: &Surroundings<'_>,
    name: &str,
    subject: Option<&str>,
) -> Option<(usize, &'static Transition<'static>, &'static Contract<'static>)> {
    find(around, name).ok().filter(|(_, _, contract)| contract.for_each.is_some() == subject.is_some())
}

/// What another version made, and this one cannot undo.
pub(super) fn strange(record: &Record, around: &Surroundings<'_>, transition: &str, life: u64) -> Decision {
    let graph = around.steps.graph();
    let (of, version) = (record.entered_by.unwrap_or(record.version).max(record.version), graph.version);
    let remedy = if of > version { stands_by(graph, of) } else { "declare it as `retired`, with its undo".to_owned() };
    Decision::Strand {
        message: format!(
            "`{transition}` (life {life}) was made for version {of} of the machine, and version {version} does not declare it, so nothing can undo it; {remedy}, or resolve with `waive`, which leaves it and lists it"
        ),
    }
}

/// A live effect whose turn to be undone has come.
pub(super) fn undo_live(
    record: &Record,
    around: &Surroundings<'_>,
    transition: usize,
    contract: &Contract<'_>,
    live: &Effect,
) -> Result<Decision, FactError> {
    let (subject, life) = (live.subject.clone(), live.life);
    if let Some(decision) = retain(around, transition, contract, &live.subject, life)? {
        return Ok(decision);
    }
    // What was never sent is quiet from the beginning, and what is being undone was quiet when that began.
    let is_quiet = live.unmaking || matches!(around.steps.graph().transitions[transition].kind, Kind::Deferred(_));
    let quiet = around.until_quiet(OpenEnd::Live(live), contract).filter(|_| !is_quiet);
    let waits = around.pause(record, quiet, &live.transition, subject.as_deref());
    Ok(waits.unwrap_or(Decision::Begin { transition, subject, action: Action::Undo, set_aside: false }))
}

/// What is to stay is not undone. That is asked of the resource as it is now, and of no older one.
fn retain(
    around: &Surroundings<'_>,
    transition: usize,
    contract: &Contract<'_>,
    subject: &Option<String>,
    life: u64,
) -> Result<Option<Decision>, FactError> {
    if contract.retain_when.is_none() {
        return Ok(None);
    }
    if around.outdated {
        let left = if around.behind { BEHIND_FOR } else { Duration::ZERO };
        return Ok(Some(Decision::Wait(
            left,
            "the store has a newer version of the resource than this pass".to_owned(),
        )));
    }
    let retained = || Decision::Retain { transition, subject: subject.clone(), life };
    Ok(around.steps.retains(transition)?.then(retained))
}

/// A step that was sent and never committed, at its place on the way back.
fn undo_unconfirmed(record: &Record, around: &Surroundings<'_>, sent: &Unconfirmed) -> Result<Decision, FactError> {
    let Some((transition, step, contract)) = known(around, &sent.transition, sent.subject.as_deref()) else {
        return Ok(strange(record, around, &sent.transition, sent.life));
    };
    if is_certainly_absent(around.steps.graph(), sent) {
        return Ok(Decision::Clear(sent.clone()));
    }
    // Asked before anything is sent for it: what is to stay is not looked for, either.
    if let Some(decision) = retain(around, transition, contract, &sent.subject, sent.life)? {
        return Ok(decision);
    }
    let quiet_in = around.until_quiet(OpenEnd::Unconfirmed(sent), contract).filter(|_| !sent.unmaking);
    match contract.undo {
        Undo::Retain => return Ok(Decision::Clear(sent.clone())),
        // It may change what others have made, and that is about to be undone.
        Undo::None => {
            let waits = quiet_in.map(|left| around.late(left, step.name, sent.subject.as_deref()));
            return Ok(waits.unwrap_or(Decision::Clear(sent.clone())));
        }
        Undo::Method(_) => {}
    }
    let action = if contract.abort.is_some() { Action::Abort } else { Action::Run };
    if action == Action::Run && contract.in_doubt == InDoubt::Hold {
        let message =
            format!("`{}` was sent and may have happened; give it an `abort`, or roll back by hand", step.name);
        return Ok(Decision::Hold { reason: HeldReason::InDoubt, message });
    }
    let subject = sent.subject.clone();
    let waits = around.pause(record, quiet_in, step.name, subject.as_deref());
    Ok(waits.unwrap_or(Decision::Begin { transition, subject, action, set_aside: false }))
}
