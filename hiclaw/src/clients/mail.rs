//! The mail server's client: SMTP without encryption, for a relay on the same machine.

use std::time::Duration;

use durable_fsm::{Class, Classify};
use lettre::Message;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;

/// A mail server.
#[derive(Debug, Clone)]
pub struct Mail {
    relay: String,
    sender: String,
    timeout: Duration,
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
    /// The server answered with a refusal, or not at all.
    #[error("the mail server did not accept the mail")]
    Unaccepted(#[source] lettre::transport::smtp::Error),
}

impl Classify for MailError {
    fn classify(&self) -> Class {
        match self {
            MailError::Unwritten(_) => Class::Rejected,
            MailError::Unreached(_) => Class::NOT_APPLIED,
            // An answer that refuses has not taken the mail; without an answer, it may be on its way.
            MailError::Unaccepted(error) if error.is_permanent() => Class::Rejected,
            MailError::Unaccepted(error) if error.is_transient() || error.is_client() => Class::NOT_APPLIED,
            MailError::Unaccepted(_) => Class::Unknown,
        }
    }
}

impl Mail {
    /// A client for this relay (`host:port`), which mails as this sender and gives up after `timeout` without an answer.
    #[must_use]
    pub fn new(relay: &str, sender: &str, timeout: Duration) -> Self {
        Self { relay: relay.to_owned(), sender: sender.to_owned(), timeout }
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
        let hello = ClientId::Domain("hiclaw".to_owned());
        let connecting =
            AsyncSmtpConnection::connect_tokio1(self.relay.as_str(), Some(self.timeout), &hello, None, None);
        let mut connection = connecting.await.map_err(MailError::Unreached)?;
        let sent = connection.send(message.envelope(), &message.formatted()).await;
        sent.map_err(MailError::Unaccepted)?;
        // The mail is accepted, whatever becomes of the farewell.
        drop(connection.quit().await);
        Ok(())
    }
}
