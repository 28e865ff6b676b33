//! Who the controller is to the servers that every kind needs.

use crate::administrator::Administrator;
use crate::clients::Clients;

/// The administrator's password at the stand-in.
pub const ADMIN_PASSWORD: &str = "admin-password";

/// Who we are on the homeserver. The defaults are the stand-in's.
#[derive(Clone, clap::Args)]
pub struct Office {
    /// The token with which accounts are registered.
    #[arg(long, env = "HICLAW_REGISTRATION_TOKEN", default_value = "registration-token", hide_env_values = true)]
    pub registration_token: String,
    /// The Matrix account that makes rooms and invites into them.
    #[arg(long, env = "HICLAW_MATRIX_ADMIN", default_value = "admin")]
    pub matrix_admin: String,
    /// Its password.
    #[arg(long, env = "HICLAW_MATRIX_ADMIN_PASSWORD", default_value = ADMIN_PASSWORD, hide_env_values = true)]
    pub matrix_admin_password: String,
    /// The Matrix account that is invited into every worker's room.
    #[arg(long, env = "HICLAW_MANAGER", default_value = "manager")]
    pub manager: String,
}

impl Default for Office {
    fn default() -> Self {
        Self {
            registration_token: "registration-token".to_owned(),
            matrix_admin: "admin".to_owned(),
            matrix_admin_password: ADMIN_PASSWORD.to_owned(),
            manager: "manager".to_owned(),
        }
    }
}

impl std::fmt::Debug for Office {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Office").field("matrix_admin", &self.matrix_admin).finish_non_exhaustive()
    }
}

impl Office {
    /// The administrator, on the homeserver of these clients.
    #[must_use]
    pub fn administrator(&self, clients: &Clients) -> Administrator {
        Administrator::new(clients.matrix.clone(), &self.matrix_admin, self.matrix_admin_password.clone().into())
    }
}
