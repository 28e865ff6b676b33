//! The removal of an orphan: the undo of its transition. Invariant: the undo is given what was said of the orphan, and nothing that a record knows is undone.

use std::time::{Duration, SystemTime};

use durable_fsm_graph::{Contract, Graph, Undo};

use super::tagged::Tagged;
use crate::Facts;
use crate::attempt::Details;
use crate::record::Record;
use crate::steps::Ask;

/// What became of an orphan that was to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Removal {
    /// Its undo says that it is gone.
    Done,
    /// It is not gone yet. Ask again after this time.
    Later {
        /// After how long.
        after: Duration,
        /// Why.
        why: String,
    },
    /// Its undo says that it stays, for this reason.
    Left(String),
    /// Nothing was sent, for this reason.
    Refused(String),
}

/// For how long an orphan must have been one before it is removed: the longest that a request of this machine may be under way.
pub(crate) fn longest(graph: &Graph<'_>) -> Duration {
    let contracts = graph.transitions.iter().filter_map(|step| step.contract());
    contracts.map(|contract| contract.timeout + contract.settle).max().unwrap_or_default()
}

/// How far a record may have been put back: as many writes later its own are the same again.
const AHEAD: u64 = 10_000;

/// The life that the record would begin under the very key with which this orphan was made: so it is if an older record was put back. A provider that knows keys would
/// answer for that life with the orphan, also once it is removed.
pub(crate) fn life_ahead(orphan: &Tagged, record: &Record) -> Option<u64> {
    let key = orphan.key.as_ref()?;
    let subject = orphan.subject.as_deref();
    (record.seq + 1..=record.seq + AHEAD).find(|life| record.key(&orphan.transition, subject, *life) == *key)
}

/// The call of the undo for this orphan. `record` is the record that has its tag.
///
/// # Errors
/// Why there is none.
pub(crate) fn ask<'g>(
    graph: &'g Graph<'g>,
    orphan: &Tagged,
    record: Option<&Record>,
    now: SystemTime,
) -> Result<(Ask, &'g Contract<'g>), String> {
    let name = &orphan.transition;
    let Some((transition, step)) = graph.transition(name) else {
        return Err(format!("the machine has no transition `{name}`"));
    };
    let contract = step.contract().filter(|contract| matches!(contract.undo, Undo::Method(_)));
    let Some(contract) = contract else {
        return Err(format!("`{name}` has no undo; remove {} by hand", orphan.handle));
    };
    if contract.for_each.is_some() != orphan.subject.is_some() {
        return Err(format!("`{name}` was listed with the wrong kind of subject"));
    }
    let subject = orphan.subject.as_deref();
    if record.is_some_and(|record| record.effect(name, subject).is_some()) && !orphan.is_described() {
        return Err(format!(
            "the resource has a `{name}` of its own, and nothing tells the two apart; let `Sweep::list` say what is recorded of {}, with `Tagged::fact` or `Tagged::member`",
            orphan.handle
        ));
    }
    let state = match &orphan.state {
        None if step.to.len() > 1 => {
            return Err(format!(
                "`{name}` is a branch; let `Sweep::list` say which state was reached, with `Tagged::reached`"
            ));
        }
        None => step.to.first().copied().unwrap_or(step.from),
        Some(reached) => {
            let reached = graph.state(reached).map(|(index, _)| index).filter(|index| step.to.contains(index));
            reached.ok_or_else(|| format!("`{name}` does not lead to the state that was said of {}", orphan.handle))?
        }
    };
    let made = orphan.made.clone().map_err(|error| error.to_string())?;
    let facts = record.map_or_else(Facts::default, |record| record.facts.clone()).overlaid(&made.facts);
    let ask = Ask {
        transition,
        state,
        facts,
        subject: orphan.subject.clone(),
        member: made.member,
        spec: None,
        details: Details {
            key: orphan.key.clone().unwrap_or_default(),
            owner_tag: orphan.owner_tag.clone(),
            number: 1,
            since: now,
            deadline: now + contract.timeout,
            resumed: true,
        },
    };
    Ok((ask, contract))
}
