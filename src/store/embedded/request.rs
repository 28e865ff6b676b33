//! What is asked of the thread that commits. Invariant: each request is answered once, when what it asks for is durable or was refused.

use tokio::sync::oneshot;

use crate::store::{RecordId, StoreError, Version};

/// A write, and who is told.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: RecordId,
    pub(super) expected: String,
    pub(super) change: Change,
    pub(super) reply: oneshot::Sender<Result<Version, StoreError>>,
}

#[derive(Debug)]
pub(super) enum Change {
    Write(Vec<u8>),
    Remove,
}
