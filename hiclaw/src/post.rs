//! Where mails go, and whom they come from. Invariant: a password is sent over an encrypted connection or not at all.

use std::path::PathBuf;
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, TlsParameters};

use crate::clients::{Encryption, Mail};

/// Where mails go.
#[derive(Clone, clap::Args)]
pub struct Post {
    /// The mail relay, as `host:port`.
    #[arg(long, env = "HICLAW_SMTP", default_value = "127.0.0.1:25")]
    pub smtp: String,
    /// Whether the connection to the relay is encrypted.
    #[arg(long, env = "HICLAW_SMTP_TLS", value_enum, default_value_t)]
    pub smtp_tls: SmtpTls,
    /// A file of certificates in PEM. The relay's certificate may be signed by one of them, or by one that the system trusts.
    #[arg(long, env = "HICLAW_SMTP_CA")]
    pub smtp_ca: Option<PathBuf>,
    /// Who we are to the relay. Without it, there is no login.
    #[arg(long, env = "HICLAW_SMTP_USER", requires = "smtp_password")]
    pub smtp_user: Option<String>,
    /// Its password.
    #[arg(long, env = "HICLAW_SMTP_PASSWORD", requires = "smtp_user", hide_env_values = true)]
    pub smtp_password: Option<String>,
    /// Whom mails come from.
    #[arg(long, env = "HICLAW_MAIL_FROM", default_value = "HiClaw <hiclaw@localhost>")]
    pub mail_from: String,
}

/// How the connection to the mail relay is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum SmtpTls {
    /// Not at all: the relay runs on the same computer, or in the same cluster.
    #[default]
    None,
    /// From the command STARTTLS on, usually at port 587.
    Starttls,
    /// From the first byte on, usually at port 465.
    Tls,
}

/// Why there is no client for the relay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// A password without encryption.
    #[error("the password of the mail relay is not sent without encryption; add --smtp-tls=starttls or --smtp-tls=tls")]
    Bare,
    /// The certificates cannot be read.
    #[error("the certificates in {} cannot be read: {why}; give --smtp-ca a file in PEM", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The relay's name is not one of a host, or the system's certificates cannot be used.
    #[error("there is no TLS client for the mail relay: {0}; correct --smtp")]
    Tls(#[source] lettre::transport::smtp::Error),
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post").field("smtp", &self.smtp).field("smtp_tls", &self.smtp_tls).finish_non_exhaustive()
    }
}

impl Post {
    /// The client for the relay, which gives up after `patience` without a connection.
    ///
    /// # Errors
    /// [`PostError`].
    pub fn mail(&self, patience: Duration) -> Result<Mail, PostError> {
        let encryption = match self.smtp_tls {
            SmtpTls::None => Encryption::None,
            SmtpTls::Starttls => Encryption::StartTls(self.tls()?),
            SmtpTls::Tls => Encryption::Tls(self.tls()?),
        };
        let mail = Mail::new(&self.smtp, &self.mail_from, patience);
        match (&self.smtp_user, &self.smtp_password) {
            (Some(_), Some(_)) if self.smtp_tls == SmtpTls::None => Err(PostError::Bare),
            (Some(user), Some(password)) => {
                Ok(mail.encrypted(encryption).login(Credentials::new(user.clone(), password.clone())))
            }
            _ => Ok(mail.encrypted(encryption)),
        }
    }

    fn tls(&self) -> Result<TlsParameters, PostError> {
        let host = self.smtp.rsplit_once(':').map_or(self.smtp.as_str(), |(host, _)| host);
        let mut builder = TlsParameters::builder(host.trim_matches(['[', ']']).to_owned());
        if let Some(path) = &self.smtp_ca {
            let unread = |why: String| PostError::Certificates { path: path.clone(), why };
            let text = std::fs::read(path).map_err(|error| unread(error.to_string()))?;
            builder =
                builder.add_root_certificate(Certificate::from_pem(&text).map_err(|error| unread(error.to_string()))?);
        }
        builder.build().map_err(PostError::Tls)
    }
}
