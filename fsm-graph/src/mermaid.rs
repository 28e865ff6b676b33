//! Writes a graph as Mermaid.
//!
//! No theme is set, so the page's own light and dark themes apply.

use std::fmt::Write as _;

use crate::caption;
use crate::edges::{self, Edge, Way};
use crate::model::{Graph, Rest, State};
use crate::overlay::{Overlay, Standing, Stopped};
use crate::text;

/// Writes the diagram with one edge to each failed state. The states that lead there are grouped into a composite state, and leaving states into another.
///
/// If many states share a target, Mermaid bends the forward path. The grouping keeps it straight.
#[must_use]
pub fn folded(graph: &Graph<'_>, overlay: Option<&Overlay<'_>>) -> String {
    write(graph, overlay, true)
}

/// Writes the diagram with an edge of its own for each transition and target.
#[must_use]
pub fn flat(graph: &Graph<'_>, overlay: Option<&Overlay<'_>>) -> String {
    write(graph, overlay, false)
}

fn write(graph: &Graph<'_>, overlay: Option<&Overlay<'_>>, fold: bool) -> String {
    let edges = edges::edges(graph);
    let count = graph.states.len();
    let group = if fold { groups(graph, &edges) } else { vec![None; count] };
    let leaves = |state: usize| fold && graph.states[state].leaving;
    let mut out = String::from("stateDiagram-v2\n");
    let _ = writeln!(out, "    accTitle: State diagram of {}", escape(graph.title));
    let headline = overlay.map_or_else(String::new, |overlay| overlay.lines(graph).join(", "));
    let about = if headline.is_empty() { text::line(graph.doc, 120) } else { headline.clone() };
    if !about.is_empty() {
        let _ = writeln!(out, "    accDescr: {}", escape(&about));
    }
    for target in 0..graph.states.len() {
        let members: Vec<usize> = (0..graph.states.len()).filter(|&s| group[s] == Some(target)).collect();
        if !members.is_empty() {
            let _ = writeln!(out, "    state \" \" as g{target} {{");
            for state in members {
                declare(&mut out, graph, overlay, state, "        ");
            }
            inner(&mut out, graph, overlay, &edges, |edge| {
                group[edge.from] == Some(target) && group[edge.to] == Some(target)
            });
            out.push_str("    }\n");
        }
    }
    if (0..count).any(leaves) {
        out.push_str("    state \"on deletion\" as leaving {\n");
        for state in (0..count).filter(|&state| leaves(state)) {
            declare(&mut out, graph, overlay, state, "        ");
        }
        inner(&mut out, graph, overlay, &edges, |edge| leaves(edge.from) && leaves(edge.to));
        out.push_str("    }\n");
    }
    for state in (0..count).filter(|&state| group[state].is_none() && !leaves(state)) {
        declare(&mut out, graph, overlay, state, "    ");
    }
    if !graph.states.is_empty() {
        let _ = writeln!(out, "    [*] --> s{}", graph.initial());
    }
    inner(&mut out, graph, overlay, &edges, |edge| {
        let folded = edge.way == Way::Failure && group[edge.from] == Some(edge.to);
        let inside = group[edge.from].is_some() && group[edge.from] == group[edge.to];
        let leaving = leaves(edge.from) && leaves(edge.to);
        !folded && !inside && !leaving
    });
    for target in 0..graph.states.len() {
        if group.contains(&Some(target)) {
            let _ = writeln!(out, "    g{target} --> s{target} : on failure");
        }
    }
    for (state, _) in graph.states.iter().enumerate().filter(|(_, state)| state.rest == Rest::Terminal) {
        let _ = writeln!(out, "    s{state} --> [*]");
    }
    if let Some(last) = edges::spine(graph, &edges).last().filter(|_| edges::undoes(graph)) {
        let _ = writeln!(out, "    note right of s{last} : Deletion, from any state, {}", edges::deletion(graph));
    }
    if let Some(overlay) = overlay {
        if graph.states.get(overlay.here).is_some() {
            let _ = writeln!(out, "    note right of s{} : {}", overlay.here, escape(&headline));
        }
        classes(&mut out, graph, overlay);
    } else {
        // Only strokes, so that the page's theme still applies.
        let class_of = |state: &State<'_>| match (state.failed, state.leaving) {
            (true, _) => Some("failed"),
            (false, true) => Some("leaving"),
            (false, false) => None,
        };
        for (class, style) in [("failed", "stroke:#cf222e"), ("leaving", "stroke:#9a6700")] {
            let states = (0..count).filter(|&state| class_of(&graph.states[state]) == Some(class));
            for (place, state) in states.enumerate() {
                if place == 0 {
                    let _ = writeln!(out, "    classDef {class} {style}");
                }
                let _ = writeln!(out, "    class s{state} {class}");
            }
        }
    }
    out
}

/// For each state, the failed state whose composite it stands in.
fn groups(graph: &Graph<'_>, edges: &[Edge]) -> Vec<Option<usize>> {
    let mut group = vec![None; graph.states.len()];
    for target in (0..graph.states.len()).filter(|&state| graph.states[state].failed) {
        let mut sources: Vec<usize> =
            edges.iter().filter(|edge| edge.way == Way::Failure && edge.to == target).map(|edge| edge.from).collect();
        sources.sort_unstable();
        sources.dedup();
        let used = group.contains(&Some(target));
        // A state can stand in one composite only, and a composite with an edge into itself would hold its own target.
        let free = sources.iter().all(|&s| {
            group[s].is_none() && !group.contains(&Some(s)) && !graph.states[s].failed && !graph.states[s].leaving
        });
        if sources.len() > 1 && free && !used && group[target].is_none() {
            for source in sources {
                group[source] = Some(target);
            }
        }
    }
    group
}

fn declare(out: &mut String, graph: &Graph<'_>, overlay: Option<&Overlay<'_>>, state: usize, indent: &str) {
    let mark = overlay.map_or_else(String::new, |overlay| format!("{} ", overlay.mark(state)));
    let _ = writeln!(out, "{indent}state \"{mark}{}\" as s{state}", escape(&graph.state_name(state)));
}

fn inner(
    out: &mut String,
    graph: &Graph<'_>,
    overlay: Option<&Overlay<'_>>,
    edges: &[Edge],
    wanted: impl Fn(&Edge) -> bool,
) {
    for edge in edges.iter().filter(|edge| wanted(edge)) {
        let caption = caption::caption(graph, overlay, edge);
        // Links of a state diagram take no style of their own.
        let mark = if overlay.is_some_and(|overlay| overlay.came_along(edge)) { "✔ " } else { "" };
        let label = escape(format!("{mark}{} {}", caption.name, caption.terms()).trim());
        let label = if label.is_empty() { label } else { format!(" : {label}") };
        let _ = writeln!(out, "    s{} --> s{}{label}", edge.from, edge.to);
    }
}

fn classes(out: &mut String, graph: &Graph<'_>, overlay: &Overlay<'_>) {
    let here = match overlay.stopped {
        Some(Stopped::Held(_)) => "fill:#cf222e,stroke:#cf222e,color:#ffffff,stroke-width:3px",
        Some(Stopped::Blocked(_)) => "fill:#9a6700,stroke:#9a6700,color:#ffffff,stroke-width:3px",
        None if overlay.paused => "fill:#9a6700,stroke:#9a6700,color:#ffffff,stroke-width:3px",
        None => "fill:#0969da,stroke:#0969da,color:#ffffff,stroke-width:3px",
    };
    for (class, standing, style) in [
        ("done", Standing::Done, "fill:#dafbe1,stroke:#1a7f37,color:#1f2328"),
        ("here", Standing::Here, here),
        ("undone", Standing::Undone, "stroke:#9a6700,stroke-dasharray:2 4"),
        ("later", Standing::ToCome, "stroke-dasharray:4 3"),
    ] {
        let _ = writeln!(out, "    classDef {class} {style}");
        for state in (0..graph.states.len()).filter(|&state| overlay.standing(state) == standing) {
            let _ = writeln!(out, "    class s{state} {class}");
        }
    }
}

/// Everything that Mermaid, its HTML labels or its accessibility lines could read as markup becomes an entity.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text::line(text, 2000).chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '_' | ',' | '.' | '⟲' | '…' | '✔' | '▶' | '◀' | '■' | '○')
        {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}
