//! The plan of a layout: what is known before coordinates are fixed, and what is added while they are.

use std::collections::BTreeMap;

use super::placement::Placement;
use super::routing::Route;
use super::texts::name_lines;
use crate::caption::{self, Caption};
use crate::edges::{self, Edge};
use crate::model::Graph;
use crate::overlay::Overlay;

const ROW: i32 = 32;
/// What a second line of a name adds to its box.
const NAME_LINE: i32 = 16;
pub(super) const STUB: i32 = 14;
pub(super) const SLOT: i32 = 10;

/// What runs along a channel: its first and last slot, as in `widths`, and the edges, which are several only for the loops of one state.
pub(super) type Member = (usize, usize, Vec<usize>);

/// A plane that is being laid out.
pub(super) struct Plan<'p> {
    pub(super) graph: &'p Graph<'p>,
    pub(super) live: Option<&'p Overlay<'p>>,
    pub(super) edges: &'p [Edge],
    pub(super) placement: &'p Placement,
    pub(super) routes: &'p [Route],
    pub(super) captions: Vec<Caption>,
    pub(super) deletion: bool,
    /// For each edge, the offsets of its two side ends from the middle of their rows.
    pub(super) side: Vec<[i32; 2]>,
    pub(super) row_height: Vec<i32>,
    pub(super) box_height: Vec<i32>,
    /// For each edge, its tracks in the gaps it passes, and the offsets of its stubs.
    pub(super) track: Vec<[usize; 2]>,
    pub(super) stub: Vec<[i32; 2]>,
    pub(super) stubs: BTreeMap<usize, i32>,
    /// How many tracks each gap has.
    pub(super) tracks: Vec<usize>,
    pub(super) lane: Vec<usize>,
    /// For each channel, what runs along it, the innermost first.
    pub(super) channels: Vec<Vec<Member>>,
    pub(super) box_width: Vec<i32>,
    /// The middle of each column.
    pub(super) centre: Vec<i32>,
    /// For each edge with a lane, the lane's x.
    pub(super) lane_x: Vec<i32>,
    pub(super) deletion_x: i32,
    pub(super) row_y: Vec<i32>,
    pub(super) gap_y: Vec<i32>,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl<'p> Plan<'p> {
    pub(super) fn new(
        graph: &'p Graph<'p>,
        live: Option<&'p Overlay<'p>>,
        edges: &'p [Edge],
        placement: &'p Placement,
        routes: &'p [Route],
    ) -> Self {
        let lines = |state| i32::try_from(name_lines(graph, live, state).len()).unwrap_or(1);
        let box_height: Vec<i32> =
            (0..graph.states.len()).map(|state| ROW + NAME_LINE * (lines(state) - 1).max(0)).collect();
        let mut row_height = vec![ROW; placement.rows];
        for (state, height) in box_height.iter().enumerate() {
            let row = &mut row_height[placement.row[state]];
            *row = (*row).max(*height);
        }
        Self {
            graph,
            live,
            edges,
            placement,
            routes,
            captions: edges.iter().map(|edge| caption::caption_with_ends(graph, live, edge)).collect(),
            deletion: edges::undoes(graph),
            side: vec![[0; 2]; edges.len()],
            row_height,
            box_height,
            track: vec![[0; 2]; edges.len()],
            stub: vec![[0; 2]; edges.len()],
            stubs: BTreeMap::new(),
            tracks: vec![0; placement.rows + 1],
            lane: vec![0; edges.len()],
            channels: vec![vec![]; placement.columns + 1],
            box_width: vec![],
            centre: vec![0; placement.columns],
            lane_x: vec![0; edges.len()],
            deletion_x: 0,
            row_y: vec![],
            gap_y: vec![],
            width: 0,
            height: 0,
        }
    }

    pub(super) fn from(&self, edge: usize) -> (usize, usize) {
        let state = self.edges[edge].from;
        (self.placement.row[state], self.placement.column[state])
    }

    pub(super) fn to(&self, edge: usize) -> (usize, usize) {
        let state = self.edges[edge].to;
        (self.placement.row[state], self.placement.column[state])
    }
}
