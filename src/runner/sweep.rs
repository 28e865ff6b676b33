//! The sweep of a machine. Invariant: nothing is written, and nothing is removed.

use super::Runner;
use crate::machine::Failure;
use crate::machine::{Dispatch, classified};
use crate::record::Record;
use crate::sweep::{Known, Sweep, Swept, compare};
use crate::{Probe, RecordId, StoreError};

/// Why there is no sweep.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The provider could not list what there is.
    #[error("what there is could not be listed: {0}")]
    Provider(String),
}

impl<M: Dispatch<T>, T: Sweep, P: Probe> Runner<M, T, P> {
    /// Lists what carries an owner tag of the machine, and compares it with all records. It looks, and changes nothing.
    ///
    /// What is made or undone meanwhile is neither an orphan nor missing: the records are read before and after the provider is asked. A thing whose
    /// request still is under way when the sweep begins may appear after it.
    ///
    /// # Errors
    /// The store's, or that the provider cannot list what there is.
    pub async fn sweep(&self) -> Result<Swept, SweepError> {
        let before = self.known().await?;
        let listed = classified(self.transitions.list().await);
        let things = listed.map_err(|failure| match failure {
            Failure::Provider { message, .. } => SweepError::Provider(message),
            Failure::Fact(error) | Failure::Unrecorded(error) => SweepError::Provider(error.to_string()),
        })?;
        let after = self.known().await?;
        Ok(compare(things, &self.transitions.covers(), &before, &after))
    }

    async fn known(&self) -> Result<Known, StoreError> {
        let store = &self.driver.store;
        let mut known = Known::default();
        for resource in store.list(M::GRAPH.name).await? {
            let id = RecordId { machine: M::GRAPH.name.to_owned(), resource };
            let loaded = match store.load(&id).await {
                Err(StoreError::Gone) => continue,
                loaded => loaded?,
            };
            let Some(bytes) = loaded.bytes else { continue };
            match Record::parse(M::GRAPH, &bytes) {
                Ok(record) => drop(known.records.insert(id.resource, record)),
                Err(_) => drop(known.unreadable.insert(id.resource)),
            }
        }
        Ok(known)
    }
}
