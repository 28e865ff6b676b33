//! A worker's secrets. Invariant: they are durable before anybody is told them, and they never enter a record: the type does not implement
//! `Serialize`.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A secret text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for the call that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn generate(bytes: usize) -> io::Result<Self> {
        let mut random = vec![0; bytes];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self(random.iter().map(|byte| format!("{byte:02x}")).collect()))
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

/// A directory with one file of secrets for each worker, mode 0600.
#[derive(Debug, Clone)]
pub struct Vault(PathBuf);

impl Vault {
    /// The vault in a directory, which is made if need be.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        Ok(Self(directory))
    }

    /// The secrets of a worker: those that are there, or new ones that are durable when this returns.
    ///
    /// # Errors
    /// The operating system's, or that the file is damaged.
    pub fn credentials(&self, worker: &str) -> io::Result<Credentials> {
        let path = self.path(worker);
        match fs::read_to_string(&path) {
            Ok(text) => {
                parse(&text).ok_or_else(|| io::Error::other(format!("{} is damaged; restore it", path.display())))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = Credentials { matrix_password: Secret::generate(16)?, gateway_key: Secret::generate(32)? };
                self.save(&path, &made)?;
                Ok(made)
            }
            Err(error) => Err(error),
        }
    }

    fn path(&self, worker: &str) -> PathBuf {
        // The name is one of a Kubernetes object; anything else is made harmless.
        let name: String =
            worker.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        self.0.join(format!("{name}.env"))
    }

    fn save(&self, path: &Path, credentials: &Credentials) -> io::Result<()> {
        let temporary = path.with_extension("tmp");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&temporary)?;
        let (password, key) = (credentials.matrix_password.reveal(), credentials.gateway_key.reveal());
        write!(file, "WORKER_PASSWORD={password}\nWORKER_GATEWAY_KEY={key}\n")?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(&self.0)?.sync_all()
    }
}

fn parse(text: &str) -> Option<Credentials> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        (!line.is_empty()).then(|| Secret(line.to_owned()))
    };
    Some(Credentials { matrix_password: field("WORKER_PASSWORD")?, gateway_key: field("WORKER_GATEWAY_KEY")? })
}
