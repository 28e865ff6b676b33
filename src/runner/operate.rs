//! What an operator asks for. Invariant: every request goes through [`Operator`], and facts that were given are decoded before they are written.

use durable_fsm_graph::Graph;

use super::Runner;
use crate::machine::Dispatch;
use crate::operator::{OperateError, Operator, Released, Request};
use crate::record::{Expected, Record, Resolution};
use crate::{FactError, Machine, ResourceId};

impl<M: Dispatch<T>, T: Send + Sync + 'static> Runner<M, T> {
    /// Carries out what operators ask for, and decodes the facts that they give.
    #[must_use]
    pub fn operator(&self) -> Operator {
        let (store, clock) = (self.driver.store.clone(), self.driver.clock.clone());
        Operator::typed(M::GRAPH, store, clock, decodes::<M>, self.driver.clone())
    }

    /// The record, as it is stored; none if there is none.
    ///
    /// # Errors
    /// The store's, or that the record cannot be read.
    pub async fn inspect(&self, resource: &ResourceId) -> Result<Option<Record>, OperateError> {
        self.operator().inspect(resource).await
    }

    /// Decides about a resource that is held or blocked: whether an effect in doubt has happened, or that it is tried again. When this returns, the
    /// decision is durable. The next pass acts on it.
    ///
    /// # Errors
    /// [`OperateError::Illegal`] if the record does not allow it, [`OperateError::Fact`] if the facts do not make the state,
    /// [`OperateError::UnderWay`] if it says what became of an attempt that may not be over.
    pub async fn resolve(&self, resource: &ResourceId, resolution: Resolution) -> Result<Record, OperateError> {
        self.resolve_if(resource, Expected::default(), resolution).await
    }

    /// As [`resolve`](Self::resolve), if the record is still the one that the operator saw.
    ///
    /// # Errors
    /// As for [`resolve`](Self::resolve); [`OperateError::Illegal`] also if something else is under way by now.
    pub async fn resolve_if(
        &self,
        resource: &ResourceId,
        expected: Expected,
        resolution: Resolution,
    ) -> Result<Record, OperateError> {
        self.operator().carry_out(resource, &Request::Resolve(resolution), &expected).await
    }

    /// Pauses the resource. Until it is resumed, no pass runs, not even for deletion. When it returns, that is durable.
    ///
    /// # Errors
    /// [`OperateError::NoRecord`] or the store's.
    pub async fn pause(&self, resource: &ResourceId) -> Result<Record, OperateError> {
        self.operator().carry_out(resource, &Request::Pause, &Expected::default()).await
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// [`OperateError::NoRecord`] or the store's.
    pub async fn resume(&self, resource: &ResourceId) -> Result<Record, OperateError> {
        self.operator().carry_out(resource, &Request::Resume, &Expected::default()).await
    }

    /// Gives the record to the resource that has this uid now. Use it after a restore or a move, when the same resource has another
    /// uid. Keys and owner tags do not change.
    ///
    /// The former owner is not stopped by this. If it still exists in another store, such as the cluster that it was copied from, its controller goes on with its own
    /// record, under the same keys and owner tags: it can change what is recorded here, and its deletion removes it. Pause it there first, and release it when this
    /// one works.
    ///
    /// # Errors
    /// [`OperateError::NoRecord`] or the store's.
    pub async fn rebind(&self, resource: &ResourceId, uid: &str) -> Result<Record, OperateError> {
        self.operator().carry_out(resource, &Request::Rebind { uid: uid.to_owned() }, &Expected::default()).await
    }

    /// Removes the record and its mark, and lists what stays at the providers. Nothing is undone. A record that cannot be read can be released too; then
    /// the list is empty, and the answer says so.
    ///
    /// # Errors
    /// [`OperateError::NoRecord`] or the store's; [`OperateError::UnderWay`] while an attempt may not be over, because what it makes would be on no
    /// list.
    pub async fn release(&self, resource: &ResourceId) -> Result<Released, OperateError> {
        self.operator().release(resource).await
    }
}

fn decodes<M: Machine>(graph: &Graph<'_>, record: &Record) -> Result<(), FactError> {
    let state = graph.state(&record.state).map_or(usize::MAX, |(index, _)| index);
    M::state(state, &record.facts).map(drop)
}
