//! What a server did not do. Invariant: no message has a URL.

use durable_fsm::http::{self, Redirects};
use durable_fsm::{Class, Classify};
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};

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
pub(super) async fn checked(server: &'static str, response: Response) -> Result<Response, ClientError> {
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
