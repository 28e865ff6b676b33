//! What a record on its way back has undone, and what is left. Invariant: what is left is what the record lists; undone is only what was made
//! and is listed no more.

use durable_fsm_graph::{Graph, Step, Undo};

use crate::record::{Direction, Record};

/// The transitions that are undone, in declared order, and those that are left, the next one first. Nothing, while the machine goes forward.
pub(super) fn of(graph: &Graph<'_>, record: &Record, walked: &[Step]) -> (Vec<usize>, Vec<usize>) {
    if record.direction == Direction::Forward {
        return (vec![], vec![]);
    }
    let undoable = |name: &str| {
        let (index, step) = graph.transition(name)?;
        step.contract().filter(|contract| matches!(contract.undo, Undo::Method(_))).map(|_| index)
    };
    // A step that was sent and may have taken effect comes first; one that lives as well is undone once.
    let lives =
        |transition: &str, life: u64| record.undo.iter().any(|it| it.transition == transition && it.life == life);
    let unconfirmed = record.unconfirmed.iter().rev().filter(|it| !lives(&it.transition, it.life));
    let listed = unconfirmed.map(|it| &it.transition).chain(record.undo.iter().rev().map(|it| &it.transition));
    let left: Vec<usize> = listed.filter_map(|name| undoable(name)).collect();

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
