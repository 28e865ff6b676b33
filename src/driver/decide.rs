//! What a pass does next. Invariant: [`decide()`] is pure: it reads the record and what surrounds it, and writes, calls and waits for
//! nothing, so that planning and doing cannot differ.

use std::time::Duration;

use durable_fsm_graph::{Contract, ForEach, InDoubt, Kind, Order, Transition, Undo};

use super::sightings::{OpenEnd, Sightings};
use crate::record::{Action, BlockedReason, Direction, HeldReason, Intent, Record, Stamp, Touched};
use crate::steps::Steps;
use crate::{FactError, RecordId};

/// What a pass does next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decision {
    /// Stop here.
    Stop(Ending),
    /// Turn to undoing.
    Turn(Direction),
    /// What blocked it has changed.
    Release,
    /// Write an intent, then call. With `set_aside`, an open intent is set aside in the same write.
    Begin { transition: usize, subject: Option<String>, action: Action, set_aside: bool },
    /// Take the open intent over, then resolve it.
    TakeOver,
    /// The open intent has nothing to undo.
    SetAside,
    /// A person has to look.
    Hold { reason: HeldReason, message: String },
    /// Run a transition without effect, or let one that waits look.
    Compute { transition: usize },
    /// A member that nothing undoes leaves its set.
    Drop { transition: usize, subject: String },
    /// A touched step has nothing to undo.
    Clear(Touched),
    /// Everything is undone; begin again.
    BeginAgain,
    /// Everything is undone; remove the record.
    Remove,
}

/// Where a pass ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ending {
    Resting,
    Progressing(Duration),
    Blocked(Duration),
    Held,
    Paused,
    Gone,
}

/// What a decision depends on besides the record.
pub(crate) struct Surroundings<'a> {
    pub(crate) id: &'a RecordId,
    pub(crate) steps: &'a dyn Steps,
    pub(crate) sightings: &'a Sightings,
    /// Whether the record was ever written.
    pub(crate) stored: bool,
    pub(crate) wall: Stamp,
    pub(crate) monotonic: Duration,
    pub(crate) deleting: bool,
    pub(crate) paused: bool,
    pub(crate) generation: u64,
    /// The spec is an old one: that it is another than before is no change.
    pub(crate) behind: bool,
    pub(crate) fingerprint: &'a str,
    /// Whether the call that wrote an intent is known to be over.
    pub(crate) is_gone: &'a dyn Fn(&str) -> bool,
}

impl Surroundings<'_> {
    /// How long it takes until an attempt that left this open can no longer do anything.
    fn until_quiet(&self, open: OpenEnd<'_>, contract: &Contract<'_>) -> Option<Duration> {
        self.sightings.until_quiet(self.id, open, contract, self.monotonic)
    }

    /// How long it takes until nothing of before a roll-back can do anything any more: an undo may be by name, and the name is about to be
    /// used again; so it is with what has no undo and was sent.
    fn until_undone(&self, record: &Record) -> Option<Duration> {
        let contracts = self.steps.graph().transitions.iter().filter_map(|step| step.contract());
        let longest = contracts.max_by_key(|contract| contract.timeout + contract.settle)?;
        self.until_quiet(OpenEnd::roll_back(record), longest)
    }

    /// How long it takes until nothing can be made in place of what was undone: the undo may be by name, and be delivered once more.
    fn until_free(
        &self,
        record: &Record,
        transition: &str,
        subject: Option<&str>,
        contract: &Contract<'_>,
    ) -> Option<Duration> {
        let ended = record.undone.iter().filter(|it| it.transition == transition && it.subject.as_deref() == subject);
        ended.filter_map(|undone| self.until_quiet(OpenEnd::Undone(undone), contract)).max()
    }

    /// How long the record wants to be left alone after its last failure.
    fn until_retry(&self, record: &Record, contract: &Contract<'_>) -> Option<Duration> {
        let retry = record.retry.as_ref()?;
        let longest = contract.retry.max.max(Duration::from_secs(3600));
        Some(retry.at.after(self.wall).min(longest)).filter(|left| !left.is_zero())
    }
}

/// What to do next with this record.
///
/// # Errors
/// A state, guard or wanted set cannot be computed from the record's facts.
pub(crate) fn decide(record: &Record, around: &Surroundings<'_>) -> Result<Decision, FactError> {
    if record.paused || around.paused {
        return Ok(Decision::Stop(Ending::Paused));
    }
    if around.deleting && record.direction != Direction::Deleting {
        return Ok(if around.stored { Decision::Turn(Direction::Deleting) } else { Decision::Stop(Ending::Gone) });
    }
    if record.held.is_some() {
        return Ok(Decision::Stop(Ending::Held));
    }
    if let Some(blocked) = &record.blocked {
        let graph = around.steps.graph();
        let is_other_machine = record.graph != around.fingerprint || record.version != graph.version;
        let changed = (blocked.generation != around.generation && !around.behind) || is_other_machine;
        let left = blocked.at.after(around.wall);
        match blocked.reason {
            BlockedReason::Overdue => {}
            BlockedReason::RolledBack if changed || left.is_zero() => return Ok(Decision::Release),
            // Only beginning again is blocked.
            BlockedReason::RolledBack => {}
            // The refusal of what is in doubt stays on record until its abort has begun, or the next answer is there.
            BlockedReason::Rejected if changed || left.is_zero() => {
                if !is_refused_in_doubt(record, around)? {
                    return Ok(Decision::Release);
                }
            }
            BlockedReason::Rejected => return Ok(Decision::Stop(Ending::Blocked(left))),
        }
    }
    if let Some(intent) = &record.intent {
        return resolve(record, intent, around);
    }
    match record.direction {
        Direction::Forward => forward(record, around),
        Direction::Deleting | Direction::RollingBack => backward(record, around),
    }
}

/// An open intent that is not this call's own: its outcome is in doubt.
fn resolve(record: &Record, intent: &Intent, around: &Surroundings<'_>) -> Result<Decision, FactError> {
    let (transition, step, contract) = find(around, &intent.transition)?;
    let forward = record.direction.is_forward();
    let quiet_in = around.until_quiet(OpenEnd::Intent(intent), contract);
    let begin_abort =
        Decision::Begin { transition, subject: intent.subject.clone(), action: Action::Abort, set_aside: true };
    let is_refused = is_refused_in_doubt(record, around)?;
    // To repeat it would be refused for ever, and to begin another life needs the doubtful one out of the way.
    let makes_way = is_refused && around.steps.spec()? != intent.spec;
    // Only a repeat going forward may follow a holder that is known to be gone at once: the dead holder's request may still be
    // in flight, and for every other contract that matters. So it does for an abort, which that request would outlive.
    let hurry = intent.action == Action::Run
        && forward
        && !makes_way
        && contract.in_doubt == InDoubt::Repeat
        && (around.is_gone)(&intent.holder);
    if let Some(left) = quiet_in.filter(|_| !hurry) {
        return Ok(Decision::Stop(Ending::Progressing(left)));
    }
    if intent.action != Action::Run {
        return Ok(around.until_retry(record, contract).map_or(Decision::TakeOver, wait));
    }
    if !forward {
        return Ok(match (contract.abort, contract.in_doubt, contract.undo) {
            (_, _, Undo::None | Undo::Retain) => Decision::SetAside,
            (Some(_), _, Undo::Method(_)) => begin_abort,
            (None, InDoubt::Hold, Undo::Method(_)) => {
                Decision::Hold { reason: HeldReason::InDoubt, message: in_doubt_message(step, intent) }
            }
            (None, InDoubt::Repeat | InDoubt::Lookup, Undo::Method(_)) => {
                around.until_retry(record, contract).map_or(Decision::TakeOver, wait)
            }
        });
    }
    if contract.in_doubt == InDoubt::Hold {
        return Ok(Decision::Hold { reason: HeldReason::InDoubt, message: in_doubt_message(step, intent) });
    }
    if makes_way {
        return Ok(begin_abort);
    }
    // The end of a block is the end of its back-off.
    let left = if is_refused { None } else { around.until_retry(record, contract) };
    Ok(left.map_or(Decision::TakeOver, wait))
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

fn wait(left: Duration) -> Decision {
    Decision::Stop(Ending::Progressing(left))
}

fn in_doubt_message(step: &Transition<'_>, intent: &Intent) -> String {
    format!(
        "`{}` may or may not have happened (attempt {}, by {}); look at the provider after {}, then resolve with `applied` or `not-applied`",
        step.name, intent.attempt, intent.holder, intent.deadline
    )
}

fn forward(record: &Record, around: &Surroundings<'_>) -> Result<Decision, FactError> {
    let graph = around.steps.graph();
    let (_, state) = graph.state(&record.state).ok_or_else(|| FactError::Foreign(record.state.clone()))?;
    if let Some(decision) = abort_doubted(record, around)? {
        return Ok(decision);
    }
    let here = || state.transitions.iter().filter_map(|index| graph.transitions.get(*index).map(|step| (*index, step)));
    for (index, step) in here() {
        if let (Some(contract), Some(for_each)) = (step.contract(), step.for_each())
            && let Some(decision) = keep_set(record, around, index, step, contract, for_each)?
        {
            return Ok(decision);
        }
    }
    for (index, step) in here() {
        if step.for_each().is_some() || (step.guard.is_some() && !around.steps.guard(index, &record.facts)?) {
            continue;
        }
        return Ok(match &step.kind {
            Kind::NoEffect => Decision::Compute { transition: index },
            Kind::Waits { .. } => Decision::Compute { transition: index },
            Kind::Effect(contract) => begin(record, around, index, None, contract),
        });
    }
    Ok(Decision::Stop(Ending::Resting))
}

fn begin(
    record: &Record,
    around: &Surroundings<'_>,
    transition: usize,
    subject: Option<String>,
    contract: &Contract<'_>,
) -> Decision {
    let name = around.steps.graph().transitions[transition].name;
    around
        .until_free(record, name, subject.as_deref(), contract)
        .or_else(|| around.until_retry(record, contract))
        .map_or(Decision::Begin { transition, subject, action: Action::Run, set_aside: false }, wait)
}

/// A step whose abort was begun and not finished goes before everything else.
fn abort_doubted(record: &Record, around: &Surroundings<'_>) -> Result<Option<Decision>, FactError> {
    let Some(touched) = record.touched.iter().rev().find(|touched| touched.in_doubt) else { return Ok(None) };
    let (transition, _, contract) = find(around, &touched.transition)?;
    if contract.abort.is_none() {
        return Ok(None);
    }
    let left = around.until_quiet(OpenEnd::Touched(touched), contract).or_else(|| around.until_retry(record, contract));
    let subject = touched.subject.clone();
    Ok(Some(left.map_or(Decision::Begin { transition, subject, action: Action::Abort, set_aside: false }, wait)))
}

/// The next thing to do so that the recorded set becomes the wanted one.
fn keep_set(
    record: &Record,
    around: &Surroundings<'_>,
    transition: usize,
    step: &Transition<'_>,
    contract: &Contract<'_>,
    for_each: &ForEach<'_>,
) -> Result<Option<Decision>, FactError> {
    let wanted = around.steps.wanted(transition, &record.facts)?;
    let have = record.facts.subjects(for_each.fact);
    let missing = wanted
        .iter()
        .filter(|subject| !have.contains(subject))
        .min_by_key(|subject| around.until_free(record, step.name, Some(subject), contract));
    let surplus = have.iter().find(|subject| !wanted.contains(*subject));
    let surplus_first = for_each.order == Order::UndoFirst || missing.is_none();
    match (missing, surplus) {
        (_, Some(surplus)) if surplus_first => unmake(record, around, transition, step, contract, surplus).map(Some),
        (Some(missing), _) => Ok(Some(begin(record, around, transition, Some(missing.clone()), contract))),
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
            let left =
                around.until_quiet(OpenEnd::Live(live), contract).or_else(|| around.until_retry(record, contract));
            let subject = Some(subject.to_owned());
            Ok(left.map_or(Decision::Begin { transition, subject, action: Action::Undo, set_aside: false }, wait))
        }
    }
}

/// What is to be undone next: first what was sent and never committed, then the live effects, the latest first.
fn backward(record: &Record, around: &Surroundings<'_>) -> Result<Decision, FactError> {
    if let Some(touched) = record.touched.last() {
        let (transition, step, contract) = find(around, &touched.transition)?;
        let quiet_in = around.until_quiet(OpenEnd::Touched(touched), contract);
        match contract.undo {
            Undo::Retain => return Ok(Decision::Clear(touched.clone())),
            // It may change what others have made, and that is about to be undone.
            Undo::None => return Ok(quiet_in.map_or(Decision::Clear(touched.clone()), wait)),
            Undo::Method(_) => {}
        }
        let left = quiet_in.or_else(|| around.until_retry(record, contract));
        let action = if contract.abort.is_some() { Action::Abort } else { Action::Run };
        if action == Action::Run && contract.in_doubt == InDoubt::Hold {
            let message =
                format!("`{}` was sent and may have happened; give it an `abort`, or roll back by hand", step.name);
            return Ok(Decision::Hold { reason: HeldReason::InDoubt, message });
        }
        let subject = touched.subject.clone();
        return Ok(left.map_or(Decision::Begin { transition, subject, action, set_aside: false }, wait));
    }
    for live in record.undo.iter().rev() {
        let (transition, _, contract) = find(around, &live.transition)?;
        if contract.undo == Undo::Retain {
            continue;
        }
        let left = around.until_quiet(OpenEnd::Live(live), contract).or_else(|| around.until_retry(record, contract));
        let subject = live.subject.clone();
        return Ok(left.map_or(Decision::Begin { transition, subject, action: Action::Undo, set_aside: false }, wait));
    }
    Ok(match record.direction {
        Direction::Deleting => Decision::Remove,
        Direction::Forward | Direction::RollingBack => match &record.blocked {
            Some(blocked) => Decision::Stop(Ending::Blocked(blocked.at.after(around.wall))),
            None => around.until_undone(record).map_or(Decision::BeginAgain, wait),
        },
    })
}

/// A transition with its contract.
pub(super) fn find<'a>(
    around: &Surroundings<'a>,
    name: &str,
) -> Result<(usize, &'static Transition<'static>, &'static Contract<'static>), FactError> {
    let foreign = || FactError::Foreign(format!("transition `{name}`"));
    let (index, step) = around.steps.graph().transition(name).ok_or_else(foreign)?;
    let contract = step.contract().ok_or_else(foreign)?;
    Ok((index, step, contract))
}
