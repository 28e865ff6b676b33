//! A worker's secrets. Invariant: they are durable before anybody is told them, and they never enter a record: the type does not implement
//! `Serialize`.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, fs, io};

use async_trait::async_trait;

use crate::secret_file;
use crate::worker::Worker;

const PASSWORD: &str = "WORKER_PASSWORD";
const GATEWAY_KEY: &str = "WORKER_GATEWAY_KEY";

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
}

#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn path(&self, worker: &Worker) -> PathBuf {
        self.0.join(format!("{}.env", secret_file::harmless(&worker.name)))
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
}
