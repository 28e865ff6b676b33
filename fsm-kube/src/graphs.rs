//! Keeps the graphs of a machine in a ConfigMap, so that `kubectl fsm` finds and explains its resources without the machine's Rust types.
//!
//! Invariant: a write adds a graph and removes none, because there are records of earlier versions. What is kept under a fingerprint is the graph that has it.

use std::collections::BTreeMap;

use durable_fsm::StoreError;
use durable_fsm::graph::{self, Graph};
use durable_fsm::record::fingerprint;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ApiResource, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::store::FIELD_MANAGER;

/// The label of these ConfigMaps. Its value is empty.
pub(crate) const GRAPHS_LABEL: &str = "durable-fsm.io/graphs";

/// What the keys begin with that say for which kind a machine is run, and with which names.
const MACHINE: &str = "machine-";

/// What the keys of graphs begin with. The fingerprint and `.json` follow.
const GRAPH: &str = "graph-";

/// The longest name of a ConfigMap.
const NAME_LIMIT: usize = 253;

/// A machine of a cluster's controllers, as [`Reconciler::keep_graph`](crate::Reconciler::keep_graph) keeps it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KeptMachine {
    /// The machine.
    pub machine: String,
    /// The kind of its resources.
    pub kind: ApiResource,
    /// Whether they are in namespaces.
    pub namespaced: bool,
    /// The annotation with the record.
    pub record: String,
    /// The field of the status in which it publishes.
    pub status_field: String,
    /// The graphs of its versions, as [`graph::json::read`] takes them, by fingerprint.
    pub graphs: BTreeMap<String, String>,
}

/// Why the machines of a cluster cannot be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptError {
    /// A ConfigMap has the label, and not what belongs to it.
    #[error(
        "the ConfigMap {namespace}/{name} has the label {GRAPHS_LABEL} and describes no machine: {why}; remove the label, or look only in the namespace of the controller"
    )]
    NoMachine {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server could not be asked.
    #[error("cannot list the ConfigMaps with the graphs of machines: {0}")]
    Server(#[from] kube::Error),
}

/// What is kept of a machine beside its graphs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    machine: String,
    group: String,
    version: String,
    kind: String,
    plural: String,
    namespaced: bool,
    record: String,
    status_field: String,
}

impl KeptMachine {
    /// The machines whose graphs are kept in this namespace, or in all namespaces.
    ///
    /// Anyone who may write ConfigMaps in a namespace can describe a machine there. If you do not trust everyone who may, give the namespace of your controllers.
    ///
    /// # Errors
    /// [`KeptError`], also if the client may not list ConfigMaps there.
    pub async fn all(client: &Client, namespace: Option<&str>) -> Result<Vec<Self>, KeptError> {
        let maps: Api<ConfigMap> = match namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        let labelled = maps.list(&ListParams::default().labels(GRAPHS_LABEL)).await?;
        let mut all = Vec::new();
        for map in labelled.items {
            all.extend(Self::of(map)?);
        }
        Ok(all)
    }

    fn of(map: ConfigMap) -> Result<Vec<Self>, KeptError> {
        let ConfigMap { metadata, data, .. } = map;
        let data = data.unwrap_or_default();
        let no_machine = |why| KeptError::NoMachine {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            why,
        };
        let graphs: BTreeMap<String, String> = data
            .iter()
            .filter_map(|(key, text)| {
                let fingerprint = key.strip_prefix(GRAPH)?.strip_suffix(".json")?;
                Some((fingerprint.to_owned(), text.clone()))
            })
            .collect();
        let mut all = Vec::new();
        for (key, text) in data.iter().filter(|(key, _)| key.starts_with(MACHINE)) {
            let described = serde_json::from_str(text);
            let Described { machine, group, version, kind, plural, namespaced, record, status_field } =
                described.map_err(|error| no_machine(format!("cannot read its {key}: {error}")))?;
            let api_version = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
            let kind = ApiResource { group, version, api_version, kind, plural };
            all.push(Self { machine, kind, namespaced, record, status_field, graphs: graphs.clone() });
        }
        if all.is_empty() {
            return Err(no_machine(format!("it has no key that begins with {MACHINE}")));
        }
        Ok(all)
    }

    /// Adds this to what is kept in a namespace.
    pub(crate) async fn keep(self, client: &Client, namespace: &str) -> Result<(), StoreError> {
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
        let name = map_of(&self.machine);
        let map = self.into_map();
        let patch = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let create = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let patched = match maps.patch(&name, &patch, &Patch::Merge(&map)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => match maps.create(&create, &map).await {
                // Another controller has made it meanwhile.
                Err(kube::Error::Api(status)) if status.code == 409 => {
                    maps.patch(&name, &patch, &Patch::Merge(&map)).await
                }
                created => created,
            },
            patched => patched,
        };
        let refused = |error: &kube::Error| {
            format!(
                "cannot keep the graph in the ConfigMap {namespace}/{name}: {error}; allow `create` and `patch` on configmaps in a namespace that exists"
            )
        };
        match patched {
            Ok(_) => Ok(()),
            Err(error @ kube::Error::Api(_)) => Err(StoreError::Refused(refused(&error))),
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }

    fn into_map(self) -> ConfigMap {
        let Self { machine, kind, namespaced, record, status_field, graphs } = self;
        let (name, key) = (map_of(&machine), key_of(&machine, &kind));
        let ApiResource { group, version, kind, plural, .. } = kind;
        let described = Described { machine, group, version, kind, plural, namespaced, record, status_field };
        let described = json!(described).to_string();
        let graphs = graphs.into_iter().map(|(fingerprint, text)| (format!("{GRAPH}{fingerprint}.json"), text));
        let labels = BTreeMap::from([(GRAPHS_LABEL.to_owned(), String::new())]);
        ConfigMap {
            metadata: ObjectMeta { name: Some(name), labels: Some(labels), ..ObjectMeta::default() },
            data: Some(std::iter::once((key, described)).chain(graphs).collect()),
            ..ConfigMap::default()
        }
    }
}

/// The graph of a machine, by its fingerprint.
pub(crate) fn of(graph: &Graph<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([(fingerprint(graph), graph::json::write(graph))])
}

/// The ConfigMap of a machine. What no name may have is replaced: two machines may share a ConfigMap, because their keys differ.
fn map_of(machine: &str) -> String {
    let legal = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let parts = machine.split(['.', '/']).map(|part| part.to_ascii_lowercase().chars().map(legal).collect::<String>());
    let parts = parts.map(|part| part.trim_matches('-').to_owned()).filter(|part| !part.is_empty());
    let name: String = std::iter::once("fsm".to_owned()).chain(parts).collect::<Vec<_>>().join(".");
    name.chars().take(NAME_LIMIT).collect::<String>().trim_end_matches(['.', '-']).to_owned()
}

/// The key under which it says for which kind a machine is run.
fn key_of(machine: &str, kind: &ApiResource) -> String {
    format!("{MACHINE}{}.{}.{}.json", machine.replace('/', "_"), kind.plural, kind.group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_a_legal_name_and_a_key_of_its_own() {
        let long = "x".repeat(400);
        let machines = ["hiclaw.io/worker", "worker", "a.io/B_c", "a.io/b.c", "a/io.b.c", "a.io/x..y", &long];
        let kind = |group: &str, plural: &str| ApiResource {
            group: group.to_owned(),
            version: "v1".to_owned(),
            api_version: format!("{group}/v1"),
            kind: "Kind".to_owned(),
            plural: plural.to_owned(),
        };
        let names = machines.map(map_of);
        assert_eq!(&names[..3], ["fsm.hiclaw.io.worker", "fsm.worker", "fsm.a.io.b-c"]);
        for name in &names {
            let is_legal = |part: &str| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-');
            assert!(name.len() <= NAME_LIMIT && name.split('.').all(is_legal), "{name}");
        }
        let kinds = [kind("a.io", "workers"), kind("a.io", "teams"), kind("", "secrets")];
        let keys: std::collections::BTreeSet<_> =
            machines.iter().flat_map(|machine| kinds.iter().map(|kind| key_of(machine, kind))).collect();
        assert_eq!(keys.len(), machines.len() * kinds.len());
    }

    #[test]
    fn what_is_kept_is_read_again_for_each_kind() {
        let kept = |plural: &str| KeptMachine {
            machine: "a.io/worker".to_owned(),
            kind: ApiResource {
                group: "a.io".to_owned(),
                version: "v1".to_owned(),
                api_version: "a.io/v1".to_owned(),
                kind: "Worker".to_owned(),
                plural: plural.to_owned(),
            },
            namespaced: true,
            record: "a.io/worker-record".to_owned(),
            status_field: "fsm".to_owned(),
            graphs: BTreeMap::from([("0123".to_owned(), "{}".to_owned())]),
        };
        let mut map = kept("workers").into_map();
        map.data.as_mut().unwrap().extend(kept("helpers").into_map().data.unwrap());
        let found = KeptMachine::of(map.clone()).unwrap();
        assert_eq!(found.iter().map(|it| it.kind.plural.as_str()).collect::<Vec<_>>(), ["helpers", "workers"]);
        assert!(found.iter().all(|it| it.graphs["0123"] == "{}" && it.kind.api_version == "a.io/v1"));
        map.data.as_mut().unwrap().insert(format!("{MACHINE}x"), "[]".to_owned());
        let error = KeptMachine::of(map).unwrap_err().to_string();
        assert!(error.contains("/fsm.a.io.worker") && error.contains("machine-x"), "{error}");
        assert!(KeptMachine::of(ConfigMap::default()).is_err());
    }
}
