//! The events of a watch.

use std::sync::Arc;

use crate::write::Write;

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// The object is new to the watch.
    Added,
    /// The object has changed.
    Modified,
    /// The object is gone, or is no longer one that the watch is about.
    Deleted,
}

impl EventType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// An event, as it is shown to a hook before it is delivered. The objects that a watch without a version begins with are not shown.
#[derive(Debug, Clone)]
pub struct SeenEvent {
    /// Whose watch it is; see [`MemoryServer::client_named`](crate::MemoryServer::client_named).
    pub client: Arc<str>,
    /// The number of the request that began the watch; see [`Seen::sequence`](crate::Seen::sequence).
    pub watch: u64,
    /// What it says.
    pub event: EventType,
    /// The write behind it.
    pub write: Arc<Write>,
}
