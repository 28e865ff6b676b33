//! The Secret in which a project finds its access key. Invariant: a Secret without our marks is neither changed nor removed.

use durable_fsm::Lookup;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use crate::project::Project;
use crate::provision::Access;

/// The label with the owner tag: which life of which project has made the Secret.
const OWNER: &str = "example.io/owner";
/// The label with the idempotency key: which attempt has made it.
const KEY: &str = "example.io/key";

/// The Secrets of all namespaces.
#[derive(Clone)]
pub struct Secrets(Client);

impl Secrets {
    /// Those that this client reaches.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    fn of(&self, project: &Project) -> Api<Secret> {
        Api::namespaced(self.0.clone(), project.namespace().as_deref().unwrap_or_default())
    }

    /// Creates the Secret, empty, and answers its uid.
    ///
    /// # Errors
    /// As the API server says, also if the name is taken.
    pub async fn create(&self, project: &Project, key: &str, owner: &str) -> Result<String, kube::Error> {
        let labels = [(OWNER.to_owned(), owner.to_owned()), (KEY.to_owned(), key.to_owned())];
        let metadata = ObjectMeta { name: Some(name(project)), labels: Some(labels.into()), ..ObjectMeta::default() };
        let secret = Secret { metadata, ..Secret::default() };
        let created = self.of(project).create(&PostParams::default(), &secret).await?;
        Ok(created.metadata.uid.unwrap_or_default())
    }

    /// The uid of the Secret, if this attempt has made it.
    ///
    /// # Errors
    /// As the API server says.
    pub async fn find(&self, project: &Project, key: &str, owner: &str) -> Result<Lookup<String>, kube::Error> {
        let Some(found) = self.of(project).get_opt(&name(project)).await? else { return Ok(Lookup::Absent) };
        let has = |label: &str, value: &str| found.labels().get(label).is_some_and(|it| it == value);
        Ok(match found.uid() {
            Some(uid) if has(OWNER, owner) && has(KEY, key) => Lookup::Ours(uid),
            _ => Lookup::NotOurs,
        })
    }

    /// Writes the access key into the Secret of this uid.
    ///
    /// # Errors
    /// As the API server says, also if the Secret is gone, or another one has its name.
    pub async fn fill(&self, project: &Project, uid: &str, access: &Access) -> Result<(), kube::Error> {
        // The API server refuses a patch whose uid is another one.
        let patch = json!({ "metadata": { "uid": uid }, "stringData": { "id": access.id, "secret": access.secret } });
        self.of(project).patch(&name(project), &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
    }

    /// Deletes the Secret of this uid, if it is there.
    ///
    /// # Errors
    /// As the API server says.
    pub async fn delete(&self, project: &Project, uid: &str) -> Result<(), kube::Error> {
        let secrets = self.of(project);
        if secrets.get_opt(&name(project)).await?.and_then(|it| it.uid()).as_deref() != Some(uid) {
            return Ok(());
        }
        // Only the one that was looked at, and not another one that has its name by now.
        let only = Preconditions { uid: Some(uid.to_owned()), ..Preconditions::default() };
        match secrets.delete(&name(project), &DeleteParams::default().preconditions(only)).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            deleted => deleted.map(drop),
        }
    }
}

fn name(project: &Project) -> String {
    format!("{}-access", project.name_any())
}
