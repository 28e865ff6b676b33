//! Turns rows, columns and routes into pixels.

use super::placement::Placement;
use super::plan::Plan;
use super::plane::{Frame, Layout, Line, Point};
use super::routing::Route;
use crate::edges::Edge;
use crate::model::Graph;
use crate::overlay::Overlay;

const GAP: i32 = 34;
const TRACK: i32 = 10;
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

impl Plan<'_> {
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
