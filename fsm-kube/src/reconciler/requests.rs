//! Carries out the requests of operators.
//!
//! Invariant: every request leaves an Event, whether it was carried out or refused.

use durable_fsm::record::{Record, Resolution};
use durable_fsm::{OperateError, Probe, RecordId, Released, StoreError};
use kube::ResourceExt as _;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::json;

use super::publish::{NORMAL, WARNING};
use super::{Reconciler, Runs, store_error};
use crate::refusal::{self, Refusal};
use crate::request::{self, Request};
use crate::store::FIELD_MANAGER;
use crate::verb::Verb;

impl<K, M: Runs<T>, T: Send + Sync + 'static, P: Probe> Reconciler<K, M, T, P> {
    /// Carries out the first request on the object. True if this changed the object.
    pub(super) async fn operate(&self, id: &RecordId, object: &DynamicObject) -> Result<bool, StoreError> {
        for request in request::on(&self.names, object) {
            let done = match self.carry_out(id, object, &request).await {
                Ok(done) => done,
                // The object has changed. It is read again.
                Err(StoreError::Conflict) => return Ok(true),
                Err(StoreError::Gone) => return Ok(true),
                Err(error) => return Err(error),
            };
            match done {
                Done::Stands => {}
                Done::Consumed(told) => {
                    self.tell(object, NORMAL, request.verb, &told).await;
                    return Ok(true);
                }
                Done::Refused(why) => {
                    self.consume(id, object, &request).await?;
                    self.tell(object, WARNING, request.verb, &format!("refused: {why}")).await;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn carry_out(&self, id: &RecordId, object: &DynamicObject, request: &Request) -> Result<Done, StoreError> {
        let recorded = object.annotations().get(self.names.record());
        let runner = self.runner.on_store(self.store.clone().consuming(request));
        let resource = &id.resource;
        let done = match request.verb {
            Verb::Release => return self.release(id, recorded.is_some()).await,
            // Without a record there is nowhere to record the pause. It holds while the annotation exists.
            Verb::Pause if recorded.is_none() => return Ok(Done::Stands),
            Verb::Pause => {
                let resume = self.names.verb(Verb::Resume);
                runner.pause(resource).await.map(|_| format!("paused; to resume, set the annotation `{resume}`"))
            }
            Verb::Resume if recorded.is_none() => return self.resume_unrecorded(id, object, request).await,
            Verb::Resume => runner.resume(resource).await.map(|_| "resumed".to_owned()),
            Verb::Retry => runner.resolve(resource, Resolution::Retry).await.map(|_| "trying again".to_owned()),
            Verb::Rebind => {
                let record = match self.record_in(recorded) {
                    Ok(record) => record,
                    Err(why) => return Ok(Done::Refused(why)),
                };
                if let Err(bad) = request::may_rebind(&request.value, &record) {
                    return Ok(Done::Refused(bad.to_string()));
                }
                let uid = object.metadata.uid.as_deref().unwrap_or_default();
                runner
                    .rebind(resource, uid)
                    .await
                    .map(|_| format!("the record of {} is now this object's", record.owner))
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
    async fn release(&self, id: &RecordId, recorded: bool) -> Result<Done, StoreError> {
        if !recorded {
            self.store.abandon(id).await?;
            return Ok(Done::Stands);
        }
        let left = match self.runner.release(&id.resource).await {
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

    async fn resume_unrecorded(
        &self,
        id: &RecordId,
        object: &DynamicObject,
        request: &Request,
    ) -> Result<Done, StoreError> {
        let pause = Request { verb: Verb::Pause, annotation: self.names.verb(Verb::Pause), value: String::new() };
        self.consume(id, object, &pause).await?;
        let object = self.store.api(&id.resource).get(&id.resource.name).await;
        if let Ok(object) = object {
            self.consume(id, &object, request).await?;
        }
        Ok(Done::Consumed("resumed".to_owned()))
    }

    fn record_in(&self, text: Option<&String>) -> Result<Record, String> {
        let text = text.ok_or("there is no record to give to this object")?;
        Record::decode(M::GRAPH, text.as_bytes()).map_err(|error| error.to_string())
    }

    /// Removes the annotation of a request, if the object has not changed since it was read.
    async fn consume(&self, id: &RecordId, object: &DynamicObject, request: &Request) -> Result<(), StoreError> {
        let patch = json!({ "metadata": {
            "uid": object.metadata.uid,
            "resourceVersion": object.metadata.resource_version,
            "annotations": { request.annotation.as_str(): null },
        }});
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        match self.store.api(&id.resource).patch(&id.resource.name, &params, &Patch::Merge(patch)).await {
            Ok(_) => Ok(()),
            Err(error) => match refusal::of_write(&error, 0) {
                // It is read again.
                Refusal::Means(StoreError::Conflict | StoreError::Gone) => Ok(()),
                Refusal::Means(error) => Err(error),
                Refusal::Invalid(message) => Err(StoreError::Invalid(message)),
            },
        }
    }

    async fn tell(&self, object: &DynamicObject, type_: &str, verb: Verb, told: &str) {
        self.announce(object, type_, "Operate", verb_reason(verb), told).await;
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
        Verb::Resolve => "Resolve",
        Verb::Pause => "Pause",
        Verb::Resume => "Resume",
        Verb::Rebind => "Rebind",
        Verb::Release => "Release",
    }
}
