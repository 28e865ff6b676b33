//! The secrets of workers and people as Secrets, in the controller's own namespace, where they outlive a resource's namespace for as long as its effects
//! have to be undone. Invariant: of two replicas that make one, one wins and both use it; the password of a person is never changed.

use std::collections::BTreeMap;
use std::io;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};

use crate::clients::Session;
use crate::credentials::{self, Credentials, Keeper, session_fields, session_of_fields};
use crate::human::passwords::PasswordKeeper;
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

/// The key of a person's password in its Secret.
const PASSWORD: &str = "HUMAN_PASSWORD";

/// The label by which the Secrets of all lives of a person are found. Its value is a hash, because a name may be longer than a label.
const PERSON: &str = "hiclaw.io/person";

fn person(name: &str) -> String {
    blake3::hash(name.as_bytes()).to_hex()[..16].to_owned()
}

/// A person's name has at most one underscore, between namespace and name, and no name of a Secret has one.
fn name_of_person(name: &str, owner_tag: &str) -> String {
    format!("hiclaw-human.{}.{owner_tag}", name.replace('_', "."))
}

fn password(secret: &Secret) -> io::Result<credentials::Secret> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(PASSWORD));
    let text = bytes.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok()).filter(|text| !text.is_empty());
    text.map(Into::into)
        .ok_or_else(|| io::Error::other(format!("the Secret {} is damaged; restore it", secret.name_any())))
}

#[async_trait]
impl PasswordKeeper for Secrets {
    async fn load(&self, name: &str, owner_tag: &str) -> io::Result<Option<credentials::Secret>> {
        let found = self.0.get_opt(&name_of_person(name, owner_tag)).await.map_err(io::Error::other)?;
        found.as_ref().map(password).transpose()
    }

    async fn keep(&self, name: &str, owner_tag: &str, made: credentials::Secret) -> io::Result<credentials::Secret> {
        let name_of_secret = name_of_person(name, owner_tag);
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name_of_secret.clone()),
                labels: Some([(PERSON.to_owned(), person(name))].into()),
                ..ObjectMeta::default()
            },
            string_data: Some([(PASSWORD.to_owned(), made.reveal().to_owned())].into()),
            ..Secret::default()
        };
        match self.0.create(&PostParams::default(), &secret).await {
            Ok(_) => Ok(made),
            // Another replica was first.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                password(&self.0.get(&name_of_secret).await.map_err(io::Error::other)?)
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }

    async fn of_namesakes(&self, name: &str, owner_tag: &str) -> io::Result<Vec<credentials::Secret>> {
        let own = name_of_person(name, owner_tag);
        let of_person = ListParams::default().labels(&format!("{PERSON}={}", person(name)));
        let all = self.0.list(&of_person).await.map_err(io::Error::other)?;
        all.items.iter().filter(|secret| secret.name_any() != own).map(password).collect()
    }
}
