//! Where mails go, and whom they come from.

use std::time::Duration;

use crate::clients::Mail;

/// Where mails go.
#[derive(Debug, Clone, clap::Args)]
pub struct Post {
    /// The mail relay, as `host:port`.
    #[arg(long, env = "HICLAW_SMTP", default_value = "127.0.0.1:25")]
    pub smtp: String,
    /// Whom mails come from.
    #[arg(long, env = "HICLAW_MAIL_FROM", default_value = "HiClaw <hiclaw@localhost>")]
    pub mail_from: String,
}

impl Post {
    /// The client for the relay.
    #[must_use]
    pub fn mail(&self, patience: Duration) -> Mail {
        Mail::new(&self.smtp, &self.mail_from, patience)
    }
}
