//! Writes a graph as text for terminals and logs: one state on each line, with the same spine and rails as in the picture.
//!
//! Invariant: every state has exactly one line. Every edge is drawn exactly once, either as a line of its own or as a branch onto the rail of a failed state.

mod options;
mod rails;
pub(crate) mod sheet;

pub use options::Options;

use crate::edges;
use crate::model::Graph;
use crate::overlay::{Overlay, Standing};
use crate::text;
use sheet::{Row, Sheet};

/// Writes the graph as text.
#[must_use]
pub fn write(graph: &Graph<'_>, overlay: Option<&Overlay<'_>>, options: &Options) -> String {
    let sheet = Sheet::new(graph, overlay, options.width);
    let mut out = String::new();
    if let Some(overlay) = overlay {
        for line in overlay.lines(graph) {
            let line = plain(&line, options);
            for (at, part) in text::wrap(&line, |part| text::columns(part) + 2 <= options.width).iter().enumerate() {
                let indent = if at == 0 { "" } else { "  " };
                out.push_str(&text::cut(&format!("{indent}{part}"), options.width));
                out.push('\n');
            }
        }
        out.push('\n');
    }
    let body = sheet.rows.iter().map(|row| text::columns(&row.text)).max().unwrap_or(0);
    let body = body.min(options.width.saturating_sub(sheet.beside()));
    for row in &sheet.rows {
        let text = text::cut(&plain(&row.text, options), body);
        let pad = body.saturating_sub(text::columns(&text));
        let left: String = row.left.iter().collect();
        // A branch begins, or its head stands, beside the text.
        let right = match row.right.split_first() {
            None => String::new(),
            Some(('◂', rest)) => format!(" ◂{}{}", "─".repeat(pad), rest.iter().collect::<String>()),
            Some((' ', _)) => format!(" {}{}", " ".repeat(pad), row.right.iter().collect::<String>()),
            Some(_) => format!(" {}{}", "─".repeat(pad), row.right.iter().collect::<String>()),
        };
        let line = format!("{}{}{}", plain(&left, options), paint(&text, row, options), plain(&right, options));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    if edges::undoes(graph) {
        let note = plain(&format!("deletion, from any state: {}", edges::deletion(graph)), options);
        out.push_str(&format!("\n{}\n", text::cut(&note, options.width)));
    }
    out
}

/// `text` with the signs of this module in ASCII, where that is wanted. Names stay as they are.
fn plain(text: &str, options: &Options) -> String {
    if !options.ascii {
        return text.to_owned();
    }
    let sign = |c| match c {
        '✔' => '+',
        '▶' => '>',
        '◀' => '<',
        '■' => '#',
        '▸' | '→' => '>',
        '◂' => '<',
        '○' => 'o',
        '●' => '*',
        '◎' => '@',
        '◇' => '%',
        '✘' => 'x',
        '│' | '┃' => '|',
        '┆' => ':',
        '─' => '-',
        '╭' | '╮' | '╯' | '╰' | '├' | '┤' | '┼' | '┬' | '┴' | '└' | '┗' | '┛' => '+',
        '⟲' => '~',
        '↺' => '@',
        '…' => '~',
        other => other,
    };
    text.chars().map(sign).collect()
}

fn paint(text: &str, row: &Row, options: &Options) -> String {
    if !options.colour || text.is_empty() {
        return text.to_owned();
    }
    let code = match (row.state, row.standing) {
        (Some(_), Some(Standing::Here)) => "1;34",
        (Some(_), Some(Standing::Done)) => "32",
        (Some(_), Some(Standing::Undone)) => "33",
        (None, _) if row.walked => "32",
        (Some(_), _) if row.failed => "31",
        (Some(_), _) if row.leaving => "33",
        (Some(_), Some(Standing::ToCome)) | (None, _) => "2",
        (Some(_), None) => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}
