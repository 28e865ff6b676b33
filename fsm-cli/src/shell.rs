//! Commands as a shell takes them.
//!
//! Invariant: a command that is printed can be typed as it stands.

/// Whether the command is called as a plugin of `kubectl`.
pub(crate) fn is_plugin() -> bool {
    let called = std::env::args_os().next();
    let name = called.as_deref().map(std::path::Path::new).and_then(|path| path.file_stem());
    name.is_some_and(|name| name == "kubectl-fsm")
}

/// This command, as it was given.
pub(crate) fn this_command() -> String {
    let words = std::env::args().skip(1).map(|word| quoted(&word));
    let command = if is_plugin() { "kubectl fsm" } else { "fsm" };
    std::iter::once(command.to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// A word of a shell command, quoted where need be.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        for word in ["a", "a b", "", "it's", "$HOME", "a\"b", "--fact=x", "ns/name", "*", "a\\b", "ü"] {
            assert_eq!(shlex::split(&quoted(word)).unwrap(), [word], "{word}");
        }
    }
}
