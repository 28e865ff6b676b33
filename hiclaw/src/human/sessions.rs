//! Sessions of people. Invariant: a password logs in once for each process, and always as the same device, so no devices pile up and a homeserver's
//! limit on logins is not reached.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clients::{ClientError, Matrix, Session};

/// The device of every session.
const DEVICE: &str = "hiclaw-controller";

/// What a password does.
pub(super) enum Tried {
    /// It opens the account.
    Opens(Session),
    /// It does not.
    Wrong,
    /// The account is deactivated, so no password opens it.
    Deactivated,
}

/// The sessions that are open. Every clone has the same ones.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<Open>>);

/// Sessions by the name of the account and a hash of the password.
type Open = BTreeMap<(String, String), Session>;

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("open", &self.open().len()).finish()
    }
}

impl Sessions {
    /// The session that this password has opened, if it is still open. Otherwise it logs in.
    pub(super) async fn of(&self, matrix: &Matrix, name: &str, password: &str) -> Result<Tried, ClientError> {
        let known = self.open().get(&key(name, password)).cloned();
        if let Some(session) = known
            && matrix.is_open(&session).await?
        {
            return Ok(Tried::Opens(session));
        }
        self.log_in(matrix, name, password).await
    }

    /// Logs in, also if a session is open: the password may have been changed since.
    pub(super) async fn log_in(&self, matrix: &Matrix, name: &str, password: &str) -> Result<Tried, ClientError> {
        match matrix.login_as(name, password, Some(DEVICE)).await {
            Ok(session) => {
                self.keep(name, password, &session);
                Ok(Tried::Opens(session))
            }
            Err(error) if error.is(403, "M_USER_DEACTIVATED") => Ok(Tried::Deactivated),
            Err(error) if error.is(403, "M_FORBIDDEN") => Ok(Tried::Wrong),
            Err(error) => Err(error),
        }
    }

    /// Keeps a session that this password has opened.
    pub(super) fn keep(&self, name: &str, password: &str, session: &Session) {
        self.open().insert(key(name, password), session.clone());
    }

    /// Forgets the sessions of an account.
    pub(super) fn forget(&self, name: &str) {
        self.open().retain(|(of, _), _| of != name);
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(name: &str, password: &str) -> (String, String) {
    (name.to_owned(), blake3::hash(password.as_bytes()).to_hex().to_string())
}
