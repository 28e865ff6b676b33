//! The sweep of a machine. Invariant: nothing is written, and nothing is removed but an orphan that was asked for.

use std::time::Duration;

use super::Runner;
use crate::driver::gate::STOPPED_FOR;
use crate::machine::{Boxed, Dispatch, Failure, classified};
use crate::record::{Event, Record, next};
use crate::steps::Steps as _;
use crate::sweep::{Known, Orphan, Removal, Sweep, Swept, ask, compare, life_ahead, longest};
use crate::undos::Refused;
use crate::{FactError, RecordId, Resource as _, ResourceId, StoreError, Undone};

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
    /// The undo of an orphan failed. It may be there or not: sweep again.
    #[error("the undo of {handle} failed: {why}")]
    Undo {
        /// What a person finds it by.
        handle: String,
        /// What went wrong.
        why: String,
    },
}

/// After how long an undo is asked again that says "not yet" and no time.
const ASK_AGAIN: Duration = Duration::from_secs(5);

impl<M: Dispatch<T>, T: Sweep> Runner<M, T> {
    /// Lists what carries an owner tag of the machine, and compares it with all records. It looks, and changes nothing.
    ///
    /// What is made or undone meanwhile is neither an orphan nor missing: the records are read before and after the provider is asked. A thing whose
    /// request still is under way when the sweep begins may appear after it.
    ///
    /// # Errors
    /// The store's, or that the provider cannot list what there is.
    pub async fn sweep(&self) -> Result<Swept, SweepError> {
        Ok(self.swept().await?.0)
    }

    /// Removes one orphan of a [`sweep`](Self::sweep), by the undo of its transition. `resource` is the one that it was made for, or one that stands for it:
    /// the undo may read it.
    ///
    /// Before anything is sent, a second sweep has to find that the thing still is an orphan, and the longest `timeout` and `settle` of the machine have to lie
    /// between the two. Until then the answer is [`Removal::Later`]. An error says that it may be gone or not: sweep again.
    ///
    /// The sweep sees the records of one store. If another cluster uses the same provider with records of its own, its things are orphans here.
    ///
    /// # Errors
    /// The store's, or that the provider cannot list what there is, or that the undo has failed.
    pub async fn remove_orphan(&self, orphan: &Orphan, resource: &M::Resource) -> Result<Removal, SweepError> {
        let refused = |why: String| Ok(Removal::Refused(why));
        let clock = &self.driver.clock;
        let left = (orphan.found + longest(M::GRAPH)).saturating_sub(clock.monotonic());
        if !left.is_zero() {
            let why = "the request that has made it may have been under way when it was found".to_owned();
            return Ok(Removal::Later { after: left, why });
        }
        let (swept, records) = self.swept().await?;
        let handle = &orphan.thing.handle;
        let Some(still) = swept.orphans.iter().find(|it| it.thing == orphan.thing) else {
            return refused(format!("{handle} is on a record by now, or is not there"));
        };
        if still.resource.is_none() && !swept.unreadable.is_empty() {
            return refused(format!("{handle} may belong to {}, whose record cannot be read", swept.unreadable[0]));
        }
        let record = still.resource.as_ref().and_then(|owner| records.records.get(owner));
        if still.resource.as_ref().is_some_and(|owner| *owner != resource.id()) {
            return refused(format!("{handle} was made for another resource than {}", resource.id()));
        }
        let (ask, contract) = match ask(M::GRAPH, &orphan.thing, record, clock.wall()) {
            Ok(ask) => ask,
            Err(why) => return refused(why),
        };
        let typed = match self.typed(resource) {
            Ok((typed, _)) => typed,
            Err(error) => return refused(error.to_string()),
        };
        if let Err(error) = typed.check(ask.state, &ask.facts) {
            let name = &orphan.thing.transition;
            return refused(match error {
                FactError::Missing(fact) => format!(
                    "the undo of `{name}` reads the fact `{fact}`, and no record has it; let `Sweep::list` say it of {handle}, with `Tagged::fact`"
                ),
                other => format!("the undo of `{name}` cannot be called for {handle}: {other}"),
            });
        }
        let _permit = match self.driver.undos.permit(clock.monotonic(), clock.chance()).await {
            Ok(permit) => permit,
            Err(Refused::Stopped(why)) => return Ok(Removal::Later { after: STOPPED_FOR, why }),
            Err(Refused::Full { after, why }) => return Ok(Removal::Later { after, why }),
        };
        let failed = |why: String| SweepError::Undo { handle: handle.clone(), why };
        if let Some((owner, past)) = still.resource.as_ref().zip(record.and_then(|it| life_ahead(&orphan.thing, it)))
            && let Some(why) = self.renumber(owner, past).await?
        {
            return Ok(Removal::Later { after: ASK_AGAIN, why });
        }
        let answer = self.until(typed.undo(ask), contract.timeout).await;
        let answer = answer.ok_or_else(|| failed(format!("no answer within {} ms", contract.timeout.as_millis())))?;
        let transition = &orphan.thing.transition;
        match answer.map_err(|failure| failed(text(failure)))? {
            Undone::Done => {
                tracing::warn!(machine = M::GRAPH.name, resource = %resource.id(), transition, handle, "orphan removed");
                Ok(Removal::Done)
            }
            Undone::NotYet => Ok(Removal::Later { after: ASK_AGAIN, why: "its undo is not done yet".to_owned() }),
            Undone::NotYetFor(after) => Ok(Removal::Later { after, why: "its undo is not done yet".to_owned() }),
            Undone::Left(why) => Ok(Removal::Left(why)),
        }
    }

    async fn swept(&self) -> Result<(Swept, Known), SweepError> {
        let found = self.driver.clock.monotonic();
        let before = self.known().await?;
        let listed = classified(self.transitions.list().await);
        let things = listed.map_err(|failure| SweepError::Provider(text(failure)))?;
        let after = self.known().await?;
        let swept = compare(M::GRAPH, things, &self.transitions.covers(), [&before, &after], found);
        Ok((swept, after))
    }

    /// The answer, if it comes in time.
    async fn until<A>(&self, call: Boxed<A>, timeout: Duration) -> Option<A> {
        tokio::select! {
            biased;
            answer = call => Some(answer),
            () = self.driver.clock.sleep(timeout) => None,
        }
    }

    /// Lets a record that was put back pass over the numbers that a later one has used. Why it cannot be done yet.
    async fn renumber(&self, owner: &ResourceId, past: u64) -> Result<Option<String>, StoreError> {
        let id = RecordId { machine: M::GRAPH.name.to_owned(), resource: owner.clone() };
        let loaded = self.driver.store.load(&id).await?;
        let record = loaded.bytes.as_deref().map(|bytes| Record::parse(M::GRAPH, bytes));
        let Some(Ok(record)) = record else { return Ok(Some("its record has changed".to_owned())) };
        let renumbered = match next(M::GRAPH, &record, Event::Renumbered { past }) {
            Ok(renumbered) => renumbered,
            Err(illegal) => return Ok(Some(illegal.to_string())),
        };
        let Ok((_, bytes)) = renumbered.encode_next(M::GRAPH) else { return Ok(Some("out of memory".to_owned())) };
        match self.driver.store.compare_and_swap(&id, &loaded.version, &bytes).await {
            Ok(_) => Ok(None),
            Err(StoreError::Conflict) => Ok(Some("its record has changed".to_owned())),
            Err(error) => Err(error),
        }
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

fn text(failure: Failure) -> String {
    match failure {
        Failure::Provider { message, .. } => message,
        Failure::Fact(error) | Failure::Unrecorded(error) => error.to_string(),
    }
}
