//! What a record on its way back has undone, and what is left. Invariant: what is left is what the record lists; undone is only what was made
//! and is listed no more.

use durable_fsm_graph::{Graph, Step, Undo};

use crate::record::Record;

/// The transitions that are undone, in declared order, and those that are left, the next one first. Nothing, while the machine goes forward.
pub(super) fn of(graph: &Graph<'_>, record: &Record, walked: &[Step]) -> (Vec<usize>, Vec<usize>) {
    if record.direction.is_forward() {
        return (vec![], vec![]);
    }
    let undoable = |name: &str| {
        let (index, step) = graph.transition(name)?;
        step.contract().filter(|contract| matches!(contract.undo, Undo::Method(_))).map(|_| index)
    };
    // The highest order goes first, and at a tie what is not confirmed.
    let unconfirmed = record.unconfirmed.iter().map(|it| (it.order(), true, it.transition.as_str()));
    let live = record.undo.iter().map(|it| (it.order(), false, it.transition.as_str()));
    let mut listed: Vec<_> = unconfirmed.chain(live).collect();
    listed.retain(|(order, _, name)| record.is_above_mark(graph, name, *order));
    listed.sort_by(|a, b| b.cmp(a));
    let left: Vec<usize> = listed.into_iter().filter_map(|(_, _, name)| undoable(name)).collect();

    let events: Vec<&str> = record.history.iter().filter_map(|line| Some(line.split_once(' ')?.1)).collect();
    let turned = events.iter().rposition(|event| matches!(*event, "deleting" | "rolling back")).map_or(0, |at| at + 1);
    let said = |name: &str| {
        let undone = events[turned..].iter().filter_map(|event| event.strip_prefix("undone "));
        undone.map(|it| it.split_once(" for ").map_or(it, |(name, _)| name)).any(|it| it == name)
    };
    let made = |index: usize| walked.iter().any(|step| step.transition == index) || said(graph.transitions[index].name);
    let undone = (0..graph.transitions.len())
        .filter(|&index| undoable(graph.transitions[index].name).is_some() && made(index) && !left.contains(&index));
    (undone.collect(), left)
}
