//! Clients of the servers. Invariant: a client says what happened and decides nothing; whether to try again is the driver's business.

mod docker;
mod higress;
mod images;
#[cfg(feature = "embedded")]
mod mail;
mod matrix;
mod oss;

use std::time::Duration;

use durable_fsm::http::{self, Redirects};
use durable_fsm::{Class, Classify};
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};

pub use docker::{Container, Docker};
pub use higress::Higress;
#[cfg(feature = "embedded")]
pub use mail::{Encryption, Letter, Mail, MailError};
pub use matrix::{Matrix, NewRoom, Registered, Session};
pub use oss::Oss;

/// The bucket in which HiClaw keeps its agents' files.
pub const S3_BUCKET: &str = "hiclaw";
/// The stand-in's access key.
pub const S3_ACCESS_KEY: &str = "hiclaw";
/// The stand-in's secret key.
pub const S3_SECRET_KEY: &str = "hiclaw-secret";

/// Where the servers are, and who we are to them.
#[derive(Debug, Clone, clap::Args)]
pub struct Urls {
    /// The Matrix homeserver.
    #[arg(long = "matrix", env = "HICLAW_MATRIX_URL")]
    pub matrix: String,
    /// The Higress console.
    #[arg(long = "higress", env = "HICLAW_HIGRESS_URL")]
    pub higress: String,
    /// The Docker Engine, over TCP.
    #[arg(long = "docker", env = "HICLAW_DOCKER_URL", default_value = "http://127.0.0.1:2375")]
    pub docker: String,
    /// The Docker network that the workers' containers join, instead of the engine's default.
    #[arg(long, env = "HICLAW_DOCKER_NETWORK")]
    pub docker_network: Option<String>,
    /// The S3 endpoint.
    #[arg(long = "s3", env = "HICLAW_S3_URL")]
    pub s3: String,
    /// Who we are to them.
    #[command(flatten)]
    pub logins: Logins,
}

/// How one logs in at the servers that have administrators. The defaults are the stand-ins'.
#[derive(Clone, clap::Args)]
pub struct Logins {
    /// The user at the Higress console.
    #[arg(long, env = "HICLAW_HIGRESS_USER", default_value = "admin")]
    pub higress_user: String,
    /// The password at the Higress console.
    #[arg(long, env = "HICLAW_HIGRESS_PASSWORD", default_value = "admin", hide_env_values = true)]
    pub higress_password: String,
    /// The access key of the S3 server.
    #[arg(long, env = "HICLAW_S3_ACCESS_KEY", default_value = S3_ACCESS_KEY)]
    pub s3_access_key: String,
    /// The secret key of the S3 server.
    #[arg(long, env = "HICLAW_S3_SECRET_KEY", default_value = S3_SECRET_KEY, hide_env_values = true)]
    pub s3_secret_key: String,
    /// The token of an administrator of the homeserver. For taking stock only; no step of a worker needs it.
    #[arg(long, env = "HICLAW_MATRIX_ADMIN_TOKEN", hide_env_values = true)]
    pub matrix_admin_token: Option<String>,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            higress_user: "admin".to_owned(),
            higress_password: "admin".to_owned(),
            s3_access_key: S3_ACCESS_KEY.to_owned(),
            s3_secret_key: S3_SECRET_KEY.to_owned(),
            matrix_admin_token: None,
        }
    }
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logins").field("higress_user", &self.higress_user).finish_non_exhaustive()
    }
}

/// All four clients.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The homeserver.
    pub matrix: Matrix,
    /// The gateway's console.
    pub higress: Higress,
    /// The container engine.
    pub docker: Docker,
    /// The object store.
    pub oss: Oss,
}

impl Clients {
    /// Clients for these servers, each giving up after `timeout`.
    ///
    /// # Errors
    /// An address is none.
    pub fn new(urls: &Urls, timeout: Duration) -> Result<Self, ClientError> {
        // An error behind a redirect would say nothing of the request that was served before it.
        let policy = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().timeout(timeout).redirect(policy).no_proxy().build()?;
        Ok(Self {
            matrix: Matrix::new(http.clone(), urls),
            higress: Higress::new(http.clone(), urls),
            docker: Docker::new(http.clone(), &urls.docker, urls.docker_network.clone()),
            oss: Oss::new(http, urls)?,
        })
    }
}

/// What a server did not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The request did not go through, or its answer did not come.
    #[error("the request failed")]
    Http(#[source] reqwest::Error),
    /// The server refused.
    #[error("{server} answered {status} {code}: {message}")]
    Refused {
        /// The server.
        server: &'static str,
        /// The status.
        status: StatusCode,
        /// Matrix' error code; empty elsewhere.
        code: String,
        /// What it said.
        message: String,
        /// What the status says about the effect.
        class: Class,
    },
    /// The address of the object store is none.
    #[error("{0} is no address of an S3 server; give one such as http://127.0.0.1:9000")]
    Address(String),
    /// Something of that name exists, and our own credential does not open it.
    #[error("{0} exists and our credential does not open it; it belongs to somebody else")]
    NotOurs(String),
    /// A route was changed by others at each of our tries.
    #[error("the route {0} is being changed by others; it is tried again")]
    Contended(String),
    /// The container engine does not have the image yet.
    #[error("the image {0} is being pulled; no container was made")]
    Pulling(String),
    /// The container engine does not have the image, and could not pull it.
    #[error("the image {image} could not be pulled: {message}; check its name, or pull it by hand; it is tried again")]
    NotPulled {
        /// The image.
        image: String,
        /// What the engine said.
        message: String,
    },
}

impl ClientError {
    /// Whether the server refused with this status and Matrix error code.
    #[must_use]
    pub fn is(&self, status: u16, code: &str) -> bool {
        matches!(self, ClientError::Refused { status: it, code: its, .. } if it.as_u16() == status && its == code)
    }
}

impl From<reqwest::Error> for ClientError {
    /// Without the URL, because a URL of the object store is signed, and can be used by everyone who reads it.
    fn from(error: reqwest::Error) -> Self {
        ClientError::Http(error.without_url())
    }
}

impl Classify for ClientError {
    fn classify(&self) -> Class {
        match self {
            ClientError::Http(error) => http::classify(error, Redirects::Refused),
            ClientError::Refused { class, .. } => *class,
            ClientError::Address(_) => Class::Rejected,
            ClientError::NotOurs(_) => Class::NotOurs,
            ClientError::Pulling(_) | ClientError::NotPulled { .. } => Class::NOT_APPLIED,
            // Every try of ours answered 409, and a stale write takes effect before it does.
            ClientError::Contended(_) => Class::Unknown,
        }
    }
}

/// The answer, if it is a success.
async fn checked(server: &'static str, response: Response) -> Result<Response, ClientError> {
    let status = response.status();
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    let headers: HeaderMap = response.headers().clone();
    let class = http::classify_status(status, &headers, Redirects::Refused);
    let text = response.text().await.unwrap_or_default();
    let body: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let field = |name: &str| body.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let message = field("error").or_else(|| field("message")).unwrap_or(text);
    Err(ClientError::Refused { server, status, code: field("errcode").unwrap_or_default(), message, class })
}

fn url_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
