//! Starts an API server and keeps it until Ctrl-C: `cargo run -p kube-api-server`, then use the kubeconfig that it prints.

use std::process::ExitCode;

use kube_api_server::ApiServer;

#[tokio::main]
async fn main() -> ExitCode {
    let server = match ApiServer::start().await {
        Ok(server) => server,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("KUBECONFIG={}", server.kubeconfig().display());
    if let Some(processes) = server.processes() {
        println!("API_SERVER_PID={}\nETCD_PID={}", processes.api_server, processes.etcd);
    }
    eprintln!("ready; Ctrl-C stops it and removes its data");
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("cannot wait for Ctrl-C: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
