//! The program: the controller, the definition of its kind, and a cloud to try it on.

use std::net::SocketAddr;

use clap::{Parser, Subcommand};
use example_operator::trial_cloud::TrialCloud;
use example_operator::{Controller, definition};

/// Keeps projects in a cloud as their custom resources say.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reconciles all projects until SIGTERM.
    Run(Controller),
    /// Prints the definition of the kind, for `kubectl apply -f -`.
    Definition,
    /// Plays the cloud, in memory. `GET /` lists what it has.
    TrialCloud {
        /// Where it listens.
        #[arg(long, default_value = "127.0.0.1:8090")]
        listen: SocketAddr,
    },
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match Arguments::parse().command {
        Command::Run(controller) => controller.run().await?,
        Command::Definition => print!("{}", definition()?),
        Command::TrialCloud { listen } => {
            let listener = tokio::net::TcpListener::bind(listen).await?;
            println!("the cloud is http://{}", listener.local_addr()?);
            axum::serve(listener, TrialCloud::default().router()).await?;
        }
    }
    Ok(())
}
