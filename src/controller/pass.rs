//! One pass for one resource. Invariant: the copy of a resource is durable before its record can be, and is removed only after the record.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::kept::{self, Kept};
use super::observers::{Left, Observers};
use crate::machine::Dispatch;
use crate::record::Stamp;
use crate::{Outcome, ResourceId, Runner, StoreError};

/// How long a resource that a person has to look at, or that is paused, is left alone.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// What a pass is for.
pub(super) struct Job<R> {
    pub(super) id: ResourceId,
    pub(super) wanted: Option<R>,
    /// The file that it is wanted by.
    pub(super) file: Option<String>,
    pub(super) kept: Option<Kept<R>>,
}

impl<R: crate::Resource> Job<R> {
    /// Whether what is kept has to go first: it is not wanted, or something of another uid is.
    pub(super) fn undoes(&self) -> bool {
        let Some(kept) = &self.kept else { return false };
        kept.deleting || self.wanted.as_ref().is_none_or(|wanted| wanted.uid() != kept.resource.uid())
    }
}

/// How a pass has ended.
pub(super) struct Passed<R> {
    /// What is kept now, as far as is known.
    pub(super) kept: Option<Kept<R>>,
    pub(super) next: Result<Next, StoreError>,
}

/// When the resource is due again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// At once.
    Again,
    /// After this long.
    After(Duration),
    /// When something changes.
    Rest,
    /// Never: nothing is left of it.
    Forget,
}

/// Runs a pass. Where it is not known what the store keeps, as after a failure, that is read first.
pub(super) async fn pass<M, T>(
    runner: Runner<M, T>,
    observers: Observers<M>,
    job: Job<M::Resource>,
    is_known: bool,
) -> Passed<M::Resource>
where
    M: Dispatch<T>,
    M::Resource: Serialize + DeserializeOwned,
    T: Send + Sync + 'static,
{
    let id = job.id.clone();
    let mut kept = job.kept.clone();
    let (runner, watch) = observers.begin(runner);
    let store = Arc::clone(&runner.driver.store);
    let now = || Stamp::from(runner.driver.clock.wall());
    let next = async {
        if !is_known {
            let deleting = kept.as_ref().is_some_and(|kept| kept.deleting);
            kept = kept::get::<M>(store.as_ref(), &id).await?;
            kept.iter_mut().for_each(|kept| kept.deleting |= deleting);
        }
        let job = Job { kept: kept.clone(), ..job };
        let undoes = job.undoes();
        let Job { wanted, file, .. } = job;
        if let Some(old) = kept.as_mut().filter(|_| undoes) {
            old.deleting = true;
            let since = *old.since.get_or_insert_with(now);
            kept::put::<M>(store.as_ref(), old).await?;
            let (outcome, record) = runner.pass_with_record(&old.resource, true).await?;
            let deleted = Some(since);
            observers.tell(&id, &Left { outcome: &outcome, record: record.as_deref(), deleted, now: now() });
            if !matches!(outcome, Outcome::Gone) {
                return Ok(after(&outcome));
            }
            kept::remove::<M>(store.as_ref(), &id).await?;
            kept = None;
            return Ok(if wanted.is_some() { Next::Again } else { Next::Forget });
        }
        let Some(resource) = wanted else { return Ok(Next::Forget) };
        let copy = Kept { resource: resource.clone(), file, deleting: false, since: None };
        if !kept.as_ref().is_some_and(|kept| kept.is(&copy)) {
            kept::put::<M>(store.as_ref(), &copy).await?;
            kept = Some(copy);
        }
        let (outcome, record) = runner.pass_with_record(&resource, false).await?;
        // The resource itself may say that it is to be deleted. It is not asked here, because its code may panic.
        let deleted = record.as_ref().filter(|record| record.direction.is_deletion()).map(|_| now());
        observers.tell(&id, &Left { outcome: &outcome, record: record.as_deref(), deleted, now: now() });
        if matches!(outcome, Outcome::Gone) {
            kept::remove::<M>(store.as_ref(), &id).await?;
            kept = None;
        }
        Ok(after(&outcome))
    };
    let next = next.await;
    observers.passed(&runner, &watch, next.as_ref().err());
    Passed { kept, next }
}

fn after<S>(outcome: &Outcome<S>) -> Next {
    match outcome.requeue_after() {
        Some(time) => Next::After(time),
        None if matches!(outcome, Outcome::Held { .. } | Outcome::Paused) => Next::After(LOOK_AGAIN),
        None => Next::Rest,
    }
}
