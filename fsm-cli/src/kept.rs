//! What is kept of a resource, wherever that is.
//!
//! Invariant: the record's bytes are as they stand. Nothing here judges them.

use durable_fsm::{Phase, RecordId};

/// A record, a graph, or the copy of a resource.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) id: RecordId,
    /// None for a resource that has no record.
    pub(crate) bytes: Option<Vec<u8>>,
    /// The uid that the resource has now, where that is known.
    pub(crate) uid: Option<String>,
    /// What its controller has published about it.
    pub(crate) published: Option<Published>,
}

impl Kept {
    pub(crate) fn new(id: RecordId, bytes: Vec<u8>) -> Self {
        Self { id, bytes: Some(bytes), uid: None, published: None }
    }
}

/// How its controller sees a resource.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    /// The sequence number of the record that it is about.
    pub(crate) seq: Option<u64>,
    pub(crate) phase: Phase,
    /// As in records: `in-doubt`.
    pub(crate) reason: String,
    pub(crate) message: String,
}
