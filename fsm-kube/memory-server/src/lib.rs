//! A Kubernetes API server in memory, for exhaustive fault tests on virtual time.
//!
//! ```
//! use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
//! use kube_memory_server::{Fault, Kind, MemoryServer, Verb};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = MemoryServer::new([Kind::new("example.com", "v1", "Widget", "widgets")]);
//! let widgets: Api<DynamicObject> = Api::default_namespaced_with(server.client(), &server.api_resource("widgets.example.com"));
//! let one = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one"}});
//! widgets.create(&PostParams::default(), &serde_json::from_value(one)?).await?;
//!
//! // The next patch is applied, and its reply is lost.
//! server.on_request(|seen| if seen.verb == Verb::Patch { Fault::LoseReply } else { Fault::None });
//! let patch = Patch::Merge(json!({"metadata": {"annotations": {"mark": "1"}}}));
//! assert!(widgets.patch("one", &PatchParams::default(), &patch).await.is_err());
//! assert_eq!(server.history().len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! It is deterministic: no sockets, no threads of its own, no random numbers, and no clock but tokio's, which may be paused. A new server
//! costs microseconds, and so does one made from a [`Snapshot`].
//!
//! It answers as Kubernetes 1.20 answers for custom resources with a status subresource; a test runs the same requests against both.
//! Served: get, list (label selectors, `metadata.name` and `metadata.namespace` as field selectors, pages, versions), watch, create,
//! replace, merge patch, JSON patch, delete, delete-collection, the `status` subresource, the metadata-only forms of all, finalizers,
//! preconditions, dry run, and namespaces that terminate.
//!
//! Not served: server-side apply and strategic merge patches (415), schemas (give a [validator](Kind::validated)), pruning of
//! unknown fields, `managedFields`, discovery, bookmarks, streaming lists, authorisation, admission (give a [`Fault::Change`]), and
//! whatever controllers do: nothing collects orphans, and no terminating namespace becomes empty.

mod address;
mod content;
mod event;
mod fault;
mod kind;
mod life;
mod listing;
mod metadata;
mod object;
mod refusal;
mod reply;
mod request;
mod selector;
mod server;
mod serving;
mod shared;
mod state;
mod update;
mod watch;
mod write;

pub use event::{EventType, SeenEvent};
pub use fault::{Delivery, Fault, When};
pub use kind::{Invalid, Kind};
pub use refusal::{Cause, Refusal};
pub use request::{Seen, Verb};
pub use server::{MemoryServer, Snapshot};
pub use write::Write;
