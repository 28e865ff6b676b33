//! Text for terminals.
//!
//! Invariant: no control character from a record or a name reaches the terminal.

use std::io::IsTerminal as _;

use anstyle::{AnsiColor, Style};
use durable_fsm::Phase;
use durable_fsm::diagram::terminal::Options;

use crate::args::Color;

/// How to write for the terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    pub(crate) options: Options,
    /// Whether lines are cut at the terminal's width.
    pub(crate) cut: bool,
}

impl Paint {
    pub(crate) fn new(color: Color) -> Self {
        let cut = std::io::stdout().is_terminal();
        let from_env = Options::from_env();
        let colour = match color {
            Color::Auto => from_env.colour,
            Color::Always => true,
            Color::Never => false,
        };
        Self { options: Options { colour, ..from_env }, cut }
    }

    /// The text in the phase's colour.
    pub(crate) fn phase(self, phase: Phase, text: &str) -> String {
        let colour = match phase {
            Phase::Ready => AnsiColor::Green,
            Phase::Progressing | Phase::Deleting => AnsiColor::Blue,
            Phase::Blocked | Phase::Paused => AnsiColor::Yellow,
            Phase::Held => AnsiColor::Red,
        };
        self.styled(colour.on_default(), text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.styled(Style::new().bold(), text)
    }

    fn styled(self, style: Style, text: &str) -> String {
        if self.options.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// The text without control characters.
pub(crate) fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(plain).collect()
}

/// The text in so many columns, with an ellipsis where it is cut.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_reaches_a_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\nc\u{9b}d\u{202e}"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d\u{202e}");
        assert_eq!((cut("abcdef", 4), cut("abcd", 4), cut("ab cdef", 4)), ("abc…".into(), "abcd".into(), "ab…".into()));
    }
}
