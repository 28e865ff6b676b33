//! Sorts the edges of a graph into kinds, and finds the spine.

use crate::model::{Graph, Kind, Transition, Undo};

/// What an edge means to the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Onwards.
    Forward,
    /// To a state that was passed before.
    Back,
    /// From a state to itself.
    Loop,
    /// To a failed state.
    Failure,
}

/// What the colour of an edge says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// The ordinary path.
    Plain,
    /// Back to where something was undone or is done again.
    Back,
    /// The step went wrong.
    Bad,
    /// On the way out of a resource that is to be deleted.
    Leaving,
}

/// One transition to one of its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) transition: usize,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) way: Way,
    pub(crate) tone: Tone,
    /// Whether it closes a cycle, so that rows cannot count along it.
    pub(crate) closes: bool,
    /// Whether the transition is listed on other states too.
    pub(crate) shared: bool,
}

/// All edges, in the order of the transitions. An index out of range, possible only by hand, gives no edge.
pub(crate) fn edges(graph: &Graph<'_>) -> Vec<Edge> {
    let count = graph.states.len();
    let mut edges = vec![];
    let mut push = |transition, from: usize, to: usize, shared| {
        if from < count && to < count {
            let step = graph.transitions.get(transition);
            let goes_back = step.is_some_and(Transition::goes_back);
            let way = match () {
                () if from == to => Way::Loop,
                () if goes_back => Way::Back,
                () if graph.states[to].failed => Way::Failure,
                () => Way::Forward,
            };
            let tone = match way {
                _ if step.is_some_and(|step| matches!(step.kind, Kind::End(_))) => Tone::Bad,
                Way::Failure => Tone::Bad,
                _ if goes_back => Tone::Back,
                _ if graph.states[to].leaving => Tone::Leaving,
                Way::Forward | Way::Back | Way::Loop => Tone::Plain,
            };
            edges.push(Edge { transition, from, to, way, tone, closes: from == to || goes_back, shared });
        }
    };
    let mut listed = vec![vec![]; graph.transitions.len()];
    for (at, state) in graph.states.iter().enumerate() {
        for &index in state.transitions {
            if let Some(places) = listed.get_mut(index) {
                places.push(at);
            }
        }
    }
    for (index, transition) in graph.transitions.iter().enumerate() {
        let is_set = transition.for_each().is_some();
        // A transition that no state lists, possible only by hand, stands where it is declared.
        let places = if listed[index].is_empty() && !is_set { vec![transition.from] } else { listed[index].clone() };
        for &at in &places {
            let targets = if is_set { &[at][..] } else { transition.to };
            for &to in targets {
                push(index, at, to, places.len() > 1);
            }
        }
    }
    close_cycles(graph, &mut edges);
    edges
}

/// Marks the edges that lead back to a state on the path that is being walked, walking in declared order.
fn close_cycles(graph: &Graph<'_>, edges: &mut [Edge]) {
    let count = graph.states.len();
    let out = outgoing(count, edges);
    let (mut seen, mut walking) = (vec![false; count], vec![false; count]);
    let roots = (count > 0).then(|| graph.initial()).into_iter().chain(0..count);
    for root in roots {
        if seen[root] {
            continue;
        }
        seen[root] = true;
        walking[root] = true;
        // An explicit stack: a chain may be longer than the thread's.
        let mut stack = vec![(root, 0)];
        while let Some((state, next)) = stack.last_mut() {
            let Some(&edge) = out[*state].get(*next) else {
                walking[*state] = false;
                stack.pop();
                continue;
            };
            *next += 1;
            let to = edges[edge].to;
            if edges[edge].closes {
                continue;
            }
            if walking[to] {
                edges[edge].closes = true;
                if edges[edge].way == Way::Forward {
                    edges[edge].way = Way::Back;
                    if edges[edge].tone == Tone::Plain {
                        edges[edge].tone = Tone::Back;
                    }
                }
            } else if !seen[to] {
                seen[to] = true;
                walking[to] = true;
                stack.push((to, 0));
            }
        }
    }
}

/// For each state, the indices of the edges that leave it.
pub(crate) fn outgoing(count: usize, edges: &[Edge]) -> Vec<Vec<usize>> {
    let mut out = vec![vec![]; count];
    for (index, edge) in edges.iter().enumerate() {
        out[edge.from].push(index);
    }
    out
}

/// The states so that every edge that closes no cycle leads to a later one.
pub(crate) fn order(count: usize, edges: &[Edge]) -> Vec<usize> {
    let out = outgoing(count, edges);
    let mut missing = vec![0_usize; count];
    for edge in edges.iter().filter(|edge| !edge.closes) {
        missing[edge.to] += 1;
    }
    let mut order: Vec<usize> = (0..count).filter(|&state| missing[state] == 0).collect();
    let mut next = 0;
    while let Some(&state) = order.get(next) {
        next += 1;
        for &edge in &out[state] {
            if !edges[edge].closes {
                let to = edges[edge].to;
                missing[to] -= 1;
                if missing[to] == 0 {
                    order.push(to);
                }
            }
        }
    }
    order
}

/// The longest forward path from the initial state, without leaving states; of equally long ones, the one declared first.
pub(crate) fn spine(graph: &Graph<'_>, edges: &[Edge]) -> Vec<usize> {
    let count = graph.states.len();
    if count == 0 {
        return vec![];
    }
    let out = outgoing(count, edges);
    let mut best: Vec<(usize, Option<usize>)> = vec![(0, None); count];
    for &state in order(count, edges).iter().rev() {
        for &edge in &out[state] {
            let edge = edges[edge];
            let onwards = edge.way == Way::Forward && !graph.states[edge.to].leaving;
            if onwards && best[edge.to].0 + 1 > best[state].0 {
                best[state] = (best[edge.to].0 + 1, Some(edge.to));
            }
        }
    }
    let mut spine = vec![graph.initial()];
    let mut at = graph.initial();
    while let Some(next) = best[at].1 {
        spine.push(next);
        at = next;
    }
    spine
}

/// What deletion does, from any state.
pub(crate) fn deletion(graph: &Graph<'_>) -> &'static str {
    if graph.states.iter().any(|state| state.leaving) {
        "leaving states first, then ⟲ in reverse order"
    } else {
        "⟲ in reverse order"
    }
}

/// Whether deletion has anything to undo.
pub(crate) fn undoes(graph: &Graph<'_>) -> bool {
    graph.transitions.iter().any(|t| t.contract().is_some_and(|c| matches!(c.undo, Undo::Method(_))))
}
