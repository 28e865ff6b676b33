//! Records read beside the controller that writes them. Invariant: nothing is locked, made or changed.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::disk::{Disk, FileOps as _};
use super::layout::Layout;
use super::text;
use crate::ResourceId;
use crate::store::work::Work;
use crate::store::{Catalogue, Loaded, RecordId, Signals, Store, StoreError, Version};

/// Reads the records of a [`FileStore`](super::FileStore) directory without its lock, also while a controller writes them.
///
/// Each record is read whole, as it was before or after a write. A record that is being written may be read before it is durable.
/// Writing is refused.
#[derive(Debug, Clone)]
pub struct FileReader(Arc<Layout>, Work);

impl FileReader {
    /// Opens a directory for reading.
    ///
    /// # Errors
    /// The operating system's, if the path is not a directory that this user may read.
    pub fn open(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let root = directory.into();
        std::fs::read_dir(&root)?;
        Ok(Self(Arc::new(Layout { root }), Work::default()))
    }

    async fn read<A: Send + 'static>(
        &self,
        work: impl FnOnce(&Layout) -> Result<A, StoreError> + Send + 'static,
    ) -> Result<A, StoreError> {
        let layout = Arc::clone(&self.0);
        self.1.off(move || work(&layout)).await
    }
}

const REFUSED: &str = "the record directory was opened for reading; write through the controller that has it open";

#[async_trait]
impl Store for FileReader {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        let id = id.clone();
        self.read(move |layout| {
            let found = Disk::default().read(&layout.possible_path(&id)?).map_err(unavailable)?;
            let version = found.as_ref().map_or_else(|| "absent".to_owned(), |(_, stamp)| stamp.to_string());
            let bytes = found.map(|(bytes, _)| text::read_back(&bytes));
            Ok(Loaded {
                marked: bytes.is_some(),
                bytes,
                version: Version::new(version),
                witness: None,
                signals: Signals::default(),
            })
        })
        .await
    }

    async fn compare_and_swap(&self, _: &RecordId, _: &Version, _: &[u8]) -> Result<Loaded, StoreError> {
        Err(StoreError::Refused(REFUSED.to_owned()))
    }

    async fn remove(&self, _: &RecordId, _: &Version) -> Result<(), StoreError> {
        Err(StoreError::Refused(REFUSED.to_owned()))
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        let machine = machine.to_owned();
        self.read(move |layout| layout.list(&Disk::default(), &machine).map_err(unavailable)).await
    }
}

#[async_trait]
impl Catalogue for FileReader {
    async fn machines(&self) -> Result<Vec<String>, StoreError> {
        self.read(|layout| layout.machines(&Disk::default()).map_err(unavailable)).await
    }
}

fn unavailable(error: io::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
