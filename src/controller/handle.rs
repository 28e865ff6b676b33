//! What reaches into a running controller from outside. Invariant: a handle only asks; the loop decides.

use tokio::sync::{mpsc, oneshot};

use crate::ResourceId;

/// Wakes and deletes resources of a running controller. It is the same for all machines, so one machine can wake another's resources.
#[derive(Debug, Clone)]
pub struct Handle(mpsc::UnboundedSender<Command>);

/// Why a resource is not deleted by its id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteError {
    /// The controller knows no such resource.
    #[error("{0} is not known to this controller; look at `fsm list` for the resources that have a record")]
    Unknown(ResourceId),
    /// Its document is there, and would make it again.
    #[error("{id} is wanted by {file}; remove its document from there, and it is deleted")]
    Wanted {
        /// The resource.
        id: ResourceId,
        /// The file that has the document.
        file: String,
    },
    /// The controller has ended.
    #[error("the controller has ended; start it again, then delete the resource")]
    Ended,
}

/// What a handle asks for.
#[derive(Debug)]
pub(super) enum Command {
    Wake(ResourceId),
    WakeAll,
    Delete(ResourceId, oneshot::Sender<Result<(), DeleteError>>),
    Settle(oneshot::Sender<()>),
}

impl Handle {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Runs a pass for the resource as soon as there is room. Without a controller, or for a resource that it does not know, nothing happens.
    pub fn wake(&self, id: &ResourceId) {
        self.ask(Command::Wake(id.clone()));
    }

    /// Runs a pass for every resource as soon as there is room.
    pub fn wake_all(&self) {
        self.ask(Command::WakeAll);
    }

    /// Deletes the resource: everything it made is undone, across restarts. A stream that tells of it again makes it again afterwards.
    ///
    /// # Errors
    /// [`DeleteError`], with the remedy in its text.
    pub async fn delete(&self, id: &ResourceId) -> Result<(), DeleteError> {
        let (sender, answer) = oneshot::channel();
        self.ask(Command::Delete(id.clone(), sender));
        answer.await.unwrap_or(Err(DeleteError::Ended))
    }

    /// Reads the source once more, and returns when no pass is under way and none is due. A resource that waits for a time is not waited for.
    /// For tests, and for programs that end when there is nothing to do: `controller.run_until(async move { handle.settled().await })`.
    pub async fn settled(&self) {
        let (sender, answer) = oneshot::channel();
        self.ask(Command::Settle(sender));
        // A controller that has ended has nothing to do.
        drop(answer.await);
    }

    fn ask(&self, command: Command) {
        // A controller that has ended takes no commands.
        drop(self.0.send(command));
    }
}
