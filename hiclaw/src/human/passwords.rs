//! Initial passwords. Invariant: a password is durable before the server hears it, and it is never overwritten, because it opens the
//! account, and the account is there forever.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs, io};

use async_trait::async_trait;

use crate::credentials::Secret;
use crate::secret_file;

const PASSWORD: &str = "HUMAN_PASSWORD";

/// Where initial passwords are kept: one for each life of a person, so that a namesake's stays what it was.
#[async_trait]
pub trait PasswordKeeper: fmt::Debug + Send + Sync {
    /// The password of the person with this name and owner tag, if one was made.
    async fn load(&self, name: &str, owner_tag: &str) -> io::Result<Option<Secret>>;

    /// Keeps this password, unless there is one by now; gives the one that is kept, durably.
    async fn keep(&self, name: &str, owner_tag: &str, made: Secret) -> io::Result<Secret>;

    /// The passwords of the persons with this name and another owner tag.
    async fn of_namesakes(&self, name: &str, owner_tag: &str) -> io::Result<Vec<Secret>>;
}

/// The initial passwords.
#[derive(Debug, Clone)]
pub struct Passwords(Arc<dyn PasswordKeeper>);

impl Passwords {
    /// The passwords that are kept there.
    #[must_use]
    pub fn new(keeper: impl PasswordKeeper + 'static) -> Self {
        Self(Arc::new(keeper))
    }

    /// The passwords in a directory, which is made if need be: one file, mode 0600, for each life of a person. For one controller.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        Ok(Self::new(Directory(directory)))
    }

    /// The password of the person with this name and owner tag: the one that is there, or a new one that is durable when this returns.
    ///
    /// # Errors
    /// The keeper's, or that what is kept is damaged.
    pub async fn own(&self, name: &str, owner_tag: &str) -> io::Result<Secret> {
        match self.0.load(name, owner_tag).await? {
            Some(password) => Ok(password),
            None => self.0.keep(name, owner_tag, Secret::generate(16)?).await,
        }
    }

    /// The password of the person with this name and owner tag, if one was made.
    ///
    /// # Errors
    /// As for [`own`](Self::own).
    pub async fn kept(&self, name: &str, owner_tag: &str) -> io::Result<Option<Secret>> {
        self.0.load(name, owner_tag).await
    }

    /// The passwords of the namesakes of the person with this owner tag.
    ///
    /// # Errors
    /// As for [`own`](Self::own).
    pub async fn of_namesakes(&self, name: &str, owner_tag: &str) -> io::Result<Vec<Secret>> {
        self.0.of_namesakes(name, owner_tag).await
    }

    /// Gives the password of an earlier life of a person to a later one, too: the operator's word that both are the same person. When it
    /// returns, that is durable.
    ///
    /// # Errors
    /// There is no password of the earlier life, or there is one of the later.
    pub async fn hand_over(&self, name: &str, earlier: &str, later: &str) -> io::Result<()> {
        if self.0.load(name, later).await?.is_some() {
            return Err(io::Error::other(format!("{name} has a password of this life; nothing was handed over")));
        }
        let password = self.0.load(name, earlier).await?;
        let password = password.ok_or_else(|| io::Error::other(format!("{name} has no password of that life")))?;
        self.0.keep(name, later, password).await.map(drop)
    }
}

#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    /// A name that was made harmless has no dot in it, so no two persons have one file.
    fn path(&self, name: &str, owner_tag: &str) -> PathBuf {
        self.0.join(format!("{}.{owner_tag}.env", secret_file::harmless(name)))
    }

    fn read(path: &Path) -> io::Result<Option<Secret>> {
        let Some(mut fields) = secret_file::read(path)? else { return Ok(None) };
        match fields.remove(PASSWORD).filter(|text| !text.is_empty()) {
            Some(password) => Ok(Some(password.into())),
            None => Err(io::Error::other(format!("{} is damaged; restore it", path.display()))),
        }
    }
}

#[async_trait]
impl PasswordKeeper for Directory {
    async fn load(&self, name: &str, owner_tag: &str) -> io::Result<Option<Secret>> {
        Self::read(&self.path(name, owner_tag))
    }

    async fn keep(&self, name: &str, owner_tag: &str, made: Secret) -> io::Result<Secret> {
        secret_file::write(&self.path(name, owner_tag), [(PASSWORD, made.reveal())])?;
        Ok(made)
    }

    async fn of_namesakes(&self, name: &str, owner_tag: &str) -> io::Result<Vec<Secret>> {
        let (own, begins) = (self.path(name, owner_tag), format!("{}.", secret_file::harmless(name)));
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let (path, file) = (entry.path(), entry.file_name());
            let is_password = file.to_str().is_some_and(|it| it.starts_with(&begins) && it.ends_with(".env"));
            if is_password && path != own {
                found.extend(Self::read(&path)?);
            }
        }
        Ok(found)
    }
}
