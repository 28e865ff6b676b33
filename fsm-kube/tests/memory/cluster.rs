//! The API server of one run, with the one object that a machine provisions for. Invariant: everybody but the controllers changes the object
//! with requests of their own, as people and other controllers do.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use durable_fsm::testing::{At, Backend, Change, Sim};
use durable_fsm::{Resource, Store};
use durable_fsm_kube::{AnnotationStore, Names, Verb};
use futures::FutureExt as _;
use http::{Method, Request, header};
use kube::client::Body;
use kube_memory_server::{Kind, MemoryServer};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tower::Service as _;

use crate::nameless::Nameless;
use crate::on::{Bug, Setting};
use crate::wire::Wire;

const KIND: &str = "apps.test.io";
/// The finalizer of another controller.
const OTHERS: &str = "others.io/cleanup";

thread_local! {
    /// Where the stores of this thread's runs live. Its clock stands still.
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime can be made");
}

/// An API server with one object.
pub struct Cluster {
    this: Weak<Cluster>,
    server: MemoryServer,
    sim: Sim,
    names: Names,
    setting: Setting,
    /// Where the object is.
    path: String,
    /// The specs that it gets, one after the other, and which one it has.
    specs: Vec<Value>,
    edit: Mutex<usize>,
    uid: Mutex<String>,
    /// What becomes of the next request of a controller.
    pub(crate) next: Arc<Mutex<kube_memory_server::Fault>>,
}

impl Cluster {
    pub fn new(sim: &Sim, machine: &str, resource: &impl Resource, specs: Vec<Value>, setting: Setting) -> Arc<Self> {
        let server = RUNTIME.with(|runtime| {
            let _here = runtime.enter();
            MemoryServer::new([Kind::new("test.io", "v1", "App", "apps")])
        });
        let names = Names::of(machine).unwrap();
        let next = Arc::new(Mutex::new(kube_memory_server::Fault::None));
        let take = next.clone();
        server.on_request(move |seen| match controller(&seen.client) {
            Some(_) => std::mem::replace(&mut *take.lock().unwrap(), kube_memory_server::Fault::None),
            None => kube_memory_server::Fault::None,
        });
        let (tell, its) = (sim.clone(), names.clone());
        server.on_write(move |write| {
            let Some(controller) = controller(&write.client) else { return };
            let (before, after) = (record(&its, write.before.as_deref()), record(&its, write.after.as_deref()));
            if before != after {
                tell.written(controller, after.map(str::as_bytes), is_marked(&its, write.after.as_deref()));
            }
        });
        let id = resource.id();
        let path = format!("/apis/test.io/v1/namespaces/{}/apps/{}", id.namespace, id.name);
        let (edit, uid) = (Mutex::new(0), Mutex::new(String::new()));
        let cluster = Arc::new_cyclic(|this| Self {
            this: this.clone(),
            server,
            sim: sim.clone(),
            names,
            setting,
            path,
            specs,
            edit,
            uid,
            next,
        });
        cluster.create();
        assert_eq!(*cluster.uid.lock().unwrap(), resource.uid(), "the resource is not the server's object");
        cluster
    }

    fn create(&self) {
        let (collection, name) = self.path.rsplit_once('/').unwrap();
        let finalizers: &[&str] = if self.setting.shared { &[OTHERS] } else { &[] };
        let object = json!({
            "apiVersion": "test.io/v1", "kind": "App",
            "metadata": { "name": name, "finalizers": finalizers },
            "spec": self.specs[*self.edit.lock().unwrap()],
        });
        let made = self.ask(Method::POST, collection, &object);
        made["metadata"]["uid"].as_str().unwrap().clone_into(&mut self.uid.lock().unwrap());
    }

    /// Somebody's request.
    fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = Request::builder()
            .header(header::CONTENT_TYPE, "application/merge-patch+json")
            .uri(path)
            .body(Body::from(body.to_string().into_bytes()));
        let mut request = request.unwrap();
        *request.method_mut() = method;
        let reply = RUNTIME.with(|runtime| {
            let _here = runtime.enter();
            let reply = self.server.service("somebody").call(request).now_or_never().expect("served at once").unwrap();
            http_body_util::BodyExt::collect(reply.into_body()).now_or_never().expect("whole").unwrap()
        });
        serde_json::from_slice(&reply.to_bytes()).unwrap()
    }

    pub(crate) fn patch(&self, patch: &Value) {
        self.ask(Method::PATCH, &self.path, patch);
    }

    fn object(&self) -> Option<Arc<Value>> {
        let (_, name) = self.path.rsplit_once('/')?;
        self.server.object(KIND, "default", name)
    }

    /// The version before the last write of the record.
    pub(crate) fn version_before(&self) -> u64 {
        let history = self.server.history();
        let changes = |write: &&Arc<kube_memory_server::Write>| {
            record(&self.names, write.before.as_deref()) != record(&self.names, write.after.as_deref())
                && controller(&write.client).is_some()
        };
        history.iter().rev().find(changes).map_or(self.server.version(), |write| write.version - 1)
    }

    /// The record as it stands there.
    pub(crate) fn record(&self) -> Option<String> {
        record(&self.names, self.object().as_deref()).map(str::to_owned)
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn server(&self) -> &MemoryServer {
        &self.server
    }

    pub(crate) fn sim(&self) -> &Sim {
        &self.sim
    }

    pub(crate) fn setting(&self) -> Setting {
        self.setting
    }

    /// Nothing of ours is left on an object that stays, and an object without other finalizers is gone.
    pub fn check_final<R>(&self, at: &At<'_, R>) -> Result<(), String> {
        let object = self.object();
        if !at.deleting || at.record.is_some() || object.is_none() {
            return Ok(());
        }
        let witness = object.as_ref().and_then(|it| it.pointer("/status/fsm/seq")).filter(|it| it.is_u64());
        if is_marked(&self.names, object.as_deref()) || witness.is_some() || !self.setting.shared {
            return Err(format!("this is left of the object: {}", object.unwrap_or_default()));
        }
        Ok(())
    }
}

impl Backend for Cluster {
    fn open(&self, controller: usize) -> Arc<dyn Store> {
        let client = RUNTIME.with(|runtime| {
            let _here = runtime.enter();
            Wire::client(&self.this.upgrade().expect("it is being used"), controller)
        });
        let store = AnnotationStore::of_kind(client, self.server.api_resource(KIND));
        match self.setting.bug {
            Some(Bug::Nameless) => Arc::new(Nameless(store)),
            _ => Arc::new(store),
        }
    }

    fn drive(&self, poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>) {
        // Nothing here waits for time, so a second passes only if a pass is stuck.
        let second = Duration::from_secs(1);
        RUNTIME.with(|runtime| {
            runtime.block_on(async { tokio::time::timeout(second, std::future::poll_fn(poll)).await.ok() })
        });
    }

    fn change(&self, change: Change<'_>) {
        let Some(object) = self.object() else {
            if change == Change::MadeAgain {
                self.create();
            }
            return;
        };
        match change {
            Change::PassOver => {
                let text = record(&self.names, Some(&object)).unwrap_or_default();
                let record = serde_json::from_str::<Value>(text).unwrap_or_default();
                let before = object.pointer("/status/fsm/seq").and_then(Value::as_u64);
                if let Some(seq) = record["seq"].as_u64().filter(|seq| before.is_none_or(|before| before < *seq))
                    && record["owner"] == object["metadata"]["uid"]
                {
                    let seen = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
                    let patch = json!({ "metadata": seen, "status": { "fsm": { "seq": seq } } });
                    self.ask(Method::PATCH, &format!("{}/status", self.path), &patch);
                }
            }
            Change::Deleted => drop(self.ask(Method::DELETE, &self.path, &json!({}))),
            Change::Edited(edit) => {
                *self.edit.lock().unwrap() = edit;
                self.patch(&json!({ "spec": self.specs[edit] }));
            }
            Change::Record(bytes) => {
                let text = bytes.map(|bytes| std::str::from_utf8(bytes).unwrap());
                self.patch(&json!({ "metadata": { "annotations": { self.names.record(): text } } }));
            }
            Change::Touched => {
                let labels = &object["metadata"]["labels"]["others.io/round"];
                let round = labels.as_str().and_then(|text| text.parse::<u32>().ok()).unwrap_or_default() + 1;
                self.patch(&json!({ "metadata": { "labels": { "others.io/round": round.to_string() } } }));
            }
            Change::Paused(paused) => {
                let asked = paused.then_some("by an operator");
                self.patch(&json!({ "metadata": { "annotations": { self.names.verb(Verb::Pause): asked } } }));
            }
            Change::Unmarked | Change::Abandoned => {
                let others = object["metadata"]["finalizers"].as_array().into_iter().flatten();
                let others: Vec<_> = others.filter(|it| **it != self.names.finalizer()).collect();
                self.patch(&json!({ "metadata": { "finalizers": others } }));
            }
            Change::MadeAgain => {
                self.patch(&json!({ "metadata": { "finalizers": null } }));
                self.create();
            }
            _ => unreachable!("a change of which this cluster knows nothing: {change:?}"),
        }
    }

    fn uid(&self) -> String {
        self.uid.lock().unwrap().clone()
    }

    fn has_mark(&self) -> bool {
        true
    }

    fn hidden(&self) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        if let Some(object) = self.object() {
            object["metadata"]["finalizers"].hash(&mut hasher);
            object.pointer("/status/fsm/seq").is_some().hash(&mut hasher);
        }
        (self.server.late() == 0).then(|| hasher.finish())
    }
}

/// Which controller has this name.
fn controller(client: &str) -> Option<usize> {
    client.strip_prefix("controller-")?.parse().ok()
}

fn record<'o>(names: &Names, object: Option<&'o Value>) -> Option<&'o str> {
    object?["metadata"]["annotations"][names.record()].as_str()
}

fn is_marked(names: &Names, object: Option<&Value>) -> bool {
    let finalizers = object.and_then(|object| object["metadata"]["finalizers"].as_array());
    finalizers.is_some_and(|all| all.iter().any(|it| it == names.finalizer()))
}
