//! A pod for each worker. Invariant: a pod is owned by its worker, and only the very pod that was asked for is deleted, by its uid.

use std::collections::BTreeMap;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Container, EnvVar, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams, Preconditions};
use kube::{Api, Client, Resource as _};

use super::WorkerObject;
use crate::container_settings::ContainerSettings;
use crate::containers::{Containers, Found, KEY_LABEL, OWNER_LABEL, Wanted};
use crate::provision::ProvisionError;
use crate::worker::Worker;

/// The pods of a cluster.
#[derive(Clone)]
pub struct Pods {
    client: Client,
    settings: ContainerSettings,
}

impl Pods {
    /// Pods, made and removed by this client.
    #[must_use]
    pub fn new(client: Client, settings: ContainerSettings) -> Self {
        Self { client, settings }
    }

    fn of(&self, worker: &Worker) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &worker.namespace)
    }
}

impl std::fmt::Debug for Pods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pods").finish_non_exhaustive()
    }
}

/// If the worker is deleted by force, past its finalizer, the pod goes too.
fn owner(worker: &Worker) -> OwnerReference {
    OwnerReference {
        api_version: WorkerObject::api_version(&()).into_owned(),
        kind: WorkerObject::kind(&()).into_owned(),
        name: worker.name.clone(),
        uid: worker.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// A pod has a namespace of its own.
fn name(worker: &Worker) -> String {
    format!("hiclaw-worker-{}", worker.name)
}

fn pod(wanted: &Wanted<'_>, settings: &ContainerSettings) -> Pod {
    let labels = [
        (OWNER_LABEL, wanted.owner_tag),
        (KEY_LABEL, wanted.key),
        ("app.kubernetes.io/name", "hiclaw-worker"),
        ("app.kubernetes.io/managed-by", "hiclaw-controller"),
    ];
    let labels: BTreeMap<_, _> = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let variables = settings.variables(wanted.worker).into_iter();
    let variables = variables.map(|it| EnvVar { name: it.name, value: Some(it.value), value_from: None });
    let container = Container {
        name: "worker".to_owned(),
        image: Some(wanted.image.to_owned()),
        env: Some(variables.collect()),
        ..Container::default()
    };
    Pod {
        metadata: ObjectMeta {
            name: Some(name(wanted.worker)),
            labels: Some(labels),
            owner_references: Some(vec![owner(wanted.worker)]),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            containers: vec![container],
            automount_service_account_token: Some(false),
            ..PodSpec::default()
        }),
        status: None,
    }
}

/// Whether a pod is the one that is wanted: it carries the worker's mark and the key.
fn carries(pod: &Pod, wanted: &Wanted<'_>) -> bool {
    let label = |name: &str| pod.metadata.labels.as_ref().and_then(|labels| labels.get(name)).map(String::as_str);
    label(OWNER_LABEL) == Some(wanted.owner_tag) && label(KEY_LABEL) == Some(wanted.key)
}

#[async_trait]
impl Containers for Pods {
    async fn run(&self, wanted: &Wanted<'_>) -> Result<String, ProvisionError> {
        let (pods, pod, name) = (self.of(wanted.worker), pod(wanted, &self.settings), name(wanted.worker));
        match pods.create(&PostParams::default(), &pod).await {
            Ok(made) => Ok(made.metadata.uid.unwrap_or_default()),
            // The client itself sends a request again after a time-out, and an earlier one may arrive late: then our own pod is in the way.
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => match pods.get_opt(&name).await? {
                Some(it) if it.metadata.deletion_timestamp.is_none() => {
                    if !carries(&it, wanted) {
                        return Err(ProvisionError::ForeignContainer(name));
                    }
                    Ok(it.metadata.uid.unwrap_or_default())
                }
                _ => Err(ProvisionError::Removing(name)),
            },
            Err(error) => Err(error.into()),
        }
    }

    async fn with_key(&self, worker: &Worker, key: &str) -> Result<Vec<Found>, ProvisionError> {
        let selector = ListParams::default().labels(&format!("{KEY_LABEL}={key}"));
        let told = |pod: Pod| Found {
            owner_tag: pod.metadata.labels.as_ref().and_then(|labels| labels.get(OWNER_LABEL)).cloned(),
            // One request makes it, and the kubelet starts it.
            started: pod.metadata.deletion_timestamp.is_none(),
            id: pod.metadata.uid.unwrap_or_default(),
        };
        Ok(self.of(worker).list(&selector).await?.items.into_iter().map(told).collect())
    }

    async fn remove(&self, worker: &Worker, id: &str) -> Result<(), ProvisionError> {
        let (pods, name) = (self.of(worker), name(worker));
        let this = Preconditions { uid: Some(id.to_owned()), resource_version: None };
        let params = DeleteParams { preconditions: Some(this), ..DeleteParams::default() };
        match pods.delete(&name, &params).await {
            Ok(_) => {}
            // No pod of that name, or another one.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let rest = pods.get_opt(&name).await?;
        match rest.filter(|pod| pod.metadata.uid.as_deref() == Some(id)) {
            None => Ok(()),
            Some(_) => Err(ProvisionError::Removing(name)),
        }
    }
}
