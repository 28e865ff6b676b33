//! The rails beside the terminal's text.

use proptest::prelude::*;

use super::holds;
use crate::edges::Way;
use crate::terminal::sheet::Sheet;
use crate::terminal::{self, Options};
use crate::text;

const NORTH: u8 = 1;
const EAST: u8 = 2;
const SOUTH: u8 = 4;
const WEST: u8 = 8;

/// The directions in which a sign leads.
fn arms(sign: char) -> u8 {
    match sign {
        ' ' => 0,
        '│' | '┆' => NORTH | SOUTH,
        '─' | '▸' | '◂' => EAST | WEST,
        '╭' => SOUTH | EAST,
        '╮' => SOUTH | WEST,
        '╰' => NORTH | EAST,
        '╯' => NORTH | WEST,
        '├' => NORTH | SOUTH | EAST,
        '┤' => NORTH | SOUTH | WEST,
        '┬' => SOUTH | EAST | WEST,
        '┴' => NORTH | EAST | WEST,
        '┼' => NORTH | EAST | SOUTH | WEST,
        other => panic!("{other} is no sign of a rail"),
    }
}

type Side = Vec<Vec<char>>;

fn sides(sheet: &Sheet) -> [Side; 2] {
    [sheet.rows.iter().map(|row| row.left.clone()).collect(), sheet.rows.iter().map(|row| row.right.clone()).collect()]
}

/// The next cell that a line meets on its way in this direction: flat lines pass below upright ones.
fn next(side: &Side, (row, column): (usize, usize), arm: u8) -> Option<(usize, usize)> {
    match arm {
        NORTH => row.checked_sub(1).map(|row| (row, column)),
        SOUTH => (row + 1 < side.len()).then_some((row + 1, column)),
        _ => {
            let mut at = column;
            loop {
                at = if arm == EAST { at + 1 } else { at.checked_sub(1)? };
                if !matches!(side[row].get(at)?, '│' | '┆') {
                    return Some((row, at));
                }
            }
        }
    }
}

fn opposite(arm: u8) -> u8 {
    match arm {
        NORTH => SOUTH,
        SOUTH => NORTH,
        EAST => WEST,
        _ => EAST,
    }
}

fn on_sheets(property: impl Fn(&Sheet) -> Result<(), TestCaseError>) {
    holds(|machine, position| {
        machine.with(|graph| {
            for width in [60, 100, 400] {
                property(&Sheet::new(graph, None, width))?;
                property(&Sheet::new(graph, Some(&position.overlay()), width))?;
            }
            Ok(())
        })
    });
}

#[test]
fn every_line_of_a_rail_goes_on_in_the_next_cell() {
    on_sheets(|sheet| {
        for (index, side) in sides(sheet).iter().enumerate() {
            for (row, signs) in side.iter().enumerate() {
                for (column, &sign) in signs.iter().enumerate() {
                    for arm in [NORTH, EAST, SOUTH, WEST].into_iter().filter(|arm| arms(sign) & arm != 0) {
                        let text = if index == 0 { (EAST, signs.len() - 1) } else { (WEST, 0) };
                        // A line may end at the text, and nowhere else.
                        let ends = (arm, column) == text;
                        let meets = next(side, (row, column), arm).map(|(row, column)| arms(side[row][column]));
                        let goes_on = meets.is_some_and(|arms| arms & opposite(arm) != 0);
                        prop_assert!(ends || goes_on, "{sign} in row {row}, column {column} leads nowhere");
                    }
                }
            }
        }
        Ok(())
    });
}

/// The rows in whose text a line from the text of `row` can end.
fn reached(side: &Side, row: usize, text: (u8, usize)) -> Vec<usize> {
    let mut open = vec![((row, text.1), text.0)];
    let mut seen = vec![];
    let mut rows = vec![];
    while let Some((cell, came)) = open.pop() {
        if seen.contains(&(cell, came)) {
            continue;
        }
        seen.push((cell, came));
        let sign = side[cell.0][cell.1];
        for arm in [NORTH, EAST, SOUTH, WEST].into_iter().filter(|arm| arms(sign) & arm != 0 && *arm != came) {
            if (arm, cell.1) == text {
                rows.push(cell.0);
            } else if let Some(to) = next(side, cell, arm) {
                open.push((to, opposite(arm)));
            }
        }
    }
    rows
}

#[test]
fn every_rail_leads_from_its_edge_to_its_state() {
    on_sheets(|sheet| {
        let [left, right] = sides(sheet);
        for (row, line) in sheet.rows.iter().enumerate() {
            for &index in &line.edges {
                let edge = sheet.edges[index];
                let to = sheet.rows.iter().position(|row| row.state == Some(edge.to)).unwrap();
                if edge.way == Way::Failure && !right[row].is_empty() {
                    prop_assert!(reached(&right, row, (WEST, 0)).contains(&to), "row {row} does not lead to {to}");
                    prop_assert_eq!(right[to][0], '◂');
                }
                if line.text.starts_with(['╯', '┛']) && edge.way != Way::Failure {
                    let last = left[row].len() - 1;
                    prop_assert!(reached(&left, row, (EAST, last)).contains(&to), "row {row} does not lead to {to}");
                    prop_assert_eq!(left[to][last], '▸');
                }
            }
        }
        Ok(())
    });
}

#[test]
fn the_terminal_keeps_its_width_and_its_control_characters_to_itself() {
    holds(|machine, position| {
        machine.with(|graph| {
            for live in [None, Some(&position.overlay())] {
                for width in [1, 8, 20, 40, 60, 100] {
                    for ascii in [false, true] {
                        let screen = terminal::write(graph, live, &Options { width, ascii, colour: false });
                        prop_assert!(screen.chars().all(|c| c == '\n' || !c.is_control()));
                        let widest = screen.lines().map(text::columns).max().unwrap_or(0);
                        prop_assert!(widest <= width, "{widest} columns in {width}:\n{screen}");
                    }
                }
            }
            Ok(())
        })
    });
}
