//! Opens a record directory for reading or for writing.
//!
//! Invariant: reading changes nothing. Writing holds the lock of the directory, so no controller runs meanwhile.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use durable_fsm::store::{FileStore, OpenError};
use durable_fsm::{RecordId, Store};

use crate::error::Error;
use crate::files::Files;
use crate::text;

/// Where records are read from, and changed.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// What to call it in messages and commands, such as `--dir records`.
    fn place(&self) -> String;

    /// What is kept here: records, graphs and resources, by id.
    async fn all(&self) -> Result<Vec<(RecordId, Vec<u8>)>, Error>;

    /// For reading what may change meanwhile.
    fn reader(&self) -> Box<dyn Store>;

    /// For writing. Refused while a controller runs here.
    fn writer(&self) -> Result<Box<dyn Store>, Error>;
}

/// A record directory.
pub(crate) struct Directory {
    path: PathBuf,
    files: Files,
}

impl Directory {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        match Files::find(path) {
            Ok(files) => Ok(Self { path: path.to_owned(), files }),
            Err(source) => Err(Error::Directory { path: path.to_owned(), source }),
        }
    }
}

#[async_trait]
impl Backend for Directory {
    fn place(&self) -> String {
        format!("--dir {}", text::quoted(&self.path.display().to_string()))
    }

    async fn all(&self) -> Result<Vec<(RecordId, Vec<u8>)>, Error> {
        let mut all = Vec::new();
        for id in self.files.ids() {
            let unread = |source| Error::Directory { path: self.path.clone(), source };
            // One that is gone by now was removed while the others were read.
            if let Some(bytes) = self.files.read(id).map_err(unread)? {
                all.push((id.clone(), bytes));
            }
        }
        Ok(all)
    }

    fn reader(&self) -> Box<dyn Store> {
        Box::new(self.files.clone())
    }

    fn writer(&self) -> Result<Box<dyn Store>, Error> {
        writer(&self.path)
    }
}

/// Opens a record directory for writing.
pub(crate) fn writer(path: &Path) -> Result<Box<dyn Store>, Error> {
    match FileStore::open(path) {
        Ok(store) => Ok(Box::new(store)),
        Err(OpenError::Locked(_)) => Err(Error::Running { path: path.to_owned(), command: text::this_command() }),
        Err(error) => Err(Error::Open(error)),
    }
}
