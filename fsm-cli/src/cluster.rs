//! The resources of a Kubernetes cluster.
//!
//! Invariant: reading changes nothing. A change is asked for with an annotation, which the controller of the resource carries out; records are never written here.

mod answer;
mod request;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use durable_fsm::record::GRAPHS;
use durable_fsm::{Loaded, Phase, Reason, RecordId, ResourceId, Signals, Store, StoreError, Version};
use durable_fsm_kube::KeptMachine;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt as _};

use crate::args::ClusterPlace;
use crate::backend::Backend;
use crate::change::Change;
use crate::error::Error;
use crate::kept::{Kept, Published};
use crate::shell::{self, quoted};

/// Who sets the annotations.
const FIELD_MANAGER: &str = "kubectl-fsm";

/// How many objects are listed at once.
const PAGE: u32 = 500;

/// A cluster, or a namespace of it.
pub(crate) struct Cluster {
    client: Client,
    place: ClusterPlace,
    /// Where to look; none for all namespaces.
    namespace: Option<String>,
    home: String,
    found: Mutex<BTreeMap<RecordId, Found>>,
}

/// A resource as it was when it was listed.
#[derive(Debug, Clone)]
struct Found {
    kind: ApiResource,
    uid: String,
    version: String,
    record: Option<String>,
}

impl Cluster {
    pub(crate) async fn open(place: &ClusterPlace) -> Result<Self, Error> {
        let unreachable = |error: &dyn std::fmt::Display| Error::Unreachable(error.to_string());
        let config = match &place.context {
            Some(context) => {
                let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
                let kubeconfig = Kubeconfig::read().map_err(|error| unreachable(&error))?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unreachable(&error))?
            }
            None => Config::infer().await.map_err(|error| unreachable(&error))?,
        };
        let home = place.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let namespace = (!place.all_namespaces).then(|| home.clone());
        let client = Client::try_from(config).map_err(|error| unreachable(&error))?;
        Ok(Self { client, place: place.clone(), namespace, home, found: Mutex::default() })
    }

    /// The machines whose graphs are kept in the cluster, each once for each kind.
    async fn machines(&self) -> Result<Vec<KeptMachine>, Error> {
        let place = self.place.controllers.as_deref();
        let all = KeptMachine::all(&self.client, place).await.map_err(|error| Error::Machines(error.to_string()))?;
        let mut each: BTreeMap<(String, String), KeptMachine> = BTreeMap::new();
        for machine in all {
            let kind = format!("{}.{}", machine.kind.plural, machine.kind.group);
            if self.place.kind.as_ref().is_some_and(|wanted| *wanted != kind) {
                continue;
            }
            match each.get_mut(&(machine.machine.clone(), kind.clone())) {
                // It has moved to another namespace, or runs in several.
                Some(known) => known.graphs.extend(machine.graphs),
                None => {
                    each.insert((machine.machine.clone(), kind), machine);
                }
            }
        }
        if each.is_empty() {
            return Err(Error::NoMachine { kind: self.place.kind.clone() });
        }
        Ok(each.into_values().collect())
    }

    async fn list(&self, machine: &KeptMachine) -> Result<Vec<DynamicObject>, kube::Error> {
        let api: Api<DynamicObject> = match &self.namespace {
            Some(namespace) if machine.namespaced => {
                Api::namespaced_with(self.client.clone(), namespace, &machine.kind)
            }
            _ => Api::all_with(self.client.clone(), &machine.kind),
        };
        let mut all = Vec::new();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let listed = api.list(&page).await?;
            all.extend(listed.items);
            match listed.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(all),
            }
        }
    }

    fn api(&self, kind: &ApiResource, id: &ResourceId) -> Api<DynamicObject> {
        if id.namespace.is_empty() {
            Api::all_with(self.client.clone(), kind)
        } else {
            Api::namespaced_with(self.client.clone(), &id.namespace, kind)
        }
    }

    fn found(&self, id: &RecordId) -> Option<Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

#[async_trait]
impl Backend for Cluster {
    fn command(&self) -> String {
        let mut command = if shell::is_plugin() { "kubectl fsm".to_owned() } else { "fsm --cluster".to_owned() };
        let ClusterPlace { context, controllers, kind, .. } = &self.place;
        let options = [("--context", context), ("--controllers", controllers), ("--kind", kind)];
        for (option, value) in options {
            if let Some(value) = value {
                command.push_str(&format!(" {option} {}", quoted(value)));
            }
        }
        match &self.namespace {
            Some(namespace) => command.push_str(&format!(" --namespace {}", quoted(namespace))),
            None => command.push_str(" --all-namespaces"),
        }
        command
    }

    fn name(&self) -> &'static str {
        "the cluster"
    }

    fn home(&self) -> Option<&str> {
        Some(&self.home)
    }

    fn is_live(&self) -> bool {
        true
    }

    async fn all(&self) -> Result<Vec<Kept>, Error> {
        let mut all = Vec::new();
        let mut found = BTreeMap::new();
        for machine in self.machines().await? {
            for (fingerprint, graph) in &machine.graphs {
                let resource = ResourceId::new("", fingerprint);
                let id = RecordId { machine: format!("{}{GRAPHS}", machine.machine), resource };
                all.push(Kept::new(id, graph.clone().into_bytes()));
            }
            let plural = &machine.kind.plural;
            let objects = self
                .list(&machine)
                .await
                .map_err(|error| Error::List { plural: plural.clone(), why: error.to_string() })?;
            for object in objects {
                let resource = ResourceId::new(object.namespace().unwrap_or_default(), object.name_any());
                let id = RecordId { machine: machine.machine.clone(), resource };
                let record = object.annotations().get(&machine.record).cloned();
                let listed = Found {
                    kind: machine.kind.clone(),
                    uid: object.uid().unwrap_or_default(),
                    version: object.resource_version().unwrap_or_default(),
                    record: record.clone(),
                };
                all.push(Kept {
                    id: id.clone(),
                    bytes: record.map(String::into_bytes),
                    uid: object.uid(),
                    published: published(&object, &machine.status_field),
                });
                if found.insert(id, listed).is_some() {
                    return Err(Error::SeveralKinds { machine: machine.machine });
                }
            }
        }
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    fn reader(&self) -> Box<dyn Store> {
        Box::new(Listed(self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    async fn carry_out(&self, changes: &[Change<'_>]) -> Result<Vec<Result<String, String>>, Error> {
        let mut sent = Vec::new();
        for change in changes {
            sent.push(self.ask(change).await);
        }
        let until = tokio::time::Instant::now() + Duration::from_secs(self.place.wait);
        let mut all = Vec::new();
        for asked in sent {
            all.push(match asked {
                Ok(asked) => self.answer(&asked, until).await,
                Err(why) => Err(why),
            });
        }
        Ok(all)
    }
}

/// A request that stands in an annotation.
struct Sent {
    api: Api<DynamicObject>,
    name: String,
    namespace: String,
    uid: String,
    verb: durable_fsm_kube::Verb,
    annotation: String,
    /// The Events about such requests that were there before.
    before: Vec<String>,
}

impl Cluster {
    /// Sets the annotation.
    async fn ask(&self, change: &Change<'_>) -> Result<Sent, String> {
        let found = self.found(change.id).ok_or("it is gone; list the resources again")?;
        let (verb, value) = request::of(change.asked, found.record.as_deref());
        let names = durable_fsm_kube::Names::of(&change.id.machine).map_err(|error| error.to_string())?;
        let annotation = names.verb(verb);
        let resource = &change.id.resource;
        let api = self.api(&found.kind, resource);
        let mut metadata = serde_json::json!({ "uid": found.uid, "annotations": { annotation.as_str(): value } });
        // The other requests name their record, or are harmless on a later one.
        if matches!(verb, durable_fsm_kube::Verb::Release | durable_fsm_kube::Verb::Rebind) {
            metadata["resourceVersion"] = found.version.into();
        }
        let namespace = if resource.namespace.is_empty() { "default" } else { &resource.namespace };
        let before = self.events(namespace, &found.uid, verb).await.unwrap_or_default();
        let patch = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patched =
            api.patch(&resource.name, &patch, &Patch::Merge(serde_json::json!({ "metadata": metadata }))).await;
        match patched {
            Ok(_) => Ok(Sent {
                api,
                name: resource.name.clone(),
                namespace: namespace.to_owned(),
                uid: found.uid,
                verb,
                annotation,
                before: before.into_iter().map(|(name, _)| name).collect(),
            }),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                Err("it has changed since it was listed; look at it, and ask again".to_owned())
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {
                Err("it is gone; list the resources again".to_owned())
            }
            Err(error) => Err(format!("the annotation {annotation} was not set: {error}")),
        }
    }
}

/// The records as they were listed.
struct Listed(BTreeMap<RecordId, Found>);

#[async_trait]
impl Store for Listed {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        let found = self.0.get(id);
        let bytes = found.and_then(|found| found.record.clone()).map(String::into_bytes);
        let marked = bytes.is_some();
        let version = Version::new(found.map(|found| found.version.clone()).unwrap_or_default());
        Ok(Loaded { bytes, version, marked, witness: None, signals: Signals::default() })
    }

    async fn compare_and_swap(&self, _: &RecordId, _: &Version, _: &[u8]) -> Result<Loaded, StoreError> {
        Err(read_only())
    }

    async fn remove(&self, _: &RecordId, _: &Version) -> Result<(), StoreError> {
        Err(read_only())
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        Ok(self.0.keys().filter(|id| id.machine == machine).map(|id| id.resource.clone()).collect())
    }
}

fn read_only() -> StoreError {
    StoreError::Refused("the records of a cluster are changed by its controllers".to_owned())
}

/// What the status says, and the condition that explains it.
fn published(object: &DynamicObject, field: &str) -> Option<Published> {
    let status = object.data.get("status")?;
    let own = status.get(field)?;
    let text = |name: &str| own.get(name).and_then(serde_json::Value::as_str);
    let phase = Phase::named(text("phase")?)?;
    let conditions = status.get("conditions").and_then(serde_json::Value::as_array);
    let ready = conditions.and_then(|all| all.iter().find(|it| it["type"] == "Ready"));
    let message = ready.and_then(|it| it["message"].as_str()).unwrap_or_default().to_owned();
    Some(Published {
        seq: own.get("seq").and_then(serde_json::Value::as_u64),
        phase,
        // A newer controller may have reasons of which this command knows nothing.
        reason: text("reason")
            .map(|name| Reason::named(name).map_or_else(|| name.to_owned(), Reason::word))
            .unwrap_or_default(),
        message,
    })
}
