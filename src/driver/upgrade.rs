//! Records of older versions of the machine. Invariant: a resource never goes on from, nor rests in, a state whose effects were not made.

use std::collections::BTreeSet;

use durable_fsm_graph::Graph;

use super::decision::Decision;
use crate::record::Record;

/// Where a record of an older version goes on, because the machine says so.
pub(super) fn due(graph: &Graph<'_>, record: &Record) -> Option<usize> {
    let version = record.entered_by.filter(|version| *version < graph.version)?;
    graph.moved(graph.state(&record.state)?.0, version)
}

/// What comes before everything else in a state that an older version has entered.
pub(super) fn upgrade(graph: &Graph<'_>, record: &Record) -> Option<Decision> {
    let version = record.entered_by.filter(|version| *version < graph.version)?;
    let (here, _) = graph.state(&record.state)?;
    if let Some(to) = graph.moved(here, version) {
        return Some(Decision::Upgrade { to });
    }
    let live = record.undo.iter().map(|it| it.transition.as_str());
    let stays = record.retained.iter().map(|it| it.transition.as_str());
    let took: BTreeSet<&str> = live.chain(stays).chain(record.took.iter().map(String::as_str)).collect();
    let missing = graph.missing(here, |step| took.contains(step.name));
    let first = graph.transitions.get(*missing.first()?)?;
    let names: Vec<String> = missing.iter().map(|step| format!("`{}`", graph.transitions[*step].name)).collect();
    let (names, state, from) = (names.join(" and "), &record.state, graph.states.get(first.from)?.name);
    Some(Decision::Strand {
        message: format!(
            "version {version} of the machine left the record in {state}, and version {} comes there only through {names}, which was never done; say where such records go on, as in `#[fsm(upgrade(from = {version}, {state} => {from}))]`, or `was = \"…\"` on a step that had another name",
            graph.version
        ),
    })
}
