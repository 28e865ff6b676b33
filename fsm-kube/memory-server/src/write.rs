use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::request::Verb;

/// One change that is durable. A request that changes nothing makes none.
#[derive(Debug, Clone)]
pub struct Write {
    /// The resourceVersion that it made; every write makes another one.
    pub version: u64,
    /// The number of the request that did it; see [`Seen::sequence`](crate::Seen::sequence).
    pub request: u64,
    /// Whose request it was; see [`MemoryServer::client_named`](crate::MemoryServer::client_named).
    pub client: Arc<str>,
    /// What was asked. A patch that takes the last finalizer of an object being deleted removes the object.
    pub verb: Verb,
    /// Such as `widgets.example.com`.
    pub kind: Arc<str>,
    /// Empty outside namespaces.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// Such as `status`, where the request went to a subresource.
    pub subresource: Option<String>,
    /// The object before; none if the write made it.
    pub before: Option<Arc<Value>>,
    /// The object after; none if the write removed it.
    pub after: Option<Arc<Value>>,
    /// When, in time since the server was made.
    pub at: Duration,
}
