//! The rails at the sides of the text.
//!
//! Invariant: a cell stores the directions in which its lines leave it, and its character is derived from them. A line can therefore never overwrite another.

const NORTH: u8 = 1;
const EAST: u8 = 2;
const SOUTH: u8 = 4;
const WEST: u8 = 8;

#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    arms: u8,
    /// Whether some line turns or ends here; lines that only cross do not meet.
    joint: bool,
    dashed: bool,
    head: Option<char>,
}

impl Cell {
    fn sign(self) -> char {
        let upright = if self.dashed { '┆' } else { '│' };
        match self.arms {
            _ if self.head.is_some() => self.head.unwrap_or_default(),
            0 => ' ',
            // One line passes over the other.
            all if all == NORTH | EAST | SOUTH | WEST && !self.joint => upright,
            all if all == NORTH | EAST | SOUTH | WEST => '┼',
            arms if arms & (EAST | WEST) == 0 => upright,
            arms if arms & (NORTH | SOUTH) == 0 => '─',
            arms if arms == SOUTH | EAST => '╭',
            arms if arms == SOUTH | WEST => '╮',
            arms if arms == NORTH | EAST => '╰',
            arms if arms == NORTH | WEST => '╯',
            arms if arms & WEST == 0 => '├',
            arms if arms & EAST == 0 => '┤',
            arms if arms & NORTH == 0 => '┬',
            _ => '┴',
        }
    }
}

/// The cells at one side of the text.
pub(super) struct Rails {
    cells: Vec<Vec<Cell>>,
}

impl Rails {
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self { cells: vec![vec![Cell::default(); columns]; rows] }
    }

    /// A line down this column, between two rows.
    pub(super) fn upright(&mut self, column: usize, low: usize, high: usize, dashed: bool) {
        for row in low..=high {
            let cell = &mut self.cells[row][column];
            cell.arms |= if row > low { NORTH } else { 0 } | if row < high { SOUTH } else { 0 };
            cell.dashed |= dashed;
        }
    }

    /// A line in this row from the upright in `column`, which it meets, to the text at `end`, which is the first or the last column.
    pub(super) fn branch(&mut self, row: usize, column: usize, end: usize, head: Option<char>) {
        let (low, high) = (column.min(end), column.max(end));
        for at in low..=high {
            let cell = &mut self.cells[row][at];
            cell.arms |= if at > low { WEST } else { 0 } | if at < high { EAST } else { 0 };
        }
        let text = if end > column { EAST } else { WEST };
        self.cells[row][column].joint = true;
        let last = &mut self.cells[row][end];
        last.arms |= text;
        last.head = last.head.or(head);
    }

    /// The signs of a row.
    pub(super) fn signs(&self, row: usize) -> Vec<char> {
        self.cells[row].iter().map(|cell| cell.sign()).collect()
    }
}
