//! Records as files. Invariant: at every instant, also after a crash at any operation, the file of a record holds the old record or the
//! new one, whole.
//!
//! A record is replaced by writing a temporary file beside it, `fsync`, `rename`, and `fsync` of the directory. ALICE (OSDI'14) found
//! that leaving out any of these loses data on some file system.

mod disk;
mod flush;
mod layout;
mod name;
mod reader;
mod text;
mod tree;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

pub use disk::{Disk, FileOps, Stamp};
pub use reader::FileReader;
use tree::Tree;

use super::open::OpenError;
use super::work::Work;
use super::{Catalogue, Loaded, RecordId, Signals, Store, StoreError, Version};
use crate::ResourceId;

/// A directory with one JSON file for each record: `<machine>/<namespace>/<name>.json`. Whatever could leave the directory or confuse a
/// file system is escaped as `%` and two hex digits, and the JSON is laid out for readers.
///
/// Every clone is the same store. Files have mode 0600 and directories 0700. [`FileReader`] reads the records beside it.
///
/// # One process
///
/// The directory is locked against every other process, and against every other handle of this one, for as long as this store or a
/// clone of it lives. The operating system releases the lock when the process ends. Before each operation the store checks that the path
/// still leads to the directory that it locked. If the directory was moved or replaced, the answer is [`StoreError::Refused`].
///
/// # What is durable
///
/// When [`Store::compare_and_swap`] or [`Store::remove`] returns, file and directory were flushed with `fsync`. [`Store::load`] answers
/// only with what is durable. An operation that fails once the name may have been taken is [`StoreError::Unknown`]; before that it is
/// [`StoreError::Unavailable`]. After a flush that failed, nothing in that directory is read or written until it was changed and
/// flushed again.
///
/// # Threads
///
/// All work is done on the runtime's threads for blocking work, at most 64 operations at once. Operations on one record follow each
/// other. Operations on different records share the flush of their directory. An operation that has begun runs to its end, also when its
/// future is dropped.
///
/// # Versions
///
/// A version is how often this handle has written the record, with the file's inode, length and time of writing, so that an edit by hand
/// is noticed. After a removal the count goes on, so a writer that is late by a whole life conflicts. A tombstone on disk is not needed
/// for that: the lock proves that no writer of an earlier process is left.
#[derive(Debug)]
pub struct FileStore<O: FileOps = Disk>(Arc<Tree<O>>, Work);

impl<O: FileOps> Clone for FileStore<O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1.clone())
    }
}

impl FileStore {
    /// Opens a directory, making it if it is not there. Files that a crash has left half written in its `.tmp` are removed.
    ///
    /// # Errors
    /// [`OpenError::Locked`] if another handle has it open; [`OpenError::Io`].
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Self::open_on(Disk::default(), directory)
    }
}

impl FileStore {
    /// The file in which a record is or would be kept in a directory, without opening it.
    #[must_use]
    pub fn path_in(directory: impl Into<PathBuf>, id: &RecordId) -> PathBuf {
        layout::Layout { root: directory.into() }.path(id)
    }
}

impl<O: FileOps> FileStore<O> {
    /// Opens a directory through other file operations: for tests that crash between them.
    ///
    /// # Errors
    /// As for [`FileStore::open`].
    pub fn open_on(ops: O, directory: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Ok(Self(Arc::new(Tree::open(ops, &directory.into())?), Work::default()))
    }

    /// The file in which a record is or would be kept.
    #[must_use]
    pub fn path(&self, id: &RecordId) -> PathBuf {
        self.0.path(id)
    }

    async fn with<A: Send + 'static>(
        &self,
        work: impl FnOnce(&Tree<O>) -> Result<A, StoreError> + Send + 'static,
    ) -> Result<A, StoreError> {
        let tree = Arc::clone(&self.0);
        self.1.off(move || work(&tree)).await
    }
}

#[async_trait]
impl<O: FileOps> Store for FileStore<O> {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        let id = id.clone();
        let (bytes, version) = self.with(move |tree| tree.read(&id)).await?;
        let version = Version::new(version);
        Ok(Loaded { marked: bytes.is_some(), bytes, version, witness: None, signals: Signals::default() })
    }

    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        let (id, expected, bytes) = (id.clone(), expected.clone(), bytes.to_vec());
        let (version, bytes) =
            self.with(move |tree| tree.replace(&id, expected.token(), &bytes).map(|version| (version, bytes))).await?;
        Ok(Loaded {
            bytes: Some(bytes),
            version: Version::new(version),
            marked: true,
            witness: None,
            signals: Signals::default(),
        })
    }

    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        let (id, expected) = (id.clone(), expected.clone());
        self.with(move |tree| tree.remove(&id, expected.token())).await
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        let machine = machine.to_owned();
        self.with(move |tree| tree.list(&machine)).await
    }

    fn exclusive(&self) -> bool {
        true
    }
}

#[async_trait]
impl<O: FileOps> Catalogue for FileStore<O> {
    async fn machines(&self) -> Result<Vec<String>, StoreError> {
        self.with(Tree::machines).await
    }
}
