//! Writes a graph as DOT, with hints that make Graphviz keep the forward path straight.

use std::fmt::Write as _;

use crate::caption;
use crate::edges::{self, Tone, Way};
use crate::model::{Graph, Rest};
use crate::overlay::{Back, Overlay, Standing, Stopped};
use crate::text;

/// Writes the graph in the DOT language.
#[must_use]
pub fn write(graph: &Graph<'_>, overlay: Option<&Overlay<'_>>) -> String {
    let edges = edges::edges(graph);
    let spine = edges::spine(graph, &edges);
    let mut out = String::new();
    let _ = writeln!(out, "digraph {} {{", quote(graph.title));
    out.push_str("    bgcolor=\"transparent\";\n    rankdir=TB;\n    ranksep=0.35;\n");
    out.push_str(
        "    node [shape=box, style=\"rounded,filled\", fontname=\"DejaVu Sans\", fontsize=11, color=\"#8c959f\", fillcolor=\"#f6f8fa\", fontcolor=\"#1f2328\"];\n",
    );
    out.push_str(
        "    edge [fontname=\"DejaVu Sans\", fontsize=9, color=\"#59636e\", fontcolor=\"#59636e\", arrowsize=0.7];\n",
    );
    if let Some(overlay) = overlay {
        let lines = overlay.lines(graph);
        let lines: Vec<String> =
            lines.iter().flat_map(|line| text::wrap(line, |part| text::columns(part) <= 80)).collect();
        let lines = lines.join("\n");
        let _ = writeln!(
            out,
            "    labelloc=t;\n    fontname=\"DejaVu Sans\";\n    fontsize=11;\n    label={};",
            quote(&lines)
        );
    }
    for (index, state) in graph.states.iter().enumerate() {
        let mut attributes = vec![];
        let mut name = graph.state_name(index);
        if spine.contains(&index) {
            attributes.push("group=spine".to_owned());
        }
        if state.failed {
            attributes.push("color=\"#cf222e\"".to_owned());
        } else if state.leaving {
            attributes.push("color=\"#9a6700\"".to_owned());
        } else if state.rest != Rest::Passing {
            attributes.push("color=\"#1a7f37\"".to_owned());
        }
        if state.rest == Rest::Terminal {
            attributes.push("peripheries=2".to_owned());
        }
        if let Some(overlay) = overlay {
            let standing = overlay.standing(index);
            name = format!("{} {name}", overlay.mark(index));
            attributes.push(
                match standing {
                    Standing::Done => "fillcolor=\"#dafbe1\"",
                    Standing::Here if matches!(overlay.stopped, Some(Stopped::Held(_))) => {
                        "fillcolor=\"#cf222e\", fontcolor=\"#ffffff\", penwidth=2"
                    }
                    Standing::Here if overlay.stopped.is_some() || overlay.paused => {
                        "fillcolor=\"#9a6700\", fontcolor=\"#ffffff\", penwidth=2"
                    }
                    Standing::Undone => "color=\"#9a6700\", style=\"rounded,filled,dashed\"",
                    Standing::Here => "fillcolor=\"#0969da\", fontcolor=\"#ffffff\", penwidth=2",
                    Standing::ToCome => "style=\"rounded,filled,dashed\"",
                }
                .to_owned(),
            );
        }
        let tip = if state.doc.trim().is_empty() { state.name } else { state.doc };
        attributes.insert(0, format!("label={}, tooltip={}", quote(&name), quote(&text::line(tip, 2000))));
        let _ = writeln!(out, "    s{index} [{}];", attributes.join(", "));
    }
    if !graph.states.is_empty() {
        out.push_str("    start [shape=point, style=filled, fillcolor=\"#59636e\", width=0.14, color=\"#59636e\", group=spine, tooltip=start];\n");
        let _ = writeln!(out, "    start -> s{} [weight=100];", graph.initial());
    }
    let on_spine: Vec<(usize, usize)> = spine.iter().copied().zip(spine.iter().copied().skip(1)).collect();
    for edge in &edges {
        let caption = caption::caption_with_ends(graph, overlay, edge);
        let label = quote(format!("{}\n{}", caption.name, caption.terms()).trim());
        let hints = match edge.way {
            Way::Forward if on_spine.contains(&(edge.from, edge.to)) => ", weight=100",
            Way::Forward | Way::Failure => "",
            Way::Loop if edge.tone == Tone::Plain => "",
            Way::Loop => ", style=dashed",
            Way::Back => ", constraint=false, style=dashed",
        };
        let tone = match edge.tone {
            Tone::Plain => "",
            Tone::Back | Tone::Leaving => ", color=\"#9a6700\"",
            Tone::Bad => ", color=\"#cf222e\"",
        };
        let walked = match edge.way {
            _ if !overlay.is_some_and(|overlay| overlay.came_along(edge)) => "",
            Way::Forward | Way::Loop => match overlay.and_then(|overlay| overlay.back(edge.transition)) {
                None => ", penwidth=2.4, color=\"#1a7f37\"",
                Some(Back::Undone) => ", style=dotted, color=\"#9a6700\"",
                Some(Back::UnderWay | Back::Pending) => ", penwidth=2.4, color=\"#9a6700\"",
            },
            Way::Back | Way::Failure => ", penwidth=2.4",
        };
        // One failure label for each edge would cover the picture.
        let what = if edge.way == Way::Failure { "tooltip" } else { "label" };
        let _ = writeln!(out, "    s{} -> s{} [{what}={label}{hints}{tone}{walked}];", edge.from, edge.to);
    }
    if edges::undoes(graph) {
        let what = edges::deletion(graph);
        let _ = writeln!(
            out,
            "    deletion [shape=plaintext, style=\"\", fontsize=9, fontcolor=\"#9a6700\", label=\"◎ deletion, from any state: {what}\"];"
        );
        if let Some(last) = spine.last() {
            let _ = writeln!(out, "    s{last} -> deletion [style=invis];");
        }
    }
    out.push_str("}\n");
    out
}

fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push_str("\\n");
        }
        for c in text::line(line, 2000).chars() {
            match c {
                '"' | '\\' => {
                    out.push('\\');
                    out.push(c);
                }
                // Graphviz reads HTML entities in plain labels too.
                '&' => out.push_str("&amp;"),
                _ => out.push(c),
            }
        }
    }
    out.push('"');
    out
}
