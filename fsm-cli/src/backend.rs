//! Where records are, and how they are changed there.
//!
//! Invariant: reading changes nothing. A change is either made while no controller runs, or asked of the controller that does.

use async_trait::async_trait;
use durable_fsm::Store;

use crate::change::Change;
use crate::error::Error;
use crate::kept::Kept;

/// Where records are read from, and changed.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// The command that works here, such as `fsm --dir records`.
    fn command(&self) -> String;

    /// What to call this place in messages.
    fn name(&self) -> &'static str;

    /// The namespace of a resource that is given by its name alone.
    fn home(&self) -> Option<&str> {
        None
    }

    /// Whether a running controller carries out what is asked for.
    fn is_live(&self) -> bool {
        false
    }

    /// What is kept here: records, graphs and resources.
    async fn all(&self) -> Result<Vec<Kept>, Error>;

    /// For reading what may change meanwhile.
    fn reader(&self) -> Box<dyn Store>;

    /// Changes these records. For each of them, what became of it, or why nothing did.
    async fn carry_out(&self, changes: &[Change<'_>]) -> Result<Vec<Result<String, String>>, Error>;
}
