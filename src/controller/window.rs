//! What a running controller shows of its resources, and through which it is operated. Invariant: every request goes through [`Operator`], and what it changes is durable
//! before the resource is woken.

use std::collections::BTreeSet;
use std::sync::Arc;

use durable_fsm_graph::Graph;
use tokio::sync::broadcast;

use super::board::Board;
use super::handle::Handle;
use crate::record::{Expected, Record, Unreadable};
use crate::{OperateError, Operator, Position, Reason, RecordId, Released, Request, ResourceId, Store, StoreError};

/// Shows the resources of a running controller, and carries out what operators ask for. It is the same type for all machines, so a page or a socket of your own can be built on
/// it. Cheap to clone.
#[derive(Clone)]
pub struct Window {
    pub(super) graph: &'static Graph<'static>,
    pub(super) store: Arc<dyn Store>,
    pub(super) operator: Operator,
    pub(super) handle: Handle,
    pub(super) verify: Arc<dyn Fn(&ResourceId) + Send + Sync>,
    pub(super) board: Arc<Board>,
}

/// One resource as it is now.
#[derive(Debug)]
#[non_exhaustive]
pub struct Seen {
    /// Its record; none if it has none yet.
    pub record: Option<Result<Record, Unreadable>>,
    /// Where it stands. If the last pass was about this record, as that pass told it.
    pub position: Position,
}

impl std::fmt::Debug for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Window").field("machine", &self.graph.name).finish_non_exhaustive()
    }
}

impl Window {
    /// The graph of the machine.
    #[must_use]
    pub fn graph(&self) -> &'static Graph<'static> {
        self.graph
    }

    /// The resources that have a record, or of which a pass has told, in order.
    ///
    /// # Errors
    /// The store's.
    pub async fn resources(&self) -> Result<BTreeSet<ResourceId>, StoreError> {
        let mut ids: BTreeSet<_> = self.store.list(self.graph.name).await?.into_iter().collect();
        ids.extend(self.board.ids());
        Ok(ids)
    }

    /// One resource as it is now; none if the controller knows nothing of it.
    ///
    /// # Errors
    /// The store's.
    pub async fn look(&self, id: &ResourceId) -> Result<Option<Seen>, StoreError> {
        let told = self.board.get(id);
        let bytes = self.store.load(&self.record_id(id)).await?.bytes;
        let record = bytes.map(|bytes| Record::decode(self.graph, &bytes));
        let by_record = match &record {
            None if told.is_none() => return Ok(None),
            None => Position::new(Reason::Progressing, "it has no record yet"),
            Some(Ok(record)) => Position::of_record(Some(self.graph), record),
            Some(Err(error)) => Position::new(Reason::Unreadable, error.to_string()),
        };
        let seq = record.as_ref().and_then(|record| record.as_ref().ok()).map(|record| record.seq);
        // A pass knows more than stands in a record: that undos are stopped, or that a deletion is refused.
        let position = told.filter(|told| told.seq == seq).map_or(by_record, |told| told.position);
        Ok(Some(Seen { record, position }))
    }

    /// Tells the id of each resource whose record or position changes from now on. A listener that is too far behind is told that it has missed something.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<ResourceId> {
        self.board.listen()
    }

    /// The record as it would be after the request, before its next write. Nothing is written.
    ///
    /// # Errors
    /// As for [`Operator::preview`].
    pub async fn preview(
        &self,
        id: &ResourceId,
        request: &Request,
        expected: &Expected,
    ) -> Result<Record, OperateError> {
        self.operator.preview(id, request, expected).await
    }

    /// Carries out a request, and wakes the resource.
    ///
    /// # Errors
    /// As for [`Operator::carry_out`].
    pub async fn carry_out(
        &self,
        id: &ResourceId,
        request: &Request,
        expected: &Expected,
    ) -> Result<Record, OperateError> {
        let record = self.operator.carry_out(id, request, expected).await?;
        self.after(id);
        Ok(record)
    }

    /// What a release would leave behind. Nothing is written.
    ///
    /// # Errors
    /// As for [`Operator::preview_release`].
    pub async fn preview_release(&self, id: &ResourceId) -> Result<Released, OperateError> {
        self.operator.preview_release(id).await
    }

    /// Removes the record and leaves what it made as it is. If the resource is still wanted, the next pass begins anew.
    ///
    /// # Errors
    /// As for [`Operator::release`].
    pub async fn release(&self, id: &ResourceId) -> Result<Released, OperateError> {
        let released = self.operator.release(id).await?;
        self.after(id);
        Ok(released)
    }

    /// Asks the provider, in a pass that begins as soon as there is room, whether everything is still there.
    pub fn verify(&self, id: &ResourceId) {
        (self.verify)(id);
        self.handle.wake(id);
    }

    fn after(&self, id: &ResourceId) {
        self.handle.wake(id);
        self.board.changed(id);
    }

    fn record_id(&self, id: &ResourceId) -> RecordId {
        RecordId { machine: self.graph.name.to_owned(), resource: id.clone() }
    }
}
