//! Reads the graph back from a lock file.

use super::{
    CauseFile, ContractFile, EndFile, FactFile, File, ForEachFile, GuardedFile, InDoubtFile, KindFile, ListedFile,
    LostFile, PredecessorFile, RestFile, StateFile, TransitionFile, TransportFile, UpgradeFile, VerifyFile, WaitsFile,
};
use crate::json::error::ReadError;
use crate::model::{
    Cause, Contract, End, Fact, ForEach, Graph, InDoubt, Kind, Lost, Predecessor, Rest, Retry, State, Transition,
    Transport, Undo, Upgrade, Upgraded, Verify,
};

impl File {
    /// The graph. What it borrows stays in memory.
    pub(in crate::json) fn graph(self) -> Result<Graph<'static>, ReadError> {
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
            let StateFile {
                name: _,
                doc,
                initial,
                rest,
                failed,
                leaving,
                retired,
                was,
                facts,
                known,
                transitions,
                verify,
            } = state;
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
                verify,
            });
        }
        let mut kept_steps = Vec::with_capacity(steps.len());
        for (index, step) in self.transitions.into_iter().enumerate() {
            let TransitionFile { name: _, from, to, when, on_delete, preempts, retired, was, verify, kind } = step;
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
                verify: verify.map(VerifyFile::verify),
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
                    CauseFile::Lost => Cause::Lost,
                };
                Kind::End(End { of: step(&of)?, cause, back })
            }
            KindFile::Effect(contract) => Kind::Effect(contract.contract()),
            KindFile::Deferred(contract) => Kind::Deferred(contract.contract()),
        })
    }
}

impl VerifyFile {
    fn verify(self) -> Verify<'static> {
        let lost = match self.lost {
            LostFile::Remake => Lost::Remake,
            LostFile::Missing => Lost::Missing,
            LostFile::End => Lost::End,
            LostFile::Hold => Lost::Hold,
            LostFile::Ignore => Lost::Ignore,
        };
        Verify { by: self.by.map(keep), lost }
    }
}

impl ForEachFile {
    fn set(self) -> ForEach<'static> {
        let Self { fact, kept, on, surge } = self;
        ForEach { fact: keep(fact), kept, on: on.map(keep), surge }
    }
}

impl ContractFile {
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
