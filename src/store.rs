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

/// What stands for one version of a record, or of its absence. Opaque; compared by the store that issued it.
///
/// A store must never issue one version for two different contents. Neither for "absent" before a record was made and
/// "absent" after it was removed: a writer that is late by a whole life must find that the version moved on.
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

/// What a store tells beside the record, as of the same version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signals {
    /// The resource is to be deleted.
    pub deleting: bool,
    /// Nobody is to act on the resource.
    pub paused: bool,
    /// The resource's generation, where the store knows it; it grows with every change, and [`Resource::generation`](crate::Resource::generation)
    /// counts the same. A pass ends before its next effect when this changes under it, or is greater than the resource's own from the
    /// beginning, so that the next pass is given the new spec.
    pub generation: Option<u64>,
}

/// What a store holds for one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The record's bytes, exactly as written; none if there is no record.
    pub bytes: Option<Vec<u8>>,
    /// The version of this content.
    pub version: Version,
    /// Whether something that only we set (a finalizer) says that there was a record.
    pub marked: bool,
    /// The sequence number of the latest record, where it is mirrored outside the record.
    pub witness: Option<u64>,
    /// What is wanted of the resource, as of this version.
    pub signals: Signals,
}

/// Keeps one record for each machine and resource.
///
/// An implementation passes the `testing::store_conformance` suite.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Reads the record. What it returns may be out of date by the time it is used; the next write finds out. It never returns what is not
    /// durable yet, such as a write of which the flush has failed.
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
    /// [`StoreError::Conflict`] if the version moved on. After [`StoreError::Unknown`] the record may or may not have been
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

    /// Whether nobody outside this process can write here. If so, an intent of another incarnation belongs to a process that
    /// is gone, and a `repeat` need not wait for it.
    fn exclusive(&self) -> bool {
        false
    }

    /// The uid of the resource that had this version, where the store keeps records on the resources themselves. A pass for a namesake
    /// that is gone by now ends there; without an answer it would begin that one's life again, on the resource that has taken its place.
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
    /// Somebody else wrote first. The driver loads again and looks what changed.
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
    /// The store cannot do this, however often it is asked. Nothing was written. The text says what has to be changed.
    #[error("{0}")]
    Refused(String),
    /// The store cannot take any write for this resource until it is mended.
    #[error("the stored object is no longer valid ({0}); mend the object, then the record can be written")]
    Invalid(String),
}
