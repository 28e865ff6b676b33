//! Publishes the position of a resource: status, conditions, Events.
//!
//! Invariant: what is published is about the object and the generation that the pass was for, and never about a later one. The sequence number in the status never goes back, and
//! conditions of others stay as they are.

use std::time::SystemTime;

use durable_fsm::record::Record;
use durable_fsm::{Outcome, Probe, RecordId};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Resource as _, ResourceExt as _};
use serde_json::{Value, json};

use super::{Reconciled, Reconciler, Runs, now};
use crate::conditions::Verdict;
use crate::reason::{Phase, Reason};
use crate::status::Summary;
use crate::store::FIELD_MANAGER;

/// The types of Events.
pub(super) const NORMAL: &str = "Normal";
pub(super) const WARNING: &str = "Warning";

/// How often a status is written again after a conflict. Later passes publish it anyway.
const TRIES: usize = 5;

/// The longest note of an Event, in bytes.
const NOTE_LIMIT: usize = 1024;

impl<K, M: Runs<T>, T: Send + Sync + 'static, P: Probe> Reconciler<K, M, T, P> {
    /// Publishes the outcome of a pass as status, conditions, Event and metrics.
    pub(super) async fn publish(&self, id: &RecordId, of: &Reconciled, outcome: &Outcome<M::State>) {
        for _ in 0..TRIES {
            let Some(object) = self.look_at(id, of).await else { return };
            let text = object.annotations().get(self.names.record());
            // A copied record says nothing about this object.
            let record = text.and_then(|text| Record::decode(M::GRAPH, text.as_bytes()).ok());
            let record = record.filter(|record| object.metadata.uid.as_ref() == Some(&record.owner));
            let Some(mut summary) = Summary::of::<M>(outcome, record.as_ref()) else { return };
            if summary.reason == Reason::RecordLost && record.is_none() {
                // Without any other sign of a lost record, the next pass would begin anew.
                summary.status.seq = Some(1);
            }
            let state = summary.status.state.as_deref().unwrap_or_default();
            let recorded = record.as_ref().and_then(|record| record.held.as_ref()).map(|held| held.since.time());
            let since = recorded.or_else(|| self.held_since(&object)).unwrap_or_else(now);
            self.metrics.put(&id.machine, &id.resource, state, summary.reason, since);
            if self.write_status(id, &object, of, summary).await {
                return;
            }
        }
        tracing::debug!("the status is left to a later pass");
    }

    /// The object that a pass was for, as it is now. None if it is gone, or if another object has its name.
    pub(super) async fn look_at(&self, id: &RecordId, of: &Reconciled) -> Option<DynamicObject> {
        let object = self.store.api(&id.resource).get(&id.resource.name).await.ok()?;
        (object.metadata.uid == of.uid).then_some(object)
    }

    /// Since when the status says that the resource is held.
    fn held_since(&self, object: &DynamicObject) -> Option<SystemTime> {
        let status = object.data.get("status")?;
        if status.get(self.store.status_field())?.get("phase")?.as_str()? != Phase::Held.name() {
            return None;
        }
        let stalled = conditions_in(status).into_iter().find(|it| it.type_ == "Stalled" && it.status == "True")?;
        Some(stalled.last_transition_time.0.into())
    }

    /// Publishes that nothing can be recorded on the object. Its status may not be writable either, so this is an Event.
    pub(super) async fn publish_invalid(&self, id: &RecordId, of: &Reconciled, why: &str) {
        let Some(object) = self.look_at(id, of).await else { return };
        let message = format!("the object is no longer valid, so nothing can be recorded on it: {why}");
        let summary = Summary::new(Reason::ObjectInvalid, message, None);
        let since = self.held_since(&object).unwrap_or_else(now);
        self.metrics.put(&id.machine, &id.resource, "", summary.reason, since);
        let (reason, message) = (summary.reason.name(), summary.message.clone());
        if !self.write_status(id, &object, of, summary).await {
            self.announce_once(id, &object, reason, &message).await;
        }
    }

    /// Publishes a warning, unless it equals the last one of this object. Otherwise every attempt would be an Event while the status cannot be written.
    pub(super) async fn announce_once(&self, id: &RecordId, object: &DynamicObject, reason: &str, note: &str) {
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let warning = (uid, reason.to_owned(), note.to_owned());
        let is_told = self.warned().get(&id.resource) == Some(&warning);
        if !is_told && self.announce(object, WARNING, "Reconcile", reason, note).await {
            self.warned().insert(id.resource.clone(), warning);
        }
    }

    /// True if the status is current, or if the object is gone.
    async fn write_status(&self, id: &RecordId, object: &DynamicObject, of: &Reconciled, mut summary: Summary) -> bool {
        let field = self.store.status_field();
        let status = object.data.get("status").cloned().unwrap_or_default();
        let before = status.get(field).cloned().unwrap_or_default();
        let is_outdated = before.get("observedGeneration").and_then(Value::as_i64).is_some_and(|published| {
            of.generation.is_some_and(|ours| published > ours)
                && object.metadata.generation.is_some_and(|latest| published <= latest)
        });
        if is_outdated {
            // Another replica has published a later generation.
            return true;
        }
        summary.status.observed_generation = of.generation;
        let verdict = Verdict::of(&summary, field, &status);
        let conditions = conditions_in(&status);
        let new_conditions = verdict.conditions(&conditions, Timestamp::now());
        let own = own_status(&summary, before.get("seq").and_then(Value::as_u64));
        let generation = json!(verdict.generation);
        // A definition without this field drops it.
        let is_observed = status.get("observedGeneration").is_none_or(|it| *it == generation);
        let is_same = is_observed
            && new_conditions == conditions
            && own.iter().all(|(key, value)| before.get(key).unwrap_or(&Value::Null) == value);
        if is_same {
            return true;
        }
        let patch = json!({
            "metadata": { "uid": object.metadata.uid, "resourceVersion": object.metadata.resource_version },
            "status": { field: own, "conditions": new_conditions, "observedGeneration": generation },
        });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        match self.store.api(&id.resource).patch_status(&id.resource.name, &params, &Patch::Merge(patch)).await {
            Ok(_) => {
                if before.get("reason").and_then(Value::as_str) != Some(summary.reason.name()) {
                    let stopped = matches!(summary.reason.phase(), Phase::Blocked | Phase::Held);
                    let type_ = if stopped { WARNING } else { NORMAL };
                    self.announce(object, type_, "Reconcile", summary.reason.name(), &summary.message).await;
                }
                true
            }
            Err(kube::Error::Api(status)) if status.code == 409 => false,
            Err(kube::Error::Api(status)) if status.code == 404 => true,
            Err(error) => {
                tracing::warn!(%error, "the status could not be written");
                false
            }
        }
    }

    /// Publishes an Event. If the server refuses it, as in a namespace that is being deleted, it is logged. True if it was accepted.
    pub(super) async fn announce(
        &self,
        object: &DynamicObject,
        type_: &str,
        action: &str,
        reason: &str,
        note: &str,
    ) -> bool {
        tracing::info!(action, reason, note);
        let note = match note.char_indices().find(|(at, letter)| at + letter.len_utf8() > NOTE_LIMIT) {
            Some((at, _)) => &note[..at],
            None => note,
        };
        let now = Timestamp::now();
        let metadata = &object.metadata;
        let namespace = metadata.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let name = format!("{}.{:x}", metadata.name.as_deref().unwrap_or_default(), now.as_nanosecond());
        let mut regarding = object.object_ref(self.store.kind());
        regarding.resource_version = None;
        // kube's recorder is not used: it merges Events of one reason, and keeps the note of the first.
        let event = Event {
            metadata: ObjectMeta { name: Some(name), namespace: Some(namespace.clone()), ..ObjectMeta::default() },
            type_: Some(type_.to_owned()),
            reason: Some(reason.to_owned()),
            action: Some(action.to_owned()),
            note: Some(note.to_owned()),
            event_time: Some(MicroTime(now)),
            regarding: Some(regarding),
            reporting_controller: Some(FIELD_MANAGER.to_owned()),
            reporting_instance: Some(self.reporter.clone()),
            ..Event::default()
        };
        let events: Api<Event> = Api::namespaced(self.store.client().clone(), &namespace);
        match events.create(&PostParams::default(), &event).await {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!(%error, "the event could not be published");
                false
            }
        }
    }
}

fn conditions_in(status: &Value) -> Vec<Condition> {
    status.get("conditions").and_then(|it| serde_json::from_value(it.clone()).ok()).unwrap_or_default()
}

/// The fields of the status as a merge patch. Fields without a value are removed. The sequence number never goes back.
fn own_status(summary: &Summary, before: Option<u64>) -> serde_json::Map<String, Value> {
    let Ok(Value::Object(mut own)) = serde_json::to_value(&summary.status) else { return serde_json::Map::new() };
    for key in ["state", "phase", "reason", "step", "attempt", "since", "observedGeneration"] {
        own.entry(key).or_insert(Value::Null);
    }
    if summary.status.seq.is_none_or(|seq| before.is_some_and(|before| before > seq)) {
        own.remove("seq");
    }
    own
}
