//! Chooses the row and column of each state.

use crate::edges::{self, Edge, Way};
use crate::model::Graph;

/// Rows and columns of all states.
#[derive(Debug)]
pub(super) struct Placement {
    pub(super) row: Vec<usize>,
    pub(super) column: Vec<usize>,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// The column of the spine.
    pub(super) spine: usize,
    /// The first column at the right that belongs to a failed state alone; those left of the spine all do.
    failed: usize,
    /// `cells[row][column]`: the state there.
    pub(super) cells: Vec<Vec<Option<usize>>>,
}

impl Placement {
    /// Whether this column belongs to one failed state alone, so that its rail is free from top to bottom.
    pub(super) fn failing(&self, column: usize) -> bool {
        column < self.spine || column >= self.failed
    }

    /// Whether the lanes of this channel count from its right side, towards which they then belong.
    pub(super) fn mirrored(&self, channel: usize) -> bool {
        channel <= self.spine
    }

    /// Whether no box stands in this row in columns `from..to`.
    pub(super) fn clear_row(&self, row: usize, from: usize, to: usize) -> bool {
        self.cells[row].get(from..to).is_none_or(|cells| cells.iter().all(Option::is_none))
    }

    /// Whether no box stands in this column in rows `from..to`.
    pub(super) fn clear_column(&self, column: usize, from: usize, to: usize) -> bool {
        (from..to).all(|row| self.cells[row][column].is_none())
    }
}

pub(super) fn place(graph: &Graph<'_>, edges: &[Edge]) -> Placement {
    let count = graph.states.len();
    let path = edges::spine(graph, edges);
    let mut fixed = vec![None; count];
    for (row, &state) in path.iter().enumerate() {
        fixed[state] = Some(row);
    }
    let mut before = vec![vec![]; count];
    for edge in edges.iter().filter(|edge| !edge.closes) {
        before[edge.to].push(edge.from);
    }
    let mut row = vec![0; count];
    for state in edges::order(count, edges) {
        let deepest = before[state].iter().map(|&from| row[from] + 1).max().unwrap_or(0);
        row[state] = fixed[state].unwrap_or(deepest);
    }
    let rows = row.iter().max().map_or(0, |last| last + 1);

    let mut column = vec![0; count];
    // Leaving states have columns of their own, beyond those of the other states.
    let mut shares = [Taken { columns: vec![], rows }, Taken { columns: vec![], rows }];
    let share = |state: usize| usize::from(graph.states[state].leaving);
    let out = edges::outgoing(count, edges);
    let failing_only = |state: usize| {
        let from = &before[state];
        !from.is_empty() && from.iter().all(|&from| graph.states[from].failed && fixed[from].is_none())
    };
    let mut others: Vec<usize> = (0..count).filter(|&s| fixed[s].is_none() && !graph.states[s].failed).collect();
    others.sort_by_key(|&state| (row[state], state));
    let mut below = vec![];
    for state in others {
        let at = row[state];
        // What only a failed state leads to stands below that, unless somebody stands there already.
        if failing_only(state) && !below.iter().any(|&b: &usize| row[b] == at && before[b][0] == before[state][0]) {
            below.push(state);
            continue;
        }
        let from = before[state].iter().copied().find(|&from| row[from] < at && !graph.states[from].failed);
        // Where its way rejoins the spine, that stretch of the column is its own as well.
        let last = out[state]
            .iter()
            .map(|&edge| edges[edge])
            .find(|edge| edge.way == Way::Forward && fixed[edge.to].is_some_and(|to| to > at))
            .map_or(2 * at + 1, |edge| 2 * row[edge.to]);
        let taken = &mut shares[share(state)];
        let follow = from
            .filter(|&f| fixed[f].is_none() && share(f) == share(state) && column[f] > 0)
            .filter(|&f| taken.free(column[f], 2 * row[f] + 2, last))
            .map(|from| (column[from], 2 * row[from] + 2));
        column[state] = match (follow, from) {
            (Some((column, first)), _) => taken.take(column, first, last),
            (None, Some(from)) => taken.first(2 * row[from] + 1, last),
            (None, None) => taken.first(2 * at, last),
        };
    }

    let (ordinary, leaving) = (shares[0].columns.len(), shares[1].columns.len());
    for (state, column) in column.iter_mut().enumerate().filter(|(_, column)| **column > 0) {
        *column += ordinary * share(state);
    }

    let mut failing: Vec<usize> = (0..count).filter(|&s| fixed[s].is_none() && graph.states[s].failed).collect();
    failing.sort_by_key(|&state| (row[state], state));
    // Every second one stands at the left, where its rail crosses no other; but not across the spine from an arm.
    let from_spine = |state: usize| before[state].iter().all(|&from| fixed[from].is_some());
    let (mut left, mut right) = (vec![], vec![]);
    for state in failing {
        let other = left.len() < right.len() && from_spine(state);
        if other { left.push(state) } else { right.push(state) }
    }
    let spine = left.len();
    let failed = spine + ordinary + leaving + 1;
    for column in &mut column {
        *column += spine;
    }
    for (index, &state) in left.iter().enumerate() {
        column[state] = spine - 1 - index;
    }
    for (index, &state) in right.iter().enumerate() {
        column[state] = failed + index;
    }
    for state in below {
        column[state] = column[before[state][0]];
    }
    let columns = failed + right.len();
    let mut cells = vec![vec![None; columns]; rows];
    for state in 0..count {
        cells[row[state]][column[state]] = Some(state);
    }
    Placement { row, column, rows, columns, spine, failed, cells }
}

/// Which half rows of the side columns are spoken for.
struct Taken {
    columns: Vec<Vec<bool>>,
    rows: usize,
}

impl Taken {
    fn free(&self, column: usize, first: usize, last: usize) -> bool {
        self.columns[column - 1][first..=last].iter().all(|taken| !taken)
    }

    fn take(&mut self, column: usize, first: usize, last: usize) -> usize {
        self.columns[column - 1][first..=last].fill(true);
        column
    }

    /// Takes the first column that is free.
    fn first(&mut self, first: usize, last: usize) -> usize {
        let found = (1..=self.columns.len()).find(|&column| self.free(column, first, last));
        let column = found.unwrap_or_else(|| {
            self.columns.push(vec![false; 2 * self.rows]);
            self.columns.len()
        });
        self.take(column, first, last)
    }
}
