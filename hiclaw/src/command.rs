//! The command line. Invariant: whatever can be run from it is run from here, by the program and by tests that need it as a process.
//!
//! An async body is compiled where it is awaited. This one is awaited here, so that it is compiled once and not in each program.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::controller::Controller;
use crate::demo::Demo;

/// HiClaw's Worker, Team and Human as durable machines. Without a command, shows a controller that is killed half-way, and what is left.
#[derive(Debug, Parser)]
#[command(name = "hiclaw")]
pub struct Arguments {
    /// What to show.
    #[command(flatten)]
    pub demo: Demo,
    /// What to be instead.
    #[command(subcommand)]
    pub role: Option<Role>,
}

/// What a process can be beside the demonstration.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Reconciles one worker; what the demonstration runs as a process of its own, and kills.
    #[command(hide = true)]
    Controller(Box<Controller>),
    /// Reconciles the workers, teams and humans of a directory, with Docker. Ends with 0 when it has drained; with `--once` also with
    /// 4 if something is blocked, and 5 if something is held. It ends with 2 if it cannot begin, and with 3 if another controller is at work.
    #[cfg(feature = "embedded")]
    Embedded(Box<crate::embedded::Embedded>),
    /// Asks for something beside an embedded controller, or without one. Ends with 1 if that is refused.
    #[cfg(feature = "embedded")]
    #[command(flatten)]
    Verb(crate::embedded::Verb),
    /// Reconciles the workers, teams and humans of a Kubernetes cluster.
    #[cfg(feature = "cluster")]
    InCluster(Box<crate::cluster::ClusterController>),
}

type Failure = Box<dyn std::error::Error>;

impl Arguments {
    /// Runs it to its end, on a runtime of its own: success, failure, or an error that is told on standard error.
    #[tokio::main]
    pub async fn run(self) -> ExitCode {
        let result: Result<u8, Failure> = match self.role {
            Some(Role::Controller(controller)) => controller.run().await.map(|()| 0).map_err(Into::into),
            #[cfg(feature = "embedded")]
            Some(Role::Embedded(embedded)) => ended(embedded.run().await),
            #[cfg(feature = "embedded")]
            Some(Role::Verb(verb)) => obeyed(verb.run().await),
            #[cfg(feature = "cluster")]
            Some(Role::InCluster(controller)) => controller.run().await.map(|()| 0).map_err(Into::into),
            None => self.demo.run().await.map(|is_well| u8::from(!is_well)).map_err(Into::into),
        };
        match result {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::from(2)
            }
        }
    }
}

#[cfg(feature = "embedded")]
fn ended(end: Result<crate::embedded::End, crate::embedded::EmbeddedError>) -> Result<u8, Failure> {
    use crate::embedded::{EmbeddedError, End};
    match end {
        Ok(End::Well) => Ok(0),
        Ok(End::Blocked) => Ok(4),
        Ok(End::Held) => Ok(5),
        Err(error @ EmbeddedError::Locked(_)) => {
            eprintln!("error: {error}");
            Ok(3)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(feature = "embedded")]
fn obeyed(end: Result<(), crate::embedded::VerbError>) -> Result<u8, Failure> {
    use crate::embedded::VerbError;
    match end {
        Ok(()) => Ok(0),
        Err(error @ (VerbError::Refused(_) | VerbError::Unknown(_))) => {
            eprintln!("error: {error}");
            Ok(1)
        }
        Err(error) => Err(error.into()),
    }
}
