//! The client of the cloud. Invariant: it says what happened and decides nothing. Whether to try again is the driver's business.

use std::time::Duration;

use durable_fsm::Lookup;
use durable_fsm::http::{Redirects, classify_status};
use kube::Client;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::access::Secrets;
use crate::project::Project;
use crate::provision::{Access, Provider, ProviderError};

/// The cloud, and the Secrets that tell the access keys.
#[derive(Clone)]
pub struct Cloud {
    http: reqwest::Client,
    url: String,
    secrets: Secrets,
}

impl Cloud {
    /// The cloud at this address.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(url: &str, client: Client) -> Result<Self, ProviderError> {
        let http = reqwest::Client::builder()
            // A request gives up before its transition does, so that the error says why.
            .timeout(Duration::from_secs(4))
            // After a redirect, an error no longer tells what happened to the first request.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(ProviderError::NoAnswer)?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), secrets: Secrets::new(client) })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// Sends a request whose thing may be gone by now.
    async fn remove(&self, path: String) -> Result<(), ProviderError> {
        match answer(self.request(Method::DELETE, &path)).await {
            Err(ProviderError::Refused { status, .. }) if status.as_u16() == 404 => Ok(()),
            answered => answered.map(drop),
        }
    }
}

async fn answer(request: RequestBuilder) -> Result<Response, ProviderError> {
    let answer = request.send().await.map_err(no_answer)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    Err(ProviderError::Refused { status, class: classify_status(status, answer.headers(), Redirects::Refused) })
}

async fn read<T: serde::de::DeserializeOwned>(request: RequestBuilder) -> Result<T, ProviderError> {
    answer(request).await?.json().await.map_err(no_answer)
}

fn no_answer(error: reqwest::Error) -> ProviderError {
    ProviderError::NoAnswer(error.without_url())
}

/// What the cloud tells about a project.
#[derive(serde::Deserialize)]
struct Described {
    id: String,
    prepared: bool,
}

impl Provider for Cloud {
    type Error = ProviderError;

    async fn create_project(&self, key: &str, owner: &str) -> Result<String, ProviderError> {
        let request = self.request(Method::POST, "/projects").json(&json!({ "key": key, "owner": owner }));
        Ok(read::<Described>(request).await?.id)
    }

    async fn find_project(&self, key: &str, owner: &str) -> Result<Option<String>, ProviderError> {
        let request = self.request(Method::GET, "/projects").query(&[("key", key), ("owner", owner)]);
        Ok(read::<Vec<Described>>(request).await?.pop().map(|it| it.id))
    }

    async fn is_prepared(&self, project: &str) -> Result<bool, ProviderError> {
        Ok(read::<Described>(self.request(Method::GET, &format!("/projects/{project}"))).await?.prepared)
    }

    async fn delete_project(&self, project: &str) -> Result<(), ProviderError> {
        self.remove(format!("/projects/{project}")).await
    }

    async fn issue(&self, project: &str, key: &str, _owner: &str) -> Result<Access, ProviderError> {
        let request = self.request(Method::POST, &format!("/projects/{project}/keys"));
        read(request.header("Idempotency-Key", key)).await
    }

    async fn revoke(&self, key: &str) -> Result<(), ProviderError> {
        self.remove(format!("/keys/{key}")).await
    }

    async fn set_quota(&self, project: &str, quota: u32) -> Result<(), ProviderError> {
        let body: Value = json!({ "gigabytes": quota });
        answer(self.request(Method::PUT, &format!("/projects/{project}/quota")).json(&body)).await.map(drop)
    }

    async fn create_secret(&self, project: &Project, key: &str, owner: &str) -> Result<String, ProviderError> {
        self.secrets.create(project, key, owner).await.map_err(ProviderError::Secret)
    }

    async fn find_secret(&self, project: &Project, key: &str, owner: &str) -> Result<Lookup<String>, ProviderError> {
        self.secrets.find(project, key, owner).await.map_err(ProviderError::Secret)
    }

    async fn fill_secret(&self, project: &Project, secret: &str, access: &Access) -> Result<(), ProviderError> {
        self.secrets.fill(project, secret, access).await.map_err(ProviderError::NotFilled)
    }

    async fn delete_secret(&self, project: &Project, secret: &str) -> Result<(), ProviderError> {
        self.secrets.delete(project, secret).await.map_err(ProviderError::Secret)
    }
}
