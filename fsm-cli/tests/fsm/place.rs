//! A record directory, and `fsm` on it.

use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output};

use tempfile::TempDir;

pub(crate) struct Place {
    folder: TempDir,
}

/// What a command has said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A command that goes on, and ends with this.
pub(crate) struct Watched {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watched {
    /// The next line that has this in it.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        self.lines.find_map(|line| line.ok().filter(|line| line.contains(text))).unwrap_or_else(|| panic!("no {text}"))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The record directory.
    pub(crate) fn records(&self) -> PathBuf {
        self.folder.path().join("records")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `fsm` with these words, in this place.
    pub(crate) fn fsm(&self, words: &[&str]) -> Said {
        self.fsm_with(words, &[])
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fsm"));
        command.args(words).current_dir(self.folder.path()).stdin(std::process::Stdio::null());
        command.env_remove("FSM_DIR").env_remove("FSM_GRAPH").env_remove("NO_COLOR").env("LANG", "C.UTF-8");
        command.env_remove("COLUMNS").env_remove("LC_ALL").env_remove("LC_CTYPE");
        command
    }

    pub(crate) fn fsm_with(&self, words: &[&str], environment: &[(&str, &str)]) -> Said {
        let Output { status, stdout, stderr } = self.command(words).envs(environment.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
    }

    /// Starts `fsm` with these words, in this place, and reads its output line by line.
    pub(crate) fn watched(&self, words: &[&str]) -> Watched {
        let mut command = self.command(words);
        command.stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Watched { child, lines }
    }

    /// Runs a command as it was printed.
    pub(crate) fn printed(&self, command: &str) -> Said {
        let words = shlex::split(command).unwrap_or_else(|| panic!("{command} is no shell command"));
        assert_eq!(words[0], "fsm", "{command}");
        self.fsm(&words[1..].iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// A copy of the records as they are.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        copy_folder(&self.records(), &copy.records());
        copy
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

impl Said {
    /// Asserts that all was well.
    #[track_caller]
    pub(crate) fn fine(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// Asserts that it was refused, and gives the reason.
    #[track_caller]
    pub(crate) fn refused(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self.err
    }
}

/// The commands that a text tells people to run: those between backquotes, and those on lines of their own.
pub(crate) fn commands_in(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2).map(str::trim);
    let alone = text.lines().map(str::trim);
    let all = quoted.chain(alone).filter(|command| command.starts_with("fsm ") && !command.contains('`'));
    all.map(str::to_owned).collect()
}

/// The text without what depends on now: ages, and how wide they make a column.
pub(crate) fn without_ages(text: &str) -> String {
    let is_age = |word: &str| {
        let units = ["d", "h", "m", "s"];
        word.len() > 1
            && word.chars().next().is_some_and(|c| c.is_ascii_digit())
            && word.chars().all(|c| c.is_ascii_digit() || units.contains(&c.to_string().as_str()))
            && word.chars().last().is_some_and(|c| c.is_ascii_alphabetic())
    };
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').map(|word| if is_age(word) { "AGE" } else { word }).collect();
        words.join(" ")
    };
    // How wide a column is depends on how long the ages are.
    let narrow = |line: String| {
        let mut line = line;
        while line.contains("   ") {
            line = line.replace("   ", "  ");
        }
        while line.contains("──") {
            line = line.replace("──", "─");
        }
        line
    };
    let lines: Vec<String> = text.lines().map(line).map(narrow).collect();
    lines.join("\n") + "\n"
}

/// Compares with a checked-in text; with `UPDATE_DIAGRAMS=1` writes it.
#[track_caller]
pub(crate) fn assert_golden(name: &str, text: &str) {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_DIAGRAMS").is_some_and(|value| value == "1") {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let advice = "run this test with UPDATE_DIAGRAMS=1 and check the file in";
    let found = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; {advice}"));
    assert_eq!(found.replace("\r\n", "\n"), text, "{path}: {advice}");
}
