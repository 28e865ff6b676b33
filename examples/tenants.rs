//! A whole controller without Kubernetes. Each document in `tenants/` is a tenant. It gets an account and a database in a cloud, which is a
//! directory too. Run it in an empty directory:
//!
//! ```sh
//! mkdir tenants && echo 'name: acme' > tenants/acme.yaml
//! cargo run --manifest-path …/durable-fsm/Cargo.toml --features controller --example tenants
//! ```
//!
//! Add, edit and remove documents while it runs. Kill it at any point and start it again. `fsm --dir records list` shows the state of each
//! tenant.

use std::path::{Path, PathBuf};
use std::{fs, io};

use durable_fsm::controller::{Controller, Directory};
use durable_fsm::store::FileStore;
use durable_fsm::{Class, Classify, Fsm, Outcome, Resource, ResourceId, Undone};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Tenant {
    name: String,
    /// The controller chooses one for a document that has none.
    uid: String,
    #[serde(default)]
    region: String,
}

impl Resource for Tenant {
    type Spec = String;
    fn id(&self) -> ResourceId {
        ResourceId::new("", &self.name)
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn spec(&self) -> &String {
        &self.region
    }
}

/// Gives a tenant an account and a database.
#[derive(Fsm)]
#[fsm(name = "example.io/tenant", version = 1, resource = Tenant)]
enum TenantFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(open_account -> HasAccount, in_doubt = repeat, undo = close_account, timeout = "200ms")]
    Requested,
    /// It has an account.
    #[transition(create_database -> Ready, in_doubt = repeat, undo = drop_database, timeout = "200ms")]
    HasAccount { account: PathBuf },
    /// It has a database. Rests here.
    #[fsm(resting)]
    Ready { database: PathBuf },
}

/// A cloud that remembers what it made under which key.
struct Cloud(PathBuf);

impl Cloud {
    fn make(&self, kind: &str, attempt: &TenantAttempt) -> Result<PathBuf, CloudError> {
        let file = self.0.join(format!("{kind}-{}", attempt.key()));
        fs::write(&file, &attempt.resource().name)?;
        Ok(file)
    }

    fn remove(file: &Path) -> Result<(), CloudError> {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the cloud failed: {0}")]
struct CloudError(#[from] io::Error);

impl Classify for CloudError {
    fn classify(&self) -> Class {
        Class::Unknown
    }
}

impl TenantTransitions for Cloud {
    type Error = CloudError;
    async fn open_account(&self, from: Requested, attempt: &TenantAttempt) -> Result<HasAccount, CloudError> {
        Ok(from.has_account(self.make("account", attempt)?))
    }
    async fn close_account(&self, made: &HasAccount, _: &TenantAttempt) -> Result<Undone, CloudError> {
        Self::remove(&made.account).map(Undone::from)
    }
    async fn create_database(&self, from: HasAccount, attempt: &TenantAttempt) -> Result<Ready, CloudError> {
        Ok(from.ready(self.make("database", attempt)?))
    }
    async fn drop_database(&self, made: &Ready, _: &TenantAttempt) -> Result<Undone, CloudError> {
        Self::remove(&made.database).map(Undone::from)
    }
}

/// The controller.
///
/// # Errors
/// The records cannot be opened, or the signal handlers cannot be installed.
#[tokio::main]
pub async fn main() -> Result<(), Box<dyn std::error::Error>> {
    fs::create_dir_all("cloud")?;
    let runner = TenantRunner::new(Cloud("cloud".into()), FileStore::open("records")?);
    let controller = Controller::watch(runner, Directory::new("tenants"));
    let controller = controller.on_outcome(|tenant, outcome| match outcome {
        Outcome::Resting(state) | Outcome::Watching { state, .. } => println!("tenant {tenant} is {}", state.name()),
        Outcome::Gone => println!("tenant {tenant} is gone"),
        Outcome::Progressing { after, reason, .. } => println!("tenant {tenant} continues in {after:?}: {reason}"),
        Outcome::Undoing { reason, .. } => println!("tenant {tenant} is being deleted: {reason}"),
        Outcome::Blocked { message, .. } => println!("tenant {tenant} is blocked: {message}"),
        Outcome::Held { message, .. } => println!("tenant {tenant} is held: {message}"),
        Outcome::Paused => println!("tenant {tenant} is paused"),
    });
    controller.run().await?;
    println!("drained");
    Ok(())
}
