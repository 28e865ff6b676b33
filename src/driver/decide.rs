//! What a pass does next. Invariant: [`decide()`] is pure: it reads the record and what surrounds it, and writes, calls and waits for
//! nothing, so that planning and doing cannot differ.

use std::collections::BTreeSet;
use std::time::Duration;

use durable_fsm_graph::{Contract, ForEach, Graph, InDoubt, Kind, Order, Transition, Transport, Undo};

use super::sets::{Difference, Sets};
use super::sightings::{OpenEnd, Sightings, Whose};
use super::waits::LONGEST_WAIT;
use crate::FactError;
use crate::record::{
    Action, Blocked, BlockedReason, Direction, Effect, HeldReason, Intent, MOST_UNSETTLED, Record, Spec, Stamp,
    Unconfirmed, begins_leaving, is_certainly_absent, is_on_the_way, is_retained, unsettled,
};
use crate::steps::Steps;

/// How long whoever gave a resource that is out of date gets to learn of the newer one.
pub(super) const BEHIND_FOR: Duration = Duration::from_secs(1);

/// What a pass does next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decision {
    /// Stop here.
    Stop(Ending),
    /// Stop here and come back after this long, for this reason.
    Wait(Duration, String),
    /// Turn to undoing; for a rewind, back to the mark of this state.
    Turn(Direction, Option<String>),
    /// What blocked it has changed.
    Release,
    /// Write an intent, then call. With `set_aside`, an open intent is set aside for its abort in the same write.
    Begin { transition: usize, subject: Option<String>, action: Action, set_aside: bool },
    /// Take the open intent over, then resolve it.
    TakeOver,
    /// The outcome of the open intent stays in doubt; it is settled at its place on the way back.
    SetAside,
    /// A person has to look.
    Hold { reason: HeldReason, message: String },
    /// Run a transition without effect, or let one that waits look.
    Compute { transition: usize },
    /// What this step has made stays, because the machine says so.
    Retain { transition: usize, subject: Option<String>, life: u64 },
    /// A member that nothing undoes leaves its set.
    Drop { transition: usize, subject: String },
    /// An unconfirmed step has nothing to undo, or certainly made nothing.
    Clear(Unconfirmed),
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
    /// It rests, and its deletion is refused for this reason.
    Kept(String),
    Gone,
}

/// What a decision depends on besides the record.
pub(crate) struct Surroundings<'a> {
    pub(crate) whose: Whose,
    pub(crate) steps: &'a dyn Steps,
    pub(crate) sightings: &'a Sightings,
    /// Whether the record was ever written.
    pub(crate) stored: bool,
    pub(crate) wall: Stamp,
    pub(crate) monotonic: Duration,
    pub(crate) deleting: bool,
    /// It is the store that says so.
    pub(crate) told: bool,
    /// It is to be deleted, and the resource refuses that, for this reason.
    pub(crate) kept: Option<&'a str>,
    pub(crate) paused: bool,
    pub(crate) generation: u64,
    /// The spec is an old one: that it is another than before is no change.
    pub(crate) behind: bool,
    /// The resource that was given is another by now.
    pub(crate) outdated: bool,
    /// Whether the call that wrote an intent is known to be over.
    pub(crate) is_gone: &'a dyn Fn(&str) -> bool,
}

impl Surroundings<'_> {
    /// How long it takes until an attempt that left this open can no longer do anything.
    fn until_quiet(&self, open: OpenEnd<'_>, contract: &Contract<'_>) -> Option<Duration> {
        self.sightings.until_quiet(self.whose, open, contract, self.monotonic)
    }

    /// How long it takes until nothing of before a roll-back can do anything any more: an undo may be by name, and the name is about to be
    /// used again; so it is with what has no undo and was sent.
    fn until_undone(&self, record: &Record) -> Option<Duration> {
        let contracts = self.steps.graph().transitions.iter().filter_map(|step| step.contract());
        // Where requests are delivered once, an undo that was answered leaves nothing. What has no undo is not listed, so it may still come.
        let lasts = |contract: &&Contract<'_>| {
            contract.transport != Transport::Once || contract.in_doubt != InDoubt::Repeat || contract.undo == Undo::None
        };
        let longest = contracts.filter(lasts).max_by_key(|contract| contract.timeout + contract.settle)?;
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

    /// Which of these members is made first: the first one in place of which nothing was undone that may be carried out once more, or else the one
    /// that waits the shortest.
    fn free_first<'m>(
        &self,
        record: &Record,
        transition: &str,
        missing: &'m BTreeSet<String>,
        contract: &Contract<'_>,
    ) -> Option<&'m String> {
        let ended = record.undone.iter().filter(|it| it.transition == transition);
        let ended: BTreeSet<&str> = ended.filter_map(|it| it.subject.as_deref()).collect();
        let mut shortest = None;
        for subject in missing {
            let ended = ended.contains(subject.as_str()).then_some(subject.as_str());
            match ended.and_then(|subject| self.until_free(record, transition, Some(subject), contract)) {
                None => return Some(subject),
                Some(left) if shortest.is_none_or(|(other, _)| left < other) => shortest = Some((left, subject)),
                Some(_) => {}
            }
        }
        shortest.map(|(_, subject)| subject)
    }

    /// Waits for a request that may still land, or else for the back-off after the last failure.
    fn pause(&self, record: &Record, quiet: Option<Duration>, step: &str, subject: Option<&str>) -> Option<Decision> {
        quiet.map(|left| self.late(left, step, subject)).or_else(|| self.retry(record))
    }

    fn late(&self, left: Duration, step: &str, subject: Option<&str>) -> Decision {
        let of = subject.map(|subject| format!(" for {subject}")).unwrap_or_default();
        Decision::Wait(left, format!("a late `{step}`{of} may still land, until {}", self.wall.later(left)))
    }

    fn retry(&self, record: &Record) -> Option<Decision> {
        let left = self.until_retry(record)?;
        let retry = record.retry.as_ref()?;
        let step = record.intent.as_ref().map_or("the step".to_owned(), |intent| format!("`{}`", intent.transition));
        let at = self.wall.later(left);
        let (times, class, error) = (retry.count, &retry.class, &retry.error);
        Some(Decision::Wait(
            left,
            format!("{step} failed {times} times, last {class}: {error}; it is tried again at {at}"),
        ))
    }

    /// How long the record wants to be left alone after its last failure.
    fn until_retry(&self, record: &Record) -> Option<Duration> {
        let retry = record.retry.as_ref()?;
        self.until_due(OpenEnd::Retry(retry), retry.since, retry.at)
    }

    /// How long a block lasts if nothing changes.
    fn until_unblocked(&self, blocked: &Blocked) -> Option<Duration> {
        self.until_due(OpenEnd::Blocked(blocked), blocked.since, blocked.at)
    }

    /// How long a wait still lasts that began at one time and ends at another.
    fn until_due(&self, end: OpenEnd<'_>, since: Stamp, at: Stamp) -> Option<Duration> {
        let length = at.after(since).min(LONGEST_WAIT);
        let left = self.sightings.left(self.whose, end, length, self.monotonic)?;
        Some(left.min(at.after(self.wall))).filter(|left| !left.is_zero())
    }
}

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

/// What is to be undone next: the entry of the highest order, live or unconfirmed. What stands on others goes before them, and an entry
/// that has to wait is never passed over.
fn backward(record: &Record, around: &Surroundings<'_>) -> Result<Decision, FactError> {
    let graph = around.steps.graph();
    let goes = |transition: &str, order| record.is_above_mark(graph, transition, order);
    let live = record.undo.iter().rev().find(|it| !is_retained(graph, it) && goes(&it.transition, it.order()));
    let sent = record.unconfirmed.iter().filter(|it| goes(&it.transition, it.order())).max_by_key(|it| it.order());
    match (sent, live) {
        (Some(sent), live) if live.is_none_or(|live| sent.order() >= live.order()) => {
            return undo_unconfirmed(record, around, sent);
        }
        (_, Some(live)) => {
            let (transition, _, contract) = find(around, &live.transition)?;
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
                    Decision::Wait(left, format!("a late undo may still be carried out, until {until}"))
                }
                None => Decision::BeginAgain,
            },
        },
    })
}

/// A live effect whose turn to be undone has come.
fn undo_live(
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
    let (transition, step, contract) = find(around, &sent.transition)?;
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
