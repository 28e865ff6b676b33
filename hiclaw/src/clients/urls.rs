//! Where the servers are, and how one logs in. Invariant: no debug output has a password.

use crate::container_settings::ContainerSettings;

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
    /// What every worker's container is given.
    #[command(flatten)]
    pub containers: ContainerSettings,
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
