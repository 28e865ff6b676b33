//! What a set needs next. Invariants: a member that has to wait does not stop the others. A set is complete only when none of its members is in doubt. A member is
//! undone only when no other set that depends on this one has a member with its subject.

use std::collections::BTreeSet;
use std::time::Duration;

use durable_fsm_graph::{ForEach, Transition, Undo};

use super::begin::{begin, settle};
use super::decision::{Decision, Surroundings};
use super::replacing::Replacing;
use super::sets::{Difference, Sets};
use super::undoing::undo_live;
use crate::FactError;
use crate::record::{Effect, Record, Unconfirmed, is_certainly_absent};

/// The set of one transition, and the record that it is kept in.
struct Set<'a, 'g> {
    record: &'a Record,
    around: &'a Surroundings<'a>,
    transition: usize,
    step: &'g Transition<'g>,
    replacing: Replacing,
}

/// The next step towards the wanted set. None if this set has nothing to do: it is complete, or its members wait for a set that depends on it.
pub(super) fn next(
    record: &Record,
    around: &Surroundings<'_>,
    sets: &mut Sets,
    transition: usize,
    step: &Transition<'_>,
    for_each: &ForEach<'static>,
) -> Result<Option<Decision>, FactError> {
    let replacing = Replacing::of(record, around, sets, transition, for_each)?;
    let Difference { missing, surplus } = sets.difference(record, around.steps, transition, for_each.fact)?;
    let set = Set { record, around, transition, step, replacing };
    let added = set.added(missing)?;
    match added {
        Some(decision) if is_act(&decision) => return Ok(Some(decision)),
        // Without `surge`, nothing is removed before all wanted members are made.
        Some(decision) if set.replacing.is_unbounded() => return Ok(Some(decision)),
        _ if for_each.kept => return Ok(added),
        _ => {}
    }
    Ok(first(added.into_iter().chain(set.removed(surplus)?).chain(set.settled(missing)?)))
}

impl Set<'_, '_> {
    /// What is done next about members that are missing.
    fn added(&self, missing: &BTreeSet<String>) -> Result<Option<Decision>, FactError> {
        let Self { record, around, transition, step, .. } = *self;
        let waits = self.waiting();
        let mut found = None;
        for subject in missing {
            let is_free = !waits.contains(subject.as_str());
            // A member that was sent already counts, so it needs no room.
            let is_sent = |it: &Unconfirmed| {
                let is_it = it.transition == step.name && it.subject.as_ref() == Some(subject);
                is_it && !is_certainly_absent(around.steps.graph(), it)
            };
            if !self.replacing.has_room() && !record.unconfirmed.iter().any(is_sent) {
                continue;
            }
            let decision = match step.contract() {
                Some(contract) => begin(record, around, transition, Some(subject.clone()), contract)?,
                None => self.look(subject),
            };
            if is_free && step.contract().is_some() || is_act(&decision) {
                return Ok(Some(decision));
            }
            found = first(found.into_iter().chain([decision]));
        }
        Ok(found)
    }

    /// Looks at a member, or waits if this pass has looked at it already.
    fn look(&self, subject: &str) -> Decision {
        let Self { around, transition, .. } = *self;
        let Some(answer) = around.looked.answer(transition, subject) else {
            return Decision::Look { transition, subject: subject.to_owned() };
        };
        let left = answer.again.saturating_sub(around.monotonic).max(Duration::from_millis(1));
        match answer.blocks {
            Some(reason) => Decision::Block { reason, message: answer.why.clone(), after: left },
            None => Decision::Wait(left, answer.why.clone()),
        }
    }

    /// What is done next about members that may exist and are neither there nor missing: each is aborted, or looked for, or made in order to be
    /// removed.
    fn settled(&self, missing: &BTreeSet<String>) -> Result<Option<Decision>, FactError> {
        let Self { record, around, step, .. } = *self;
        let (name, mut found) = (step.name, None);
        let settles = step.for_each().is_some_and(Replacing::settles_refused);
        let may_exist = |sent: &Unconfirmed| settles && !is_certainly_absent(around.steps.graph(), sent);
        let doubted = record.unconfirmed.iter().filter(|sent| sent.transition == name);
        let doubted = doubted.filter(|sent| sent.in_doubt || may_exist(sent));
        for sent in doubted.filter(|sent| sent.subject.as_ref().is_some_and(|subject| !missing.contains(subject))) {
            let decision = settle(record, around, sent)?;
            if is_act(&decision) {
                return Ok(Some(decision));
            }
            found = first(found.into_iter().chain([decision]));
        }
        Ok(found)
    }

    /// What is done next about members that are not wanted.
    fn removed(&self, surplus: &BTreeSet<String>) -> Result<Option<Decision>, FactError> {
        // A member whose undo has begun is removed even if it is wanted again.
        let is_unmade = |it: &&Effect| it.unmaking && it.transition == self.step.name;
        let unmade = self.record.undo.has_unmaking().then(|| self.record.undo.iter().filter(is_unmade));
        let unmade = unmade.into_iter().flatten().filter_map(|it| it.subject.as_deref());
        let graph = self.around.steps.graph();
        let may_go =
            surplus.iter().map(String::as_str).filter(|subject| self.replacing.may_go(graph, self.record, subject));
        let mut found = None;
        for subject in unmade.chain(may_go) {
            let decision = self.unmake(subject)?;
            if is_act(&decision) || self.record.retry.is_some() {
                return Ok(Some(decision));
            }
            found = first(found.into_iter().chain([decision]));
        }
        Ok(found)
    }

    fn unmake(&self, subject: &str) -> Result<Decision, FactError> {
        let Self { record, around, transition, step, .. } = *self;
        match step.contract().map(|contract| (contract, contract.undo)) {
            None | Some((_, Undo::None | Undo::Retain)) => {
                Ok(Decision::Drop { transition, subject: subject.to_owned() })
            }
            Some((contract, Undo::Method(_))) => {
                let Some(live) = record.effect(step.name, Some(subject)) else {
                    return Err(FactError::Missing(format!("{} (the live effect of {subject})", step.name)));
                };
                undo_live(record, around, transition, contract, live)
            }
        }
    }

    /// The subjects that may have to wait for something of their own.
    fn waiting(&self) -> BTreeSet<&str> {
        let (record, name) = (self.record, self.step.name);
        let undone = record.undone.iter().filter(|it| it.transition == name).map(|it| &it.subject);
        let sent = record.unconfirmed.iter().filter(|it| it.transition == name).map(|it| &it.subject);
        let retrying = record.retrying.iter().filter(|it| it.transition == name).map(|it| &it.subject);
        undone.chain(sent).chain(retrying).filter_map(Option::as_deref).collect()
    }
}

/// Whether something is done, and not waited for.
pub(super) fn is_act(decision: &Decision) -> bool {
    !matches!(decision, Decision::Wait(..) | Decision::Block { .. } | Decision::Hold { .. })
}

/// What comes first of what several members need: what can be done, then what a person has to look at, then the shortest wait. Blocked is only a set of
/// which nothing else is left.
pub(super) fn first(decisions: impl Iterator<Item = Decision>) -> Option<Decision> {
    let rank = |decision: &Decision| match decision {
        Decision::Hold { .. } => (1, Duration::ZERO),
        Decision::Wait(left, _) => (2, *left),
        Decision::Block { after, .. } => (3, *after),
        _ => (0, Duration::ZERO),
    };
    decisions.min_by_key(rank)
}
