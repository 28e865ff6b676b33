//! The workers' own accounts. Invariant: a worker has one session for as long as the server knows it; its token is kept with its other secrets.

use crate::clients::{ClientError, Matrix, Session};
use crate::credentials::Vault;
use crate::names;
use crate::worker::Worker;

/// Opens workers' accounts.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// The homeserver.
    pub matrix: Matrix,
    /// The workers' secrets.
    pub vault: Vault,
}

/// Why an account could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The vault.
    #[error("the vault cannot be used: {0}; nothing was sent")]
    Vault(#[from] std::io::Error),
}

impl Accounts {
    /// The worker's session: the one whose token is kept, or a new one whose token is kept from now on.
    ///
    /// # Errors
    /// [`AccountError`]; 403 if the password was changed.
    pub async fn session(&self, worker: &Worker) -> Result<Session, AccountError> {
        if let Some(kept) = self.vault.session(worker).await?
            && self.matrix.is_open(&kept).await?
        {
            return Ok(kept);
        }
        let password = self.vault.credentials(worker).await?.matrix_password;
        let session = self.matrix.login(&names::of_worker(worker), password.reveal()).await?;
        self.vault.keep_session(worker, &session).await?;
        Ok(session)
    }
}
