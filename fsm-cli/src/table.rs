//! `fsm list`: prints a table of resources.

use std::io::Write as _;

use durable_fsm::explain::span;

use crate::args::{List, Sort};
use crate::code::FINE;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::row::Row;
use crate::text::{Paint, cut, plain};

const HEADS: [&str; 7] = ["MACHINE", "RESOURCE", "STATE", "PHASE", "SINCE", "ATTEMPT", "REASON"];

/// Which column is the phase, and in its colour.
const PHASE: usize = 3;

pub(crate) fn list(fleet: &Fleet, list: &List, json: bool, paint: Paint) -> Result<u8, Error> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", told(fleet, list)?)?;
        return Ok(FINE);
    }
    for line in lines(&rows(fleet, list)?, paint) {
        writeln!(out, "{line}")?;
    }
    Ok(FINE)
}

/// The table as JSON. The same resources make the same text, at any time.
pub(crate) fn told(fleet: &Fleet, list: &List) -> Result<String, Error> {
    let rows = rows(fleet, list)?;
    let told: Vec<_> = rows.iter().map(|row| row.told()).collect();
    Ok(serde_json::to_string_pretty(&told).map_err(std::io::Error::from)?)
}

fn rows<'f>(fleet: &'f Fleet, list: &List) -> Result<Vec<&'f Row>, Error> {
    let mut rows = list.select.of(fleet)?;
    sort(&mut rows, list.sort);
    if list.reverse {
        rows.reverse();
    }
    Ok(rows)
}

fn sort(rows: &mut [&Row], by: Sort) {
    // The order by name stays among equals.
    match by {
        Sort::Name => {}
        Sort::State => rows.sort_by_key(|row| {
            let index = row.state().and_then(|state| row.graph?.state(state)).map_or(usize::MAX, |(index, _)| index);
            (row.id.machine.clone(), index, row.state().map(str::to_owned))
        }),
        Sort::Phase => rows.sort_by(|a, b| b.phase.cmp(&a.phase).then_with(|| a.reason.cmp(&b.reason))),
        Sort::Since => rows.sort_by_key(|row| std::cmp::Reverse(row.since)),
        Sort::Attempt => rows.sort_by_key(|row| std::cmp::Reverse(row.attempt)),
    }
}

/// The table, and how many there are in each phase.
pub(crate) fn lines(rows: &[&Row], paint: Paint) -> Vec<String> {
    let cells: Vec<[String; 7]> = rows.iter().map(|row| cells(row)).collect();
    let width = |column: usize| {
        let longest = cells.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
        longest.max(HEADS[column].len())
    };
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let line = |cells: [&str; 7], style: &dyn Fn(usize, String) -> String| {
        let mut left = paint.options.width;
        let mut line = String::new();
        for (column, cell) in cells.into_iter().enumerate() {
            let is_last = column + 1 == HEADS.len();
            let shown = if paint.cut { cut(cell, left) } else { cell.to_owned() };
            let padding = if is_last { 0 } else { (widths[column] + 2).saturating_sub(shown.chars().count()) };
            left = left.saturating_sub(shown.chars().count() + padding);
            line.push_str(&style(column, shown));
            line.push_str(&" ".repeat(padding));
        }
        line.trim_end().to_owned()
    };
    let mut lines = vec![line(HEADS, &|_, text| paint.bold(&text))];
    for (row, cells) in rows.iter().zip(&cells) {
        let in_colour = |column, text: String| if column == PHASE { paint.phase(row.phase, &text) } else { text };
        lines.push(line(cells.each_ref().map(String::as_str), &in_colour));
    }
    lines.push(String::new());
    lines.push(counts(rows));
    lines
}

fn cells(row: &Row) -> [String; 7] {
    let reason = match row.message.as_str() {
        "" => row.reason.clone(),
        message => format!("{}: {message}", row.reason),
    };
    let attempt = if row.attempt == 0 { "-".to_owned() } else { row.attempt.to_string() };
    let cells = [
        row.id.machine.clone(),
        row.resource().to_string(),
        row.state().unwrap_or("-").to_owned(),
        row.phase.word().to_owned(),
        row.since.map_or_else(|| "-".to_owned(), span),
        attempt,
        reason,
    ];
    cells.map(|cell| plain(&cell))
}

fn counts(rows: &[&Row]) -> String {
    let mut phases: Vec<_> = rows.iter().map(|row| row.phase).collect();
    phases.sort_unstable_by(|a, b| b.cmp(a));
    let each: Vec<String> =
        phases.chunk_by(|a, b| a == b).map(|same| format!("{} {}", same.len(), same[0].word())).collect();
    match rows.len() {
        0 => "no resources".to_owned(),
        1 => format!("1 resource: {}", each.join(", ")),
        count => format!("{count} resources: {}", each.join(", ")),
    }
}
