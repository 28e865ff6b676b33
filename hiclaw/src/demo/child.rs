//! A controller in a process of its own. Invariant: it does not outlive the process that started it.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

use super::error::DemoError;
use super::stage::Stage;
use crate::pace::Pace;

/// A controller process.
pub(super) struct Child {
    process: tokio::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Everything that it has said.
    pub(super) said: Vec<String>,
}

impl Child {
    pub(super) fn start(stage: &Stage, more: &[&str]) -> Result<Self, DemoError> {
        let (urls, logins) = (&stage.urls, &stage.urls.logins);
        let directory = stage.directory.path();
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("controller")
            .args(["--matrix", &urls.matrix, "--higress", &urls.higress, "--docker", &urls.docker, "--s3", &urls.s3])
            .arg("--records")
            .arg(directory.join("records"))
            .arg("--vault")
            .arg(directory.join("vault"))
            .args(["--hurry", &Pace::HURRIED.times().to_string()])
            .args(["--worker", &serde_json::to_string(&stage.worker)?])
            .args(more)
            // Arguments can be read by everybody on the machine; the environment cannot.
            .env("HICLAW_HIGRESS_USER", &logins.higress_user)
            .env("HICLAW_HIGRESS_PASSWORD", &logins.higress_password)
            .env("HICLAW_S3_ACCESS_KEY", &logins.s3_access_key)
            .env("HICLAW_S3_SECRET_KEY", &logins.s3_secret_key)
            .env("HICLAW_REGISTRATION_TOKEN", &stage.office.registration_token)
            .env("HICLAW_MATRIX_ADMIN", &stage.office.matrix_admin)
            .env("HICLAW_MATRIX_ADMIN_PASSWORD", &stage.office.matrix_admin_password)
            .env("HICLAW_MANAGER", &stage.office.manager)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut process = command.spawn()?;
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

    /// Waits until it has ended by itself: until then it has the records locked, whatever it has said.
    pub(super) async fn ended(&mut self) -> Result<(), DemoError> {
        while let Some(line) = self.lines.next_line().await? {
            self.said.push(line);
        }
        let status = self.process.wait().await?;
        if status.success() { Ok(()) } else { Err(DemoError::Controller(format!("ended with {status}"))) }
    }

    /// The crossings that it has passed, in order.
    pub(super) fn crossings(&self) -> impl Iterator<Item = &str> {
        self.said.iter().filter_map(|line| line.strip_prefix("cross "))
    }

    /// Kills it with SIGKILL and waits until it is dead of that.
    pub(super) async fn kill(mut self) -> Result<(), DemoError> {
        self.process.start_kill()?;
        let status = self.process.wait().await?;
        match status.signal() {
            Some(9) => Ok(()),
            _ => Err(DemoError::Controller(format!("ended with {status} before it could be killed"))),
        }
    }
}
