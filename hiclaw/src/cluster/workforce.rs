//! Workers that teams make, as objects of the cluster. Invariant: a worker that no team has made, or another one, is neither changed nor removed.

use async_trait::async_trait;
use durable_fsm::ResourceId;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use super::{WorkerObject, WorkerObjectSpec};
use crate::roster::RosterError;
use crate::team::provision::{Employment, TeamError, Workforce};
use crate::worker::WorkerSpec;

/// The annotation with the mark of the team that has made a worker.
pub const EMPLOYER: &str = "hiclaw.io/employer";

/// The workers of a cluster.
#[derive(Clone)]
pub struct WorkerObjects(Client);

impl WorkerObjects {
    /// Workers, made and removed by this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    fn of(&self, employment: &Employment<'_>) -> Api<WorkerObject> {
        Api::namespaced(self.0.clone(), employment.namespace)
    }
}

impl std::fmt::Debug for WorkerObjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerObjects").finish_non_exhaustive()
    }
}

/// Whether this team has made this worker.
fn is_employed(worker: &WorkerObject, employment: &Employment<'_>) -> bool {
    worker.annotations().get(EMPLOYER).is_some_and(|employer| employer == employment.employer)
}

#[async_trait]
impl Workforce for WorkerObjects {
    async fn employ(&self, employment: &Employment<'_>, spec: &WorkerSpec) -> Result<String, TeamError> {
        let (workers, name) = (self.of(employment), employment.worker);
        let WorkerSpec { image, model, skills } = spec.clone();
        let spec = WorkerObjectSpec { image, model, skills };
        let mut wanted = WorkerObject::new(name, spec);
        wanted.annotations_mut().insert(EMPLOYER.to_owned(), employment.employer.to_owned());
        match workers.create(&PostParams::default(), &wanted).await {
            Ok(_) => return Ok(name.to_owned()),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => return Err(error.into()),
        }
        let found = workers.get(name).await?;
        if !is_employed(&found, employment) {
            return Err(TeamError::Foreign(name.to_owned()));
        }
        // One that was let go leaves before it comes again.
        if found.metadata.deletion_timestamp.is_some() {
            return Err(RosterError::NotReady(ResourceId::new(employment.namespace, name)).into());
        }
        if found.spec != wanted.spec {
            let patch = json!({ "metadata": { "uid": found.metadata.uid }, "spec": wanted.spec });
            workers.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        }
        Ok(name.to_owned())
    }

    async fn let_go(&self, employment: &Employment<'_>) -> Result<(), TeamError> {
        let (workers, name) = (self.of(employment), employment.worker);
        let Some(found) = workers.get_opt(name).await? else { return Ok(()) };
        if !is_employed(&found, employment) {
            return Ok(());
        }
        // Only this one: another may have its name by now.
        let preconditions = Some(Preconditions { uid: found.metadata.uid, resource_version: None });
        match workers.delete(name, &DeleteParams { preconditions, ..DeleteParams::default() }).await {
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
            deleted => Ok(deleted.map(drop)?),
        }
    }
}
