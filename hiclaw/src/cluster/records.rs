//! The records of workers and teams, as the watches have delivered them. Invariant: nothing is asked of the API server, and nothing is written.

use async_trait::async_trait;
use durable_fsm::{Loaded, RecordId, ResourceId, Signals, Store, StoreError, Version};
use durable_fsm_kube::Names;
use kube::runtime::reflector::{self, ObjectRef};
use kube::{Resource, ResourceExt as _};

use super::{TeamObject, WorkerObject};
use crate::team::TeamFlow;
use crate::worker::WorkerFlow;

/// The caches of the workers and the teams.
#[derive(Clone)]
pub(super) struct Records {
    pub(super) workers: reflector::Store<WorkerObject>,
    pub(super) teams: reflector::Store<TeamObject>,
}

fn read<K: Resource<DynamicType = ()> + Clone + 'static>(
    cache: &reflector::Store<K>,
    id: &RecordId,
) -> Result<Loaded, StoreError> {
    let names = Names::of(&id.machine)?;
    let object = cache.get(&ObjectRef::new(&id.resource.name).within(&id.resource.namespace));
    let record = object.as_ref().and_then(|it| it.annotations().get(names.record()).cloned());
    let version = object.as_ref().and_then(|it| it.resource_version()).unwrap_or_default();
    let (marked, bytes) = (record.is_some(), record.map(String::into_bytes));
    Ok(Loaded { bytes, version: Version::new(version), marked, witness: None, signals: Signals::default() })
}

fn read_only() -> StoreError {
    StoreError::Refused("a cache is not written".to_owned())
}

#[async_trait]
impl Store for Records {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        match id.machine.as_str() {
            machine if machine == WorkerFlow::GRAPH.name => read(&self.workers, id),
            machine if machine == TeamFlow::GRAPH.name => read(&self.teams, id),
            machine => Err(StoreError::Invalid(format!("the records of {machine} are not watched"))),
        }
    }

    async fn compare_and_swap(&self, _: &RecordId, _: &Version, _: &[u8]) -> Result<Loaded, StoreError> {
        Err(read_only())
    }

    async fn remove(&self, _: &RecordId, _: &Version) -> Result<(), StoreError> {
        Err(read_only())
    }

    async fn list(&self, _: &str) -> Result<Vec<ResourceId>, StoreError> {
        Err(read_only())
    }
}
