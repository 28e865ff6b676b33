//! Computes the sizes of all texts in a picture.

use crate::caption::Caption;
use crate::model::Graph;
use crate::overlay::Overlay;
use crate::text;

pub(crate) const NAME_SIZE: i32 = 13;
pub(crate) const LABEL_SIZE: i32 = 11;
/// A name with more characters than this stands in two lines.
const LONG_NAME: usize = 28;

pub(crate) const BADGE_SIZE: i32 = 9;
/// How far the parts of a label stand apart: a badge from what is before it, and a note.
pub(crate) const BADGE_GAP: i32 = 5;
pub(crate) const NOTE_GAP: i32 = 10;

/// The width of a label in one line.
pub(crate) fn label_width(caption: &Caption) -> i32 {
    let gap = if caption.note.is_empty() { 0 } else { NOTE_GAP };
    head_width(caption) + gap + text::width(&caption.note, LABEL_SIZE)
}

/// The width of a name and its badges.
pub(crate) fn head_width(caption: &Caption) -> i32 {
    let badges: i32 = caption.badges.iter().map(|badge| BADGE_GAP + badge_width(badge)).sum();
    text::width(&caption.name, LABEL_SIZE) + badges
}

/// The width of a badge with its border.
pub(crate) fn badge_width(badge: &str) -> i32 {
    text::width(badge, BADGE_SIZE) + 8
}

/// The lines of text in a state's box: its mark, where a live resource is shown, and its name, in two lines if it is long.
pub(crate) fn name_lines(graph: &Graph<'_>, live: Option<&Overlay<'_>>, state: usize) -> Vec<String> {
    let mut lines = text::halves(&graph.state_name(state), LONG_NAME);
    if let Some(overlay) = live {
        lines[0] = format!("{} {}", overlay.mark(state), lines[0]);
    }
    lines
}
