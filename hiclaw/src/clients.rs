//! Clients of the servers. Invariant: a client says what happened and decides nothing; whether to try again is the driver's business.

mod docker;
mod encoded;
mod error;
mod higress;
mod images;
#[cfg(feature = "embedded")]
mod mail;
mod matrix;
mod oss;
mod urls;

use std::time::Duration;

pub use docker::{Container, Docker, NewContainer};
pub use error::ClientError;
pub use higress::Higress;
#[cfg(feature = "embedded")]
pub use mail::{Encryption, Letter, Mail, MailError};
pub use matrix::{Matrix, NewRoom, Registered, Session};
pub use oss::Oss;
pub use urls::{Logins, S3_ACCESS_KEY, S3_BUCKET, S3_SECRET_KEY, Urls};

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
            docker: Docker::new(http.clone(), &urls.docker, urls.containers.clone()),
            oss: Oss::new(http, urls)?,
        })
    }
}
