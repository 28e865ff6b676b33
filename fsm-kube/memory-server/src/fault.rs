use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::refusal::Refusal;

/// What becomes of one request.
#[derive(Clone)]
#[non_exhaustive]
pub enum Fault {
    /// It is served.
    None,
    /// There is no connection: the client gets an [`std::io::Error`] of kind `ConnectionRefused`, and knows that nothing was sent.
    RefuseConnection,
    /// It never arrives: the client gets an [`std::io::Error`] of kind `ConnectionReset`.
    LoseRequest,
    /// It is served, and the client gets the same error as from [`Fault::LoseRequest`].
    LoseReply,
    /// The client gets the same error as from [`Fault::LoseRequest`], and the request is served later.
    ServeLate(When),
    /// Neither served nor ever answered; the client's own time-out must end it.
    Hang,
    /// It is served, and no answer ever comes; the client's own time-out must end it.
    HangReply,
    /// Served after the first time and answered after the second, counted from then. It is served also if the client has
    /// given up meanwhile.
    Slow(Duration, Duration),
    /// Answered with this, and not served.
    Answer(Refusal),
    /// Served, with a change to the object that is about to be stored, as a mutating admission webhook makes it. For a write.
    Change(Arc<dyn Fn(&mut Value) + Send + Sync>),
    /// Answered as of this older resourceVersion, as from a cache that lags. For a get or a list.
    ReadAt(u64),
}

impl Fault {
    /// A [`Fault::Change`] that removes all annotations whose key begins with the prefix, silently.
    pub fn strip_annotations(prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        Self::Change(Arc::new(move |object| {
            if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
                annotations.retain(|key, _| !key.starts_with(&prefix));
            }
        }))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::RefuseConnection => f.write_str("RefuseConnection"),
            Self::LoseRequest => f.write_str("LoseRequest"),
            Self::LoseReply => f.write_str("LoseReply"),
            Self::ServeLate(when) => f.debug_tuple("ServeLate").field(when).finish(),
            Self::Hang => f.write_str("Hang"),
            Self::HangReply => f.write_str("HangReply"),
            Self::Slow(before, after) => f.debug_tuple("Slow").field(before).field(after).finish(),
            Self::Answer(refusal) => f.debug_tuple("Answer").field(refusal).finish(),
            Self::Change(_) => f.write_str("Change"),
            Self::ReadAt(version) => f.debug_tuple("ReadAt").field(version).finish(),
        }
    }
}

/// When a request that arrives late is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Just before the n-th further request; 1 is the next one.
    Requests(u64),
    /// After this time.
    After(Duration),
    /// Only when [`MemoryServer::serve_late`](crate::MemoryServer::serve_late) says so.
    Told,
}

/// What becomes of one event of one watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// It is delivered.
    Deliver,
    /// It is left out.
    Drop,
    /// It is held back and merged into the next event of the same object, so that the state between is never seen.
    Merge,
    /// The watch ends instead of delivering it, as when a connection is cut.
    Disconnect,
    /// The watch says 410 `Expired` instead and ends.
    Expire,
}
