//! A controller with the page: run it in a directory with `tenants/`, and open <http://127.0.0.1:8081/>.

use durable_fsm::controller::{Controller, Directory};
use durable_fsm::store::FileStore;
use durable_fsm::{Classify, Fsm, Resource, ResourceId, Undone};
use durable_fsm_admin::Admin;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Tenant {
    name: String,
    uid: String,
}

impl Resource for Tenant {
    type Spec = ();
    fn id(&self) -> ResourceId {
        ResourceId::new("", &self.name)
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn spec(&self) -> &() {
        &()
    }
}

/// A tenant has an account.
#[derive(Fsm)]
#[fsm(name = "example.io/tenant", version = 1, resource = Tenant)]
enum TenantFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(open_account -> Ready, in_doubt = repeat, undo = close_account)]
    Requested,
    /// The machine rests here.
    #[fsm(resting)]
    Ready { account: String },
}

struct Cloud;

#[derive(Debug, thiserror::Error)]
#[error("the cloud failed")]
struct CloudError;

impl Classify for CloudError {}

impl TenantTransitions for Cloud {
    type Error = CloudError;
    async fn open_account(&self, from: Requested, attempt: &TenantAttempt) -> Result<Ready, CloudError> {
        Ok(from.ready(attempt.key().to_owned()))
    }
    async fn close_account(&self, _: &Ready, _: &TenantAttempt) -> Result<Undone, CloudError> {
        Ok(Undone::Done)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runner = TenantRunner::new(Cloud, FileStore::open("records")?);
    let controller = Controller::watch(runner, Directory::new("tenants"));
    // ANCHOR: page
    let page = Admin::of(controller.window()).bind("127.0.0.1:8081".parse()?).await?;
    tokio::select! {
        ended = controller.run() => ended?,
        failed = page.serve() => failed?,
    }
    // ANCHOR_END: page
    Ok(())
}
