//! Places the labels beside the lines, in the room that was reserved for them, and the rails, each of which stands for many edges.

use std::collections::BTreeMap;

use super::plan::Plan;
use super::plane::{Deletion, Frame, Label, Line, Rail};
use super::routing::Route;
use super::texts::{LABEL_SIZE, head_width, label_width};
use crate::caption::Caption;
use crate::edges;
use crate::text;

/// The height of a label of one line, and of one with its note below its name.
const LABEL: i32 = 14;
const STACKED: i32 = 26;
/// How far a label stands from its line.
pub(super) const BESIDE: i32 = 6;
pub(super) const ON_ERROR: &str = "on failure";
/// A longer caption beside a line downwards takes two lines: where rails stand at the right, and where none do.
const LONG: [i32; 2] = [150, 240];

impl Plan<'_> {
    /// Whether the edge's note stands below its name.
    pub(super) fn stacked(&self, edge: usize) -> bool {
        let caption = &self.captions[edge];
        let beside = match self.routes[edge] {
            Route::Lane { .. } | Route::Around { .. } | Route::Loop { .. } => true,
            Route::Straight | Route::SideThenDown | Route::DownThenSide => {
                let alone = self.placement.columns == self.placement.spine + 1;
                !caption.badges.is_empty() || label_width(caption) > LONG[usize::from(alone)]
            }
            Route::Rail | Route::RailAround => false,
        };
        beside && !caption.note.is_empty() && !caption.name.is_empty()
    }

    pub(super) fn caption_width(&self, edge: usize) -> i32 {
        let caption = &self.captions[edge];
        if self.stacked(edge) {
            head_width(caption).max(text::width(&caption.note, LABEL_SIZE))
        } else {
            label_width(caption)
        }
    }

    pub(super) fn caption_height(&self, edge: usize) -> i32 {
        if self.stacked(edge) { STACKED } else { LABEL }
    }

    /// The gap in which the label of an edge with a lane stands.
    pub(super) fn label_gap(&self, edge: usize) -> usize {
        let (row, to_row) = (self.from(edge).0, self.to(edge).0);
        match self.routes[edge] {
            Route::Around { .. } => (row + 1).max(to_row),
            _ => (row.min(to_row) + 1 + row.max(to_row)).div_ceil(2),
        }
    }

    pub(super) fn label(&self, edge: usize) -> Option<Label> {
        let ((row, column), (to_row, to_column)) = (self.from(edge), self.to(edge));
        let (width, height) = (self.caption_width(edge), self.caption_height(edge));
        let gap = |gap: usize| self.gap_y[gap] + if height == LABEL { 8 } else { 4 };
        let (channel, line, y) = match self.routes[edge] {
            Route::Straight | Route::DownThenSide => (None, self.centre[column], gap(row + 1)),
            Route::SideThenDown => (None, self.centre[to_column], gap(to_row)),
            Route::Lane { channel } | Route::Around { channel } => {
                (Some(channel), self.lane_x[edge], gap(self.label_gap(edge)))
            }
            Route::Loop { channel } => {
                let middle = self.side[edge][0].midpoint(self.side[edge][1]);
                (Some(channel), self.lane_x[edge], self.row_y[row] + middle - height / 2)
            }
            Route::Rail | Route::RailAround => return None,
        };
        let caption = self.captions[edge].clone();
        let end = channel.is_some_and(|channel| self.placement.mirrored(channel));
        let x = if end { line - BESIDE - width } else { line + BESIDE };
        let frame = Frame { x, y, width, height };
        Some(Label { caption, frame, end, stacked: height == STACKED })
    }

    /// The rails of the failed states, each as long as the lines that join it need.
    pub(super) fn rails(&self, lines: &[Line]) -> Vec<Rail> {
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
            let y_label = self.gap_y[self.placement.row[state]] + 8;
            let frame = Frame { x: end.0 + BESIDE, y: y_label, width, height: LABEL };
            let caption = Caption { name: ON_ERROR.to_owned(), ..Caption::default() };
            let label = Label { caption, frame, ..Label::default() };
            Rail { state, points: vec![(end.0, y), end], label }
        };
        tops.into_iter().map(rail).collect()
    }

    pub(super) fn deletion(&mut self) -> Deletion {
        let x = self.deletion_x;
        let top = self.row_y.first().copied().unwrap_or(0);
        let end = (x, self.height + 20);
        let name = "deletion, from any state".to_owned();
        let note = edges::deletion(self.graph).to_owned();
        let caption = Caption { name, note, ..Caption::default() };
        let frame = Frame { x: x + 16, y: end.1 - LABEL / 2, width: label_width(&caption), height: LABEL };
        self.height += 40;
        let ticks = self.row_y.iter().map(|&y| (x, y)).collect();
        let points = vec![(x, top), (x, end.1 - 9)];
        Deletion { points, ticks, end, label: Label { caption, frame, ..Label::default() } }
    }
}
