//! The workers' secrets as Secrets, in the controller's own namespace, where they outlive a worker's namespace for as long as its effects
//! have to be undone. Invariant: of two replicas that make one, one wins and both use it.

use std::collections::BTreeMap;
use std::io;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};

use crate::clients::Session;
use crate::credentials::{Credentials, Keeper, session_fields, session_of_fields};
use crate::worker::Worker;

/// The Secrets of a namespace.
#[derive(Clone)]
pub struct Secrets(Api<Secret>);

impl Secrets {
    /// The Secrets of this namespace.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self(Api::namespaced(client, namespace))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// No namespace has a dot in its name, so no two workers have one Secret.
fn name(worker: &Worker) -> String {
    format!("hiclaw-worker.{}.{}", worker.namespace, worker.name)
}

fn read(secret: &Secret) -> io::Result<Credentials> {
    let data = secret.data.as_ref();
    let field = |name: &str| String::from_utf8(data?.get(name)?.0.clone()).ok();
    Credentials::of_fields(field).ok_or_else(|| {
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        io::Error::other(format!("the Secret {name} is damaged; restore it"))
    })
}

#[async_trait]
impl Keeper for Secrets {
    async fn load(&self, worker: &Worker) -> io::Result<Option<Credentials>> {
        let found = self.0.get_opt(&name(worker)).await.map_err(io::Error::other)?;
        found.as_ref().map(read).transpose()
    }

    async fn keep(&self, worker: &Worker, made: Credentials) -> io::Result<Credentials> {
        let fields: BTreeMap<_, _> =
            made.fields().map(|(name, secret)| (name.to_owned(), secret.reveal().to_owned())).into();
        let secret = Secret {
            metadata: ObjectMeta { name: Some(name(worker)), ..ObjectMeta::default() },
            string_data: Some(fields),
            ..Secret::default()
        };
        match self.0.create(&PostParams::default(), &secret).await {
            Ok(_) => Ok(made),
            // Another replica was first.
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
                read(&self.0.get(&name(worker)).await.map_err(io::Error::other)?)
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }

    async fn session(&self, worker: &Worker) -> io::Result<Option<Session>> {
        let found = self.0.get_opt(&name(worker)).await.map_err(io::Error::other)?;
        let data = found.and_then(|secret| secret.data).unwrap_or_default();
        Ok(session_of_fields(|name| String::from_utf8(data.get(name)?.0.clone()).ok()))
    }

    async fn keep_session(&self, worker: &Worker, session: &Session) -> io::Result<()> {
        let fields: BTreeMap<_, _> = session_fields(session).into();
        let patch = Patch::Merge(serde_json::json!({ "stringData": fields }));
        self.0.patch(&name(worker), &PatchParams::default(), &patch).await.map(drop).map_err(io::Error::other)
    }
}
