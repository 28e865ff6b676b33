//! The structure of a lock file, with owned values.
//!
//! Invariant: each struct of the graph is destructured by field here, so a new field does not compile until the file has it too.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::{FORMAT, ReadError};
use super::time;
use crate::model::{
    Cause, Contract, End, Fact, ForEach, Graph, InDoubt, Kind, Predecessor, Rest, Retry, State, Transition, Transport,
    Undo, Upgrade, Upgraded,
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
    kind: KindFile,
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

    /// The graph. What it borrows stays in memory.
    pub(super) fn graph(self) -> Result<Graph<'static>, ReadError> {
        let states: Vec<&'static str> = self.states.iter().map(|state| keep(state.name.clone())).collect();
        let steps: Vec<&'static str> = self.transitions.iter().map(|step| keep(step.name.clone())).collect();
        let facts: Vec<String> =
            self.states.iter().flat_map(|state| state.facts.iter().map(|fact| fact.name.clone())).collect();
        let find = |what: &'static str, names: &[&str], name: &str, place: &str| {
            let unknown = || ReadError::Unknown { what, name: name.to_owned(), place: place.to_owned() };
            names.iter().position(|known| *known == name).ok_or_else(unknown)
        };
        let fact = |name: &str, place: &str| {
            let unknown = || ReadError::Unknown { what: "fact", name: name.to_owned(), place: place.to_owned() };
            facts.iter().find(|known| *known == name).map(drop).ok_or_else(unknown)
        };
        let mut kept_states = Vec::with_capacity(states.len());
        for (index, state) in self.states.into_iter().enumerate() {
            let StateFile { name: _, doc, initial, rest, failed, leaving, retired, was, facts, known, transitions } =
                state;
            let place = format!("state `{}`", states[index]);
            let (mut here, mut guards) = (Vec::with_capacity(transitions.len()), Vec::new());
            for listed in transitions {
                let (name, guard) = match listed {
                    ListedFile::Plain(name) => (name, None),
                    ListedFile::Guarded(GuardedFile { transition, when }) => (transition, Some(keep(when))),
                };
                let index = find("transition", &steps, &name, &place)?;
                here.push(index);
                guards.extend(guard.map(|guard| (index, guard)));
            }
            known.iter().try_for_each(|name| fact(name, &place))?;
            kept_states.push(State {
                name: states[index],
                doc: keep(doc),
                initial,
                rest: rest.into(),
                failed,
                leaving,
                retired,
                was: keep_all(was),
                facts: facts.into_iter().map(FactFile::fact).collect::<Vec<_>>().leak(),
                known: known.into_iter().map(keep).collect::<Vec<_>>().leak(),
                transitions: here.leak(),
                guards: guards.leak(),
            });
        }
        let mut kept_steps = Vec::with_capacity(steps.len());
        for (index, step) in self.transitions.into_iter().enumerate() {
            let TransitionFile { name: _, from, to, when, on_delete, preempts, retired, was, kind } = step;
            let place = format!("transition `{}`", steps[index]);
            let to = to.iter().map(|name| find("state", &states, name, &place)).collect::<Result<Vec<_>, _>>()?;
            if let KindFile::Effect(ContractFile { for_each: Some(set), .. })
            | KindFile::Deferred(ContractFile { for_each: Some(set), .. })
            | KindFile::Waits(WaitsFile { for_each: Some(set), .. }) = &kind
            {
                [Some(&set.fact), set.on.as_ref()].into_iter().flatten().try_for_each(|name| fact(name, &place))?;
            }
            kept_steps.push(Transition {
                name: steps[index],
                from: find("state", &states, &from, &place)?,
                to: to.leak(),
                guard: when.map(keep),
                on_delete,
                preempts,
                retired,
                was: keep_all(was),
                kind: kind.kind(|of| find("transition", &steps, of, &place))?,
            });
        }
        let mut upgrades = Vec::with_capacity(self.upgrades.len());
        for UpgradeFile { from, state, transition, to } in self.upgrades {
            let place = format!("upgrade from {from}");
            let of = match (state, transition) {
                (_, Some(transition)) => Upgraded::Branch(find("transition", &steps, &transition, &place)?),
                (state, None) => Upgraded::State(find("state", &states, &state.unwrap_or_default(), &place)?),
            };
            upgrades.push(Upgrade { from, of, to: find("state", &states, &to, &place)? });
        }
        Ok(Graph {
            name: keep(self.machine),
            title: keep(self.title),
            version: self.version,
            reader: self.reader,
            doc: keep(self.doc),
            undo_on_rejected: self.undo_on_rejected,
            upgrades: upgrades.leak(),
            states: kept_states.leak(),
            transitions: kept_steps.leak(),
        })
    }
}

fn keep(text: String) -> &'static str {
    text.leak()
}

fn keep_all(texts: Vec<String>) -> &'static [&'static str] {
    texts.into_iter().map(keep).collect::<Vec<_>>().leak()
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
    let &State { name, doc, initial, rest, failed, leaving, retired, was, facts, known, transitions, guards } = state;
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
    }
}

fn transition_file(graph: &Graph<'_>, step: &Transition<'_>) -> TransitionFile {
    let &Transition { name, from, to, guard, on_delete, preempts, retired, was, ref kind } = step;
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

impl From<RestFile> for Rest {
    fn from(rest: RestFile) -> Self {
        match rest {
            RestFile::Passing => Rest::Passing,
            RestFile::Resting => Rest::Resting,
            RestFile::Terminal => Rest::Terminal,
        }
    }
}

impl FactFile {
    fn of(fact: &Fact<'_>) -> Self {
        let &Fact { name, ty, doc, each, default, was } = fact;
        Self { name: name.to_owned(), ty: ty.to_owned(), doc: doc.to_owned(), each, default, was: owned(was) }
    }

    fn fact(self) -> Fact<'static> {
        let Self { name, ty, doc, each, default, was } = self;
        Fact { name: keep(name), ty: keep(ty), doc: keep(doc), each, default, was: keep_all(was) }
    }
}

impl KindFile {
    fn kind<E>(self, step: impl Fn(&str) -> Result<usize, E>) -> Result<Kind<'static>, E> {
        Ok(match self {
            KindFile::NoEffect => Kind::NoEffect,
            KindFile::Waits(WaitsFile { every, within, for_each }) => {
                Kind::Waits { every, within, for_each: for_each.map(ForEachFile::set) }
            }
            KindFile::Rewind => Kind::Rewind,
            KindFile::End(EndFile { of, cause, back, attempts, give_up_after }) => {
                let cause = match cause {
                    CauseFile::Rejected => Cause::Rejected,
                    CauseFile::Exhausted => Cause::Exhausted { attempts, give_up_after },
                    CauseFile::Overdue => Cause::Overdue,
                };
                Kind::End(End { of: step(&of)?, cause, back })
            }
            KindFile::Effect(contract) => Kind::Effect(contract.contract()),
            KindFile::Deferred(contract) => Kind::Deferred(contract.contract()),
        })
    }
}

impl EndFile {
    fn of(graph: &Graph<'_>, End { of, cause, back }: End) -> Self {
        let of = graph.transitions.get(of).map_or_else(String::new, |step| step.name.to_owned());
        let (cause, attempts, give_up_after) = match cause {
            Cause::Rejected => (CauseFile::Rejected, None, None),
            Cause::Exhausted { attempts, give_up_after } => (CauseFile::Exhausted, attempts, give_up_after),
            Cause::Overdue => (CauseFile::Overdue, None, None),
        };
        Self { of, cause, back, attempts, give_up_after }
    }
}

impl ForEachFile {
    fn of(set: &ForEach<'_>) -> Self {
        let &ForEach { fact, kept, on, surge } = set;
        Self { fact: fact.to_owned(), kept, on: on.map(str::to_owned), surge }
    }

    fn set(self) -> ForEach<'static> {
        let Self { fact, kept, on, surge } = self;
        ForEach { fact: keep(fact), kept, on: on.map(keep), surge }
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

    fn contract(self) -> Contract<'static> {
        let Self {
            for_each,
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
        } = self;
        Contract {
            in_doubt: match in_doubt {
                InDoubtFile::Repeat => InDoubt::Repeat,
                InDoubtFile::Lookup => InDoubt::Lookup,
                InDoubtFile::Hold => InDoubt::Hold,
            },
            undo: match undo.as_str() {
                "retain" => Undo::Retain,
                "none" => Undo::None,
                _ => Undo::Method(keep(undo)),
            },
            retain_when: retain_when.map(keep),
            abort: abort.map(keep),
            transport: match transport {
                TransportFile::AtLeastOnce => Transport::AtLeastOnce,
                TransportFile::Once => Transport::Once,
            },
            timeout,
            settle,
            retry: Retry { base: retry.base, max: retry.max },
            look_first,
            predecessor: match predecessor {
                PredecessorFile::Hold => Predecessor::Hold,
                PredecessorFile::Adopt => Predecessor::Adopt,
            },
            for_each: for_each.map(ForEachFile::set),
        }
    }
}
