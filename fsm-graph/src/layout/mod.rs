//! Where everything stands: a straight vertical spine, other states in side columns, and rails.
//!
//! The plane is cut into rows, the gaps between them, columns, and the channels between those. Boxes stand where rows
//! and columns meet. Lines run through gaps, channels and empty cells only, each on a track of its own, so no line can
//! meet a box or lie on another line, whatever the graph. Labels stand in room that was reserved before any
//! coordinate was fixed.

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
pub(crate) use texts::{LABEL_SIZE, NAME_SIZE, name_lines};

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
