//! All records in one database file, with group commit. Invariant: a caller is answered only when the commit that holds its write is durable.

mod database;
mod engine;
mod pages;
mod request;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;

use engine::Engine;
pub use pages::{BackupError, Pages};
use request::{Change, Request};

use super::open::OpenError;
use super::work::Work;
use super::{Catalogue, Disk, Loaded, RecordId, Signals, Store, StoreError, Version};
use crate::ResourceId;

/// All records in one [redb] database: `records.redb` in a directory of its own. For more than about a hundred resources on one machine.
///
/// Every clone is the same store. The directory is locked as the one of a [`FileStore`](super::FileStore) is: against other processes, and
/// against other handles of this one, for as long as a clone lives.
///
/// # Group commit
///
/// Writers queue. One thread takes what has gathered, applies it in order in one transaction, and commits it with one flush. Each
/// caller is answered when the commit that holds its write is durable. So the number of flushes depends on how long a flush takes, and not on
/// how many resources are worked on.
///
/// # What is durable
///
/// When [`Store::compare_and_swap`] or [`Store::remove`] returns, the database was flushed with `fdatasync`. [`Store::load`] reads the last
/// committed state and waits for no writer. If a commit fails, its callers are told [`StoreError::Unknown`]. The database is then copied
/// into a new file, flushed, and put in place of the old one, because a kernel may mark as clean what it could not write. Until that has
/// succeeded every operation tries it once and otherwise answers [`StoreError::Unavailable`].
///
/// After a crash the database is checked and repaired when it is opened, and what is found is flushed before it is told.
///
/// # Backup, import, export
///
/// [`EmbeddedStore::backup`] writes a consistent copy while the store is used. [`copy`](super::copy) imports from the readable files of a
/// [`FileStore`](super::FileStore) and exports to them.
///
/// # Why redb
///
/// redb keeps everything in one file, whose format is stable, reads without waiting for writers, has no threads of its own, and takes its
/// file operations from outside, so that the crash tests of this crate can fail each of them. fjall, a log-structured store, writes faster;
/// it spreads over many files, compacts in the background, and cannot be given file operations that fail.
///
/// [redb]: https://docs.rs/redb
#[derive(Debug)]
pub struct EmbeddedStore<P: Pages = Disk>(Arc<Engine<P>>, Work);

impl<P: Pages> Clone for EmbeddedStore<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1.clone())
    }
}

impl EmbeddedStore {
    /// Opens the database in a directory, making both if they are not there, and repairing what a crash has left.
    ///
    /// # Errors
    /// [`OpenError::Locked`] if another handle has it open; [`OpenError::Io`].
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Self::open_on(Disk::default(), directory)
    }
}

impl<P: Pages> EmbeddedStore<P> {
    /// Opens a database through other file operations: for tests that crash between them.
    ///
    /// # Errors
    /// As for [`EmbeddedStore::open`].
    pub fn open_on(pages: P, directory: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Ok(Self(Arc::new(Engine::open(pages, &directory.into())?), Work::default()))
    }

    /// Writes a copy of the database as it is now into a new file, while the store goes on. To restore it, put it in place of `records.redb`
    /// while no controller runs.
    ///
    /// # Errors
    /// [`BackupError`], also if there is a file of that name already.
    pub async fn backup(&self, file: impl AsRef<Path>) -> Result<(), BackupError> {
        let (engine, file) = (Arc::clone(&self.0), file.as_ref().to_owned());
        let at = file.clone();
        let done = self.1.off(move || Ok(engine.backup(&at))).await;
        done.unwrap_or_else(|error| Err(BackupError::new(file, &error)))
    }

    /// How many commits were flushed since the store was opened. Each holds as many writes as had gathered.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.0.commits()
    }

    async fn read<A: Send + 'static>(
        &self,
        work: impl Fn(&Engine<P>) -> Result<A, StoreError> + Send + 'static,
    ) -> Result<A, StoreError> {
        let engine = Arc::clone(&self.0);
        self.1.off(move || work(&engine)).await
    }

    async fn change(&self, id: &RecordId, expected: &Version, change: Change) -> Result<Version, StoreError> {
        let (reply, answer) = oneshot::channel();
        let request = Request { id: id.clone(), expected: expected.token().to_owned(), change, reply };
        self.0.send(request)?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Unknown("the thread of the database has ended".to_owned())))
    }
}

#[async_trait]
impl<P: Pages> Store for EmbeddedStore<P> {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        let id = id.clone();
        let (bytes, version) = self.read(move |engine| engine.load(&id)).await?;
        Ok(Loaded { marked: bytes.is_some(), bytes, version, witness: None, signals: Signals::default() })
    }

    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        let version = self.change(id, expected, Change::Write(bytes.to_vec())).await?;
        Ok(Loaded { bytes: Some(bytes.to_vec()), version, marked: true, witness: None, signals: Signals::default() })
    }

    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        self.change(id, expected, Change::Remove).await.map(drop)
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        let machine = machine.to_owned();
        self.read(move |engine| engine.list(&machine)).await
    }

    fn exclusive(&self) -> bool {
        true
    }
}

#[async_trait]
impl<P: Pages> Catalogue for EmbeddedStore<P> {
    async fn machines(&self) -> Result<Vec<String>, StoreError> {
        self.read(Engine::machines).await
    }
}
