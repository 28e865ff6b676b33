//! The demonstration. Invariant: what it says of the world it has asked the servers, and what it says of the record it has read from the file.

mod child;
mod kills;
mod resume;
mod show;
mod stage;

use crate::clients::{ClientError, Logins};
use crate::office::Office;

pub use kills::{Kills, at_crossings, at_every_crossing};

/// What to show, and on which servers.
#[derive(Debug, Clone, clap::Args)]
pub struct Demo {
    /// Shows each call as it is made.
    #[arg(long)]
    pub calls: bool,
    /// Kills a controller at this crossing, such as `create_room/effect:after#1`, and shows how the next one goes on.
    #[arg(long)]
    pub kill_at: Option<String>,
    /// Kills a controller at every crossing, forward and during deletion, each in a world of its own.
    #[arg(long)]
    pub kill_all: bool,
    /// How many of these worlds run at the same time.
    #[arg(long, default_value_t = 8)]
    pub at_once: usize,
    /// Which servers.
    #[command(flatten)]
    pub servers: Servers,
}

/// Servers of one's own. A stand-in takes the place of each that is not given.
#[derive(Debug, Clone, clap::Args)]
pub struct Servers {
    /// The Matrix homeserver, in place of the stand-in.
    #[arg(long, env = "HICLAW_MATRIX_URL")]
    pub matrix: Option<String>,
    /// The Higress console, in place of the stand-in.
    #[arg(long, env = "HICLAW_HIGRESS_URL")]
    pub higress: Option<String>,
    /// The Docker Engine over TCP, in place of the stand-in.
    #[arg(long, env = "HICLAW_DOCKER_URL")]
    pub docker: Option<String>,
    /// The S3 endpoint, in place of the stand-in.
    #[arg(long, env = "HICLAW_S3_URL")]
    pub s3: Option<String>,
    /// Who we are to them.
    #[command(flatten)]
    pub logins: Logins,
    /// Who we are on the homeserver.
    #[command(flatten)]
    pub office: Office,
    /// The worker's image. A Docker Engine of one's own has to have it.
    #[arg(long, default_value = "hiclaw/worker:1.0")]
    pub image: String,
}

/// Why the demonstration could not be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A process or file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A server that was asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A worker could not be written down, or a record not be read.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A controller did not do what it is there for.
    #[error("the controller {0}")]
    Controller(String),
}

impl Demo {
    /// Gives the demonstration. True if ours left nothing behind.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn run(self) -> Result<bool, DemoError> {
        if self.kill_all {
            let kills = kills::crossings_in(&self.servers, self.at_once, 1).await?;
            return Ok(kills.is_as_promised());
        }
        if let Some(crossing) = &self.kill_at {
            return kills::at_one_crossing(&self.servers, crossing).await;
        }
        show::both(&self.servers, self.calls).await
    }
}
