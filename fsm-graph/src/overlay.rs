//! One resource's position, laid over the picture of its machine.

use std::time::Duration;

use crate::text;

/// Where one resource stands in its machine.
///
/// Durations rather than times, so that the same overlay always gives the same bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay<'a> {
    /// The resource, such as `tenant/acme`.
    pub resource: &'a str,
    /// The state it is in, an index into [`Graph::states`](crate::Graph::states).
    pub here: usize,
    /// The states it has left behind; the current one need not be among them.
    pub done: &'a [usize],
    /// How long it has been in this state.
    pub since: Option<Duration>,
    /// The number of the running or last attempt, from 1; 0 when there was none.
    pub attempt: u32,
    /// What the last attempt said when it failed.
    pub last_error: Option<&'a str>,
    /// How long until the next attempt.
    pub next_retry: Option<Duration>,
    /// Whether it is undoing what it made.
    pub undoing: bool,
    /// Why it stands still, if it does.
    pub stopped: Option<Stopped<'a>>,
    /// The undo methods still to be run, next one first.
    pub pending_undo: &'a [&'a str],
}

/// Why a resource stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped<'a> {
    /// It needs a person, for this reason.
    Held(&'a str),
    /// It releases itself when this is mended.
    Blocked(&'a str),
}

/// How a state stands to the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Done,
    Here,
    ToCome,
}

impl Overlay<'_> {
    pub(crate) fn standing(&self, state: usize) -> Standing {
        if state == self.here {
            Standing::Here
        } else if self.done.contains(&state) {
            Standing::Done
        } else {
            Standing::ToCome
        }
    }

    /// The mark that says the same without colour.
    pub(crate) fn mark(&self, state: usize) -> char {
        match self.standing(state) {
            Standing::Done => '✔',
            Standing::Here if self.stopped.is_some() => '■',
            Standing::Here if self.undoing => '◀',
            Standing::Here => '▶',
            Standing::ToCome => '○',
        }
    }

    /// Whether the resource came along here.
    pub(crate) fn walked(&self, from: usize, to: usize) -> bool {
        from != self.here && self.standing(from) == Standing::Done && self.standing(to) != Standing::ToCome
    }

    /// What stands above the picture, the most important line first.
    pub(crate) fn lines(&self, here: &str) -> Vec<String> {
        let mut head = vec![];
        if !self.resource.is_empty() {
            head.push(text::line(self.resource, 60));
        }
        head.push(if self.undoing { "undoing" } else { "" }.to_owned());
        head.push(
            match self.stopped {
                Some(Stopped::Held(_)) => "held",
                Some(Stopped::Blocked(_)) => "blocked",
                None => "",
            }
            .to_owned(),
        );
        head.push(match self.since {
            Some(since) => format!("{} for {}", text::line(here, 40), span(since)),
            None => text::line(here, 40),
        });
        if self.attempt > 0 {
            head.push(format!("attempt {}", self.attempt));
        }
        if let Some(wait) = self.next_retry {
            head.push(format!("next retry in {}", span(wait)));
        }
        head.retain(|part| !part.is_empty());
        let mut lines = vec![head.join("  ")];
        match self.stopped {
            Some(Stopped::Held(why)) => lines.push(format!("held, needs a person: {}", text::line(why, 80))),
            Some(Stopped::Blocked(why)) => lines.push(format!("blocked: {}", text::line(why, 80))),
            None => {}
        }
        if let Some(error) = self.last_error {
            lines.push(format!("last error: {}", text::line(error, 80)));
        }
        if self.undoing && !self.pending_undo.is_empty() {
            lines.push(format!("still to undo: {}", text::line(&self.pending_undo.join(", "), 80)));
        }
        lines
    }
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
