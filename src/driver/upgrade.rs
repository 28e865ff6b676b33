//! Records of other versions of the machine. Invariant: a resource never goes on from, nor rests in, a state whose effects were not made.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use durable_fsm_graph::Graph;

use super::decision::Decision;
use crate::FactError;
use crate::record::{Intent, Record, Unreadable};

/// Where a record of an older version goes on, because the machine says so.
pub(super) fn due(graph: &Graph<'_>, record: &Record) -> Option<usize> {
    let version = record.entered_by.filter(|version| *version < graph.version)?;
    graph.moved(graph.state(&record.state)?.0, version)
}

/// What comes before everything else in a state that another version has entered.
pub(super) fn upgrade(graph: &Graph<'_>, record: &Record) -> Option<Decision> {
    let version = record.entered_by.filter(|version| *version != graph.version)?;
    let (here, _) = graph.state(&record.state)?;
    let is_older = version < graph.version;
    if let Some(to) = graph.moved(here, version).filter(|_| is_older) {
        return Some(Decision::Upgrade { to });
    }
    let live = record.undo.iter().map(|it| it.transition.as_str());
    let stays = record.retained.iter().map(|it| it.transition.as_str());
    let took: BTreeSet<&str> = live.chain(stays).chain(record.took.iter().map(String::as_str)).collect();
    let missing = graph.missing(here, |step| took.contains(step.name));
    let first = graph.transitions.get(*missing.first()?)?;
    let names: Vec<String> = missing.iter().map(|step| format!("`{}`", graph.transitions[*step].name)).collect();
    let (names, state, from) = (names.join(" and "), &record.state, graph.states.get(first.from)?.name);
    let remedy = if is_older {
        format!(
            "say where such records go on, as in `#[fsm(upgrade(from = {version}, {state} => {from}))]`, or `was = \"…\"` on a step that had another name"
        )
    } else {
        stands_by(graph, version)
    };
    Some(Decision::Strand {
        message: format!(
            "version {version} of the machine left the record in {state}, and version {} comes there only through {names}, which was never done; {remedy}",
            graph.version
        ),
    })
}

/// A step that another version has begun in a state in which this version does not begin it. If that version is newer, only it can say what follows,
/// even if this version has written the record since.
pub(super) fn begun_elsewhere(graph: &Graph<'_>, record: &Record, intent: &Intent) -> Option<Decision> {
    let (here, step) = (graph.state(&record.state)?.0, graph.transition(&intent.transition)?.0);
    if record.lost(&intent.transition).is_some() || graph.places(step).any(|place| place == here) {
        return None;
    }
    let versions = [Some(record.version), record.entered_by];
    let newer = versions.into_iter().flatten().filter(|version| *version > graph.version).max();
    if newer.is_none() && record.entered_by.is_some_and(|version| version < graph.version) {
        return None;
    }
    let (by, remedy) = match newer {
        Some(newer) => (format!("version {newer} of the machine"), stands_by(graph, newer)),
        None => ("another version of the machine".to_owned(), stands_by_another(graph)),
    };
    Some(Decision::Strand {
        message: format!(
            "{by} has begun `{}` in {}, where version {} does not begin it; {remedy}",
            intent.transition, record.state, graph.version
        ),
    })
}

/// The message for what another version has recorded and this one cannot read. `of` is the state that cannot be made of it, if that is known.
pub(super) fn unreadable(graph: &Graph<'_>, found: u32, of: Option<&str>, error: &FactError) -> Unreadable {
    let version = graph.version;
    let what = match of {
        Some(of) => format!("what it recorded does not make {of} of version {version}: {error}"),
        None if found == version => format!("another one has recorded since what it cannot read: {error}"),
        None => format!("version {version} cannot read what it recorded: {error}"),
    };
    let remedy = match found.cmp(&version) {
        Ordering::Greater => stands_by(graph, found),
        Ordering::Equal => stands_by_another(graph),
        Ordering::Less => "say `#[fsm(default)]` on a fact that is new, `#[fsm(was = \"…\")]` on one that had another name, give one of another type a new name, or say where such records go on (`#[fsm(upgrade(from = …, State => Earlier))]`)".to_owned(),
    };
    Unreadable::Upgrade { found, what, remedy }
}

/// What an older version says of a record of a newer one.
pub(super) fn stands_by(graph: &Graph<'_>, newer: u32) -> String {
    format!("this is version {}, which stands by: run version {newer}", graph.version)
}

/// The same, if the record does not say any more which version that is.
fn stands_by_another(graph: &Graph<'_>) -> String {
    format!("this is version {}, which stands by: run the version that knows it", graph.version)
}
