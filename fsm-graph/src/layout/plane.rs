//! The result of a layout: boxes, lines and labels in pixels.

use crate::caption::Caption;
use crate::edges::Edge;

/// A point.
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
    pub(crate) caption: Caption,
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
