//! Which steps belong to which direction. Invariant: the steps of a deletion are taken while the machine leaves, and no others then.

use durable_fsm_graph::{Graph, Transition};

use crate::record::Direction;

/// Whether a deletion may begin with a step in this state.
pub(crate) fn begins_leaving(graph: &Graph<'_>, state: &str) -> bool {
    let here = graph.state(state).map(|(_, state)| state.transitions).unwrap_or_default();
    here.iter().filter_map(|index| graph.transitions.get(*index)).any(|step| step.on_delete)
}

/// Whether the machine takes this step from this state in this direction.
pub(crate) fn is_on_the_way(graph: &Graph<'_>, state: &str, step: &Transition<'_>, direction: Direction) -> bool {
    let leaves = step.on_delete || graph.state(state).is_some_and(|(_, state)| state.leaving);
    leaves == (direction == Direction::Leaving)
}
