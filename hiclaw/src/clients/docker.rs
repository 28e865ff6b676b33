//! The Docker Engine's client.

use std::collections::BTreeMap;

use async_trait::async_trait;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::encoded::url_encoded;
use super::error::{ClientError, checked};
use super::images::Images;
use crate::container_settings::{ContainerSettings, Variable, Volume};
use crate::containers::{self, Containers, Found, KEY_LABEL, OWNER_LABEL, Wanted};
use crate::provision::ProvisionError;
use crate::worker::Worker;

/// A Docker Engine.
#[derive(Debug, Clone)]
pub struct Docker {
    http: Client,
    base: String,
    settings: ContainerSettings,
    images: Images,
}

/// A container, as the engine shows it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its names, each with a slash.
    pub names: Vec<String>,
    /// Its image.
    pub image: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// `created`, `running`, …
    pub state: String,
}

/// A container that is to be made.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewContainer<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its image.
    pub image: &'a str,
    /// Its labels.
    pub labels: &'a [(&'a str, &'a str)],
    /// Its variables.
    pub variables: &'a [Variable],
}

impl Docker {
    pub(super) fn new(http: Client, base: &str, settings: ContainerSettings) -> Self {
        Self { http, base: base.trim_end_matches('/').to_owned(), settings, images: Images::default() }
    }

    /// Creates a container in the network of the workers, with their volumes; it does not run yet.
    ///
    /// # Errors
    /// The engine's; 409 if the name is taken. If the engine does not have the image, it begins to pull it, and the error is
    /// [`ClientError::Pulling`], or [`ClientError::NotPulled`] after a pull that failed.
    pub async fn create(&self, new: &NewContainer<'_>) -> Result<String, ClientError> {
        let NewContainer { name, image, labels, variables } = new;
        let url = format!("{}/containers/create?name={name}", self.base);
        let variables: Vec<_> = variables.iter().map(|it| format!("{}={}", it.name, it.value)).collect();
        let volumes: Vec<_> = self.settings.docker_volume.iter().map(Volume::bind).collect();
        let mut host = json!({ "Binds": volumes });
        if let Some(network) = &self.settings.docker_network {
            host["NetworkMode"] = json!(network);
        }
        let labels: BTreeMap<_, _> = labels.iter().copied().collect();
        let body = json!({ "Image": image, "Labels": labels, "Env": variables, "HostConfig": host });
        let created: serde_json::Value = match checked("docker", self.http.post(url).json(&body).send().await?).await {
            Ok(response) => response.json().await?,
            Err(error) if is_without_image(&error) => return Err(self.images.pull(&self.http, &self.base, image)),
            Err(error) => return Err(error),
        };
        Ok(created.get("Id").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned())
    }

    /// Starts a container; one that runs is started.
    ///
    /// # Errors
    /// The engine's.
    pub async fn start(&self, id: &str) -> Result<(), ClientError> {
        let url = format!("{}/containers/{id}/start", self.base);
        checked("docker", self.http.post(url).send().await?).await.map(drop)
    }

    /// The containers with this label.
    ///
    /// # Errors
    /// The engine's.
    pub async fn with_label(&self, label: &str, value: &str) -> Result<Vec<Container>, ClientError> {
        let filters = json!({ "label": [format!("{label}={value}")] }).to_string();
        let query = url_encoded(&filters);
        let url = format!("{}/containers/json?all=true&filters={query}", self.base);
        Ok(checked("docker", self.http.get(url).send().await?).await?.json().await?)
    }

    /// All containers.
    ///
    /// # Errors
    /// The engine's.
    pub async fn all(&self) -> Result<Vec<Container>, ClientError> {
        let url = format!("{}/containers/json?all=true", self.base);
        Ok(checked("docker", self.http.get(url).send().await?).await?.json().await?)
    }

    /// Stops and removes a container; one that is not there is removed.
    ///
    /// # Errors
    /// The engine's.
    pub async fn remove(&self, id: &str) -> Result<(), ClientError> {
        let url = format!("{}/containers/{id}?force=true", self.base);
        let response = self.http.delete(url).send().await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        checked("docker", response).await.map(drop)
    }
}

#[async_trait]
impl Containers for Docker {
    async fn run(&self, wanted: &Wanted<'_>) -> Result<String, ProvisionError> {
        let name = containers::name(wanted.worker);
        let labels = &[(OWNER_LABEL, wanted.owner_tag), (KEY_LABEL, wanted.key)];
        let variables = &self.settings.variables(wanted.worker);
        let new = NewContainer { name: &name, image: wanted.image, labels, variables };
        let id = match self.create(&new).await {
            Ok(id) => id,
            // An earlier request of ours may have arrived late: then what is in the way is ours.
            Err(error) if error.is(409, "") => match self.with_key(wanted.worker, wanted.key).await?.as_slice() {
                [it] if it.owner_tag.as_deref() == Some(wanted.owner_tag) => it.id.clone(),
                _ => return Err(ProvisionError::ForeignContainer(name)),
            },
            Err(error) => return Err(error.into()),
        };
        // The container is there, so a refusal to start it is no refusal of the step.
        self.start(&id).await.map_err(|error| ProvisionError::Partly(Box::new(error.into())))?;
        Ok(id)
    }

    async fn with_key(&self, _: &Worker, key: &str) -> Result<Vec<Found>, ProvisionError> {
        let found = self.with_label(KEY_LABEL, key).await?;
        let told = |it: Container| Found {
            owner_tag: it.labels.get(OWNER_LABEL).cloned(),
            started: it.state == "running",
            id: it.id,
        };
        Ok(found.into_iter().map(told).collect())
    }

    async fn remove(&self, _: &Worker, id: &str) -> Result<(), ProvisionError> {
        Ok(Docker::remove(self, id).await?)
    }
}

/// Whether a container was refused for want of its image. A missing network is answered with the same status.
fn is_without_image(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused { status: StatusCode::NOT_FOUND, message, .. } if message.contains("No such image"))
}
