//! The controller: each document in `tenants/` is a tenant.

// ANCHOR: main
use durable_fsm::Outcome;
use durable_fsm::controller::{Controller, Directory};
use durable_fsm::store::FileStore;
use example_tutorial::{Provisioner, TenantRunner, folder::Folder};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all("cloud")?;
    std::fs::create_dir_all("tenants")?;
    let runner = TenantRunner::new(Provisioner(Folder("cloud".into())), FileStore::open("records")?);
    let controller = Controller::watch(runner, Directory::new("tenants"));
    let controller = controller.on_outcome(|tenant, outcome| match outcome {
        Outcome::Resting(state) | Outcome::Watching { state, .. } => println!("{tenant}: {}", state.name()),
        Outcome::Progressing { state, reason, .. } => println!("{tenant}: {}: {reason}", state.name()),
        Outcome::Undoing { reason, .. } => println!("{tenant}: deleting: {reason}"),
        Outcome::Blocked { message, .. } => println!("{tenant}: blocked: {message}"),
        Outcome::Held { message, .. } => println!("{tenant}: held: {message}"),
        Outcome::Paused => println!("{tenant}: paused"),
        Outcome::Gone => println!("{tenant}: gone"),
    });
    controller.run().await?;
    Ok(())
}
// ANCHOR_END: main
