//! Chooses the route of each edge: the simplest one that crosses no box.

use std::collections::{BTreeMap, BTreeSet};

use super::placement::Placement;
use crate::edges::{Edge, Way};
use crate::model::Graph;

/// The way of one edge.
///
/// Gap `g` lies above row `g`; channel `c` lies left of column `c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Straight down.
    Straight,
    /// Out at the side, then down onto the target.
    SideThenDown,
    /// Down, then in at the target's side.
    DownThenSide,
    /// Out at the side, along a channel, in at the side.
    Lane { channel: usize },
    /// Down into the gap, along a channel, through the gap above the target. Always possible.
    Around { channel: usize },
    /// Out at the side and onto the rail of a failed state.
    Rail,
    /// Down into the gap and onto the rail of a failed state.
    RailAround,
    /// A loop at the side, in this channel.
    Loop { channel: usize },
}

pub(super) fn route(graph: &Graph<'_>, edges: &[Edge], placement: &Placement) -> Vec<Route> {
    let mut router = Router { placement, centre: BTreeSet::new(), failures: failures(edges, placement) };
    if !graph.states.is_empty() {
        // The start's own arrow.
        let initial = graph.initial();
        router.centre.insert((placement.column[initial], 3 * placement.row[initial]));
    }
    let mut routes = vec![None; edges.len()];
    for (route, edge) in routes.iter_mut().zip(edges) {
        *route = router.fixed(edge);
    }
    // Straight lines first. Later lines go round them.
    for (route, edge) in routes.iter_mut().zip(edges) {
        if route.is_none() && edge.way == Way::Forward {
            *route = router.straight(edge);
        }
    }
    routes.into_iter().zip(edges).map(|(route, edge)| route.unwrap_or_else(|| router.bent(edge))).collect()
}

struct Router<'p> {
    placement: &'p Placement,
    /// Stretches of column centres in use: the column, and gap `g` (`3g`), or the upper (`3r + 1`) or lower (`3r + 2`)
    /// half of row `r`: one way may end where the next begins.
    centre: BTreeSet<(usize, usize)>,
    /// For each failed column, how many edges leave each row for it.
    failures: Vec<(usize, Vec<usize>)>,
}

fn failures(edges: &[Edge], placement: &Placement) -> Vec<(usize, Vec<usize>)> {
    let mut columns: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| edge.way == Way::Failure) {
        let column = placement.column[edge.to];
        if placement.failing(column) {
            columns.entry(column).or_insert_with(|| vec![0; placement.rows])[placement.row[edge.from]] += 1;
        }
    }
    columns.into_iter().collect()
}

impl Router<'_> {
    fn ends(&self, edge: &Edge) -> ((usize, usize), (usize, usize)) {
        let p = self.placement;
        ((p.row[edge.from], p.column[edge.from]), (p.row[edge.to], p.column[edge.to]))
    }

    /// Loops and rails, which have no choice.
    fn fixed(&self, edge: &Edge) -> Option<Route> {
        let ((row, column), (to_row, to_column)) = self.ends(edge);
        match edge.way {
            Way::Loop => Some(Route::Loop { channel: if column < self.placement.spine { column } else { column + 1 } }),
            Way::Failure if self.placement.failing(to_column) && row < to_row => {
                let (left, right) = (column.min(to_column), column.max(to_column));
                let clear =
                    self.placement.clear_row(row, left + 1, right) && self.placement.cells[row][to_column].is_none();
                Some(if clear { Route::Rail } else { Route::RailAround })
            }
            _ => None,
        }
    }

    /// Takes the centre of a column from `first` to `last` if it is free.
    fn take(&mut self, column: usize, first: usize, last: usize) -> bool {
        let free = (first..=last).all(|at| !self.centre.contains(&(column, at)));
        if free {
            self.centre.extend((first..=last).map(|at| (column, at)));
        }
        free
    }

    fn straight(&mut self, edge: &Edge) -> Option<Route> {
        let ((row, column), (to_row, to_column)) = self.ends(edge);
        (column == to_column
            && row < to_row
            && self.placement.clear_column(column, row + 1, to_row)
            && self.take(column, 3 * row + 3, 3 * to_row))
        .then_some(Route::Straight)
    }

    fn bent(&mut self, edge: &Edge) -> Route {
        let ((row, column), (to_row, to_column)) = self.ends(edge);
        let p = self.placement;
        if edge.way == Way::Forward && row < to_row && column != to_column {
            let (left, right) = (column.min(to_column), column.max(to_column));
            let out = p.clear_row(row, left + 1, right) && p.clear_column(to_column, row, to_row);
            if out && !p.failing(to_column) && self.take(to_column, 3 * row + 2, 3 * to_row) {
                return Route::SideThenDown;
            }
            let into = p.clear_row(to_row, left + 1, right) && p.clear_column(column, row + 1, to_row + 1);
            if into && self.take(column, 3 * row + 3, 3 * to_row + 1) {
                return Route::DownThenSide;
            }
        }
        if row != to_row
            && let Some(channel) = self.lane((row, column), (to_row, to_column))
        {
            return Route::Lane { channel };
        }
        Route::Around { channel: if column < to_column { column + 1 } else { column } }
    }

    /// The channel that can be reached from both sides and crosses least.
    fn lane(&self, from: (usize, usize), to: (usize, usize)) -> Option<usize> {
        let (top, bottom) = (from.0.min(to.0), from.0.max(to.0));
        let reach = |(row, column): (usize, usize), channel: usize| {
            if channel <= column {
                self.placement.clear_row(row, channel, column).then_some(column - channel)
            } else {
                self.placement.clear_row(row, column + 1, channel).then_some(channel - column - 1)
            }
        };
        (0..=self.placement.columns)
            .filter_map(|channel| {
                let far = reach(from, channel)? + reach(to, channel)?;
                let crossed: usize = self
                    .failures
                    .iter()
                    .filter(|(column, _)| {
                        let spine = self.placement.spine;
                        (spine.min(*column) + 1..=spine.max(*column)).contains(&channel)
                    })
                    .map(|(_, rows)| rows[top..=bottom].iter().sum::<usize>())
                    .sum();
                Some((2 * far + crossed, channel))
            })
            .min()
            .map(|(_, channel)| channel)
    }
}
