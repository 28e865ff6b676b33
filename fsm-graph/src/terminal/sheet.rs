//! A sheet of text lines with rails beside them.

use super::rails::Rails;
use crate::caption::{self, Caption};
use crate::edges::{self, Edge, Way};
use crate::model::{Graph, Rest};
use crate::overlay::{Overlay, Standing, span};

/// One line of text and the rails beside it.
pub(crate) struct Row {
    pub(crate) text: String,
    pub(crate) state: Option<usize>,
    /// The edges that this line draws, as indices into [`Sheet::edges`].
    pub(crate) edges: Vec<usize>,
    pub(super) standing: Option<Standing>,
    pub(super) failed: bool,
    pub(super) leaving: bool,
    pub(super) walked: bool,
    pub(crate) left: Vec<char>,
    pub(crate) right: Vec<char>,
}

/// All lines of a machine.
pub(crate) struct Sheet {
    pub(crate) rows: Vec<Row>,
    pub(crate) edges: Vec<Edge>,
    /// The row of each state.
    at: Vec<usize>,
    /// For each edge, the row that draws it.
    drawn: Vec<usize>,
    /// The edges that need a rail at the left.
    apart: Vec<usize>,
}

impl Sheet {
    pub(crate) fn new(graph: &Graph<'_>, overlay: Option<&Overlay<'_>>, width: usize) -> Self {
        let edges = edges::edges(graph);
        let order = order(graph, &edges);
        let mut sheet =
            Self { rows: vec![], at: vec![0; order.len()], drawn: vec![0; edges.len()], edges, apart: vec![] };
        let out = edges::outgoing(order.len(), &sheet.edges);
        for (place, &state) in order.iter().enumerate() {
            sheet.state(graph, overlay, state);
            let next = order.get(place + 1).copied();
            let (failing, going): (Vec<usize>, Vec<usize>) =
                out[state].iter().partition(|edge| sheet.edges[**edge].way == Way::Failure);
            let first = sheet.rows.len();
            for edge in going {
                sheet.edge(graph, overlay, edge, next);
            }
            for edge in failing {
                sheet.failure(graph, overlay, edge, first);
            }
        }
        sheet.rails(graph, width);
        sheet
    }

    /// How many columns stand beside the text.
    pub(super) fn beside(&self) -> usize {
        let (left, right) = self.rows.first().map_or((0, 0), |row| (row.left.len(), row.right.len()));
        left + right + usize::from(right > 0)
    }

    fn push(&mut self, text: String, state: Option<usize>, edges: Vec<usize>) -> &mut Row {
        for &edge in &edges {
            self.drawn[edge] = self.rows.len();
        }
        let (standing, failed, leaving, walked) = (None, false, false, false);
        self.rows.push(Row { text, state, edges, standing, failed, leaving, walked, left: vec![], right: vec![] });
        let last = self.rows.len() - 1;
        &mut self.rows[last]
    }

    fn state(&mut self, graph: &Graph<'_>, overlay: Option<&Overlay<'_>>, state: usize) {
        let model = &graph.states[state];
        let mark = match overlay {
            Some(overlay) => overlay.mark(state),
            None if model.failed => '✘',
            None if model.leaving => '◇',
            None if model.rest == Rest::Terminal => '◎',
            None if model.rest == Rest::Resting => '●',
            None => '○',
        };
        let mut name = format!("{mark} {}", graph.state_name(state));
        if let Some(overlay) = overlay.filter(|overlay| overlay.here == state)
            && let Some(since) = overlay.since
        {
            name.push_str(&format!("  {}", span(since)));
        }
        self.at[state] = self.rows.len();
        let row = self.push(name, Some(state), vec![]);
        row.standing = overlay.map(|overlay| overlay.standing(state));
        row.failed = model.failed;
        row.leaving = model.leaving;
    }

    fn edge(&mut self, graph: &Graph<'_>, overlay: Option<&Overlay<'_>>, index: usize, next: Option<usize>) {
        let edge = self.edges[index];
        let walked = overlay.is_some_and(|overlay| overlay.came_along(&edge));
        let words = words(&caption::caption(graph, overlay, &edge));
        let text = match edge.way {
            Way::Loop => format!("↺   {words}"),
            Way::Forward if next == Some(edge.to) => format!("{}   {words}", if walked { '┃' } else { '│' }),
            _ => {
                self.apart.push(index);
                format!("{}→  {words} → {}", if walked { '┗' } else { '└' }, graph.state_name(edge.to))
            }
        };
        self.push(text, None, vec![index]).walked = walked;
    }

    /// A failure is written on the line of its transition, if that has one among the rows from `first` on.
    fn failure(&mut self, graph: &Graph<'_>, overlay: Option<&Overlay<'_>>, index: usize, first: usize) {
        let edge = self.edges[index];
        let same = |row: &Row| row.edges.iter().any(|other| self.edges[*other].transition == edge.transition);
        match (first..self.rows.len()).find(|row| same(&self.rows[*row])) {
            Some(row) => {
                self.rows[row].edges.push(index);
                self.drawn[index] = row;
            }
            None => {
                let text = format!("✘   {}", words(&caption::caption(graph, overlay, &edge)));
                let walked = overlay.is_some_and(|overlay| overlay.came_along(&edge));
                self.push(text, None, vec![index]).walked = walked;
            }
        }
    }

    /// Draws the edges between rows that are no neighbours at the left, and those to failed states at the right.
    fn rails(&mut self, graph: &Graph<'_>, width: usize) {
        let lanes = self.lanes();
        let failing: Vec<usize> = (0..self.edges.len()).filter(|&edge| self.edges[edge].way == Way::Failure).collect();
        let mut targets: Vec<usize> = failing.iter().map(|&edge| self.at[self.edges[edge].to]).collect();
        targets.sort_unstable();
        targets.dedup();
        let count = lanes.iter().map(|(_, lane)| lane + 1).max().unwrap_or(0);
        let (mut left, mut right) = (2 * count, 2 * targets.len() + 1);
        // Every edge is also written out, so a rail that leaves no room is no loss.
        right *= usize::from(!targets.is_empty() && 2 * right <= width);
        left *= usize::from(2 * (left + right) <= width);
        // One failed state needs no name where its rail leads to it.
        if targets.len() > 1 || right == 0 {
            for &edge in &failing {
                let to = graph.state_name(self.edges[edge].to);
                self.rows[self.drawn[edge]].text.push_str(&format!("  ✘ {to}"));
            }
        }
        if left > 0 {
            let mut rails = Rails::new(self.rows.len(), left);
            for (index, lane) in lanes {
                let (edge, column) = (self.edges[index], 2 * (count - 1 - lane));
                let (from, to) = (self.drawn[index], self.at[edge.to]);
                rails.upright(column, from.min(to), from.max(to), edge.way == Way::Back);
                rails.branch(from, column, left - 1, None);
                rails.branch(to, column, left - 1, Some('▸'));
                let text = &mut self.rows[from].text;
                let walked = text.starts_with('┗');
                // The line goes on from the text's own corner.
                let rest = text.chars().skip(2).collect::<String>();
                *text = format!("{} {rest}", if walked { '┛' } else { '╯' });
            }
            for (at, row) in self.rows.iter_mut().enumerate() {
                row.left = rails.signs(at);
            }
        }
        if right > 0 {
            let mut rails = Rails::new(self.rows.len(), right);
            for (place, &to) in targets.iter().enumerate() {
                let sources: Vec<usize> = failing
                    .iter()
                    .filter(|&&edge| self.at[self.edges[edge].to] == to)
                    .map(|&e| self.drawn[e])
                    .collect();
                let (column, ends) = (2 * place + 2, sources.iter().copied().chain([to]));
                rails.upright(column, ends.clone().min().unwrap_or(to), ends.max().unwrap_or(to), false);
                for source in sources {
                    rails.branch(source, column, 0, None);
                }
                rails.branch(to, column, 0, Some('◂'));
            }
            for (at, row) in self.rows.iter_mut().enumerate() {
                row.right = rails.signs(at);
            }
        }
    }

    /// The edges that need a rail at the left, each with its lane; lane 0 is next to the text.
    fn lanes(&self) -> Vec<(usize, usize)> {
        let ends = |index: usize| {
            let (from, to) = (self.drawn[index], self.at[self.edges[index].to]);
            (from.min(to), from.max(to))
        };
        let mut apart = self.apart.clone();
        apart.sort_by_key(|&index| (ends(index).1 - ends(index).0, ends(index).0, index));
        let mut lanes: Vec<Vec<(usize, usize)>> = vec![];
        let mut found = vec![];
        for index in apart {
            let (low, high) = ends(index);
            let free = |lane: &Vec<(usize, usize)>| lane.iter().all(|&(l, h)| h < low || high < l);
            let lane = lanes.iter().position(free).unwrap_or_else(|| {
                lanes.push(vec![]);
                lanes.len() - 1
            });
            lanes[lane].push((low, high));
            found.push((index, lane));
        }
        found
    }
}

fn words(caption: &Caption) -> String {
    let terms = caption.terms();
    if terms.is_empty() { caption.name.clone() } else { format!("{}  {terms}", caption.name) }
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
    // Leaving states stand below the ordinary path. Failed states come last, so that their rails end below everything that leads there.
    let place = |state: usize| (graph.states[state].failed, graph.states[state].leaving, row[state], state);
    order.sort_by_key(|&state| place(state));
    order
}
