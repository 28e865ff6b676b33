//! Publishes the position of a resource: status, conditions, Events.
//!
//! Invariant: what is published is about the object that the pass was for. A status is written over only if all of it is known.

use std::time::SystemTime;

use durable_fsm::metrics::Standing;
use durable_fsm::{Outcome, Phase, Reason, RecordId};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use super::{Reconciled, Reconciler, Runs, now, record_on};
use crate::object::Object;
use crate::pass_store::{PassStore, StatusWrite};
use crate::publication::{Publication, conditions_in};
use crate::status::Summary;
use crate::store::{FIELD_MANAGER, NO_STATUS};

/// The types of Events.
pub(super) const NORMAL: &str = "Normal";
pub(super) const WARNING: &str = "Warning";

/// How often a status is written again after a conflict. Later passes publish it anyway.
const TRIES: usize = 5;

/// The longest note of an Event, in bytes.
const NOTE_LIMIT: usize = 1024;

/// The longest name of an object, in bytes. Names of objects have one byte a letter.
const NAME_LIMIT: usize = 253;

impl<K, M: Runs<T>, T: Send + Sync + 'static> Reconciler<K, M, T> {
    /// Publishes the outcome of a pass as status, conditions, Event and metrics.
    pub(super) async fn publish(&self, id: &RecordId, store: &PassStore, of: &Reconciled, outcome: &Outcome<M::State>) {
        let published = self.publish_as(id, store, of, |object| self.count(id, of, object, outcome));
        if !published.await {
            tracing::debug!("the status is left to a later pass");
        }
    }

    /// Counts a resource where a pass has left or found it, and says where that is.
    pub(super) fn count(
        &self,
        id: &RecordId,
        of: &Reconciled,
        object: &Object,
        outcome: &Outcome<M::State>,
    ) -> Option<Summary> {
        let record = record_on::<M>(&self.names, object, of);
        let mut summary = Summary::of::<M>(outcome, record.as_ref())?;
        if summary.reason == Reason::RecordLost && record.is_none() {
            // Without any other sign of a lost record, the next pass would begin anew.
            summary.status.seq = Some(1);
        }
        let state = summary.status.state.as_deref().unwrap_or_default();
        let recorded = record.as_ref().and_then(|record| record.held.as_ref()).map(|held| held.since.time());
        let since = recorded.or_else(|| self.held_since(object)).unwrap_or_else(now);
        let standing = Standing { state, reason: summary.reason, since, deleted: object.deleted_at() };
        self.metrics.put(id, &standing);
        Some(summary)
    }

    /// Publishes that nothing can be recorded on the object. Its status may not be writable either, so this is an Event.
    pub(super) async fn publish_invalid(&self, id: &RecordId, store: &PassStore, of: &Reconciled, why: &str) {
        let message = format!("the object is no longer valid, so nothing can be recorded on it: {why}");
        let summary = Summary::new(Reason::ObjectInvalid, message, None);
        let published = self.publish_as(id, store, of, |object| {
            let since = self.held_since(object).unwrap_or_else(now);
            let standing = Standing { state: "", reason: summary.reason, since, deleted: object.deleted_at() };
            self.metrics.put(id, &standing);
            Some(summary.clone())
        });
        if !published.await && store.latest().await.is_some_and(|(object, _)| object.metadata.uid == of.uid) {
            self.announce_once(id, &of.uid, summary.reason.name(), &summary.message).await;
        }
    }

    /// Writes the status that follows from the object as it is. True if there is nothing left to publish.
    async fn publish_as(
        &self,
        id: &RecordId,
        store: &PassStore,
        of: &Reconciled,
        summarise: impl Fn(&Object) -> Option<Summary>,
    ) -> bool {
        for _ in 0..TRIES {
            let Some((object, is_exact)) = store.latest().await else { return true };
            if object.metadata.uid != of.uid {
                return true;
            }
            let Some(summary) = summarise(&object) else { return true };
            let (reason, message) = (summary.reason, summary.message.clone());
            let place = (M::GRAPH.name, self.store.status_field());
            let Some(publication) = Publication::of(&object, place, of.generation, summary) else { return true };
            let written = if is_exact {
                store.publish(&id.resource, &publication.status).await
            } else {
                // A cache may leave parts of the status out, which would be overwritten.
                StatusWrite::Conflict
            };
            match written {
                StatusWrite::Done => {
                    self.complain_if_dropped(id, store, of).await;
                    self.tell_outcome(id, of, &publication, reason, &message).await;
                    return true;
                }
                StatusWrite::Conflict => {}
                StatusWrite::NotFound => {
                    if store.read_again(&id.resource).await.is_ok()
                        && store.latest().await.is_some_and(|(object, _)| object.metadata.uid == of.uid)
                    {
                        tracing::error!(NO_STATUS);
                        self.announce_once(id, &of.uid, "StatusNotPublished", NO_STATUS).await;
                    }
                    return true;
                }
                StatusWrite::Failed(error) => tracing::warn!(%error, "the status could not be written"),
            }
            match store.read_again(&id.resource).await {
                Ok(true) => {}
                // The pass is run again.
                Ok(false) => return true,
                Err(_) => return false,
            }
        }
        false
    }

    /// Says that the definition drops what is published: the server has taken the status and not kept it.
    async fn complain_if_dropped(&self, id: &RecordId, store: &PassStore, of: &Reconciled) {
        let field = self.store.status_field();
        let has_it = |object: &Object| object.status.as_ref().is_some_and(|status| status.get(field).is_some());
        if store.latest().await.is_some_and(|(object, _)| !has_it(&object)) {
            let why = format!(
                "the definition has no `status.{field}`, so the server drops what is published there; add the field to its schema, with `FsmStatus` in the type of the status"
            );
            tracing::error!(why);
            self.announce_once(id, &of.uid, "StatusNotPublished", &why).await;
        }
    }

    /// Says by an Event how a pass has ended, if that is news.
    async fn tell_outcome(&self, id: &RecordId, of: &Reconciled, written: &Publication, reason: Reason, message: &str) {
        let before = written.before.as_deref();
        // A definition that drops the status says nothing of what was told before.
        let is_news = || before.is_some() || self.memory.is_news(&id.resource, &of.uid, reason.name());
        if before != Some(reason.name()) && is_news() {
            let stopped = matches!(reason.phase(), Phase::Blocked | Phase::Held);
            let type_ = if stopped { WARNING } else { NORMAL };
            self.announce(id, &of.uid, type_, "Reconcile", reason.name(), message).await;
        }
    }

    /// Since when the status says that the resource is held.
    fn held_since(&self, object: &Object) -> Option<SystemTime> {
        let status = object.status.as_ref()?;
        if status.get(self.store.status_field())?.get("phase")?.as_str()? != Phase::Held.name() {
            return None;
        }
        let stalled = conditions_in(status).into_iter().find(|it| it.type_ == "Stalled" && it.status == "True")?;
        Some(stalled.last_transition_time.0.into())
    }

    /// Publishes a warning, unless it equals the last one of this object. Otherwise every attempt would be an Event while the status cannot be written.
    pub(super) async fn announce_once(&self, id: &RecordId, uid: &str, reason: &str, note: &str) {
        let warning = (reason.to_owned(), note.to_owned());
        if !self.memory.is_warned(&id.resource, uid, &warning)
            && self.announce(id, uid, WARNING, "Reconcile", reason, note).await
        {
            self.memory.warned(&id.resource, uid, warning);
        }
    }

    /// Publishes an Event. If the server refuses it, as in a namespace that is being deleted, it is logged. True if it was accepted.
    pub(super) async fn announce(
        &self,
        id: &RecordId,
        uid: &str,
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
        let (now, kind) = (Timestamp::now(), self.store.kind());
        let namespace =
            Some(id.resource.namespace.as_str()).filter(|it| !it.is_empty()).unwrap_or("default").to_owned();
        let suffix = format!(".{:x}", now.as_nanosecond());
        let stem = &id.resource.name[..id.resource.name.len().min(NAME_LIMIT - suffix.len())];
        let name = format!("{}{suffix}", stem.trim_end_matches(['.', '-']));
        let regarding = ObjectReference {
            api_version: Some(kind.api_version.clone()),
            kind: Some(kind.kind.clone()),
            namespace: Some(id.resource.namespace.clone()).filter(|it| !it.is_empty()),
            name: Some(id.resource.name.clone()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        };
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
