//! What an operator asks for. Invariant: a request is refused, with the reason, unless the record allows it; nothing is lost by asking.

use super::Runner;
use crate::machine::Dispatch;
use crate::record::{Event, Expected, Illegal, Record, Resolution, Stamp, Unreadable, idempotency_key, next};
use crate::{FactError, Probe, ResourceId, StoreError, Version};

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperateError {
    /// There is no record of this resource.
    #[error("{0} has no record; there is nothing to operate on")]
    NoRecord(ResourceId),
    /// The record cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The record does not allow it.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// The facts that were given do not make the state.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Something outside that a released record leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The transition that made it.
    pub transition: String,
    /// The subject, for a member of a set.
    pub subject: Option<String>,
    /// The idempotency key under which it was made.
    pub key: String,
    /// Whether it may not exist: its outcome was in doubt, or it was sent and never committed.
    pub in_doubt: bool,
}

/// What a release has left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// What the record knew of.
    pub left: Vec<Left>,
    /// Why there may be more: the record could not be read, and nobody knows what it stood for.
    pub unreadable: Option<Unreadable>,
}

/// How often a request is tried when others write at the same time.
const TRIES: usize = 16;

impl<M: Dispatch<T>, T: Send + Sync + 'static, P: Probe> Runner<M, T, P> {
    /// The record, as it is stored; none if there is none.
    ///
    /// # Errors
    /// The store's, or that the record cannot be read.
    pub async fn inspect(&self, resource: &ResourceId) -> Result<Option<Record>, OperateError> {
        Ok(self.read(resource).await?.map(|(record, _)| record))
    }

    /// Decides what nobody else can: whether an effect in doubt has happened, or that it is to be tried again. When it returns, the
    /// decision is durable; the next pass acts on it.
    ///
    /// # Errors
    /// [`OperateError::Illegal`] if the record does not allow it, [`OperateError::Fact`] if the facts do not make the state.
    pub async fn resolve(&self, resource: &ResourceId, resolution: Resolution) -> Result<Record, OperateError> {
        self.resolve_if(resource, Expected::default(), resolution).await
    }

    /// As [`resolve`](Self::resolve), if the record is still what the operator was looking at.
    ///
    /// # Errors
    /// As for [`resolve`](Self::resolve); [`OperateError::Illegal`] also if something else is under way by now.
    pub async fn resolve_if(
        &self,
        resource: &ResourceId,
        expected: Expected,
        resolution: Resolution,
    ) -> Result<Record, OperateError> {
        let at = Stamp::from(self.driver.clock.wall());
        let event = || Event::Resolved { resolution: resolution.clone(), expected: expected.clone(), at };
        self.change(resource, |_| event()).await
    }

    /// Lets nobody act on the resource, also not to delete it, until it is resumed. When it returns, that is durable.
    ///
    /// # Errors
    /// [`OperateError::NoRecord`] or the store's.
    pub async fn pause(&self, resource: &ResourceId) -> Result<Record, OperateError> {
        self.change(resource, |_| Event::Paused(true)).await
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// [`OperateError::NoRecord`] or the store's.
    pub async fn resume(&self, resource: &ResourceId) -> Result<Record, OperateError> {
        self.change(resource, |_| Event::Paused(false)).await
    }

    /// Gives the record to the resource that has this uid now: after a restore or a move, when it is the same resource with another
    /// uid. Keys and owner tags stay those of its origin.
    ///
    /// # Errors
    /// [`OperateError::NoRecord`] or the store's.
    pub async fn rebind(&self, resource: &ResourceId, uid: &str) -> Result<Record, OperateError> {
        self.change(resource, |_| Event::Rebound { owner: uid.to_owned() }).await
    }

    /// Removes the record and its mark, leaves everything outside as it is, and lists what is left. This is also the way out for a
    /// record that cannot be read: it goes as it is.
    ///
    /// # Errors
    /// [`OperateError::NoRecord`] or the store's.
    pub async fn release(&self, resource: &ResourceId) -> Result<Released, OperateError> {
        let id = self.record_id(resource);
        for _ in 0..TRIES {
            let loaded = self.driver.store.load(&id).await?;
            let bytes = loaded.bytes.ok_or_else(|| OperateError::NoRecord(resource.clone()))?;
            let released = match Record::decode(M::GRAPH, &bytes) {
                Ok(record) => Released { left: left_behind(&record), unreadable: None },
                Err(error) => Released { left: Vec::new(), unreadable: Some(error) },
            };
            match self.driver.store.remove(&id, &loaded.version).await {
                Ok(()) => return Ok(released),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    async fn change(&self, resource: &ResourceId, event: impl Fn(&Record) -> Event) -> Result<Record, OperateError> {
        let graph = M::GRAPH;
        for _ in 0..TRIES {
            let (record, version) =
                self.read(resource).await?.ok_or_else(|| OperateError::NoRecord(resource.clone()))?;
            let changed = next(graph, &record, event(&record))?;
            let state = graph.state(&changed.state).map_or(usize::MAX, |(index, _)| index);
            M::state(state, &changed.facts)?;
            let (written, bytes) = changed
                .encode_next(graph)
                .map_err(|error| FactError::Encode { name: "record".to_owned(), why: error.to_string() })?;
            match self.driver.store.compare_and_swap(&self.record_id(resource), &version, &bytes).await {
                Ok(_) => return Ok(written),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    async fn read(&self, resource: &ResourceId) -> Result<Option<(Record, Version)>, OperateError> {
        let loaded = self.driver.store.load(&self.record_id(resource)).await?;
        let Some(bytes) = loaded.bytes else { return Ok(None) };
        Ok(Some((Record::decode(M::GRAPH, &bytes)?, loaded.version)))
    }
}

fn left_behind(record: &Record) -> Vec<Left> {
    let left = |transition: &str, subject: Option<&String>, life, in_doubt| Left {
        transition: transition.to_owned(),
        subject: subject.cloned(),
        key: idempotency_key(&record.origin, &record.machine, transition, subject.map(String::as_str), life),
        in_doubt,
    };
    let live = record.undo.iter().map(|it| left(&it.transition, it.subject.as_ref(), it.life, false));
    let unconfirmed = record.unconfirmed.iter().map(|it| left(&it.transition, it.subject.as_ref(), it.life, true));
    let open = record.intent.iter().map(|it| left(&it.transition, it.subject.as_ref(), it.life, true));
    live.chain(unconfirmed).chain(open).collect()
}
