//! Computes the layout: a straight vertical spine, other states in side columns, and rails.
//!
//! The plane is divided into rows and the gaps between them, and into columns and the channels between them. Boxes are placed where rows and columns cross. Lines run only through gaps,
//! channels and empty cells, each on a track of its own. No line can therefore cross a box or overlap another line, whatever the graph. Room for labels is reserved before any coordinate
//! is fixed.

mod coordinates;
mod labels;
mod placement;
mod plan;
mod plane;
mod routing;
mod sharing;
mod texts;
mod tracks;
mod widths;

pub(crate) use plane::{Frame, Label, Layout, Line, Point};
pub(crate) use texts::{BADGE_GAP, BADGE_SIZE, LABEL_SIZE, NAME_SIZE, NOTE_GAP, badge_width, name_lines};

use crate::edges;
use crate::model::Graph;
use crate::overlay::Overlay;

/// Lays the graph out, with the room that the overlay needs.
pub(crate) fn layout(graph: &Graph<'_>, live: Option<&Overlay<'_>>) -> Layout {
    let edges = edges::edges(graph);
    let placement = placement::place(graph, &edges);
    let routes = routing::route(graph, &edges, &placement);
    coordinates::draw(graph, live, &edges, &placement, &routes)
}
