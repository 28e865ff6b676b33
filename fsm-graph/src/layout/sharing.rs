//! Divides the sides of boxes, the gaps and the channels among the lines that use them.

use std::collections::BTreeMap;

use super::plan::{Member, Plan, SLOT, STUB};
use super::routing::Route;
use super::tracks::{self, Stretch, Turn};

/// How high a loop is, with a label of one line and of two.
const LOOP: [i32; 2] = [20, 30];

impl Plan<'_> {
    fn loop_height(&self, edge: usize) -> i32 {
        LOOP[usize::from(self.stacked(edge))]
    }

    /// Shares out the sides of the boxes.
    pub(super) fn sides(&mut self) {
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
            let left = column < self.placement.spine;
            let (low, high) = if left { (4 * column, 4 * column + 1) } else { (4 * column + 3, 4 * column + 4) };
            let height = group.iter().map(|&edge| self.loop_height(edge)).sum();
            rows[row].push((Stretch { low, high, height, turn: Turn::Loop, lane: 0 }, group, 0));
        }
        for (row, members) in rows.iter().enumerate() {
            let stretches: Vec<Stretch> = members.iter().map(|member| member.0).collect();
            let (offsets, height) = tracks::stack(&stretches);
            self.row_height[row] = self.row_height[row].max(height + 8);
            for ((stretch, group, end), offset) in members.iter().zip(offsets) {
                let mut at = offset - stretch.height / 2;
                for &edge in group {
                    if stretch.turn == Turn::Loop {
                        let height = self.loop_height(edge);
                        self.side[edge] = [at + 5, at + height - 5];
                        at += height;
                    } else {
                        self.side[edge][*end] = offset;
                    }
                    // The box is as high as its own ends need, whatever else stands in its row.
                    let far = offset.abs() + stretch.height / 2 + 4;
                    let ends = self.edges[edge];
                    let state = if *end == 0 { ends.from } else { ends.to };
                    self.box_height[state] = self.box_height[state].max(2 * far);
                }
            }
        }
    }

    /// Shares out the gaps between rows, and the upper and lower sides of the boxes.
    pub(super) fn gaps(&mut self) {
        type Passing = ((usize, usize), usize, usize);
        let mut gaps: Vec<Vec<Passing>> = vec![vec![]; self.placement.rows + 1];
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

    /// Shares out the channels.
    pub(super) fn lanes(&mut self) {
        type Stretched = ((usize, usize), Vec<usize>);
        let mut channels: Vec<Vec<Stretched>> = vec![vec![]; self.placement.columns + 1];
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
        for (channel, members) in channels.into_iter().enumerate() {
            let intervals: Vec<(usize, usize)> = members.iter().map(|member| member.0).collect();
            let (found, _) = tracks::colour(&intervals);
            let mut placed: Vec<(usize, Member)> = vec![];
            for (((first, last), group), lane) in members.into_iter().zip(found) {
                for &edge in &group {
                    self.lane[edge] = lane;
                }
                placed.push((lane, (first, last, group)));
            }
            placed.sort_by_key(|(lane, _)| *lane);
            self.channels[channel] = placed.into_iter().map(|(_, member)| member).collect();
        }
    }
}
