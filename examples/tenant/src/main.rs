//! Creates a database and a certificate for one tenant. `crash` kills the program half-way; `delete` undoes everything.

use durable_fsm::{Classify, Fsm, Resource, ResourceId, Undone, store::FileStore};

/// The resource: one fixed tenant.
#[derive(Clone)]
pub(crate) struct Tenant;

impl Resource for Tenant {
    type Spec = ();
    fn id(&self) -> ResourceId {
        ResourceId::new("", "acme")
    }
    fn uid(&self) -> &str {
        "5f1c"
    }
    fn spec(&self) -> &() {
        &()
    }
}

/// A tenant has a database and a certificate.
#[derive(Fsm)]
#[fsm(name = "example.io/tenant", version = 1, resource = Tenant, timeout = "2s")]
pub(crate) enum TenantFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(create_database -> DatabaseCreated, in_doubt = repeat, undo = drop_database)]
    Requested,
    /// The database exists.
    #[transition(issue_certificate -> Ready, in_doubt = repeat, undo = revoke_certificate)]
    DatabaseCreated { database: String },
    /// The certificate exists too. The machine rests here.
    #[fsm(resting)]
    Ready { certificate: String },
}

/// A provider that keeps one file for each idempotency key.
struct Provider;

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct ProviderError(#[from] std::io::Error);

/// By default an error means: the call may have taken effect.
impl Classify for ProviderError {}

fn create(kind: &str, attempt: &TenantAttempt) -> Result<String, ProviderError> {
    let file = format!("{kind}-{}", attempt.key());
    std::fs::write(&file, "")?;
    println!("created {file}");
    Ok(file)
}

fn remove(file: &str) -> Result<Undone, ProviderError> {
    if std::fs::exists(file)? {
        std::fs::remove_file(file)?;
        println!("removed {file}");
    }
    Ok(Undone::Done)
}

impl TenantTransitions for Provider {
    type Error = ProviderError;
    async fn create_database(
        &self,
        from: Requested,
        attempt: &TenantAttempt,
    ) -> Result<DatabaseCreated, ProviderError> {
        Ok(from.database_created(create("database", attempt)?))
    }
    async fn drop_database(&self, made: &DatabaseCreated, _: &TenantAttempt) -> Result<Undone, ProviderError> {
        remove(&made.database)
    }
    async fn issue_certificate(&self, from: DatabaseCreated, attempt: &TenantAttempt) -> Result<Ready, ProviderError> {
        let certificate = create("certificate", attempt)?;
        if std::env::args().any(|argument| argument == "crash") {
            std::process::abort(); // The certificate exists, and no record says so.
        }
        Ok(from.ready(certificate))
    }
    async fn revoke_certificate(&self, made: &Ready, _: &TenantAttempt) -> Result<Undone, ProviderError> {
        remove(&made.certificate)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runner = TenantRunner::new(Provider, FileStore::open("records")?);
    let is_deleted = std::env::args().any(|argument| argument == "delete");
    loop {
        let pass = if is_deleted { runner.delete(&Tenant).await? } else { runner.reconcile(&Tenant).await? };
        let Some(after) = pass.requeue_after() else { break };
        println!("next pass in {after:?}");
        tokio::time::sleep(after).await;
    }
    println!("{}", if is_deleted { "gone" } else { "ready" });
    Ok(())
}
