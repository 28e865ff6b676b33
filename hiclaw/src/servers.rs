//! Stand-ins for the servers that HiClaw talks to. Invariant: they misbehave only as the real ones were seen or read to do.

mod docker;
mod higress;
mod listener;
mod mail;
mod matrix;
mod oss;

pub use docker::Docker;
pub use higress::Higress;
pub use listener::{Call, Calls, Listener};
pub use mail::Mail;
pub use matrix::{HalfRoom, Matrix};
pub use oss::Oss;

use std::pin::Pin;

use crate::clients::{Logins, Urls};
use crate::container_settings::ContainerSettings;

/// All five servers, on free loopback ports, for as long as this lives.
pub struct World {
    /// The homeserver.
    pub matrix: Matrix,
    /// The gateway's console.
    pub higress: Higress,
    /// The container engine.
    pub docker: Docker,
    /// The object store.
    pub oss: Oss,
    /// The mail server.
    pub mail: Mail,
    /// Every call to any of them, in order.
    pub calls: Calls,
}

/// A world that starts. In a box, so that the servers are compiled here and not wherever one is awaited.
pub type Starting = Pin<Box<dyn Future<Output = std::io::Result<World>> + Send>>;

impl World {
    /// Starts all five; the homeserver's domain is `hiclaw.test`.
    ///
    /// # Errors
    /// A port cannot be had.
    pub fn start() -> Starting {
        Self::with_domain("hiclaw.test")
    }

    /// Starts all five, with a homeserver of this domain.
    ///
    /// # Errors
    /// A port cannot be had.
    pub fn with_domain(domain: &str) -> Starting {
        let domain = domain.to_owned();
        Box::pin(async move {
            let calls = Calls::default();
            Ok(Self {
                matrix: Matrix::start(&calls, &domain).await?,
                higress: Higress::start(&calls).await?,
                docker: Docker::start(&calls).await?,
                oss: Oss::start(&calls).await?,
                mail: Mail::start(&calls).await?,
                calls,
            })
        })
    }

    /// Where they are; the mail server has [an address](Mail::address) of its own.
    #[must_use]
    pub fn urls(&self) -> Urls {
        Urls {
            matrix: self.matrix.listener.url(),
            higress: self.higress.listener.url(),
            docker: self.docker.listener.url(),
            containers: ContainerSettings::default(),
            s3: self.oss.listener.url(),
            logins: Logins::default(),
        }
    }
}
