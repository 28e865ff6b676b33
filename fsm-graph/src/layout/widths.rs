//! Computes all x coordinates.
//!
//! Invariant: whatever runs through a row or a gap is placed further out than what was placed there before. Things therefore keep the order of the plan, and nothing overlaps.
//!
//! Everything is placed from the spine outwards, as close as its own rows and gaps allow. A long label makes room only beside itself.

use super::labels::{BESIDE, ON_ERROR};
use super::plan::{Plan, STUB};
use super::routing::Route;
use super::texts::{LABEL_SIZE, NAME_SIZE, name_lines};
use crate::text;

/// How far a lane, and a loop's lane, stand from what is beside them.
const LANE: i32 = 16;
const LOOP: i32 = 22;
/// How far a column stands from what is beside it.
const COLUMN: i32 = 18;
const MARGIN: i32 = 8;
/// What a box adds to its name.
const PADDING: i32 = 28;

/// One side of the plane: for each row and gap, how far out it is taken. Gap `g` is slot `2g`, row `r` slot `2r + 1`.
struct Side(Vec<i32>);

impl Side {
    fn reach(&self, first: usize, last: usize) -> i32 {
        self.0[first..=last].iter().copied().max().unwrap_or(0)
    }

    fn raise(&mut self, first: usize, last: usize, to: i32) {
        for reach in &mut self.0[first..=last] {
            *reach = (*reach).max(to);
        }
    }
}

/// How far what stands in a column reaches to its left and right: slots, left, right.
type Extent = (usize, usize, i32, i32);

impl Plan<'_> {
    pub(super) fn widths(&mut self) {
        let p = self.placement;
        self.box_width = (0..self.graph.states.len())
            .map(|state| {
                let lines = name_lines(self.graph, self.live, state);
                // The name of the state where a live resource is stands in bold.
                let measure = if self.live.is_some() { text::bold_width } else { text::width };
                let name = lines.iter().map(|line| measure(line, NAME_SIZE)).max().unwrap_or(0);
                let stubs = self.stubs.get(&state).copied().unwrap_or(0);
                ((name + PADDING).max(2 * STUB * stubs + 24).max(60) + 1) & !1
            })
            .collect();
        let extents = self.extents();
        let slots = 2 * p.rows + 1;
        let (mut left, mut right) = (Side(vec![0; slots]), Side(vec![0; slots]));
        for &(first, last, to_left, to_right) in extents.get(p.spine).into_iter().flatten() {
            left.raise(first, last, to_left);
            right.raise(first, last, to_right);
        }
        for channel in p.spine + 1..=p.columns {
            self.channel(channel, &mut right, 1);
            if let Some(extents) = extents.get(channel) {
                self.column(channel, extents, &mut right, 1);
            }
        }
        for channel in (0..=p.spine.min(p.columns)).rev() {
            self.channel(channel, &mut left, -1);
            if channel > 0 {
                self.column(channel - 1, &extents[channel - 1], &mut left, -1);
            }
        }
        let (mut left, right) = (left.reach(0, slots - 1), right.reach(0, slots - 1));
        if self.deletion {
            left += COLUMN;
            self.deletion_x = -left;
            left += MARGIN;
        }
        let shift = left + MARGIN;
        for x in self.centre.iter_mut().chain(&mut self.lane_x).chain([&mut self.deletion_x]) {
            *x += shift;
        }
        self.width = shift + right + MARGIN;
    }

    /// Places what runs along a channel.
    fn channel(&mut self, channel: usize, side: &mut Side, sign: i32) {
        for (first, last, edges) in std::mem::take(&mut self.channels[channel]) {
            let looped = edges.first().is_some_and(|&edge| matches!(self.routes[edge], Route::Loop { .. }));
            let x = side.reach(first, last) + if looped { LOOP } else { LANE };
            side.raise(first, last, x);
            for edge in edges {
                self.lane_x[edge] = sign * x;
                let slot = if looped { first } else { 2 * self.label_gap(edge) };
                side.raise(slot, slot, x + BESIDE + self.caption_width(edge));
            }
        }
    }

    /// Places a column.
    fn column(&mut self, column: usize, extents: &[Extent], side: &mut Side, sign: i32) {
        let near = |extent: &Extent| if sign > 0 { extent.2 } else { extent.3 };
        let far = |extent: &Extent| if sign > 0 { extent.3 } else { extent.2 };
        let centre = extents.iter().map(|it| side.reach(it.0, it.1) + near(it) + COLUMN).max().unwrap_or(0);
        for extent in extents {
            side.raise(extent.0, extent.1, centre + far(extent));
        }
        self.centre[column] = sign * centre;
    }

    /// What stands in each column: boxes, the lines that run down its middle, and the labels at their right.
    fn extents(&self) -> Vec<Vec<Extent>> {
        let p = self.placement;
        let mut extents: Vec<Vec<Extent>> = vec![vec![]; p.columns];
        for (state, width) in self.box_width.iter().enumerate() {
            let slot = 2 * p.row[state] + 1;
            extents[p.column[state]].push((slot, slot, width / 2, width / 2));
        }
        if !self.graph.states.is_empty() {
            let initial = self.graph.initial();
            let slot = 2 * p.row[initial];
            extents[p.column[initial]].push((slot, slot, BESIDE, BESIDE));
        }
        for edge in 0..self.edges.len() {
            let ((row, column), (to_row, to_column)) = (self.from(edge), self.to(edge));
            let label = |gap: usize| (2 * gap, 2 * gap, 0, BESIDE + self.caption_width(edge));
            match self.routes[edge] {
                Route::Straight => extents[column].extend([(2 * row + 2, 2 * to_row, 0, 0), label(row + 1)]),
                Route::DownThenSide => {
                    extents[column].extend([(2 * row + 2, 2 * to_row + 1, 0, 0), label(row + 1)]);
                }
                Route::SideThenDown => extents[to_column].extend([(2 * row + 1, 2 * to_row, 0, 0), label(to_row)]),
                Route::Around { .. } => {
                    extents[column].push((2 * row + 2, 2 * row + 2, -self.stub[edge][0], 0));
                    extents[to_column].push((2 * to_row, 2 * to_row, -self.stub[edge][1], 0));
                }
                Route::Rail | Route::RailAround => {
                    let around = usize::from(self.routes[edge] == Route::RailAround);
                    if around == 1 {
                        extents[column].push((2 * row + 2, 2 * row + 2, -self.stub[edge][0], 0));
                    }
                    let on_error = BESIDE + text::width(ON_ERROR, LABEL_SIZE);
                    extents[to_column].push((2 * row + 1 + around, 2 * to_row, 0, 0));
                    extents[to_column].push((2 * to_row, 2 * to_row, 0, on_error));
                }
                Route::Lane { .. } | Route::Loop { .. } => {}
            }
        }
        extents
    }
}
