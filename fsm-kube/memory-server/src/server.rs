use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use kube::client::Body;
use kube::core::ApiResource;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::Service;

use crate::address::Address;
use crate::content::{Content, Key};
use crate::event::SeenEvent;
use crate::fault::{Delivery, Fault};
use crate::kind::{Invalid, Kind};
use crate::refusal::Refusal;
use crate::request::{self, Seen, Verb};
use crate::shared::{Shared, lock};
use crate::state::{NAMESPACES, State};
use crate::write::Write;

/// A Kubernetes API server in memory. Clones are the same server.
#[derive(Clone)]
pub struct MemoryServer {
    shared: Arc<Shared>,
}

/// Everything that a server keeps, as of one moment; cheap to take, to clone, and to make servers from.
#[derive(Clone)]
pub struct Snapshot {
    kinds: Vec<Kind>,
    content: Content,
    at: Duration,
}

impl MemoryServer {
    /// A server of these kinds and of `Namespace`, with nothing in it but the namespace `default`.
    #[must_use]
    pub fn new(kinds: impl IntoIterator<Item = Kind>) -> Self {
        let kinds = std::iter::once(Kind::namespaces()).chain(kinds).collect();
        let server = Self::with(Snapshot { kinds, content: Content::new(), at: Duration::ZERO });
        {
            let mut state = server.shared.state();
            let uid = state.content.new_uid();
            let default = json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": "default", "uid": uid, "creationTimestamp": state.timestamp()},
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
            });
            let key = Key { kind: NAMESPACES, namespace: String::new(), name: "default".to_owned() };
            let write = state.write_of(Verb::Create, &key, "", 0, None);
            state.content.commit(key, Some(default), write);
            state.content = state.content.without_history();
        }
        server
    }

    /// A server that goes on where the snapshot was taken, without the history before it and without hooks.
    #[must_use]
    pub fn restore(snapshot: &Snapshot) -> Self {
        Self::with(snapshot.clone())
    }

    fn with(Snapshot { kinds, content, at }: Snapshot) -> Self {
        let names = kinds.iter().map(|kind| kind.name().into()).collect();
        let state = State {
            kinds,
            names,
            content,
            requests: 0,
            started: Instant::now(),
            age: at,
            late: Vec::new(),
            wakers: Vec::new(),
            disconnects: 0,
            expiries: 0,
        };
        let shared = Shared {
            state: Mutex::new(state),
            request_hook: Mutex::new(None),
            event_hook: Mutex::new(None),
            write_hook: Mutex::new(None),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What the server keeps now. Requests that are to be served late are not part of it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let state = self.shared.state();
        Snapshot { kinds: state.kinds.clone(), content: state.content.without_history(), at: state.now() }
    }

    /// A client of the server. Its name is `client`, its default namespace `default`. It does not retry by itself.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        self.client_named("client")
    }

    /// A client whose requests can be told from those of others: [`Seen::client`], [`Write::client`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn client_named(&self, name: &str) -> kube::Client {
        kube::Client::new(self.service(name), "default")
    }

    /// What is behind a client of this name: for a client with layers in between, or without a runtime. Unless a fault delays it, an answer
    /// is there at the first poll.
    #[must_use]
    pub fn service(
        &self,
        name: &str,
    ) -> impl Service<
        Request<Body>,
        Response = Response<impl http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static>,
        Error = io::Error,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static {
        let name: Arc<str> = name.into();
        let shared = self.shared.clone();
        tower::service_fn(move |request| shared.clone().answer(name.clone(), request))
    }

    /// Decides, from now on, what becomes of each request, in the order of their arrival, before it is served. It is called for
    /// paths that the server serves. It may look at the server, and must not call this method.
    pub fn on_request(&self, hook: impl FnMut(&Seen) -> Fault + Send + 'static) {
        *lock(&self.shared.request_hook) = Some(Box::new(hook));
    }

    /// Decides, from now on, what becomes of each event of each watch.
    pub fn on_event(&self, hook: impl FnMut(&SeenEvent) -> Delivery + Send + 'static) {
        *lock(&self.shared.event_hook) = Some(Box::new(hook));
    }

    /// Shows, from now on, every durable write, before its request is answered. A hook that finds something wrong does better to
    /// note it than to panic: a panic in a request that is served late is not seen.
    pub fn on_write(&self, hook: impl FnMut(&Write) + Send + 'static) {
        *lock(&self.shared.write_hook) = Some(Box::new(hook));
    }

    /// Takes the hooks for requests and for events away, so that faults stop.
    pub fn stop_faults(&self) {
        *lock(&self.shared.request_hook) = None;
        *lock(&self.shared.event_hook) = None;
    }

    /// Every durable write since the server was made, or made from a snapshot.
    #[must_use]
    pub fn history(&self) -> Vec<Arc<Write>> {
        self.shared.state().content.log().iter().map(|(_, write)| write.clone()).collect()
    }

    /// An object as it is stored; the namespace is empty outside namespaces. The kind is called as [`Kind::name`] calls it.
    ///
    /// # Panics
    /// If there is no such kind.
    #[must_use]
    pub fn object(&self, kind: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let state = self.shared.state();
        let key = Key { kind: state.kind_named(kind), namespace: namespace.to_owned(), name: name.to_owned() };
        state.content.get(&key).cloned()
    }

    /// All objects of a kind, by namespace and name.
    ///
    /// # Panics
    /// If there is no such kind.
    #[must_use]
    pub fn objects(&self, kind: &str) -> Vec<Arc<Value>> {
        let state = self.shared.state();
        let kind = state.kind_named(kind);
        state.content.objects().iter().filter(|(key, _)| key.kind == kind).map(|(_, object)| object.clone()).collect()
    }

    /// What `kube` needs to know of a kind, to use it with `DynamicObject`.
    ///
    /// # Panics
    /// If there is no such kind.
    #[must_use]
    pub fn api_resource(&self, kind: &str) -> ApiResource {
        let state = self.shared.state();
        state.kinds[state.kind_named(kind)].api_resource()
    }

    /// The latest resourceVersion.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.shared.state().content.version()
    }

    /// How many requests have arrived.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.state().requests
    }

    /// Gives a kind another validator, as an update of a CRD does: objects that are stored stay as they are.
    ///
    /// # Panics
    /// If there is no such kind.
    pub fn validate(&self, kind: &str, validator: impl Fn(&Value) -> Result<(), Invalid> + Send + Sync + 'static) {
        let mut state = self.shared.state();
        let kind = state.kind_named(kind);
        state.kinds[kind].validator = Some(Arc::new(validator));
    }

    /// Forgets all older versions, as compaction does: a watch or a page of them is answered with 410. Open watches go on.
    pub fn compact(&self) {
        self.shared.state().content.compact();
    }

    /// Ends all open watches without a word.
    pub fn disconnect_watches(&self) {
        self.shared.change(|state| state.disconnects += 1);
    }

    /// Ends all open watches with 410 `Expired`.
    pub fn expire_watches(&self) {
        self.shared.change(|state| state.expiries += 1);
    }

    /// Merges a patch into an object, now and as a request of this client, that no hook for requests is asked about. For a hook that
    /// wants somebody else to have been faster than the request it decides on.
    ///
    /// # Errors
    /// What the client would be answered.
    ///
    /// # Panics
    /// If there is no such kind.
    pub fn merge(&self, client: &str, kind: &str, namespace: &str, name: &str, patch: &Value) -> Result<(), Refusal> {
        let request = {
            let mut state = self.shared.state();
            let address = Address {
                kind: state.kind_named(kind),
                namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
                name: Some(name.to_owned()),
                subresource: None,
            };
            let mut request = request::Request::merge(client.into(), address, patch);
            state.arrive(&mut request);
            request
        };
        self.shared.serve_or_refuse(&request).map(drop)
    }

    /// How many requests are still to be served late.
    #[must_use]
    pub fn late(&self) -> usize {
        self.shared.state().late.len()
    }

    /// Serves now, in the order of their arrival, all requests that were to be served late, and returns how many they were.
    pub fn serve_late(&self) -> usize {
        let late = std::mem::take(&mut self.shared.state().late);
        for (_, request) in &late {
            drop(self.shared.serve(request));
        }
        late.len()
    }
}

impl fmt::Debug for MemoryServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state();
        let objects = state.content.objects().len();
        f.debug_struct("MemoryServer")
            .field("version", &state.content.version())
            .field("objects", &objects)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("version", &self.content.version()).finish_non_exhaustive()
    }
}
