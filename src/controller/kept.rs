//! The copies of resources that a controller keeps in the store. Invariant: a resource that has a record has a copy here, written before the
//! record and removed after it, so that a deletion always has a resource to be called with.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::{RESOURCES, Stamp};
use crate::{Machine, RecordId, Resource, ResourceId, Store, StoreError};

const FORMAT: u32 = 1;

/// A copy of a resource.
#[derive(Debug, Clone)]
pub(super) struct Kept<R> {
    pub(super) resource: R,
    /// The file that it was read from.
    pub(super) file: Option<String>,
    /// It is to be deleted, whatever is wanted now.
    pub(super) deleting: bool,
    /// Since when it is to be deleted.
    pub(super) since: Option<Stamp>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Copy {
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleting: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Stamp>,
    resource: Value,
}

fn machine<M: Machine>() -> String {
    format!("{}{RESOURCES}", M::GRAPH.name)
}

fn record_id<M: Machine>(id: &ResourceId) -> RecordId {
    RecordId { machine: machine::<M>(), resource: id.clone() }
}

/// All copies. One that cannot be read is left alone and reported: without it nothing is known of its resource.
pub(super) async fn all<M>(store: &dyn Store) -> Result<Vec<(ResourceId, Kept<M::Resource>)>, StoreError>
where
    M: Machine,
    M::Resource: DeserializeOwned,
{
    let mut all = Vec::new();
    for id in store.list(&machine::<M>()).await? {
        let Some(bytes) = store.load(&record_id::<M>(&id)).await?.bytes else { continue };
        match read(&bytes) {
            Ok(kept) => all.push((id, kept)),
            Err(error) => tracing::warn!(
                machine = M::GRAPH.name, resource = %id, %error,
                "the stored copy of the resource cannot be read; until its document is read again, no pass runs for it"
            ),
        }
    }
    Ok(all)
}

fn read<R: DeserializeOwned>(bytes: &[u8]) -> Result<Kept<R>, serde_json::Error> {
    let Copy { format, file, deleting, since, resource } = serde_json::from_slice(bytes)?;
    if format != FORMAT {
        return Err(serde::de::Error::custom(format!("it has format {format}, and this version reads {FORMAT}")));
    }
    Ok(Kept { resource: R::deserialize(resource)?, file, deleting, since })
}

fn write<R: Serialize>(kept: &Kept<R>) -> Result<Vec<u8>, StoreError> {
    let resource = serde_json::to_value(&kept.resource);
    let copy = resource.and_then(|resource| {
        let Kept { file, deleting, since, .. } = kept;
        let copy = Copy { format: FORMAT, file: file.clone(), deleting: *deleting, since: *since, resource };
        serde_json::to_vec(&copy)
    });
    copy.map_err(|error| StoreError::Invalid(format!("the resource cannot be written as JSON: {error}")))
}

impl<R: Serialize> Kept<R> {
    /// Whether the other is a copy of the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same = |a: &R, b: &R| serde_json::to_value(a).ok() == serde_json::to_value(b).ok();
        self.deleting == other.deleting && self.file == other.file && same(&self.resource, &other.resource)
    }
}

/// The copy; none if there is none.
pub(super) async fn get<M>(store: &dyn Store, id: &ResourceId) -> Result<Option<Kept<M::Resource>>, StoreError>
where
    M: Machine,
    M::Resource: DeserializeOwned,
{
    let Some(bytes) = store.load(&record_id::<M>(id)).await?.bytes else { return Ok(None) };
    let invalid = |error| StoreError::Invalid(format!("the stored copy of the resource cannot be read: {error}"));
    read(&bytes).map(Some).map_err(invalid)
}

/// Writes the copy, unless it is there already. When it returns, the copy is durable.
pub(super) async fn put<M>(store: &dyn Store, kept: &Kept<M::Resource>) -> Result<(), StoreError>
where
    M: Machine,
    M::Resource: Serialize,
{
    let id = record_id::<M>(&kept.resource.id());
    let bytes = write(kept)?;
    let loaded = store.load(&id).await?;
    let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    // A store may lay the text out anew.
    if loaded.bytes.as_deref().and_then(value) == value(&bytes) {
        return Ok(());
    }
    store.compare_and_swap(&id, &loaded.version, &bytes).await.map(drop)
}

/// Removes the copy, if it is there.
pub(super) async fn remove<M: Machine>(store: &dyn Store, id: &ResourceId) -> Result<(), StoreError> {
    let id = record_id::<M>(id);
    let loaded = store.load(&id).await?;
    if loaded.bytes.is_none() {
        return Ok(());
    }
    store.remove(&id, &loaded.version).await
}
