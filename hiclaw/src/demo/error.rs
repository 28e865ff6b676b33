//! Why the demonstration could not be given. Invariant: it names what did not do its part.

use crate::clients::ClientError;

/// Why the demonstration could not be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A process or file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A server that was asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A worker could not be written down, or a record not be read.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A controller did not do what it is there for.
    #[error("the controller {0}")]
    Controller(String),
}
