//! From rows, columns and routes to pixels.

use std::collections::BTreeMap;

use super::placement::Placement;
use super::routing::Route;
use super::sharing::Member;
use super::{Frame, Layout, Line, Point, name_lines};
use crate::edges::{self, Caption, Edge};
use crate::model::Graph;
use crate::overlay::Overlay;

const ROW: i32 = 32;
/// What a second line of a name adds to its box.
const NAME_LINE: i32 = 16;
const GAP: i32 = 34;
const TRACK: i32 = 10;
pub(super) const STUB: i32 = 14;
pub(super) const SLOT: i32 = 10;
/// How far a line runs along the rail that it joins.
const JOINT: i32 = 8;

pub(super) fn draw(
    graph: &Graph<'_>,
    live: Option<&Overlay<'_>>,
    edges: &[Edge],
    placement: &Placement,
    routes: &[Route],
) -> Layout {
    let mut plan = Plan::new(graph, live, edges, placement, routes);
    plan.lanes();
    plan.sides();
    plan.gaps();
    plan.widths();
    plan.heights();
    plan.finish()
}

/// Everything that is known before, and while, coordinates are fixed.
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
    fn new(
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
            captions: edges.iter().map(|edge| edges::caption(graph, live, edge.transition)).collect(),
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

    /// Fixes every y.
    fn heights(&mut self) {
        let mut y = 10;
        for gap in 0..=self.placement.rows {
            self.gap_y.push(y);
            let tracks = TRACK * i32::try_from(self.tracks[gap]).unwrap_or(0);
            y += if gap == self.placement.rows && tracks == 0 { 10 } else { GAP + tracks };
            if let Some(height) = self.row_height.get(gap) {
                self.row_y.push(y + height / 2);
                y += height;
            }
        }
        self.height = y;
    }

    fn frame(&self, state: usize) -> Frame {
        let (row, column) = (self.placement.row[state], self.placement.column[state]);
        let (width, height) = (self.box_width[state], self.box_height[state]);
        Frame { x: self.centre[column] - width / 2, y: self.row_y[row] - height / 2, width, height }
    }

    /// The point at the side of a box that faces `x`.
    fn port(&self, edge: usize, end: usize, x: i32) -> Point {
        let state = if end == 0 { self.edges[edge].from } else { self.edges[edge].to };
        let frame = self.frame(state);
        let y = self.row_y[self.placement.row[state]] + self.side[edge][end];
        (if x < frame.x + frame.width / 2 { frame.x } else { frame.x + frame.width }, y)
    }

    pub(super) fn top(&self, state: usize, offset: i32) -> Point {
        let frame = self.frame(state);
        (frame.x + frame.width / 2 + offset, frame.y)
    }

    fn bottom(&self, state: usize, offset: i32) -> Point {
        let frame = self.frame(state);
        (frame.x + frame.width / 2 + offset, frame.y + frame.height)
    }

    fn track_y(&self, gap: usize, track: usize) -> i32 {
        self.gap_y[gap] + 20 + TRACK * (1 + i32::try_from(track).unwrap_or(0))
    }

    fn points(&self, edge: usize) -> Vec<Point> {
        let Edge { from, to, .. } = self.edges[edge];
        let ((row, column), (to_row, to_column)) = (self.from(edge), self.to(edge));
        let (x, to_x, lane) = (self.centre[column], self.centre[to_column], self.lane_x[edge]);
        match self.routes[edge] {
            Route::Straight => vec![self.bottom(from, 0), self.top(to, 0)],
            Route::SideThenDown => {
                let port = self.port(edge, 0, to_x);
                vec![port, (to_x, port.1), self.top(to, 0)]
            }
            Route::DownThenSide => {
                let port = self.port(edge, 1, x);
                vec![self.bottom(from, 0), (x, port.1), port]
            }
            Route::Lane { .. } | Route::Loop { .. } => {
                let (start, end) = (self.port(edge, 0, lane), self.port(edge, 1, lane));
                vec![start, (lane, start.1), (lane, end.1), end]
            }
            Route::Around { .. } => {
                let (start, end) = (self.bottom(from, self.stub[edge][0]), self.top(to, self.stub[edge][1]));
                let (y, to_y) = (self.track_y(row + 1, self.track[edge][0]), self.track_y(to_row, self.track[edge][1]));
                vec![start, (start.0, y), (lane, y), (lane, to_y), (end.0, to_y), end]
            }
            Route::Rail => {
                let port = self.port(edge, 0, to_x);
                vec![port, (to_x, port.1), (to_x, port.1 + JOINT)]
            }
            Route::RailAround => {
                let start = self.bottom(from, self.stub[edge][0]);
                let y = self.track_y(row + 1, self.track[edge][0]);
                vec![start, (start.0, y), (to_x, y), (to_x, y + JOINT)]
            }
        }
    }

    fn finish(mut self) -> Layout {
        let boxes: Vec<Frame> = (0..self.graph.states.len()).map(|state| self.frame(state)).collect();
        let lines: Vec<Line> = (0..self.edges.len())
            .map(|edge| Line {
                edge: self.edges[edge],
                points: self.points(edge),
                head: !matches!(self.routes[edge], Route::Rail | Route::RailAround),
                label: self.label(edge),
            })
            .collect();
        let rails = self.rails(&lines);
        let start = (!boxes.is_empty()).then(|| {
            let end = self.top(self.graph.initial(), 0);
            [(end.0, self.gap_y[0] + 6), end]
        });
        let deletion = self.deletion.then(|| self.deletion());
        if let Some(deletion) = &deletion {
            let frame = deletion.label.frame;
            self.width = self.width.max(frame.x + frame.width + 8);
        }
        Layout { width: self.width, height: self.height, boxes, lines, rails, start, deletion }
    }
}
