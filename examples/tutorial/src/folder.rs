//! A provider that is a folder: one file for each database and each order.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use durable_fsm::{Class, Classify};

use crate::provision::Provider;

/// How long the authority takes to issue a certificate.
const ISSUED_AFTER: Duration = Duration::from_secs(3);

// ANCHOR: error
/// Why the folder did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("the provider failed: {0}")]
pub struct FolderError(#[from] io::Error);

impl Classify for FolderError {
    fn classify(&self) -> Class {
        match self.0.kind() {
            // The folder does not exist, so nothing was written into it.
            io::ErrorKind::NotFound => Class::NOT_APPLIED,
            _ => Class::Unknown,
        }
    }
}
// ANCHOR_END: error

/// Where the files are.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// Removes a file. It is no error if there is none.
    fn remove(&self, name: &str) -> Result<(), FolderError> {
        match fs::remove_file(self.0.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Provider for Folder {
    type Error = FolderError;

    async fn create_database(&self, key: &str, owner: &str) -> Result<String, FolderError> {
        let id = format!("database-{key}");
        fs::write(self.0.join(&id), owner)?;
        Ok(id)
    }

    async fn drop_database(&self, id: &str) -> Result<(), FolderError> {
        self.remove(id)
    }

    async fn order(&self, host: &str, key: &str, owner: &str) -> Result<String, FolderError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos());
        let order = format!("order-{now}");
        fs::write(self.0.join(&order), format!("{key} {owner} {host}"))?;
        Ok(order)
    }

    async fn find_order(&self, key: &str, _owner: &str) -> Result<Option<String>, FolderError> {
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("order-") && fs::read_to_string(entry.path())?.starts_with(key) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    async fn serial(&self, order: &str) -> Result<Option<String>, FolderError> {
        let placed = fs::metadata(self.0.join(order))?.modified()?;
        let is_issued = placed.elapsed().is_ok_and(|age| age >= ISSUED_AFTER);
        Ok(is_issued.then(|| order.replace("order", "serial")))
    }

    async fn revoke(&self, order: &str) -> Result<(), FolderError> {
        self.remove(order)
    }
}
