//! From rows, columns and routes to pixels.

use std::collections::BTreeMap;

use super::placement::Placement;
use super::routing::Route;
use super::tracks::{self, Stretch, Turn};
use super::{Deletion, Frame, LABEL_SIZE, Label, Layout, Line, NAME_SIZE, Point, Rail, label_width, name};
use crate::edges::{self, Edge};
use crate::model::Graph;
use crate::text;

const ROW: i32 = 32;
const GAP: i32 = 34;
const TRACK: i32 = 10;
const LANE: i32 = 16;
const STUB: i32 = 14;
const SLOT: i32 = 10;
const LOOP: i32 = 18;
const LABEL: i32 = 14;
/// How far a line runs along the rail that it joins.
const JOINT: i32 = 8;
const ON_ERROR: &str = "on failure";

pub(super) fn draw(graph: &Graph<'_>, edges: &[Edge], placement: &Placement, routes: &[Route]) -> Layout {
    let mut plan = Plan::new(graph, edges, placement, routes);
    plan.lanes();
    plan.sides();
    plan.gaps();
    plan.widths();
    plan.heights();
    plan.finish()
}

/// Everything that is known before, and while, coordinates are fixed.
struct Plan<'p> {
    graph: &'p Graph<'p>,
    edges: &'p [Edge],
    placement: &'p Placement,
    routes: &'p [Route],
    captions: Vec<(String, String)>,
    deletion: bool,
    /// For each edge, the offsets of its two side ends from the middle of their rows.
    side: Vec<[i32; 2]>,
    row_height: Vec<i32>,
    /// For each edge, its tracks in the gaps it passes, and the offsets of its stubs.
    track: Vec<[usize; 2]>,
    stub: Vec<[i32; 2]>,
    stubs: BTreeMap<usize, i32>,
    tracks: Vec<usize>,
    lane: Vec<usize>,
    channel: Vec<Vec<i32>>,
    box_width: Vec<i32>,
    centre: Vec<i32>,
    /// For each channel and lane, its x.
    lane_x: Vec<Vec<i32>>,
    row_y: Vec<i32>,
    gap_y: Vec<i32>,
    width: i32,
    height: i32,
}

impl<'p> Plan<'p> {
    fn new(graph: &'p Graph<'p>, edges: &'p [Edge], placement: &'p Placement, routes: &'p [Route]) -> Self {
        Self {
            graph,
            edges,
            placement,
            routes,
            captions: edges.iter().map(|edge| edges::caption(graph, edge.transition)).collect(),
            deletion: edges::undoes(graph),
            side: vec![[0; 2]; edges.len()],
            row_height: vec![ROW; placement.rows],
            track: vec![[0; 2]; edges.len()],
            stub: vec![[0; 2]; edges.len()],
            stubs: BTreeMap::new(),
            tracks: vec![0; placement.rows + 1],
            lane: vec![0; edges.len()],
            channel: vec![vec![]; placement.columns + 1],
            box_width: vec![],
            centre: vec![],
            lane_x: vec![],
            row_y: vec![],
            gap_y: vec![],
            width: 0,
            height: 0,
        }
    }

    fn from(&self, edge: usize) -> (usize, usize) {
        let state = self.edges[edge].from;
        (self.placement.row[state], self.placement.column[state])
    }

    fn to(&self, edge: usize) -> (usize, usize) {
        let state = self.edges[edge].to;
        (self.placement.row[state], self.placement.column[state])
    }

    fn caption_width(&self, edge: usize) -> i32 {
        label_width(&self.captions[edge].0, &self.captions[edge].1)
    }

    /// Shares out the sides of the boxes.
    fn sides(&mut self) {
        let mut rows: Vec<Vec<(Stretch, Vec<usize>, usize)>> = vec![vec![]; self.placement.rows];
        let mut loops: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for edge in 0..self.edges.len() {
            let ((row, column), (to_row, to_column)) = (self.from(edge), self.to(edge));
            let turn = |up: bool| if up { Turn::Up } else { Turn::Down };
            let mut push = |row: usize, column: usize, far: usize, turn: Turn, end: usize| {
                let near = 4 * column + if far > 4 * column + 2 { 3 } else { 1 };
                let (lane, leftwards) = (self.lane[edge], near == 4 * column + 1);
                let near_first = self.placement.mirrored(far / 4) == leftwards;
                let lane = if near_first { lane } else { usize::MAX / 2 - lane };
                let stretch = Stretch { low: near.min(far), high: near.max(far), height: SLOT, turn, lane };
                rows[row].push((stretch, vec![edge], end));
            };
            match self.routes[edge] {
                Route::SideThenDown | Route::Rail => push(row, column, 4 * to_column + 2, Turn::Down, 0),
                Route::DownThenSide => push(to_row, to_column, 4 * column + 2, Turn::Up, 1),
                Route::Lane { channel } => {
                    push(row, column, 4 * channel, turn(to_row < row), 0);
                    push(to_row, to_column, 4 * channel, turn(row < to_row), 1);
                }
                Route::Loop { .. } => loops.entry(self.edges[edge].from).or_default().push(edge),
                Route::Straight | Route::Around { .. } | Route::RailAround => {}
            }
        }
        for group in loops.into_values() {
            let (row, column) = self.from(group[0]);
            let (low, high) = if column <= self.placement.spine {
                (4 * column, 4 * column + 1)
            } else {
                (4 * column + 3, 4 * column + 4)
            };
            let height = LOOP * i32::try_from(group.len()).unwrap_or(1);
            rows[row].push((Stretch { low, high, height, turn: Turn::Loop, lane: 0 }, group, 0));
        }
        for (row, members) in rows.iter().enumerate() {
            let stretches: Vec<Stretch> = members.iter().map(|member| member.0).collect();
            let (offsets, height) = tracks::stack(&stretches);
            self.row_height[row] = ROW.max(height + 8);
            for ((stretch, group, end), offset) in members.iter().zip(offsets) {
                let mut at = offset - stretch.height / 2;
                for &edge in group {
                    if stretch.turn == Turn::Loop {
                        self.side[edge] = [at + LOOP / 2 - 5, at + LOOP / 2 + 5];
                        at += LOOP;
                    } else {
                        self.side[edge][*end] = offset;
                    }
                }
            }
        }
    }

    /// Shares out the gaps between rows, and the upper and lower sides of the boxes.
    fn gaps(&mut self) {
        type Member = ((usize, usize), usize, usize);
        let mut gaps: Vec<Vec<Member>> = vec![vec![]; self.placement.rows + 1];
        let mut used: BTreeMap<(usize, usize), i32> = BTreeMap::new();
        for edge in 0..self.edges.len() {
            let ((row, column), (to_row, to_column)) = (self.from(edge), self.to(edge));
            let mut push = |gap: usize, column: usize, state: usize, far: usize, end: usize| {
                let near = 4 * column + 2;
                gaps[gap].push(((near.min(far), near.max(far)), edge, end));
                let count = used.entry((gap, column)).or_default();
                *count += 1;
                self.stub[edge][end] = -STUB * *count;
                let most = self.stubs.entry(state).or_default();
                *most = (*most).max(*count);
            };
            match self.routes[edge] {
                Route::Around { channel } => {
                    push(row + 1, column, self.edges[edge].from, 4 * channel, 0);
                    push(to_row, to_column, self.edges[edge].to, 4 * channel, 1);
                }
                Route::RailAround => push(row + 1, column, self.edges[edge].from, 4 * to_column + 2, 0),
                _ => {}
            }
        }
        for (gap, members) in gaps.iter().enumerate() {
            let intervals: Vec<(usize, usize)> = members.iter().map(|member| member.0).collect();
            let (found, count) = tracks::colour(&intervals);
            self.tracks[gap] = count;
            for (&(_, edge, end), track) in members.iter().zip(found) {
                self.track[edge][end] = track;
            }
        }
    }

    /// Shares out the channels, and reserves room for the labels beside their lanes.
    fn lanes(&mut self) {
        type Member = ((usize, usize), Vec<usize>);
        let mut channels: Vec<Vec<Member>> = vec![vec![]; self.placement.columns + 1];
        let mut loops: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for edge in 0..self.edges.len() {
            let ((row, _), (to_row, _)) = (self.from(edge), self.to(edge));
            match self.routes[edge] {
                Route::Lane { channel } => {
                    let stretch = (2 * row.min(to_row) + 1, 2 * row.max(to_row) + 1);
                    channels[channel].push((stretch, vec![edge]));
                }
                Route::Around { channel } => {
                    let (gap, to_gap) = (row + 1, to_row);
                    channels[channel].push(((2 * gap.min(to_gap), 2 * gap.max(to_gap)), vec![edge]));
                }
                Route::Loop { channel } => loops.entry((channel, self.edges[edge].from)).or_default().push(edge),
                _ => {}
            }
        }
        for ((channel, state), group) in loops {
            let row = self.placement.row[state];
            channels[channel].push(((2 * row + 1, 2 * row + 1), group));
        }
        for (channel, members) in channels.iter().enumerate() {
            let intervals: Vec<(usize, usize)> = members.iter().map(|member| member.0).collect();
            let (found, count) = tracks::colour(&intervals);
            let mut widths = vec![LANE; count];
            for ((_, group), lane) in members.iter().zip(found) {
                for &edge in group {
                    self.lane[edge] = lane;
                    widths[lane] = widths[lane].max(LANE + 4 + self.caption_width(edge));
                }
            }
            self.channel[channel] = widths;
        }
    }

    /// Fixes every x.
    fn widths(&mut self) {
        let p = self.placement;
        self.box_width = (0..self.graph.states.len())
            .map(|state| {
                let stubs = self.stubs.get(&state).copied().unwrap_or(0);
                (text::width(&name(self.graph, state), NAME_SIZE) + 42).max(2 * STUB * stubs + 24).max(60) & !1
            })
            .collect();
        let mut left = vec![0; p.columns];
        for (state, width) in self.box_width.iter().enumerate() {
            let column = p.column[state];
            left[column] = left[column].max(width / 2);
        }
        let mut right = left.clone();
        for edge in 0..self.edges.len() {
            let column = match self.routes[edge] {
                Route::Straight | Route::DownThenSide => self.from(edge).1,
                Route::SideThenDown => self.to(edge).1,
                _ => continue,
            };
            right[column] = right[column].max(8 + self.caption_width(edge));
        }
        for (_, right) in right.iter_mut().enumerate().filter(|(column, _)| p.failing(*column)) {
            *right = (*right).max(8 + text::width(ON_ERROR, LABEL_SIZE));
        }
        let mut x = if self.deletion { 34 } else { 8 };
        for channel in 0..=p.columns {
            let lanes = &self.channel[channel];
            let mut xs = vec![];
            if p.mirrored(channel) {
                let total: i32 = lanes.iter().sum();
                let mut at = x + total;
                for width in lanes {
                    xs.push(at);
                    at -= width;
                }
                x += total + 18;
            } else {
                x += 18;
                for width in lanes {
                    xs.push(x);
                    x += width;
                }
                x += if lanes.is_empty() { 0 } else { 6 };
            }
            self.lane_x.push(xs);
            if channel < p.columns {
                self.centre.push(x + left[channel]);
                x += left[channel] + right[channel];
            }
        }
        self.width = x;
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
        let (width, height) = (self.box_width[state], self.row_height[row]);
        Frame { x: self.centre[column] - width / 2, y: self.row_y[row] - height / 2, width, height }
    }

    /// The point at the side of a box that faces `x`.
    fn port(&self, edge: usize, end: usize, x: i32) -> Point {
        let state = if end == 0 { self.edges[edge].from } else { self.edges[edge].to };
        let frame = self.frame(state);
        let y = self.row_y[self.placement.row[state]] + self.side[edge][end];
        (if x < frame.x + frame.width / 2 { frame.x } else { frame.x + frame.width }, y)
    }

    fn top(&self, state: usize, offset: i32) -> Point {
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
        let (x, to_x) = (self.centre[column], self.centre[to_column]);
        let lane = |channel: usize| self.lane_x[channel][self.lane[edge]];
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
            Route::Lane { channel } | Route::Loop { channel } => {
                let lane = lane(channel);
                let (start, end) = (self.port(edge, 0, lane), self.port(edge, 1, lane));
                vec![start, (lane, start.1), (lane, end.1), end]
            }
            Route::Around { channel } => {
                let lane = lane(channel);
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

    fn label(&self, edge: usize) -> Option<Label> {
        let ((row, column), (to_row, to_column)) = (self.from(edge), self.to(edge));
        let gap = |gap: usize| self.gap_y[gap] + 8;
        let lane = |channel: usize| self.lane_x[channel][self.lane[edge]];
        let (channel, line, y) = match self.routes[edge] {
            Route::Straight | Route::DownThenSide => (None, self.centre[column], gap(row + 1)),
            Route::SideThenDown => (None, self.centre[to_column], gap(to_row)),
            Route::Lane { channel } => {
                let middle = (row.min(to_row) + 1 + row.max(to_row)).div_ceil(2);
                (Some(channel), lane(channel), gap(middle))
            }
            Route::Around { channel } => (Some(channel), lane(channel), gap((row + 1).max(to_row))),
            Route::Loop { channel } => {
                let middle = self.side[edge][0].midpoint(self.side[edge][1]);
                (Some(channel), lane(channel), self.row_y[row] + middle - LABEL / 2)
            }
            Route::Rail | Route::RailAround => return None,
        };
        let (name, note) = self.captions[edge].clone();
        let width = self.caption_width(edge);
        let end = channel.is_some_and(|channel| self.placement.mirrored(channel));
        let x = if end { line - 6 - width } else { line + 6 };
        Some(Label { name, note, frame: Frame { x, y, width, height: LABEL }, end })
    }

    /// The rails of the failed states, each as long as the lines that join it need.
    fn rails(&self, lines: &[Line]) -> Vec<Rail> {
        let mut tops: BTreeMap<usize, i32> = BTreeMap::new();
        for line in lines.iter().filter(|line| !line.head) {
            if let Some(&(_, y)) = line.points.last() {
                let top = tops.entry(line.edge.to).or_insert(y);
                *top = (*top).min(y);
            }
        }
        let rail = |(state, y): (usize, i32)| {
            let end = self.top(state, 0);
            let width = text::width(ON_ERROR, LABEL_SIZE);
            let frame = Frame { x: end.0 + 6, y: self.gap_y[self.placement.row[state]] + 8, width, height: LABEL };
            let label = Label { name: ON_ERROR.to_owned(), note: String::new(), frame, end: false };
            Rail { state, points: vec![(end.0, y), end], label }
        };
        tops.into_iter().map(rail).collect()
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

    fn deletion(&mut self) -> Deletion {
        let x = 16;
        let top = self.row_y.first().copied().unwrap_or(0);
        let end = (x, self.height + 20);
        let name = "deletion, from any state".to_owned();
        let note = "⟲ in reverse order".to_owned();
        let frame = Frame { x: x + 16, y: end.1 - LABEL / 2, width: label_width(&name, &note), height: LABEL };
        self.height += 40;
        let ticks = self.row_y.iter().map(|&y| (x, y)).collect();
        let points = vec![(x, top), (x, end.1 - 9)];
        Deletion { points, ticks, end, label: Label { name, note, frame, end: false } }
    }
}
