//! Where records are kept. Invariant: a record is replaced only by a writer that has seen it, in its latest version.

mod boxed;
mod copy;
mod counts;
#[cfg(feature = "embedded")]
mod embedded;
mod file;
mod memory;
mod open;
mod work;

use std::fmt;

use async_trait::async_trait;

use crate::ResourceId;

pub use copy::{CopyError, copy};
#[cfg(feature = "embedded")]
pub use embedded::{BackupError, EmbeddedStore, Pages};
pub use file::{Disk, FileOps, FileReader, FileStore, Stamp};
pub use memory::MemoryStore;
pub use open::OpenError;

/// Which record: the machine's name and the resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// The machine's name, such as `hiclaw.io/worker`.
    pub machine: String,
    /// The resource.
    pub resource: ResourceId,
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.machine, self.resource)
    }
}

/// One version of a record, or of its absence. Only the store that issued it compares it.
///
/// A store must never issue one version for two different contents. "Absent" before a record was made and
/// "absent" after it was removed are different contents, too: a writer that is late by a whole life must meet a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(String);

impl Version {
    /// A version, from the store's own token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The store's token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.0
    }
}

/// What a store knows of the resource, as of the same version as the record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signals {
    /// The resource is to be deleted.
    pub deleting: bool,
    /// The resource is paused: no pass may act on it.
    pub paused: bool,
    /// The resource's generation, if the store knows it. It grows with every change of the spec, and [`Resource::generation`](crate::Resource::generation)
    /// returns the same number. A pass ends before its next effect if this number changes, or is greater than the resource's own at the
    /// start. The next pass is then given the new spec.
    pub generation: Option<u64>,
}

/// What a store holds for one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The record's bytes, exactly as written; none if there is no record.
    pub bytes: Option<Vec<u8>>,
    /// The version of this content.
    pub version: Version,
    /// Whether a mark that only this library sets, such as a finalizer, shows that there was a record.
    pub marked: bool,
    /// The sequence number of the latest record, if it is mirrored outside the record.
    pub witness: Option<u64>,
    /// What is wanted of the resource, as of this version.
    pub signals: Signals,
}

/// Keeps one record for each machine and resource.
///
/// An implementation passes the `testing::store_conformance` suite.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Reads the record. The result may be stale; the next write then conflicts. It never returns a write that is not
    /// durable yet, such as one whose flush has failed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Refused`], or [`StoreError::Gone`] where the store knows that there is no such
    /// resource.
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError>;

    /// Writes the record if the version is still `expected`, and returns what is then stored, read back from the store's own
    /// answer. When it returns, the record is durable: it survives a crash of this process and of the machine.
    ///
    /// The first write of a record also sets the mark ([`Loaded::marked`]), in the same atomic step.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the version has changed. After [`StoreError::Unknown`] the record may or may not have been
    /// written; after every other error it was not.
    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError>;

    /// Removes record and mark if the version is still `expected`. When it returns, the removal is durable.
    ///
    /// # Errors
    /// As for [`Store::compare_and_swap`]. A record that is not there is a conflict.
    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError>;

    /// The resources that have a record of this machine, in no particular order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError>;

    /// How many bytes the record may have, as of this version: the store's limit, less what else is stored with the record. None if there is no
    /// limit.
    ///
    /// A write that begins an effect going forward leaves [`RESERVE`](crate::record::RESERVE) of it free, so that a deletion has room for its
    /// intents and messages.
    fn room(&self, id: &RecordId, version: &Version) -> Option<usize> {
        let _ = (id, version);
        None
    }

    /// Whether only this process can write here. If so, an intent of another incarnation belongs to a process that
    /// is gone, and a `repeat` need not wait for it.
    fn exclusive(&self) -> bool {
        false
    }

    /// The uid of the resource that had this version, if the store keeps records on the resources themselves. With this answer, a pass for a resource
    /// that is gone ends. Without it, the pass would provision the old resource again on the new one of the same name.
    fn uid_of(&self, version: &Version) -> Option<String> {
        let _ = version;
        None
    }
}

/// A store that knows which machines have records in it.
#[async_trait]
pub trait Catalogue: Store {
    /// The names of the machines that have or had records here, in no particular order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn machines(&self) -> Result<Vec<String>, StoreError>;
}

#[async_trait]
impl<S: Store + ?Sized> Store for std::sync::Arc<S> {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        (**self).load(id).await
    }

    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        (**self).compare_and_swap(id, expected, bytes).await
    }

    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        (**self).remove(id, expected).await
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        (**self).list(machine).await
    }

    fn room(&self, id: &RecordId, version: &Version) -> Option<usize> {
        (**self).room(id, version)
    }

    fn exclusive(&self) -> bool {
        (**self).exclusive()
    }

    fn uid_of(&self, version: &Version) -> Option<String> {
        (**self).uid_of(version)
    }
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another writer was first. The driver loads the record again and decides anew.
    #[error("the record was changed by somebody else; load it again")]
    Conflict,
    /// The record does not fit. Nothing was written.
    #[error(
        "the record needs {size} bytes and the store takes {limit}; keep large values outside the record and record a reference"
    )]
    TooLarge {
        /// What it would have taken, in bytes.
        size: usize,
        /// What the store takes, in bytes.
        limit: usize,
    },
    /// The store could not be reached or refused. Nothing was written.
    #[error("the store is not available ({0}); nothing was written, try again")]
    Unavailable(String),
    /// The store may or may not have written.
    #[error("the store did not say whether it wrote ({0}); load the record to find out")]
    Unknown(String),
    /// There is no such resource any more.
    #[error("the resource is gone; there is nothing to record for it")]
    Gone,
    /// The store refuses this, and trying again does not help. Nothing was written. The text says what has to be changed.
    #[error("{0}")]
    Refused(String),
    /// The store cannot take any write for this resource until it is mended.
    #[error("the stored object is no longer valid ({0}); mend the object, then the record can be written")]
    Invalid(String),
}
