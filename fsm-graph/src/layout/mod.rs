//! Where everything stands: a straight vertical spine, other states in side columns, and rails.
//!
//! The plane is cut into rows, the gaps between them, columns, and the channels between those. Boxes stand where rows
//! and columns meet. Lines run through gaps, channels and empty cells only, each on a track of its own, so no line can
//! meet a box or lie on another line, whatever the graph. Labels stand in room that was reserved before any
//! coordinate was fixed.

mod coordinates;
mod labels;
mod placement;
mod routing;
mod sharing;
mod tracks;
mod widths;

use crate::edges::{self, Edge, Way};
use crate::model::Graph;
use crate::overlay::Overlay;
use crate::text;

/// A point, in pixels.
pub(crate) type Point = (i32, i32);

/// A state's box.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

/// The text beside a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) name: String,
    pub(crate) note: String,
    /// The room it may take.
    pub(crate) frame: Frame,
    /// Whether it leans on its right side.
    pub(crate) end: bool,
    /// Whether the note stands below the name.
    pub(crate) stacked: bool,
}

/// One edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) edge: Edge,
    pub(crate) points: Vec<Point>,
    /// Whether the line ends in an arrow head; one that joins a rail does not.
    pub(crate) head: bool,
    pub(crate) label: Option<Label>,
}

/// The shared end of all edges to one failed state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rail {
    pub(crate) state: usize,
    pub(crate) points: Vec<Point>,
    pub(crate) label: Label,
}

/// What deletion looks like: one rail past all states, said once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deletion {
    pub(crate) points: Vec<Point>,
    pub(crate) ticks: Vec<Point>,
    pub(crate) end: Point,
    pub(crate) label: Label,
}

/// A laid-out graph. `boxes` has one entry for each state, in declared order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) boxes: Vec<Frame>,
    pub(crate) lines: Vec<Line>,
    pub(crate) rails: Vec<Rail>,
    pub(crate) start: Option<[Point; 2]>,
    pub(crate) deletion: Option<Deletion>,
}

pub(crate) const NAME_SIZE: i32 = 13;
pub(crate) const LABEL_SIZE: i32 = 11;
/// A name with more characters than this stands in two lines.
const LONG_NAME: usize = 28;

/// The name in a state's box.
pub(crate) fn name(graph: &Graph<'_>, state: usize) -> String {
    graph.states.get(state).map_or_else(String::new, |state| text::line(state.name, 48))
}

/// The width of a label.
pub(crate) fn label_width(name: &str, note: &str) -> i32 {
    let gap = if note.is_empty() { 0 } else { 10 };
    text::width(name, LABEL_SIZE) + gap + text::width(note, LABEL_SIZE)
}

/// The lines of text in a state's box: its mark, where a live resource is shown, and its name, in two lines if it is long.
pub(crate) fn name_lines(graph: &Graph<'_>, live: Option<&Overlay<'_>>, state: usize) -> Vec<String> {
    let mut lines = text::halves(&name(graph, state), LONG_NAME);
    if let Some(overlay) = live {
        lines[0] = format!("{} {}", overlay.mark(state), lines[0]);
    }
    lines
}

/// Lays the graph out, with the room that the overlay needs.
pub(crate) fn layout(graph: &Graph<'_>, live: Option<&Overlay<'_>>) -> Layout {
    let edges = edges::edges(graph);
    let placement = placement::place(graph, &edges);
    let routes = routing::route(graph, &edges, &placement);
    coordinates::draw(graph, live, &edges, &placement, &routes)
}

impl Way {
    /// The word for it in class names and attributes.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Back => "back",
            Self::Loop => "loop",
            Self::Failure => "failure",
        }
    }
}
