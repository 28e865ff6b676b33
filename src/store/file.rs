//! Records as files. Invariant: at every instant, also after a crash at any operation, the file of a record holds the old record or the
//! new one, whole.
//!
//! A record is replaced by writing a temporary file beside it, `fsync`, `rename`, and `fsync` of the directory. ALICE (OSDI'14) found
//! that leaving out any of these loses data on some file system.

mod disk;
mod name;
mod tree;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

pub use disk::{Disk, FileOps};
use tree::Tree;

use super::{Loaded, RecordId, Signals, Store, StoreError, Version};
use crate::ResourceId;

/// A directory with one JSON file for each record: `<machine>/<namespace>/<name>.json`, with whatever could leave the directory or
/// confuse a file system escaped as `%` and two hex digits.
///
/// Files have mode 0600 and directories 0700. A lock on the file `.lock` keeps every other process out, and every other handle of this one, for as
/// long as this store or a clone of it lives; the operating system releases it when the process ends, however it ends.
///
/// # What is durable
///
/// When [`Store::compare_and_swap`] or [`Store::remove`] returns, file and directory were flushed with `fsync`. An operation that fails in
/// the middle is [`StoreError::Unknown`] from the rename on, and [`StoreError::Unavailable`] before. Each operation runs to its
/// end once begun, also when its future is dropped.
///
/// # Versions
///
/// A version is a number that this handle counts. After a removal the count goes on, so a writer that is late by a whole life conflicts. A
/// tombstone on disk is not needed for that: the lock proves that no writer of an earlier process is left.
#[derive(Debug, Clone)]
pub struct FileStore<O: FileOps = Disk>(Arc<Mutex<Tree<O>>>);

/// Why a directory cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Somebody else has it open.
    #[error(
        "{0} is locked by another process, or by another handle of this one; stop that controller, or give this one a directory of its own"
    )]
    Locked(PathBuf),
    /// The directory cannot be made, read or locked.
    #[error("cannot open the record directory {path}: {source}; it must be a directory that this user may write to")]
    Io {
        /// The path.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
}

impl FileStore {
    /// Opens a directory, making it if it is not there. Temporary files that a crash has left are removed.
    ///
    /// # Errors
    /// [`OpenError::Locked`] if another handle has it open; [`OpenError::Io`].
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Self::open_on(Disk::default(), directory)
    }
}

impl<O: FileOps> FileStore<O> {
    /// Opens a directory through other file operations: for tests that crash between them.
    ///
    /// # Errors
    /// As for [`FileStore::open`].
    pub fn open_on(ops: O, directory: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Ok(Self(Arc::new(Mutex::new(Tree::open(ops, directory.into())?))))
    }

    /// The file in which a record is or would be kept.
    #[must_use]
    pub fn path(&self, id: &RecordId) -> PathBuf {
        self.with(|tree| tree.path(id))
    }

    /// Files are small and local: the work is done in place, so that dropping the future cannot leave it half done.
    fn with<A>(&self, work: impl FnOnce(&mut Tree<O>) -> A) -> A {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl<O: FileOps> Store for FileStore<O> {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        let (bytes, version) = self.with(|tree| tree.read(id))?;
        let version = Version::new(version.to_string());
        Ok(Loaded { marked: bytes.is_some(), bytes, version, witness: None, signals: Signals::default() })
    }

    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        let version = self.with(|tree| tree.replace(id, expected.token(), bytes))?;
        Ok(Loaded {
            bytes: Some(bytes.to_vec()),
            version: Version::new(version.to_string()),
            marked: true,
            witness: None,
            signals: Signals::default(),
        })
    }

    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        self.with(|tree| tree.remove(id, expected.token()))
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.with(|tree| tree.list(machine))
    }

    fn exclusive(&self) -> bool {
        true
    }
}
