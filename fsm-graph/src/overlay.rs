//! The position of one resource, drawn over the picture of its machine.

use std::time::Duration;

use crate::edges::Edge;
use crate::model::{Graph, Undo};
use crate::text;

/// How many characters of an error or a reason are shown.
const REASON: usize = 600;

/// The position of one resource in its machine.
///
/// It has durations instead of times, so the same overlay always gives the same bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay<'a> {
    /// The resource, such as `tenant/acme`.
    pub resource: &'a str,
    /// The state it is in, an index into [`Graph::states`](crate::Graph::states).
    pub here: usize,
    /// The states that it has passed. The current state may be among them.
    pub done: &'a [usize],
    /// The edges that it is known to have taken.
    pub walked: &'a [Step],
    /// How long it has been in this state.
    pub since: Option<Duration>,
    /// The number of the running or last attempt, from 1; 0 when there was none.
    pub attempt: u32,
    /// The error of the last attempt, if it failed.
    pub last_error: Option<&'a str>,
    /// How long until the next attempt.
    pub next_retry: Option<Duration>,
    /// The transition whose effect is under way, or, on the way back, whose undo is: an index into
    /// [`Graph::transitions`](crate::Graph::transitions).
    pub under_way: Option<usize>,
    /// Whether the outcome of that is in doubt.
    pub in_doubt: bool,
    /// Whether an operator has paused it.
    pub paused: bool,
    /// Whether it is undoing what it made.
    pub undoing: bool,
    /// Why it does not go on, if it is held or blocked.
    pub stopped: Option<Stopped<'a>>,
    /// The transitions that are undone already.
    pub undone: &'a [usize],
    /// The transitions that are still to be undone, the next one first. A transition that made several things is listed once for each.
    pub pending_undo: &'a [usize],
    /// The transitions of which something was there before the record.
    pub imported: &'a [usize],
    /// The transitions of which something is gone, and is made again.
    pub lost: &'a [usize],
}

/// One edge: a transition, and the state it led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// An index into [`Graph::transitions`](crate::Graph::transitions).
    pub transition: usize,
    /// An index into [`Graph::states`](crate::Graph::states).
    pub to: usize,
}

/// Why a resource does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped<'a> {
    /// It is held for this reason: it needs a person.
    Held(&'a str),
    /// It is blocked for this reason: it goes on by itself when something changes.
    Blocked(&'a str),
}

/// How a state stands to the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Done,
    Here,
    /// It was passed, and what led there is undone.
    Undone,
    ToCome,
}

/// How a transition stands to a resource on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Back {
    Undone,
    UnderWay,
    Pending,
}

impl Overlay<'_> {
    pub(crate) fn standing(&self, state: usize) -> Standing {
        if state == self.here {
            return Standing::Here;
        }
        if !self.done.contains(&state) {
            return Standing::ToCome;
        }
        let led = |back| self.walked.iter().any(|step| step.to == state && self.back(step.transition) == Some(back));
        if led(Back::Undone) && !led(Back::Pending) && !led(Back::UnderWay) { Standing::Undone } else { Standing::Done }
    }

    /// The mark that says the same without colour.
    pub(crate) fn mark(&self, state: usize) -> char {
        match self.standing(state) {
            Standing::Done => '✔',
            Standing::Here if self.stopped.is_some() || self.paused => '■',
            Standing::Here if self.undoing => '◀',
            Standing::Here => '▶',
            Standing::Undone => '⟲',
            Standing::ToCome => '○',
        }
    }

    /// What has become of a transition on the way back; nothing while the resource goes forward.
    pub(crate) fn back(&self, transition: usize) -> Option<Back> {
        match () {
            () if !self.undoing => None,
            () if self.under_way == Some(transition) => Some(Back::UnderWay),
            () if self.pending_undo.contains(&transition) => Some(Back::Pending),
            () if self.undone.contains(&transition) => Some(Back::Undone),
            () => None,
        }
    }

    /// Whether the resource came along this edge.
    pub(crate) fn came_along(&self, edge: &Edge) -> bool {
        let is_it = |step: &Step| step.transition == edge.transition && step.to == edge.to;
        // Of several edges of one transition, it is one that leaves a state which was passed.
        self.walked.iter().any(is_it) && (!edge.shared || edge.from == edge.to || self.done.contains(&edge.from))
    }

    /// The lines above the picture, the most important one first. Reasons are never shortened, because they end with the remedy.
    pub(crate) fn lines(&self, graph: &Graph<'_>) -> Vec<String> {
        let here = text::line(&graph.state_name(self.here), 40);
        let mut head = vec![text::line(self.resource, 60)];
        let mut say = |when: bool, what: &str| head.extend(when.then(|| what.to_owned()));
        say(self.undoing, "undoing");
        say(self.paused, "paused");
        say(matches!(self.stopped, Some(Stopped::Held(_))), "held");
        say(matches!(self.stopped, Some(Stopped::Blocked(_))), "blocked");
        head.push(match self.since {
            Some(since) => format!("{here} for {}", span(since)),
            None => here,
        });
        if self.attempt > 0 {
            head.push(format!("attempt {}", self.attempt));
        }
        if self.in_doubt {
            head.push("outcome in doubt".to_owned());
        }
        match self.next_retry {
            Some(Duration::ZERO) => head.push("retry due".to_owned()),
            Some(wait) => head.push(format!("next retry in {}", span(wait))),
            None => {}
        }
        head.retain(|part| !part.is_empty());
        let mut lines = vec![head.join("  ")];
        match self.stopped {
            Some(Stopped::Held(why)) => lines.push(format!("held, needs a person: {}", text::line(why, REASON))),
            Some(Stopped::Blocked(why)) => lines.push(format!("blocked: {}", text::line(why, REASON))),
            None => {}
        }
        if let Some(error) = self.last_error {
            lines.push(format!("last error: {}", text::line(error, REASON)));
        }
        if self.undoing {
            let undo = |transition: &usize| match graph.transitions.get(*transition)?.contract()?.undo {
                Undo::Method(method) => Some(text::line(method, 48)),
                Undo::Retain | Undo::None => None,
            };
            for (what, transitions) in [("still to undo", self.pending_undo), ("undone", self.undone)] {
                let names: Vec<String> = transitions.iter().filter_map(undo).collect();
                if !names.is_empty() {
                    lines.push(format!("{what}: {}", counted(&names).join(", ")));
                }
            }
        }
        lines
    }
}

/// Equal neighbours once, with their number.
fn counted(names: &[String]) -> Vec<String> {
    let runs = names.chunk_by(|a, b| a == b);
    runs.map(|run| if run.len() > 1 { format!("{} × {}", run.len(), run[0]) } else { run[0].clone() }).collect()
}

/// A duration as people write it, its two largest units only.
pub(crate) fn span(duration: Duration) -> String {
    let s = duration.as_secs();
    let two = |large: u64, one: &str, small: u64, other: &str| match small {
        0 => format!("{large}{one}"),
        _ => format!("{large}{one}{small}{other}"),
    };
    match s {
        0 if duration.subsec_millis() > 0 => format!("{}ms", duration.subsec_millis()),
        0..60 => format!("{s}s"),
        60..3600 => two(s / 60, "m", s % 60, "s"),
        3600..86400 => two(s / 3600, "h", s / 60 % 60, "m"),
        _ => two(s / 86400, "d", s / 3600 % 24, "h"),
    }
}
