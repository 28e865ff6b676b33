//! Records from one store into another. Invariant: a record that is there already and differs is never written over.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Catalogue, RecordId, Store, StoreError};

/// How many records are copied at once, so that a store with group commit commits them together.
const AT_ONCE: usize = 64;

/// Why records could not be copied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The target has another record of that name.
    #[error("the target already has another record for {0}; copy into an empty store, or remove that record first")]
    Differs(RecordId),
    /// A store failed.
    #[error("copying the record for {id} failed: {source}")]
    Store {
        /// Which record.
        id: RecordId,
        /// What went wrong.
        source: StoreError,
    },
    /// The records of the source cannot be listed.
    #[error("the records of the source cannot be listed: {0}")]
    List(StoreError),
    /// The task that copied a record has ended early.
    #[error("copying was cut off: {0}; copy again, what is there already is left as it is")]
    CutOff(String),
}

/// Copies every record of every machine, byte for byte, and gives how many there are.
///
/// Import and export between readable files and a database is this, in either direction. A record that the target has already, with the
/// same bytes, is left as it is, so a copy that was cut off can be repeated.
///
/// No controller may run on either store meanwhile: a record that changes while it is copied is copied as it was before or after.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use durable_fsm::store::{FileReader, FileStore, copy};
///
/// let copied = copy(FileReader::open("/var/lib/records")?, FileStore::open("/mnt/records")?).await?;
/// println!("{copied} records");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`CopyError`]. What was copied before stays.
pub async fn copy(from: impl Catalogue, to: impl Store) -> Result<u64, CopyError> {
    let (from, to) = (Arc::new(from), Arc::new(to));
    let mut copied = 0;
    let mut running = JoinSet::new();
    for machine in from.machines().await.map_err(CopyError::List)? {
        for resource in from.list(&machine).await.map_err(CopyError::List)? {
            let id = RecordId { machine: machine.clone(), resource };
            let (from, to) = (Arc::clone(&from), Arc::clone(&to));
            running.spawn(async move { copy_one(&*from, &*to, id).await });
            if running.len() >= AT_ONCE
                && let Some(done) = running.join_next().await
            {
                copied += ended(done)?;
            }
        }
    }
    while let Some(done) = running.join_next().await {
        copied += ended(done)?;
    }
    Ok(copied)
}

fn ended(done: Result<Result<u64, CopyError>, tokio::task::JoinError>) -> Result<u64, CopyError> {
    done.unwrap_or_else(|error| Err(CopyError::CutOff(error.to_string())))
}

/// Copies one record: one, or none if it is gone by now.
async fn copy_one(from: &impl Store, to: &impl Store, id: RecordId) -> Result<u64, CopyError> {
    let failed = |source| CopyError::Store { id: id.clone(), source };
    let Some(bytes) = from.load(&id).await.map_err(failed)?.bytes else { return Ok(0) };
    let there = to.load(&id).await.map_err(failed)?;
    match there.bytes {
        Some(same) if same == bytes => Ok(1),
        Some(_) => Err(CopyError::Differs(id)),
        None => match to.compare_and_swap(&id, &there.version, &bytes).await {
            Ok(_) => Ok(1),
            Err(StoreError::Conflict) => Err(CopyError::Differs(id)),
            Err(error) => Err(failed(error)),
        },
    }
}
