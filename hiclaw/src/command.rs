//! The command line. Invariant: whatever can be run from it is run from here, by the program and by tests that need it as a process.
//!
//! An async body is compiled where it is awaited. This one is awaited here, so that it is compiled once and not in each program.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::controller::Controller;
use crate::demo::Demo;

/// HiClaw's Worker, provisioned by a controller that is killed half-way. Starts the servers, kills controllers, and shows what is left.
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
    Controller(Box<Controller>),
    /// Reconciles all workers of a Kubernetes cluster.
    #[cfg(feature = "cluster")]
    InCluster(Box<crate::cluster::ClusterController>),
}

impl Arguments {
    /// Runs it to its end, on a runtime of its own: success, failure, or an error that is told on standard error.
    #[tokio::main]
    pub async fn run(self) -> ExitCode {
        let result: Result<bool, Box<dyn std::error::Error>> = match self.role {
            Some(Role::Controller(controller)) => controller.run().await.map(|()| true).map_err(Into::into),
            #[cfg(feature = "cluster")]
            Some(Role::InCluster(controller)) => controller.run().await.map(|()| true).map_err(Into::into),
            None => self.demo.run().await.map_err(Into::into),
        };
        match result {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::from(2)
            }
        }
    }
}
