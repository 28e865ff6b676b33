//! A controller in a process of its own. Invariant: it does not outlive whoever started it.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

use super::{DemoError, Stage};

/// A controller process.
pub(super) struct Child {
    process: tokio::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Everything that it has said.
    pub(super) said: Vec<String>,
}

impl Child {
    pub(super) fn start(stage: &Stage, more: &[&str]) -> Result<Self, DemoError> {
        let urls = stage.world.urls();
        let directory = stage.directory.path();
        let mut process = Command::new(std::env::current_exe()?)
            .arg("controller")
            .args(["--matrix", &urls.matrix, "--higress", &urls.higress, "--docker", &urls.docker, "--s3", &urls.s3])
            .arg("--records")
            .arg(directory.join("records"))
            .arg("--vault")
            .arg(directory.join("vault"))
            .args(["--worker", &serde_json::to_string(&stage.worker)?])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let out = process.stdout.take().ok_or_else(|| DemoError::Controller("has no output".to_owned()))?;
        Ok(Self { process, lines: BufReader::new(out).lines(), said: Vec::new() })
    }

    /// Waits for a line that begins like this.
    pub(super) async fn until(&mut self, beginning: &str) -> Result<String, DemoError> {
        while let Some(line) = self.lines.next_line().await? {
            self.said.push(line.clone());
            if line.starts_with(beginning) {
                return Ok(line);
            }
        }
        let last = self.said.last().cloned().unwrap_or_default();
        Err(DemoError::Controller(format!("ended before `{beginning}`, after `{last}`")))
    }

    /// Kills it with SIGKILL and waits until it is dead.
    pub(super) async fn kill(mut self) -> Result<(), DemoError> {
        Ok(self.process.kill().await?)
    }
}
