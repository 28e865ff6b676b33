//! Compares checked-in pictures with the machine, in tests.

use std::path::Path;

use crate::model::Graph;
use crate::{dot, mermaid, svg, terminal};

/// Asserts that the picture at `path` is the current picture of `graph`.
///
/// | extension | written by |
/// |---|---|
/// | `.svg` | [`svg::file`](crate::svg::file) |
/// | `.mmd` | [`mermaid::folded`](crate::mermaid::folded) |
/// | `.dot`, `.gv` | [`dot::write`](crate::dot::write) |
/// | `.txt` | [`terminal::write`](crate::terminal::write), without colours |
///
/// If the environment has `UPDATE_DIAGRAMS=1`, the file is written instead of compared. Cargo runs tests in the folder of the package, so a relative path starts there.
///
/// ```no_run
/// # const GRAPH: durable_fsm_graph::Graph<'static> = durable_fsm_graph::Graph {
/// #     name: "m", title: "M", version: 1, reader: 1, doc: "", undo_on_rejected: false, upgrades: &[], states: &[], transitions: &[],
/// # };
/// // In a test:
/// durable_fsm_graph::assert_current("docs/worker.svg", &GRAPH);
/// ```
///
/// # Panics
///
/// If the file is missing, differs, or cannot be read or written, or if the extension is none of these.
#[track_caller]
pub fn assert_current(path: impl AsRef<Path>, graph: &Graph<'_>) {
    let path = path.as_ref();
    let picture = match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => svg::file(graph, None),
        Some("mmd") => mermaid::folded(graph, None),
        Some("dot" | "gv") => dot::write(graph, None),
        Some("txt") => terminal::write(graph, None, &terminal::Options::default()),
        other => panic!(
            "{}: no picture is written with the extension {:?}; use svg, mmd, dot, gv or txt",
            path.display(),
            other.unwrap_or_default()
        ),
    };
    if std::env::var_os("UPDATE_DIAGRAMS").is_some_and(|value| value == "1") {
        let written =
            path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, &picture));
        if let Err(error) = written {
            panic!("{}: {error}", path.display());
        }
        return;
    }
    let advice = "run this test with UPDATE_DIAGRAMS=1 and check the file in";
    match std::fs::read_to_string(path) {
        // A checkout may have turned line ends around.
        Ok(found) if found.replace("\r\n", "\n") == picture => {}
        Ok(found) => {
            let line = 1 + found.lines().zip(picture.lines()).take_while(|(old, new)| old == new).count();
            panic!("{} is not the current picture of {} (from line {line} on): {advice}", path.display(), graph.title)
        }
        Err(error) => panic!("{}: {error}; {advice}", path.display()),
    }
}
