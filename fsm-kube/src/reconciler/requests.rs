//! Carries out the requests of operators.
//!
//! Invariant: every request leaves an Event, whether it was carried out or refused.

use durable_fsm::record::{Record, Resolution};
use durable_fsm::{OperateError, RecordId, Released, StoreError};

use super::publish::{NORMAL, WARNING};
use super::{Reconciler, Runs, store_error};
use crate::object::Object;
use crate::pass_store::PassStore;
use crate::request::{self, Request};
use crate::verb::Verb;

impl<K, M: Runs<T>, T: Send + Sync + 'static> Reconciler<K, M, T> {
    /// Carries out the first request on the object. True if this changed the object. If somebody else has changed it, the store is outdated.
    pub(super) async fn operate(&self, id: &RecordId, store: &PassStore) -> Result<bool, StoreError> {
        let Some((object, _)) = store.latest().await else { return Ok(false) };
        for request in request::on(&self.names, &object) {
            let done = self.carry_out(id, store, &object, &request).await;
            let (told, type_) = match done {
                Ok(Done::Stands) => continue,
                Ok(Done::Consumed(told)) => (told, NORMAL),
                Ok(Done::Refused(why)) => match store.take_off(id, &[&request.annotation]).await {
                    Ok(()) => (format!("refused: {why}"), WARNING),
                    Err(StoreError::Conflict | StoreError::Gone) => {
                        store.set_outdated().await;
                        return Ok(false);
                    }
                    Err(error) => return Err(error),
                },
                // The object has changed. It is read again.
                Err(StoreError::Conflict | StoreError::Gone) => {
                    store.set_outdated().await;
                    return Ok(false);
                }
                Err(error) => return Err(error),
            };
            self.tell(id, &object, type_, request.verb, &told).await;
            return Ok(true);
        }
        Ok(false)
    }

    async fn carry_out(
        &self,
        id: &RecordId,
        store: &PassStore,
        object: &Object,
        request: &Request,
    ) -> Result<Done, StoreError> {
        let recorded = object.annotation(self.names.record());
        store.begin().await;
        let runner = self.runner.on_store(store.consuming(request));
        let resource = &id.resource;
        let done = match request.verb {
            Verb::Release if recorded.is_none() => {
                let told = "the finalizer is removed; what was made is not known, because there was no record";
                return Ok(if store.abandon(id).await? { Done::Consumed(told.to_owned()) } else { Done::Stands });
            }
            Verb::Release => return self.release(id, store).await,
            // Without a record there is nowhere to record the pause. It holds while the annotation exists.
            Verb::Pause if recorded.is_none() => return Ok(Done::Stands),
            Verb::Pause => {
                let resume = self.names.verb(Verb::Resume);
                runner.pause(resource).await.map(|_| format!("paused; to resume, set the annotation `{resume}`"))
            }
            Verb::Resume if recorded.is_none() => return self.resume_unrecorded(id, store, request).await,
            Verb::Resume => runner.resume(resource).await.map(|_| "resumed".to_owned()),
            Verb::Verify => {
                store.take_off(id, &[&request.annotation]).await?;
                self.runner.verify_next(resource);
                return Ok(Done::Consumed("asking whether everything is still there".to_owned()));
            }
            Verb::Retry => runner.resolve(resource, Resolution::Retry).await.map(|_| "trying again".to_owned()),
            Verb::Rebind => {
                let record = match self.record_in(recorded) {
                    Ok(record) => record,
                    Err(why) => return Ok(Done::Refused(why)),
                };
                if let Err(bad) = request::may_rebind(&request.value, &record) {
                    return Ok(Done::Refused(bad.to_string()));
                }
                runner
                    .rebind(resource, &object.metadata.uid)
                    .await
                    .map(|_| {
                        let owner = record.owner;
                        format!("the record of {owner} is now this object's; an object with that uid, should there still be one, can change and remove the same things: pause or release it")
                    })
            }
            Verb::Resolve => {
                let (expected, resolution) = match request::resolution(M::GRAPH, &request.value) {
                    Ok(resolution) => resolution,
                    Err(bad) => return Ok(Done::Refused(bad.to_string())),
                };
                let told = format!("resolved as asked: {}", request.value);
                runner.resolve_if(resource, expected, resolution).await.map(|_| told)
            }
        };
        match done {
            Ok(told) => Ok(Done::Consumed(told)),
            Err(error) => store_error(error).map(Done::Refused),
        }
    }

    /// Drops record and finalizer. The annotation stays, so no pass runs until somebody removes it.
    async fn release(&self, id: &RecordId, store: &PassStore) -> Result<Done, StoreError> {
        let left = match self.runner.on_store(store.clone()).release(&id.resource).await {
            // Only the record knew what was made, and it cannot be read.
            Ok(Released { unreadable: Some(error), .. }) => format!("unknown, because {error}"),
            Ok(Released { left, .. }) => {
                left.iter().map(|it| format!("{} ({})", it.transition, it.key)).collect::<Vec<_>>().join(", ")
            }
            Err(OperateError::NoRecord(_)) => return Ok(Done::Stands),
            Err(error) => return store_error(error).map(Done::Refused),
        };
        let left = if left.is_empty() { "nothing".to_owned() } else { left };
        Ok(Done::Consumed(format!("record and finalizer are removed; left behind: {left}")))
    }

    async fn resume_unrecorded(&self, id: &RecordId, store: &PassStore, request: &Request) -> Result<Done, StoreError> {
        store.take_off(id, &[&self.names.verb(Verb::Pause), &request.annotation]).await?;
        Ok(Done::Consumed("resumed".to_owned()))
    }

    fn record_in(&self, text: Option<&String>) -> Result<Record, String> {
        let text = text.ok_or("there is no record to give to this object")?;
        Record::decode(M::GRAPH, text.as_bytes()).map_err(|error| error.to_string())
    }

    async fn tell(&self, id: &RecordId, object: &Object, type_: &str, verb: Verb, told: &str) {
        self.announce(id, &object.metadata.uid, type_, "Operate", verb_reason(verb), told).await;
    }
}

/// What became of a request.
enum Done {
    /// It has an effect while the annotation exists.
    Stands,
    /// It was carried out.
    Consumed(String),
    /// It cannot be carried out.
    Refused(String),
}

const fn verb_reason(verb: Verb) -> &'static str {
    match verb {
        Verb::Retry => "Retry",
        Verb::Verify => "Verify",
        Verb::Resolve => "Resolve",
        Verb::Pause => "Pause",
        Verb::Resume => "Resume",
        Verb::Rebind => "Rebind",
        Verb::Release => "Release",
    }
}
