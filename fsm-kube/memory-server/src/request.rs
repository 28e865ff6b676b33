use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};
use serde_json::Value;

use crate::address::Address;
use crate::fault::Fault;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// One object.
    Get,
    /// All objects of a kind.
    List,
    /// The changes of a kind.
    Watch,
    /// A new object.
    Create,
    /// An object instead of the one that is there (PUT).
    Replace,
    /// A change of an object: merge patch or JSON patch.
    Patch,
    /// An object's end.
    Delete,
    /// The end of many.
    DeleteCollection,
}

impl Verb {
    /// Whether it can change anything.
    #[must_use]
    pub const fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        })
    }
}

/// A request, as it is shown to a hook before it is served.
#[derive(Debug, Clone)]
pub struct Seen {
    /// How many requests this server has seen before.
    pub sequence: u64,
    /// Whose it is; see [`MemoryServer::client_named`](crate::MemoryServer::client_named).
    pub client: Arc<str>,
    /// What it asks for.
    pub verb: Verb,
    /// Such as `widgets.example.com`.
    pub kind: Arc<str>,
    /// None outside namespaces, and for a list of all namespaces.
    pub namespace: Option<String>,
    /// None for create, list, watch and delete-collection.
    pub name: Option<String>,
    /// Such as `status`.
    pub subresource: Option<String>,
    /// What it carries; empty for reads.
    pub body: Bytes,
    /// The server's latest resourceVersion.
    pub version: u64,
    /// When, in time since the server was made.
    pub at: Duration,
}

impl Seen {
    /// What it carries, as JSON; null if it carries none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// A request whose address is known to be served.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) sequence: u64,
    pub(crate) client: Arc<str>,
    pub(crate) verb: Verb,
    pub(crate) address: Address,
    pub(crate) query: Query,
    pub(crate) content_type: String,
    /// Whether the client asked for metadata alone.
    pub(crate) metadata_only: bool,
    pub(crate) body: Bytes,
    /// What happens to it while it is served: only `None`, `Change` and `ReadAt` matter here.
    pub(crate) fault: Fault,
}

impl Request {
    pub(crate) fn new(
        client: Arc<str>,
        method: &Method,
        address: Address,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Self {
        let query = Query::new(uri);
        let text = |name| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
        let verb = match (method, address.name.is_some()) {
            (&Method::POST, _) => Verb::Create,
            (&Method::PUT, _) => Verb::Replace,
            (&Method::PATCH, _) => Verb::Patch,
            (&Method::DELETE, true) => Verb::Delete,
            (&Method::DELETE, false) => Verb::DeleteCollection,
            (_, true) => Verb::Get,
            (_, false) if matches!(query.get("watch"), Some("1" | "true")) => Verb::Watch,
            (_, false) => Verb::List,
        };
        Self {
            sequence: 0,
            client,
            verb,
            address,
            query,
            content_type: text(header::CONTENT_TYPE),
            metadata_only: text(header::ACCEPT).contains("as=PartialObjectMetadata"),
            body,
            fault: Fault::None,
        }
    }

    /// A merge patch that no client has sent.
    pub(crate) fn merge(client: Arc<str>, address: Address, patch: &Value) -> Self {
        Self {
            sequence: 0,
            client,
            verb: Verb::Patch,
            address,
            query: Query::new(&Uri::default()),
            content_type: "application/merge-patch+json".to_owned(),
            metadata_only: false,
            body: patch.to_string().into(),
            fault: Fault::None,
        }
    }

    pub(crate) fn is_dry_run(&self) -> bool {
        self.query.get("dryRun").is_some()
    }
}

/// The parameters after the question mark.
#[derive(Debug, Clone)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    fn new(uri: &Uri) -> Self {
        Self(form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// A parameter that is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }
}
