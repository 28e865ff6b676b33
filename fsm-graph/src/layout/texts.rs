//! Computes the sizes of all texts in a picture.

use crate::model::Graph;
use crate::overlay::Overlay;
use crate::text;

pub(crate) const NAME_SIZE: i32 = 13;
pub(crate) const LABEL_SIZE: i32 = 11;
/// A name with more characters than this stands in two lines.
const LONG_NAME: usize = 28;

/// The width of a label.
pub(crate) fn label_width(name: &str, note: &str) -> i32 {
    let gap = if note.is_empty() { 0 } else { 10 };
    text::width(name, LABEL_SIZE) + gap + text::width(note, LABEL_SIZE)
}

/// The lines of text in a state's box: its mark, where a live resource is shown, and its name, in two lines if it is long.
pub(crate) fn name_lines(graph: &Graph<'_>, live: Option<&Overlay<'_>>, state: usize) -> Vec<String> {
    let mut lines = text::halves(&graph.state_name(state), LONG_NAME);
    if let Some(overlay) = live {
        lines[0] = format!("{} {}", overlay.mark(state), lines[0]);
    }
    lines
}
