//! A program that ends with this process, however this process ends.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use crate::error::StartError;

/// Runs a program and kills it when standard input ends. Only this process holds the other end of that pipe, and the kernel closes
/// it with the process, so there is no way to die that leaves the program behind. The shell is the program's parent and stops
/// looking before it has taken its status, so the number it kills is never somebody else's.
const SUPERVISOR: &str = r#"
exec 3<&0
"$@" 3<&- < /dev/null >&2 &
program=$!
{ cat <&3 > /dev/null; kill -KILL $program; } 2> /dev/null >&2 &
watcher=$!
exec 3<&-
echo $program
wait $program
status=$?
kill -KILL $watcher 2> /dev/null
exit $status
"#;

/// Removes a folder when standard input ends. The programs that write into it end at the same time, so it may take a few rounds.
const JANITOR: &str = r#"
cat > /dev/null
for round in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf "$1" 2> /dev/null && [ ! -e "$1" ] && exit 0
  sleep 0.2
done
"#;

/// One running program, and the shell that watches over it. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Program {
    name: &'static str,
    log: PathBuf,
    pid: u32,
    supervisor: Child,
}

impl Program {
    /// Starts it. What it writes is appended to the log.
    pub(crate) fn start(name: &'static str, mut command: Command, log: &Path) -> Result<Self, StartError> {
        let failed = |source| StartError::Io { what: format!("start {name}"), source };
        let file = File::options().create(true).append(true).open(log).map_err(failed)?;
        let mut shell = shell(SUPERVISOR);
        shell.arg(command.get_program()).args(command.get_args()).stdout(Stdio::piped()).stderr(file);
        if let Some(folder) = command.get_current_dir() {
            shell.current_dir(folder);
        }
        command = shell;
        let mut supervisor = command.spawn().map_err(failed)?;
        let mut line = String::new();
        let pid = match supervisor.stdout.take() {
            Some(stdout) => BufReader::new(stdout).read_line(&mut line).and_then(|_| {
                line.trim()
                    .parse()
                    .map_err(|_| io::Error::other(format!("the supervisor said {line:?} instead of a process id")))
            }),
            None => Err(io::Error::other("the supervisor has no output")),
        };
        Ok(Self { name, log: log.to_owned(), pid: pid.map_err(failed)?, supervisor })
    }

    /// The process id of the program itself.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// An error with the end of the log if the program has ended.
    pub(crate) fn check(&mut self) -> Result<(), StartError> {
        let Some(status) = self.supervisor.try_wait().map_err(StartError::io(format!("look after {}", self.name)))?
        else {
            return Ok(());
        };
        Err(StartError::Died { program: self.name, status: describe(status), log: tail(&self.log) })
    }

    /// The last lines of the log.
    pub(crate) fn log(&self) -> String {
        tail(&self.log)
    }

    /// Kills the program with SIGKILL and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        drop(self.supervisor.stdin.take());
        // It cannot fail for a child that was not waited for; if it was, it is gone.
        let _ = self.supervisor.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Holds a folder of this process; when the process ends, however it does, the folder is removed.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _janitor: ChildStdin,
}

impl Folder {
    pub(crate) fn create() -> Result<Self, StartError> {
        let path = tempfile::Builder::new()
            .prefix("kube-api-server-")
            .tempdir()
            .map_err(StartError::io("make a temporary folder"))?
            .keep();
        let janitor = shell(JANITOR)
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .and_then(|mut janitor| janitor.stdin.take().ok_or_else(|| io::Error::other("it has no input")));
        match janitor {
            Ok(janitor) => Ok(Self { path, _janitor: janitor }),
            Err(source) => {
                let _ = fs::remove_dir_all(&path);
                Err(StartError::Io { what: "start the clean-up of the temporary folder".to_owned(), source })
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A shell that has a pipe from us as input, and a process group of its own, so that Ctrl-C in a terminal reaches us alone.
fn shell(script: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(script).arg("sh").stdin(Stdio::piped()).process_group(0);
    shell
}

fn describe(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit status {code}"))
}

fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(16 * 1024)..]).into_owned();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
