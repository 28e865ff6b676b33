//! The mail server's client: SMTP, encrypted or not. Invariant: a password and a mail are sent only after the connection is encrypted, if it is to be.

use std::error::Error as _;
use std::time::Duration;

use durable_fsm::{Class, Classify};
use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

/// A mail server.
#[derive(Debug, Clone)]
pub struct Mail {
    relay: String,
    sender: String,
    timeout: Duration,
    encryption: Encryption,
    login: Option<Credentials>,
}

/// How the connection is encrypted.
#[derive(Clone)]
pub enum Encryption {
    /// Not at all.
    None,
    /// From the command STARTTLS on. A server that does not offer it gets no mail.
    StartTls(TlsParameters),
    /// From the first byte on.
    Tls(TlsParameters),
}

/// A mail that is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// To whom.
    pub to: &'a str,
    /// Its message id, with angle brackets.
    pub message_id: &'a str,
    /// What it is about.
    pub subject: &'a str,
    /// What it says.
    pub text: &'a str,
}

/// What the mail server did not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailError {
    /// The mail cannot be written.
    #[error("the mail cannot be written ({0}); correct the address")]
    Unwritten(String),
    /// The server could not be reached, or did not greet.
    #[error("the mail server did not answer the greeting; nothing was sent")]
    Unreached(#[source] lettre::transport::smtp::Error),
    /// The connection could not be encrypted.
    #[error(
        "the connection to the mail server could not be encrypted; check --smtp-tls and --smtp-ca; nothing was sent"
    )]
    Unencrypted(#[source] lettre::transport::smtp::Error),
    /// The login failed.
    #[error("the login at the mail server failed; check HICLAW_SMTP_USER and HICLAW_SMTP_PASSWORD; no mail was sent")]
    LoggedOut(#[source] lettre::transport::smtp::Error),
    /// The server answered with a refusal, or not at all.
    #[error("the mail server did not accept the mail")]
    Unaccepted(#[source] lettre::transport::smtp::Error),
}

impl std::fmt::Debug for Encryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Encryption::None => "None",
            Encryption::StartTls(_) => "StartTls",
            Encryption::Tls(_) => "Tls",
        })
    }
}

impl Classify for MailError {
    fn classify(&self) -> Class {
        match self {
            MailError::Unwritten(_) => Class::Rejected,
            MailError::Unreached(_) | MailError::Unencrypted(_) | MailError::LoggedOut(_) => Class::NOT_APPLIED,
            // An answer that refuses has not taken the mail; without an answer, it may be on its way.
            MailError::Unaccepted(error) if error.is_permanent() => Class::Rejected,
            MailError::Unaccepted(error) if error.is_transient() || error.is_client() => Class::NOT_APPLIED,
            MailError::Unaccepted(_) => Class::Unknown,
        }
    }
}

/// Whether a connection has failed because of TLS. rustls wraps its errors, such as a certificate that cannot be trusted, in this kind of I/O error.
fn is_about_tls(error: &lettre::transport::smtp::Error) -> bool {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    let mut sources = sources.filter_map(|error| error.downcast_ref::<std::io::Error>());
    sources.any(|error| error.kind() == std::io::ErrorKind::InvalidData)
}

impl Mail {
    /// A client for this relay (`host:port`), which mails as this sender and gives up after `timeout` without an answer. It encrypts nothing, and does not log in.
    #[must_use]
    pub fn new(relay: &str, sender: &str, timeout: Duration) -> Self {
        let (relay, sender) = (relay.to_owned(), sender.to_owned());
        Self { relay, sender, timeout, encryption: Encryption::None, login: None }
    }

    /// Encrypts the connection.
    #[must_use]
    pub fn encrypted(self, encryption: Encryption) -> Self {
        Self { encryption, ..self }
    }

    /// Logs in before each mail.
    #[must_use]
    pub fn login(self, credentials: Credentials) -> Self {
        Self { login: Some(credentials), ..self }
    }

    /// A connection that a mail can be sent over.
    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let hello = ClientId::Domain("hiclaw".to_owned());
        let (at_once, later) = match &self.encryption {
            Encryption::None => (None, None),
            Encryption::StartTls(tls) => (None, Some(tls.clone())),
            Encryption::Tls(tls) => (Some(tls.clone()), None),
        };
        let unreached = |error| match is_about_tls(&error) {
            true => MailError::Unencrypted(error),
            false => MailError::Unreached(error),
        };
        let connecting =
            AsyncSmtpConnection::connect_tokio1(self.relay.as_str(), Some(self.timeout), &hello, at_once, None);
        let mut connection = connecting.await.map_err(unreached)?;
        if let Some(tls) = later {
            connection.starttls(tls, &hello).await.map_err(MailError::Unencrypted)?;
        }
        if let Some(login) = &self.login {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, login).await.map_err(MailError::LoggedOut)?;
        }
        Ok(connection)
    }

    /// Sends a mail. Done when the server has taken it over; a second call sends a second one.
    ///
    /// # Errors
    /// [`MailError`].
    pub async fn send(&self, letter: &Letter<'_>) -> Result<(), MailError> {
        let mailbox =
            |text: &str| text.parse::<Mailbox>().map_err(|error| MailError::Unwritten(format!("`{text}`: {error}")));
        let message = Message::builder()
            .from(mailbox(&self.sender)?)
            .to(mailbox(letter.to)?)
            .message_id(Some(letter.message_id.to_owned()))
            .subject(letter.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.to_owned())
            .map_err(|error| MailError::Unwritten(error.to_string()))?;
        let mut connection = self.connect().await?;
        let sent = connection.send(message.envelope(), &message.formatted()).await;
        sent.map_err(MailError::Unaccepted)?;
        // The mail is accepted, whatever becomes of the farewell.
        drop(connection.quit().await);
        Ok(())
    }
}
