//! What the database asks of a file system beside what the files do, and why a backup fails.

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use crate::store::{Disk, FileOps};

/// A file system with files that are read and written in any place.
pub trait Pages: FileOps {
    /// An open file.
    type Pages: redb::StorageBackend;

    /// Opens a file that is there.
    ///
    /// # Errors
    /// The operating system's.
    fn open_pages(&self, path: &Path) -> io::Result<Self::Pages>;

    /// Makes an empty file with mode 0600. Whatever has the name already is an error.
    ///
    /// # Errors
    /// The operating system's.
    fn create_pages(&self, path: &Path) -> io::Result<Self::Pages>;
}

impl Pages for Disk {
    type Pages = redb::backends::FileBackend;

    fn open_pages(&self, path: &Path) -> io::Result<Self::Pages> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Self::Pages::new(file).map_err(io::Error::other)
    }

    fn create_pages(&self, path: &Path) -> io::Result<Self::Pages> {
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.read(true).write(true).create_new(true).open(path)?;
        Self::Pages::new(file).map_err(io::Error::other)
    }
}

/// Makes each change of a file's length durable before anything else is written. redb writes a header that counts on it, and after a crash
/// the header may be there while the length is not.
#[derive(Debug)]
pub(super) struct Ordered<B>(pub(super) B);

impl<B: redb::StorageBackend> redb::StorageBackend for Ordered<B> {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)?;
        self.0.sync_data()
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write(offset, bytes)
    }
    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}

/// Why a backup was not written. No file of its name was made.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the backup {file}: {why}; give it a new file in a directory that this user may write to")]
pub struct BackupError {
    file: PathBuf,
    why: String,
}

impl BackupError {
    pub(super) fn new(file: PathBuf, why: &dyn fmt::Display) -> Self {
        Self { file, why: why.to_string() }
    }
}
