//! How a step begins: at once, after a wait, or by way of an earlier life of it. Invariant: no life of a transition and subject begins while another one is
//! in doubt.

use durable_fsm_graph::{Contract, InDoubt, Transition};

use super::decision::{Decision, Surroundings, find};
use super::sightings::OpenEnd;
use crate::FactError;
use crate::record::{Action, HeldReason, MOST_UNSETTLED, Record, Spec, Unconfirmed, is_certainly_absent, unsettled};

/// Begins this step, if nothing has to be waited for.
pub(super) fn begin(
    record: &Record,
    around: &Surroundings<'_>,
    transition: usize,
    subject: Option<String>,
    contract: &Contract<'_>,
) -> Result<Decision, FactError> {
    let step = &around.steps.graph().transitions[transition];
    if step.is_kept() {
        return Ok(begin_round(record, around, transition, subject, contract));
    }
    let name = subject.as_deref();
    if let Some(left) = around.until_free(record, step.name, name, contract) {
        let why = format!(
            "a late request of the undo of `{}` may still take effect, until {}",
            step.name,
            around.wall.later(left)
        );
        return Ok(Decision::Wait(left, why));
    }
    if let Some(wait) = around.retry_of(record, step.name, name) {
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

/// Sends a kept value. Each round has a key of its own, and waits until nothing of the rounds before can land: an old value on a newer one.
fn begin_round(
    record: &Record,
    around: &Surroundings<'_>,
    transition: usize,
    subject: Option<String>,
    contract: &Contract<'_>,
) -> Decision {
    let (graph, name) = (around.steps.graph(), around.steps.graph().transitions[transition].name);
    let sent = record.unconfirmed.iter().filter(|sent| sent.transition == name && !is_certainly_absent(graph, sent));
    let sent = sent.map(OpenEnd::Unconfirmed);
    let over = record.undone.iter().filter(|it| it.transition == name).map(OpenEnd::Undone);
    let quiet = sent.chain(over).filter_map(|end| around.until_quiet(end, contract)).max();
    // What was wanted before and failed says nothing of another value.
    let aside = record.retrying(name, subject.as_deref());
    let retry = if aside.is_some() { around.retry_of(record, name, subject.as_deref()) } else { around.retry(record) };
    let begin = || Decision::Begin { transition, subject, action: Action::Run, set_aside: false };
    let late = |left| {
        let until = around.wall.later(left);
        Decision::Wait(left, format!("an earlier request of `{name}` may still take effect, until {until}"))
    };
    match (quiet, retry) {
        (Some(left), Some(Decision::Wait(retry, why))) if retry > left => Decision::Wait(retry, why),
        (Some(left), _) => late(left),
        (None, Some(retry)) => retry,
        (None, None) => begin(),
    }
}

/// Settles what was set aside in doubt: by its abort, or as its contract says.
pub(super) fn settle(record: &Record, around: &Surroundings<'_>, sent: &Unconfirmed) -> Result<Decision, FactError> {
    let (transition, step, contract) = find(around, &sent.transition)?;
    if let Some(wait) = around.retry_of(record, step.name, sent.subject.as_deref()) {
        return Ok(wait);
    }
    if step.is_kept() {
        let wanted = around.steps.wanted(transition, &record.facts)?.into_iter().next();
        return begin(record, around, transition, wanted, contract);
    }
    if contract.abort.is_none() {
        return Ok(take_up(around, sent, transition, step, contract, &around.steps.spec()?));
    }
    let quiet = around.until_quiet(OpenEnd::Unconfirmed(sent), contract);
    let subject = sent.subject.clone();
    let begin = Decision::Begin { transition, subject, action: Action::Abort, set_aside: false };
    Ok(quiet.map_or(begin, |left| around.late(left, step.name, sent.subject.as_deref())))
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
