//! The machine's graph, kept beside its records. Invariant: what is kept under a fingerprint is the graph that has it.

use super::Runner;
use crate::machine::Dispatch;
use crate::record::{GRAPHS, fingerprint_of};
use crate::{RecordId, ResourceId, StoreError};

impl<M: Dispatch<T>, T: Send + Sync + 'static> Runner<M, T> {
    /// Keeps the machine's graph in the store, beside its records, so that `fsm` can read them without a lock file. A
    /// [controller](crate::controller) does this when it starts. The graphs of earlier versions stay, because records of them do.
    ///
    /// # Errors
    /// The store's.
    pub async fn keep_graph(&self) -> Result<(), StoreError> {
        let resource = ResourceId::new("", fingerprint_of(M::GRAPH));
        let id = RecordId { machine: format!("{}{GRAPHS}", M::GRAPH.name), resource };
        let store = &self.driver.store;
        let loaded = store.load(&id).await?;
        let known = loaded.bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
        // Prose is no part of the fingerprint, so the text may differ; the latest is kept.
        if known.and_then(|text| crate::graph::json::read(text).ok()).is_some_and(|known| known == M::GRAPH) {
            return Ok(());
        }
        let text = crate::graph::json::write(M::GRAPH);
        store.compare_and_swap(&id, &loaded.version, text.as_bytes()).await.map(drop)
    }
}
