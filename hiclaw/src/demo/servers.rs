//! The servers of the demonstration. Invariant: a stand-in takes the place of each that is not given.

use crate::clients::Logins;
use crate::office::Office;

/// Servers of one's own.
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
