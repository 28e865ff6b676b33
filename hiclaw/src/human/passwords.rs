//! Initial passwords. Invariant: a password is durable before the server hears it, and it is never overwritten, because it opens the
//! account, and the account is there forever.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::credentials::Secret;
use crate::secret_file;

const PASSWORD: &str = "HUMAN_PASSWORD";

/// The initial passwords in a directory: one file, mode 0600, for each life of a person, so that a namesake's stays what it was. For one
/// controller.
#[derive(Debug, Clone)]
pub struct Passwords(PathBuf);

impl Passwords {
    /// The passwords in a directory, which is made if need be.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        Ok(Self(directory))
    }

    /// The password of the person with this name and owner tag: the one that is there, or a new one that is durable when this returns.
    ///
    /// # Errors
    /// The operating system's, or that the file is damaged.
    pub fn own(&self, name: &str, owner_tag: &str) -> io::Result<Secret> {
        if let Some(password) = self.kept(name, owner_tag)? {
            return Ok(password);
        }
        let made = Secret::generate(16)?;
        secret_file::write(&self.path(name, owner_tag), [(PASSWORD, made.reveal())])?;
        Ok(made)
    }

    /// The password of the person with this name and owner tag, if one was made.
    ///
    /// # Errors
    /// As for [`own`](Self::own).
    pub fn kept(&self, name: &str, owner_tag: &str) -> io::Result<Option<Secret>> {
        Self::read(&self.path(name, owner_tag))
    }

    /// The passwords of the namesakes of the person with this owner tag.
    ///
    /// # Errors
    /// As for [`own`](Self::own).
    pub fn of_namesakes(&self, name: &str, owner_tag: &str) -> io::Result<Vec<Secret>> {
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

    /// Gives the password of an earlier life of a person to a later one: the operator's word that both are the same person. When it
    /// returns, that is durable.
    ///
    /// # Errors
    /// There is no password of the earlier life, or there is one of the later.
    pub fn hand_over(&self, name: &str, earlier: &str, later: &str) -> io::Result<()> {
        if self.kept(name, later)?.is_some() {
            return Err(io::Error::other(format!("{name} has a password of this life; nothing was handed over")));
        }
        fs::rename(self.path(name, earlier), self.path(name, later))?;
        fs::File::open(&self.0)?.sync_all()
    }

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
