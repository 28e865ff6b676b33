//! The structure of a lock file, with owned values.
//!
//! Invariant: each struct of the graph is destructured by field here, so a new field does not compile until the file has it too.

mod read;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::FORMAT;
use super::time;
use crate::model::{
    Cause, Contract, End, Fact, ForEach, Graph, InDoubt, Kind, Lost, Predecessor, Rest, Retry, State, Transition,
    Transport, Undo, Upgrade, Upgraded, Verify,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    format: u32,
    machine: String,
    title: String,
    version: u32,
    reader: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    doc: String,
    #[serde(default, skip_serializing_if = "is_false")]
    undo_on_rejected: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    upgrades: Vec<UpgradeFile>,
    pub(super) states: Vec<StateFile>,
    pub(super) transitions: Vec<TransitionFile>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct UpgradeFile {
    from: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transition: Option<String>,
    to: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct StateFile {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    doc: String,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) initial: bool,
    rest: RestFile,
    #[serde(default, skip_serializing_if = "is_false")]
    failed: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    leaving: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    retired: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    was: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    facts: Vec<FactFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    known: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    transitions: Vec<ListedFile>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::option")]
    verify: Option<Duration>,
}

/// A transition on a state, by its name; with the guard that it has there in place of its own.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum ListedFile {
    Plain(String),
    Guarded(GuardedFile),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct GuardedFile {
    transition: String,
    when: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RestFile {
    Passing,
    Resting,
    Terminal,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FactFile {
    name: String,
    #[serde(rename = "type")]
    ty: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    doc: String,
    #[serde(default, skip_serializing_if = "is_false")]
    each: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    default: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    was: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TransitionFile {
    pub(super) name: String,
    from: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    to: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    when: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    on_delete: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    preempts: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    retired: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    was: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verify: Option<VerifyFile>,
    kind: KindFile,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct VerifyFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    lost: LostFile,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LostFile {
    Remake,
    Missing,
    End,
    Hold,
    Ignore,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KindFile {
    NoEffect,
    Waits(WaitsFile),
    Rewind,
    End(EndFile),
    Effect(ContractFile),
    Deferred(ContractFile),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct EndFile {
    of: String,
    cause: CauseFile,
    #[serde(default, skip_serializing_if = "is_false")]
    back: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::option")]
    give_up_after: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum CauseFile {
    Rejected,
    Exhausted,
    Overdue,
    Lost,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WaitsFile {
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::option")]
    every: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::option")]
    within: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    for_each: Option<ForEachFile>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ForEachFile {
    fact: String,
    #[serde(default, skip_serializing_if = "is_false")]
    kept: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    surge: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ContractFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    for_each: Option<ForEachFile>,
    in_doubt: InDoubtFile,
    /// `retain`, `none`, or a method: no method can have one of these names, which the attribute reads first.
    undo: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retain_when: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    abort: Option<String>,
    transport: TransportFile,
    #[serde(with = "time")]
    timeout: Duration,
    #[serde(with = "time")]
    settle: Duration,
    retry: RetryFile,
    look_first: bool,
    predecessor: PredecessorFile,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RetryFile {
    #[serde(with = "time")]
    base: Duration,
    #[serde(with = "time")]
    max: Duration,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum InDoubtFile {
    Repeat,
    Lookup,
    Hold,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum TransportFile {
    AtLeastOnce,
    Once,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PredecessorFile {
    Hold,
    Adopt,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl File {
    pub(super) fn of(graph: &Graph<'_>) -> Self {
        let &Graph { name, title, version, reader, doc, undo_on_rejected, upgrades, states, transitions } = graph;
        Self {
            format: FORMAT,
            machine: name.to_owned(),
            title: title.to_owned(),
            version,
            reader,
            doc: doc.to_owned(),
            undo_on_rejected,
            upgrades: upgrades.iter().map(|upgrade| UpgradeFile::of(graph, *upgrade)).collect(),
            states: states.iter().map(|state| state_file(graph, state)).collect(),
            transitions: transitions.iter().map(|step| transition_file(graph, step)).collect(),
        }
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

impl UpgradeFile {
    fn of(graph: &Graph<'_>, Upgrade { from, of, to }: Upgrade) -> Self {
        let state = |index: usize| graph.states.get(index).map_or_else(String::new, |state| state.name.to_owned());
        let step = |index: usize| graph.transitions.get(index).map_or_else(String::new, |step| step.name.to_owned());
        let (of, transition) = match of {
            Upgraded::State(index) => (Some(state(index)), None),
            Upgraded::Branch(index) => (None, Some(step(index))),
        };
        Self { from, state: of, transition, to: state(to) }
    }
}

fn state_file(graph: &Graph<'_>, state: &State<'_>) -> StateFile {
    let &State { name, doc, initial, rest, failed, leaving, retired, was, facts, known, transitions, guards, verify } =
        state;
    let listed = |index: &usize| {
        let transition = graph.transitions.get(*index).map_or_else(String::new, |step| step.name.to_owned());
        match guards.iter().find(|(guarded, _)| guarded == index) {
            Some((_, when)) => ListedFile::Guarded(GuardedFile { transition, when: (*when).to_owned() }),
            None => ListedFile::Plain(transition),
        }
    };
    StateFile {
        name: name.to_owned(),
        doc: doc.to_owned(),
        initial,
        rest: match rest {
            Rest::Passing => RestFile::Passing,
            Rest::Resting => RestFile::Resting,
            Rest::Terminal => RestFile::Terminal,
        },
        failed,
        leaving,
        retired,
        was: owned(was),
        facts: facts.iter().map(FactFile::of).collect(),
        known: owned(known),
        transitions: transitions.iter().map(listed).collect(),
        verify,
    }
}

fn transition_file(graph: &Graph<'_>, step: &Transition<'_>) -> TransitionFile {
    let &Transition { name, from, to, guard, on_delete, preempts, retired, was, verify, ref kind } = step;
    let named = |index: usize| graph.states.get(index).map_or_else(String::new, |state| state.name.to_owned());
    TransitionFile {
        name: name.to_owned(),
        from: named(from),
        to: to.iter().copied().map(named).collect(),
        when: guard.map(str::to_owned),
        on_delete,
        preempts,
        retired,
        was: owned(was),
        verify: verify.map(VerifyFile::of),
        kind: match kind {
            Kind::NoEffect => KindFile::NoEffect,
            Kind::Waits { every, within, for_each } => KindFile::Waits(WaitsFile {
                every: *every,
                within: *within,
                for_each: for_each.as_ref().map(ForEachFile::of),
            }),
            Kind::Rewind => KindFile::Rewind,
            Kind::End(end) => KindFile::End(EndFile::of(graph, *end)),
            Kind::Effect(contract) => KindFile::Effect(ContractFile::of(contract)),
            Kind::Deferred(contract) => KindFile::Deferred(ContractFile::of(contract)),
        },
    }
}

impl FactFile {
    fn of(fact: &Fact<'_>) -> Self {
        let &Fact { name, ty, doc, each, default, was } = fact;
        Self { name: name.to_owned(), ty: ty.to_owned(), doc: doc.to_owned(), each, default, was: owned(was) }
    }
}

impl EndFile {
    fn of(graph: &Graph<'_>, End { of, cause, back }: End) -> Self {
        let of = graph.transitions.get(of).map_or_else(String::new, |step| step.name.to_owned());
        let (cause, attempts, give_up_after) = match cause {
            Cause::Rejected => (CauseFile::Rejected, None, None),
            Cause::Exhausted { attempts, give_up_after } => (CauseFile::Exhausted, attempts, give_up_after),
            Cause::Overdue => (CauseFile::Overdue, None, None),
            Cause::Lost => (CauseFile::Lost, None, None),
        };
        Self { of, cause, back, attempts, give_up_after }
    }
}

impl VerifyFile {
    fn of(Verify { by, lost }: Verify<'_>) -> Self {
        let lost = match lost {
            Lost::Remake => LostFile::Remake,
            Lost::Missing => LostFile::Missing,
            Lost::End => LostFile::End,
            Lost::Hold => LostFile::Hold,
            Lost::Ignore => LostFile::Ignore,
        };
        Self { by: by.map(str::to_owned), lost }
    }
}

impl ForEachFile {
    fn of(set: &ForEach<'_>) -> Self {
        let &ForEach { fact, kept, on, surge } = set;
        Self { fact: fact.to_owned(), kept, on: on.map(str::to_owned), surge }
    }
}

impl ContractFile {
    fn of(contract: &Contract<'_>) -> Self {
        let &Contract {
            in_doubt,
            undo,
            retain_when,
            abort,
            transport,
            timeout,
            settle,
            retry,
            look_first,
            predecessor,
            for_each,
        } = contract;
        let Retry { base, max } = retry;
        Self {
            for_each: for_each.as_ref().map(ForEachFile::of),
            in_doubt: match in_doubt {
                InDoubt::Repeat => InDoubtFile::Repeat,
                InDoubt::Lookup => InDoubtFile::Lookup,
                InDoubt::Hold => InDoubtFile::Hold,
            },
            undo: match undo {
                Undo::Method(method) => method.to_owned(),
                Undo::Retain => "retain".to_owned(),
                Undo::None => "none".to_owned(),
            },
            retain_when: retain_when.map(str::to_owned),
            abort: abort.map(str::to_owned),
            transport: match transport {
                Transport::AtLeastOnce => TransportFile::AtLeastOnce,
                Transport::Once => TransportFile::Once,
            },
            timeout,
            settle,
            retry: RetryFile { base, max },
            look_first,
            predecessor: match predecessor {
                Predecessor::Hold => PredecessorFile::Hold,
                Predecessor::Adopt => PredecessorFile::Adopt,
            },
        }
    }
}
