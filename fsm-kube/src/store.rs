//! Stores the record in an annotation of the resource itself.
//!
//! Invariant: every write is a patch that contains only the record's annotation and the finalizer, with uid and resourceVersion of the object that was read.

use std::collections::BTreeMap;

use async_trait::async_trait;
use durable_fsm::{Loaded, RecordId, ResourceId, Signals, Store, StoreError, Version};
use kube::api::{ApiResource, DynamicObject, GetParams, ListParams, Patch, PatchParams, Request};
use kube::{Api, Client, Resource as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::names::Names;
use crate::object::{Metadata, Object};
use crate::refusal::{self, ANNOTATIONS_LIMIT, Refusal};
use crate::verb::Verb;

/// The field manager of every patch.
pub const FIELD_MANAGER: &str = "durable-fsm";

/// What is wrong with a definition whose objects exist and have no `/status`.
pub(crate) const NO_STATUS: &str = "the definition has no status subresource; add `subresources: {status: {}}` to its version, or `status = \"…\"` to `#[kube(…)]`";

/// Keeps records in annotations of the resources themselves. A record therefore shares life, versions and backups with its resource. Any number of controllers may use
/// the store at once, because each write is conditional on the object's resourceVersion.
///
/// The first write of a record adds the finalizer in the same patch. All annotations of an object share 256 KiB.
///
/// ```no_run
/// # async fn run() -> Result<(), kube::Error> {
/// use durable_fsm_kube::AnnotationStore;
/// use k8s_openapi::api::core::v1::ConfigMap;
///
/// let store = AnnotationStore::of::<ConfigMap>(kube::Client::try_default().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AnnotationStore {
    client: Client,
    kind: ApiResource,
    names: Option<Names>,
    status_field: String,
    consumes: Option<(String, String)>,
}

impl AnnotationStore {
    /// A store for this kind of resource, with names that derive from each machine's name.
    #[must_use]
    pub fn of<K: kube::Resource<DynamicType = ()>>(client: Client) -> Self {
        Self::of_kind(client, ApiResource::erase::<K>(&()))
    }

    /// As [`of`](Self::of), for a kind that is known only at run time.
    #[must_use]
    pub fn of_kind(client: Client, kind: ApiResource) -> Self {
        Self { client, kind, names: None, status_field: "fsm".to_owned(), consumes: None }
    }

    /// Uses these names for every machine.
    #[must_use]
    pub fn named(mut self, names: Names) -> Self {
        self.names = Some(names);
        self
    }

    /// Reads the mirrored sequence number from this field of the status, instead of from `fsm`. Two machines on one object need two fields. They share the conditions,
    /// which show the worst of both.
    #[must_use]
    pub fn mirrored_in(mut self, field: impl Into<String>) -> Self {
        self.status_field = field.into();
        self
    }

    /// The same store for carrying out one request. Its write also removes the annotation of the request. If the annotation has another value by then, the write is a
    /// conflict.
    pub(crate) fn consuming(mut self, request: &crate::request::Request) -> Self {
        self.consumes = Some((request.annotation.clone(), request.value.clone()));
        self
    }

    /// The names that are used for a machine.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if the machine's name makes no annotation key.
    pub fn names(&self, machine: &str) -> Result<Names, StoreError> {
        self.names.clone().map_or_else(|| Names::of(machine), Ok)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn kind(&self) -> &ApiResource {
        &self.kind
    }

    pub(crate) fn status_field(&self) -> &str {
        &self.status_field
    }

    /// The objects among which a resource is.
    pub(crate) fn api(&self, id: &ResourceId) -> Api<DynamicObject> {
        if id.namespace.is_empty() {
            Api::all_with(self.client.clone(), &self.kind)
        } else {
            Api::namespaced_with(self.client.clone(), &id.namespace, &self.kind)
        }
    }

    pub(crate) async fn get(&self, id: &ResourceId) -> Result<Object, StoreError> {
        let request = self.requests(id).get(&id.name, &GetParams::default());
        self.ask("get", request).await.map_err(|error| refusal::of_read(&error))
    }

    /// Sends a request, under the name that `kube` gives to its span.
    async fn ask(
        &self,
        name: &'static str,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Object, kube::Error> {
        let mut request = request.map_err(kube::Error::BuildRequest)?;
        request.extensions_mut().insert(name);
        self.client.request(request).await
    }

    /// What is asked of the server about a resource: what comes back is decoded here, and no more of it than is needed.
    fn requests(&self, id: &ResourceId) -> Request {
        let namespace = (!id.namespace.is_empty()).then_some(id.namespace.as_str());
        Request::new(DynamicObject::url_path(&self.kind, namespace))
    }

    /// What an object says. A conflict if the request that is being carried out is not on it any more.
    pub(crate) fn load_from(&self, id: &RecordId, object: &Object) -> Result<Loaded, StoreError> {
        if let Some((annotation, value)) = &self.consumes
            && object.annotation(annotation) != Some(value)
        {
            return Err(StoreError::Conflict);
        }
        if let Some(why) = self.is_taken(&id.machine, object) {
            return Err(StoreError::Refused(why));
        }
        self.read(&self.names(&id.machine)?, object)
    }

    /// Why a machine must not act on this object: another one publishes in its field of the status, and each would take the other's sequence number for its
    /// own.
    pub(crate) fn is_taken(&self, machine: &str, object: &Object) -> Option<String> {
        let (field, publisher) = (&self.status_field, object.publisher(&self.status_field)?);
        (publisher != machine).then(|| {
            format!(
                "`status.{field}` is the field of the machine {publisher}; give {machine} a field of its own with `AnnotationStore::mirrored_in`"
            )
        })
    }

    /// What an object says, for a machine with these names.
    pub(crate) fn read(&self, names: &Names, object: &Object) -> Result<Loaded, StoreError> {
        let seen = self.seen(names, object);
        // A running pass obeys a request to pause as soon as it reads it.
        let is_asked = |verb: Verb| object.annotation(&names.verb(verb)).is_some();
        Ok(Loaded {
            bytes: object.annotation(names.record()).map(|text| text.clone().into_bytes()),
            version: seen.version()?,
            marked: seen.marked(names),
            witness: self.witness(object),
            signals: Signals {
                deleting: seen.deleting,
                paused: is_asked(Verb::Pause) || is_asked(Verb::Release),
                generation: object.metadata.generation.and_then(|it| u64::try_from(it).ok()),
            },
        })
    }

    pub(crate) fn seen(&self, names: &Names, object: &Object) -> Seen {
        let metadata = &object.metadata;
        let annotations = metadata.annotations.iter().flatten();
        let others = annotations.filter(|(key, _)| *key != names.record()).map(|(key, value)| key.len() + value.len());
        Seen {
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
            finalizers: metadata.finalizers.clone().unwrap_or_default(),
            deleting: object.is_deleting(),
            recorded: object.annotation(names.record()).is_some(),
            witnessed: self.witness(object).is_some(),
            others: others.sum(),
        }
    }

    fn witness(&self, object: &Object) -> Option<u64> {
        object.witness(&self.status_field)
    }

    /// Patches the object, if it is still the one that was seen.
    async fn patch(&self, id: &RecordId, seen: &Seen, mut patch: Value, size: usize) -> Result<Object, StoreError> {
        patch["metadata"]["uid"] = json!(seen.uid);
        patch["metadata"]["resourceVersion"] = json!(seen.resource_version);
        let request = self.requests(&id.resource).patch(&id.resource.name, &params(), &Patch::Merge(patch));
        let error = match self.ask("patch", request).await {
            Ok(object) => return Ok(object),
            Err(error) => error,
        };
        match refusal::of_write(&error, size) {
            Refusal::Means(error) => Err(error),
            // Another object of that name, or one that can no longer be changed.
            Refusal::Invalid(message) => {
                let Metadata { uid, resource_version, .. } = self.get(&id.resource).await?.metadata;
                let is_same = uid == seen.uid && resource_version == seen.resource_version;
                Err(if is_same { StoreError::Invalid(message) } else { StoreError::Conflict })
            }
        }
    }

    /// Removes the finalizer and the sequence number from an object that has lost its record.
    ///
    /// # Errors
    /// As for [`Store::remove`].
    pub async fn abandon(&self, id: &RecordId) -> Result<(), StoreError> {
        let object = self.get(&id.resource).await?;
        self.abandon_version(id, &object).await.map(drop)
    }

    /// As [`abandon`](Self::abandon), if the object is still this version. None if there is nothing to remove.
    pub(crate) async fn abandon_version(&self, id: &RecordId, object: &Object) -> Result<Option<Object>, StoreError> {
        let names = self.names(&id.machine)?;
        let seen = self.seen(&names, object);
        if seen.marked(&names) || seen.witnessed { self.forget(id, seen).await.map(Some) } else { Ok(None) }
    }

    /// Removes the record, and returns the object without it.
    pub(crate) async fn remove_version(&self, id: &RecordId, seen: Seen) -> Result<Object, StoreError> {
        if seen.recorded { self.forget(id, seen).await } else { Err(StoreError::Conflict) }
    }

    async fn forget(&self, id: &RecordId, mut seen: Seen) -> Result<Object, StoreError> {
        let names = self.names(&id.machine)?;
        let others: Vec<String> = seen.finalizers.iter().filter(|it| *it != names.finalizer()).cloned().collect();
        let stays = !seen.deleting || !others.is_empty();
        if seen.witnessed && stays {
            seen = self.forget_witness(id, &seen).await?;
        }
        let patch = json!({ "metadata": { "annotations": { names.record(): null }, "finalizers": others } });
        self.patch(id, &seen, patch, 0).await
    }

    /// Takes annotations off the object, if it is still this version.
    pub(crate) async fn take_off(
        &self,
        id: &RecordId,
        object: &Object,
        annotations: &[&str],
    ) -> Result<Object, StoreError> {
        let none: BTreeMap<&str, Value> = annotations.iter().map(|key| (*key, Value::Null)).collect();
        let seen = self.seen(&self.names(&id.machine)?, object);
        self.patch(id, &seen, json!({ "metadata": { "annotations": none } }), 0).await
    }

    /// Patches the status, if the object is still this version.
    pub(crate) async fn patch_status(
        &self,
        id: &ResourceId,
        Metadata { uid, resource_version, .. }: &Metadata,
        status: &Value,
    ) -> Result<Object, kube::Error> {
        let patch = json!({ "metadata": { "uid": uid, "resourceVersion": resource_version }, "status": status });
        let request = self.requests(id).patch_subresource("status", &id.name, &params(), &Patch::Merge(patch));
        self.ask("patch_status", request).await
    }

    /// Writes the record, and returns the object with it.
    pub(crate) async fn write(&self, id: &RecordId, seen: &Seen, bytes: &[u8]) -> Result<Object, StoreError> {
        let names = self.names(&id.machine)?;
        let text = std::str::from_utf8(bytes)
            .map_err(|error| StoreError::Invalid(format!("an annotation is text, and the record is not: {error}")))?;
        let size = seen.others + names.record().len() + text.len();
        if size > ANNOTATIONS_LIMIT {
            return Err(StoreError::TooLarge { size, limit: ANNOTATIONS_LIMIT });
        }
        let mut patch = json!({ "metadata": { "annotations": { names.record(): text } } });
        if let Some((annotation, _)) = &self.consumes {
            patch["metadata"]["annotations"][annotation] = Value::Null;
        }
        // The server refuses a finalizer that is added to an object under deletion.
        let marks = !seen.deleting && !seen.finalizers.iter().any(|it| it == names.finalizer());
        if marks {
            let finalizers: Vec<&str> = seen.finalizers.iter().map(String::as_str).chain([names.finalizer()]).collect();
            patch["metadata"]["finalizers"] = json!(finalizers);
        }
        let object = self.patch(id, seen, patch, size).await?;
        if marks && object.annotation(names.record()).map(String::as_str) != Some(text) {
            // The record is gone, and a finalizer without a record looks like a lost record. If this patch fails, that is what is reported.
            let patch = json!({ "metadata": { "finalizers": seen.finalizers } });
            return self.patch(id, &self.seen(&names, &object), patch, 0).await;
        }
        Ok(object)
    }

    /// Removes the mirrored sequence number from the status. Otherwise an object that stays would look as if it had lost its record.
    async fn forget_witness(&self, id: &RecordId, seen: &Seen) -> Result<Seen, StoreError> {
        let metadata =
            Metadata { uid: seen.uid.clone(), resource_version: seen.resource_version.clone(), ..Metadata::default() };
        let none = json!({ self.status_field.as_str(): { "seq": null } });
        match self.patch_status(&id.resource, &metadata, &none).await {
            Ok(object) => Ok(self.seen(&self.names(&id.machine)?, &object)),
            Err(error) => match refusal::of_write(&error, 0) {
                Refusal::Means(StoreError::Gone) => match self.get(&id.resource).await {
                    Ok(object) if object.metadata.uid == seen.uid => Err(StoreError::Refused(NO_STATUS.to_owned())),
                    Ok(_) => Err(StoreError::Gone),
                    Err(error) => Err(error),
                },
                // The record is still there, so nothing is in doubt: the caller tries again.
                Refusal::Means(StoreError::Unknown(why)) => Err(StoreError::Unavailable(why)),
                Refusal::Means(error) => Err(error),
                Refusal::Invalid(message) => Err(StoreError::Invalid(message)),
            },
        }
    }
}

impl std::fmt::Debug for AnnotationStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnnotationStore").field("kind", &self.kind.kind).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for AnnotationStore {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        self.load_from(id, &self.get(&id.resource).await?)
    }

    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        let object = self.write(id, &Seen::from_version(expected)?, bytes).await?;
        self.read(&self.names(&id.machine)?, &object)
    }

    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        self.remove_version(id, Seen::from_version(expected)?).await.map(drop)
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        let names = self.names(machine)?;
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &self.kind);
        let mut found = Vec::new();
        let mut page = ListParams::default().limit(500);
        loop {
            let list = match api.list_metadata(&page).await {
                Ok(list) => list,
                // The continue token has expired: list from the beginning.
                Err(kube::Error::Api(status)) if status.code == 410 && page.continue_token.is_some() => {
                    found.clear();
                    page.continue_token = None;
                    continue;
                }
                Err(error) => return Err(StoreError::Unavailable(error.to_string())),
            };
            let next = list.metadata.continue_.filter(|token| !token.is_empty());
            let recorded = list.items.into_iter().filter_map(|object| {
                object.metadata.annotations.as_ref()?.get(names.record())?;
                Some(ResourceId::new(object.metadata.namespace.unwrap_or_default(), object.metadata.name?))
            });
            found.extend(recorded);
            match next {
                Some(token) => page.continue_token = Some(token),
                None => return Ok(found),
            }
        }
    }

    fn room(&self, id: &RecordId, version: &Version) -> Option<usize> {
        let (seen, names) = (Seen::from_version(version).ok()?, self.names(&id.machine).ok()?);
        Some(ANNOTATIONS_LIMIT.saturating_sub(seen.others + names.record().len()))
    }

    fn uid_of(&self, version: &Version) -> Option<String> {
        Seen::from_version(version).ok().map(|seen| seen.uid)
    }
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

/// The version of an object, with what a patch of that version needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    finalizers: Vec<String>,
    deleting: bool,
    pub(crate) recorded: bool,
    witnessed: bool,
    /// Bytes of keys and values of all annotations but the record.
    others: usize,
}

impl Seen {
    /// Whether the finalizer shows that there is or was a record.
    fn marked(&self, names: &Names) -> bool {
        let has_finalizer = self.finalizers.iter().any(|it| it == names.finalizer());
        has_finalizer && (self.recorded || !names.shares_finalizer())
    }

    pub(crate) fn version(&self) -> Result<Version, StoreError> {
        let token = serde_json::to_string(self)
            .map_err(|error| StoreError::Invalid(format!("the object's version cannot be written: {error}")))?;
        Ok(Version::new(token))
    }

    /// A version that this store did not issue is never the latest.
    pub(crate) fn from_version(version: &Version) -> Result<Self, StoreError> {
        serde_json::from_str(version.token()).map_err(|_| StoreError::Conflict)
    }
}
