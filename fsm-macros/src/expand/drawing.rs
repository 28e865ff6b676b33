//! The state diagram for the type's page. Invariant: it is drawn from the same model that the code is written from.

use durable_fsm_graph::{
    Contract, End, Fact, ForEach, Graph, Kind as GraphKind, Rest, Retry, State, Transition, Undo as GraphUndo,
    Verify as GraphVerify, svg,
};
use syn::ext::IdentExt as _;

use super::Expansion;
use crate::model::{Contract as Declared, ForEach as Set, Kind, Undo};

/// The texts of a contract that a drawing borrows.
struct ContractText {
    undo: Option<String>,
    abort: Option<String>,
    set: Option<String>,
    on: Option<String>,
}

impl Expansion<'_> {
    /// The diagram as inline SVG, after a blank line as Markdown wants it.
    pub(super) fn drawing(&self) -> String {
        let model = self.model;
        let name = |ident: &syn::Ident| ident.unraw().to_string();
        let names: Vec<String> = model.states().iter().map(|state| name(&state.ident)).collect();
        let facts: Vec<Vec<String>> =
            model.states().iter().map(|state| state.facts.iter().map(|fact| name(&fact.ident)).collect()).collect();
        let own: Vec<Vec<Fact<'_>>> = model
            .states()
            .iter()
            .zip(&facts)
            .map(|(state, names)| {
                let facts = state.facts.iter().zip(names);
                let facts = facts.map(|(fact, name)| Fact {
                    name,
                    ty: "",
                    doc: &fact.doc,
                    each: fact.each.is_some(),
                    default: fact.default,
                    was: &[],
                });
                facts.collect()
            })
            .collect();
        let guard_names: Vec<Vec<(usize, String)>> = (0..names.len()).map(|state| self.guards_on(state)).collect();
        let guards: Vec<Vec<(usize, &str)>> = guard_names
            .iter()
            .map(|guards| guards.iter().map(|(index, guard)| (*index, guard.as_str())).collect())
            .collect();
        let states: Vec<State<'_>> = model
            .states()
            .iter()
            .enumerate()
            .map(|(index, state)| State {
                name: &names[index],
                doc: &state.doc,
                initial: state.initial.is_some(),
                rest: match (state.terminal.is_some(), state.resting) {
                    (true, _) => Rest::Terminal,
                    (false, true) => Rest::Resting,
                    (false, false) => Rest::Passing,
                },
                failed: state.failed,
                leaving: false,
                retired: state.retired.is_some(),
                was: &[],
                facts: &own[index],
                known: &[],
                transitions: &model.listed[index],
                guards: &guards[index],
                verify: state.verify.map(|(every, _)| every),
            })
            .collect();
        let texts: Vec<(String, Option<String>, ContractText)> = model
            .transitions
            .iter()
            .map(|it| {
                let contract = it.contract();
                let text = ContractText {
                    undo: it.undo().map(name),
                    abort: contract.and_then(|contract| contract.abort.as_ref()).map(name),
                    set: it.for_each().map(|set| name(&set.fact)),
                    on: it.for_each().and_then(|set| set.on.as_ref()).map(name),
                };
                (name(&it.name), it.guard.as_ref().map(name), text)
            })
            .collect();
        let transitions: Vec<Transition<'_>> = model
            .transitions
            .iter()
            .zip(&texts)
            .map(|(it, (name, guard, text))| Transition {
                name,
                from: it.from,
                to: if it.back.is_empty() { &it.to } else { &it.back },
                guard: guard.as_deref(),
                on_delete: false,
                preempts: false,
                retired: it.retired.is_some(),
                was: &[],
                verify: it.verify.as_ref().map(|verify| GraphVerify { by: None, lost: verify.lost }),
                kind: match &it.kind {
                    Kind::Effect(contract) => GraphKind::Effect(drawn(contract, text)),
                    Kind::NoEffect => GraphKind::NoEffect,
                    Kind::Deferred(contract) => GraphKind::Deferred(drawn(contract, text)),
                    Kind::Rewind => GraphKind::Rewind,
                    Kind::End { of, cause } => {
                        GraphKind::End(End { of: *of, cause: *cause, back: !it.back.is_empty() })
                    }
                    Kind::Waits { within, every, for_each } => {
                        let for_each = for_each.as_deref().and_then(|set| drawn_set(set, text));
                        GraphKind::Waits { every: *every, within: *within, for_each }
                    }
                },
            })
            .collect();
        let title = name(&model.declaration.ident);
        let graph = Graph {
            name: &title,
            title: &title,
            version: model.declaration.version.unwrap_or(1),
            reader: model.declaration.reader.unwrap_or(1),
            doc: &model.declaration.doc,
            undo_on_rejected: model.declaration.undo_on_rejected,
            upgrades: &[],
            states: &states,
            transitions: &transitions,
        };
        svg::inline(&graph, None)
    }
}

fn drawn<'a>(contract: &'a Declared, text: &'a ContractText) -> Contract<'a> {
    Contract {
        in_doubt: contract.in_doubt,
        undo: match (&contract.undo, &text.undo) {
            (Undo::Method(_), Some(method)) => GraphUndo::Method(method),
            (Undo::Retain, _) => GraphUndo::Retain,
            _ => GraphUndo::None,
        },
        retain_when: None,
        abort: text.abort.as_deref(),
        transport: contract.transport,
        timeout: contract.timeout,
        settle: contract.settle,
        retry: Retry { base: contract.retry.0, max: contract.retry.1 },
        look_first: contract.look_first,
        predecessor: contract.predecessor,
        for_each: contract.for_each.as_ref().and_then(|set| drawn_set(set, text)),
    }
}

fn drawn_set<'a>(set: &Set, text: &'a ContractText) -> Option<ForEach<'a>> {
    let fact = text.set.as_deref()?;
    Some(ForEach { fact, kept: set.kept, on: text.on.as_deref(), surge: set.surge })
}
