//! A worker's secrets. Invariant: they are durable before they are sent anywhere, and they never enter a record: the type does not implement
//! `Serialize`.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, fs, io};

use async_trait::async_trait;

use crate::clients::Session;
use crate::names;
use crate::secret_file;
use crate::worker::Worker;

const PASSWORD: &str = "WORKER_PASSWORD";
const GATEWAY_KEY: &str = "WORKER_GATEWAY_KEY";
const MATRIX_USER: &str = "WORKER_MATRIX_USER";
const MATRIX_TOKEN: &str = "WORKER_MATRIX_TOKEN";

/// A secret text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for the call that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(crate) fn generate(bytes: usize) -> io::Result<Self> {
        let mut random = vec![0; bytes];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self(random.iter().map(|byte| format!("{byte:02x}")).collect()))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The secrets of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The password of its Matrix account.
    pub matrix_password: Secret,
    /// Its key at the gateway.
    pub gateway_key: Secret,
}

impl Credentials {
    /// Random ones.
    fn generate() -> io::Result<Self> {
        Ok(Self { matrix_password: Secret::generate(16)?, gateway_key: Secret::generate(32)? })
    }

    /// The fields, as they are kept.
    #[must_use]
    pub fn fields(&self) -> [(&'static str, &Secret); 2] {
        [(PASSWORD, &self.matrix_password), (GATEWAY_KEY, &self.gateway_key)]
    }

    /// The credentials of these fields, if they are all there.
    #[must_use]
    pub fn of_fields(field: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let secret = |name: &str| field(name).filter(|text| !text.is_empty()).map(Secret);
        Some(Self { matrix_password: secret(PASSWORD)?, gateway_key: secret(GATEWAY_KEY)? })
    }
}

/// Where secrets are kept.
#[async_trait]
pub trait Keeper: fmt::Debug + Send + Sync {
    /// The secrets of a worker, if there are any.
    async fn load(&self, worker: &Worker) -> io::Result<Option<Credentials>>;

    /// Keeps these secrets, unless there are some by now; gives those that are kept, durably.
    async fn keep(&self, worker: &Worker, made: Credentials) -> io::Result<Credentials>;

    /// The worker's open session, if one is kept.
    async fn session(&self, worker: &Worker) -> io::Result<Option<Session>>;

    /// Keeps a session in place of the one before.
    async fn keep_session(&self, worker: &Worker, session: &Session) -> io::Result<()>;
}

/// The fields of a session, as they are kept.
#[must_use]
pub fn session_fields(session: &Session) -> [(&'static str, &str); 2] {
    [(MATRIX_USER, &session.user_id), (MATRIX_TOKEN, session.token())]
}

/// The session of these fields, if they are all there.
#[must_use]
pub fn session_of_fields(field: impl Fn(&str) -> Option<String>) -> Option<Session> {
    Some(Session::of(field(MATRIX_USER)?, field(MATRIX_TOKEN)?))
}

/// The workers' secrets.
#[derive(Debug, Clone)]
pub struct Vault(Arc<dyn Keeper>);

impl Vault {
    /// The vault that keeps its secrets there.
    #[must_use]
    pub fn new(keeper: impl Keeper + 'static) -> Self {
        Self(Arc::new(keeper))
    }

    /// The vault in a directory, which is made if need be: one file for each worker, mode 0600. For one controller.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        Ok(Self::new(Directory(directory)))
    }

    /// The secrets of a worker: those that are there, or new ones that are durable when this returns.
    ///
    /// # Errors
    /// The keeper's, or that what is kept is damaged.
    pub async fn credentials(&self, worker: &Worker) -> io::Result<Credentials> {
        match self.0.load(worker).await? {
            Some(credentials) => Ok(credentials),
            None => self.0.keep(worker, Credentials::generate()?).await,
        }
    }

    /// Whether the worker has secrets: then it, or a namesake of it, has begun to use them.
    ///
    /// # Errors
    /// As for [`credentials`](Self::credentials).
    pub async fn knows(&self, worker: &Worker) -> io::Result<bool> {
        Ok(self.0.load(worker).await?.is_some())
    }

    /// The worker's open session, if one is kept.
    ///
    /// # Errors
    /// The keeper's.
    pub async fn session(&self, worker: &Worker) -> io::Result<Option<Session>> {
        self.0.session(worker).await
    }

    /// Keeps a session in place of the one before. When this returns, it is durable.
    ///
    /// # Errors
    /// The keeper's.
    pub async fn keep_session(&self, worker: &Worker, session: &Session) -> io::Result<()> {
        self.0.keep_session(worker, session).await
    }
}

#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn path(&self, worker: &Worker) -> PathBuf {
        self.0.join(format!("{}.env", names::of_worker(worker)))
    }

    fn session_path(&self, worker: &Worker) -> PathBuf {
        // No name has a dot in it.
        self.0.join(format!("{}.session.env", names::of_worker(worker)))
    }
}

#[async_trait]
impl Keeper for Directory {
    async fn load(&self, worker: &Worker) -> io::Result<Option<Credentials>> {
        let path = self.path(worker);
        let Some(fields) = secret_file::read(&path)? else { return Ok(None) };
        match Credentials::of_fields(|name| fields.get(name).cloned()) {
            Some(credentials) => Ok(Some(credentials)),
            None => Err(io::Error::other(format!("{} is damaged; restore it", path.display()))),
        }
    }

    async fn keep(&self, worker: &Worker, made: Credentials) -> io::Result<Credentials> {
        secret_file::write(&self.path(worker), made.fields().map(|(name, secret)| (name, secret.reveal())))?;
        Ok(made)
    }
    async fn session(&self, worker: &Worker) -> io::Result<Option<Session>> {
        let Some(fields) = secret_file::read(&self.session_path(worker))? else { return Ok(None) };
        Ok(session_of_fields(|name| fields.get(name).cloned()))
    }

    async fn keep_session(&self, worker: &Worker, session: &Session) -> io::Result<()> {
        secret_file::write(&self.session_path(worker), session_fields(session))
    }
}
