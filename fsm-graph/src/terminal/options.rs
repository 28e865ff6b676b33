//! What a terminal can display: width, colours, characters.

use std::io::IsTerminal as _;

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether to use ANSI colours.
    pub colour: bool,
    /// Whether to use ASCII characters only, for everything but names.
    pub ascii: bool,
    /// The number of columns. Longer lines are cut. Rails that would take more than half of the columns are left out.
    pub width: usize,
}

impl Default for Options {
    /// No colours, Unicode, 100 columns. The result is the same on every computer, as logs and checked-in files need it.
    fn default() -> Self {
        Self { colour: false, ascii: false, width: 100 }
    }
}

impl Options {
    /// What standard output can show:
    ///
    /// - colours, if it is a terminal, `NO_COLOR` is not set and `TERM` is not `dumb`;
    /// - ASCII, if the locale (`LC_ALL`, `LC_CTYPE`, `LANG`) is set and is not UTF-8;
    /// - as many columns as `COLUMNS` says, or 100.
    #[must_use]
    pub fn from_env() -> Self {
        Self::of(std::io::stdout().is_terminal(), |name| std::env::var(name).ok())
    }

    fn of(terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let dumb = variable("TERM").is_some_and(|term| term == "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
        let width = variable("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
        Self {
            colour: terminal && !dumb && variable("NO_COLOR").is_none(),
            ascii: locale.is_some_and(|locale| !locale.to_lowercase().replace('-', "").contains("utf8")),
            width: width.unwrap_or(Self::default().width),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    fn of(terminal: bool, variables: &[(&str, &str)]) -> Options {
        Options::of(terminal, |name| variables.iter().find(|it| it.0 == name).map(|it| it.1.to_owned()))
    }

    #[test]
    fn colours_are_for_terminals_that_did_not_ask_for_none() {
        assert!(of(true, &[]).colour && of(true, &[("NO_COLOR", "")]).colour);
        assert!(
            !of(false, &[]).colour && !of(true, &[("NO_COLOR", "1")]).colour && !of(true, &[("TERM", "dumb")]).colour
        );
    }

    #[test]
    fn the_locale_decides_on_ascii_and_the_first_that_is_set_counts() {
        assert!(!of(true, &[]).ascii && !of(true, &[("LANG", "en_GB.UTF-8")]).ascii);
        assert!(of(true, &[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]).ascii);
        assert!(!of(true, &[("LC_CTYPE", "C.utf8"), ("LANG", "POSIX")]).ascii);
    }

    #[test]
    fn columns_that_are_no_number_are_not_believed() {
        assert_eq!(of(true, &[("COLUMNS", "72")]).width, 72);
        for columns in ["", "0", "-3", "wide"] {
            assert_eq!(of(true, &[("COLUMNS", columns)]).width, 100, "{columns}");
        }
    }
}
