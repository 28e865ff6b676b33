//! Text for terminals and logs: one state a line, the same spine and rails.

use crate::edges::{self, Edge, Way};
use crate::layout;
use crate::model::{Graph, Rest};
use crate::overlay::{Overlay, Standing};
use crate::text;

/// What the terminal can show. Whether `NO_COLOR` is set is for the caller to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether to use ANSI colours.
    pub colour: bool,
    /// Whether to use ASCII characters only, for everything but names.
    pub ascii: bool,
    /// The number of columns. Longer lines are cut; rails that leave no room for the names are left out.
    pub width: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { colour: false, ascii: false, width: 100 }
    }
}

/// The graph as text.
#[must_use]
pub fn write(graph: &Graph<'_>, overlay: Option<&Overlay<'_>>, options: &Options) -> String {
    let mut sheet = Sheet::new(graph, overlay);
    sheet.rails(graph, options.width);
    let mut out = String::new();
    if let Some(overlay) = overlay {
        for line in overlay.lines(&layout::name(graph, overlay.here)) {
            for line in wrap(&plain(&line, options), options.width) {
                out.push_str(&line);
                out.push('\n');
            }
        }
        out.push('\n');
    }
    let body = sheet.rows.iter().map(|row| text::columns(&row.text)).max().unwrap_or(0);
    let edges = sheet.left + sheet.right + 2;
    let body = body.min(options.width.saturating_sub(edges).max(12));
    for row in &sheet.rows {
        let left: String = row.left.iter().collect();
        let right: String = row.right.iter().collect();
        let text = cut(&plain(&row.text, options), body);
        let pad = body.saturating_sub(text::columns(&text));
        // A rail's branch begins, or its head stands, beside the text.
        let right = match row.right.split_first() {
            Some(('◂', rest)) => format!(" ◂{}{}", "─".repeat(pad), rest.iter().collect::<String>()),
            Some(('─', _)) => format!(" {}{right}", "─".repeat(pad)),
            _ => format!("{}{right}", " ".repeat(pad + 1)),
        };
        let line = format!("{}{}{}", plain(&left, options), paint(&text, row, options), plain(&right, options));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    if edges::undoes(graph) {
        let note = plain("⟲ runs on deletion, from any state, in reverse order", options);
        out.push_str(&format!("\n{}\n", cut(&note, options.width)));
    }
    out
}

/// One line of text and the rails beside it.
struct Row {
    text: String,
    state: Option<usize>,
    standing: Option<Standing>,
    failed: bool,
    left: Vec<char>,
    right: Vec<char>,
}

struct Sheet {
    rows: Vec<Row>,
    edges: Vec<Edge>,
    /// The row of each state.
    at: Vec<usize>,
    /// The edges drawn between neighbouring rows.
    beside: Vec<bool>,
    left: usize,
    right: usize,
}

impl Sheet {
    fn new(graph: &Graph<'_>, overlay: Option<&Overlay<'_>>) -> Self {
        let edges = edges::edges(graph);
        let order = order(graph, &edges);
        let mut sheet =
            Self { rows: vec![], at: vec![0; order.len()], beside: vec![false; edges.len()], edges, left: 0, right: 0 };
        for (place, &state) in order.iter().enumerate() {
            let model = &graph.states[state];
            let standing = overlay.map(|overlay| overlay.standing(state));
            let mark = match overlay {
                Some(overlay) => overlay.mark(state),
                None if model.failed => '✘',
                None if model.rest == Rest::Terminal => '◎',
                None if model.rest == Rest::Resting => '●',
                None => '○',
            };
            sheet.at[state] = sheet.rows.len();
            let mut name = format!("{mark} {}", layout::name(graph, state));
            if let Some(overlay) = overlay.filter(|overlay| overlay.here == state)
                && let Some(since) = overlay.since
            {
                name.push_str(&format!("  {}", crate::overlay::span(since)));
            }
            sheet.push(name, Some(state), standing, model.failed);
            for index in 0..sheet.edges.len() {
                let edge = sheet.edges[index];
                let next = order.get(place + 1) == Some(&edge.to);
                if edge.from != state || edge.way == Way::Failure {
                    continue;
                }
                sheet.beside[index] = next && edge.way == Way::Forward;
                let (name, note) = edges::caption(graph, edge.transition);
                let bar = if overlay.is_some_and(|overlay| overlay.walked(edge.from, edge.to)) { '┃' } else { '│' };
                let text = match edge.way {
                    Way::Loop => format!("↺   {name}  {note}"),
                    _ if sheet.beside[index] => format!("{bar}   {name}  {note}"),
                    _ => format!("└→  {name}  {note} → {}", layout::name(graph, edge.to)),
                };
                sheet.push(text, None, None, false);
            }
        }
        sheet
    }

    fn push(&mut self, text: String, state: Option<usize>, standing: Option<Standing>, failed: bool) {
        self.rows.push(Row { text, state, standing, failed, left: vec![], right: vec![] });
    }

    /// Draws the edges between rows that are no neighbours at the left, and those to failed states at the right.
    fn rails(&mut self, graph: &Graph<'_>, width: usize) {
        let mut left = vec![];
        let mut right: Vec<(Vec<usize>, usize)> = vec![];
        for (index, edge) in self.edges.iter().enumerate() {
            let ends = (self.at[edge.from], self.at[edge.to]);
            match edge.way {
                Way::Forward | Way::Back if !self.beside[index] => left.push((ends, edge.way == Way::Back)),
                Way::Failure => match right.iter_mut().find(|(_, to)| *to == ends.1) {
                    Some((from, _)) => from.push(ends.0),
                    None => right.push((vec![ends.0], ends.1)),
                },
                _ => {}
            }
        }
        left.sort_by_key(|((from, to), _)| (from.abs_diff(*to), *from));
        let mut lanes: Vec<Vec<(usize, usize)>> = vec![];
        let mut drawn = vec![];
        for ((from, to), back) in left {
            let (low, high) = (from.min(to), from.max(to));
            let lane = lanes.iter().position(|lane| lane.iter().all(|&(l, h)| h < low || high < l));
            let lane = lane.unwrap_or(lanes.len());
            if lane == lanes.len() {
                lanes.push(vec![]);
            }
            lanes[lane].push((low, high));
            drawn.push((from, to, back, lane));
        }
        // Every edge is also written out, so a rail that leaves no room is no loss.
        let mut count = lanes.len();
        if 2 * (count + right.len()) + 4 > width / 2 {
            count = 0;
            drawn.clear();
        }
        if 2 * right.len() + 4 > width / 2 {
            for (sources, to) in right.drain(..) {
                let name = graph.states.iter().enumerate().find(|(s, _)| self.at[*s] == to).map_or("", |(_, s)| s.name);
                for source in sources {
                    self.rows[source].text.push_str(&format!("  ✘ {}", text::line(name, 48)));
                }
            }
        }
        self.left = if count == 0 { 0 } else { 2 * count + 1 };
        self.right = if right.is_empty() { 0 } else { 2 * right.len() + 2 };
        for row in &mut self.rows {
            row.left = vec![' '; self.left];
            row.right = vec![' '; self.right];
        }
        for (from, to, back, lane) in drawn {
            let x = 2 * (count - 1 - lane);
            self.rail(from, to, back, x);
        }
        for (index, (sources, to)) in right.into_iter().enumerate() {
            self.failure(&sources, to, 2 * index + 2);
        }
    }

    fn rail(&mut self, from: usize, to: usize, back: bool, x: usize) {
        let (low, high) = (from.min(to), from.max(to));
        for at in low..=high {
            let end = at == low || at == high;
            let line = if back { '┆' } else { '│' };
            let left = &mut self.rows[at].left;
            let mark = if at == low {
                '╭'
            } else if at == high {
                '╰'
            } else {
                line
            };
            left[x] = if left[x] == '─' && !end { '┼' } else { mark };
            if end {
                let last = left.len() - 1;
                for c in &mut left[x + 1..last] {
                    *c = match *c {
                        '│' | '┆' | '┼' => '┼',
                        '╭' => '┬',
                        '╰' => '┴',
                        _ => '─',
                    };
                }
                if at == to {
                    left[last] = '▸';
                } else if left[last] != '▸' {
                    left[last] = '─';
                }
            }
        }
    }

    fn failure(&mut self, sources: &[usize], to: usize, x: usize) {
        let low = sources.iter().copied().chain([to]).min().unwrap_or(to);
        let high = sources.iter().copied().chain([to]).max().unwrap_or(to);
        for at in low..=high {
            let right = &mut self.rows[at].right;
            let branch = at == to || sources.contains(&at);
            right[x] = match (branch, at == low, at == high) {
                (true, true, _) => '╮',
                (true, _, true) => '╯',
                (true, ..) => '┤',
                _ if right[x] == '─' => '┼',
                _ => '│',
            };
            if branch {
                for c in &mut right[..x] {
                    *c = match *c {
                        '│' | '┼' => '┼',
                        '┤' => '┼',
                        '╮' => '┬',
                        '╯' => '┴',
                        '◂' => '◂',
                        _ => '─',
                    };
                }
                if at == to {
                    right[0] = '◂';
                }
            }
        }
    }
}

/// The spine with the other states where their rows are.
fn order(graph: &Graph<'_>, edges: &[Edge]) -> Vec<usize> {
    let count = graph.states.len();
    let mut row = vec![0; count];
    let mut before = vec![vec![]; count];
    for edge in edges.iter().filter(|edge| !edge.closes) {
        before[edge.to].push(edge.from);
    }
    for state in edges::order(count, edges) {
        row[state] = before[state].iter().map(|&from| row[from] + 1).max().unwrap_or(0);
    }
    let spine = edges::spine(graph, edges);
    for (place, &state) in spine.iter().enumerate() {
        row[state] = place;
    }
    let mut order: Vec<usize> = (0..count).collect();
    // Failed states come last, so that their rails end below everything that leads there.
    order.sort_by_key(|&state| (graph.states[state].failed, row[state], state));
    order
}

/// `text` broken between words into lines of at most `width` columns; only a word that is longer is cut.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let line = lines
            .last_mut()
            .filter(|line| line.is_empty() || text::columns(line) + text::columns(word.trim_end()) <= width);
        match line {
            Some(line) => line.push_str(word),
            None => lines.push(format!("  {word}")),
        }
    }
    lines.iter().map(|line| cut(line.trim_end(), width)).collect()
}

/// `text` in at most `width` columns.
fn cut(text: &str, width: usize) -> String {
    if text::columns(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += text::cells(c);
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push(if text.is_ascii() { '~' } else { '…' });
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
        '✘' => 'x',
        '│' | '┃' => '|',
        '┆' => ':',
        '─' => '-',
        '╭' | '╮' | '╯' | '╰' | '┤' | '┼' | '┬' | '┴' | '└' => '+',
        '⟲' => '~',
        '↺' => '@',
        '…' => '~',
        other => other,
    };
    text.chars().map(sign).collect()
}

fn paint(text: &str, row: &Row, options: &Options) -> String {
    if !options.colour {
        return text.to_owned();
    }
    let code = match (row.state, row.standing) {
        (Some(_), Some(Standing::Here)) => "1;34",
        (Some(_), Some(Standing::Done)) => "32",
        (Some(_), _) if row.failed => "31",
        (Some(_), Some(Standing::ToCome)) | (None, _) => "2",
        (Some(_), None) => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}
