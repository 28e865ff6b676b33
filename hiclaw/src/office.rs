//! Who the controller is to the servers that every kind needs: the administrator's account, the mail server, the registration token.

use std::net::SocketAddr;
use std::time::Duration;

use crate::administrator::Administrator;
use crate::clients::{Clients, Mail};

/// Who we are, beside the logins of the single servers.
#[derive(Clone, clap::Args)]
pub struct Office {
    /// The token with which accounts are registered.
    #[arg(long, env = "HICLAW_REGISTRATION_TOKEN", default_value = "registration-token", hide_env_values = true)]
    pub registration_token: String,
    /// The Matrix account that makes rooms and invites into them.
    #[arg(long, env = "HICLAW_MATRIX_ADMIN", default_value = "admin")]
    pub matrix_admin: String,
    /// Its password.
    #[arg(long, env = "HICLAW_MATRIX_ADMIN_PASSWORD", hide_env_values = true)]
    pub matrix_admin_password: String,
    /// The mail relay.
    #[arg(long, env = "HICLAW_SMTP", default_value = "127.0.0.1:25")]
    pub smtp: SocketAddr,
    /// Whom mails come from.
    #[arg(long, env = "HICLAW_MAIL_FROM", default_value = "HiClaw <hiclaw@localhost>")]
    pub mail_from: String,
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
        let password = self.matrix_admin_password.clone().into();
        Administrator { matrix: clients.matrix.clone(), name: self.matrix_admin.clone(), password }
    }

    /// The mail server.
    #[must_use]
    pub fn mail(&self, timeout: Duration) -> Mail {
        Mail::new(self.smtp, &self.mail_from, timeout)
    }
}
