//! Starts the servers, kills controllers, and shows what is left: see `--help`.

use clap::{Parser, Subcommand};
use hiclaw::controller::Controller;
use hiclaw::demo::Demo;

/// HiClaw's Worker, provisioned by a controller that is killed half-way.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    demo: Demo,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// Reconciles one worker; what the demonstration runs as a process of its own, and kills.
    Controller(Controller),
    /// Reconciles all workers of a Kubernetes cluster.
    #[cfg(feature = "cluster")]
    InCluster(hiclaw::cluster::ClusterController),
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    let result: Result<bool, Box<dyn std::error::Error>> = match arguments.role {
        Some(Role::Controller(controller)) => controller.run().await.map(|()| true).map_err(Into::into),
        #[cfg(feature = "cluster")]
        Some(Role::InCluster(controller)) => controller.run().await.map(|()| true).map_err(Into::into),
        None => arguments.demo.run().await.map_err(Into::into),
    };
    match result {
        Ok(true) => {}
        Ok(false) => std::process::exit(1),
        Err(error) => {
            eprintln!("error: {error}");
            std::process::exit(2);
        }
    }
}
