//! Outcomes that are known and cannot be recorded. Invariant: none is dropped without a line in the log that names what may be left outside.

use super::base::Base;
use crate::RecordId;
use crate::record::Event;

/// Says at `warn` what was learnt under the intent of this record and is not recorded.
pub(super) fn report(id: &RecordId, base: Option<&Base>, learnt: &[Event], why: &str) {
    if learnt.is_empty() {
        return;
    }
    let Some(base) = base.and_then(Base::record) else { return };
    let Some(intent) = &base.intent else { return };
    for event in learnt {
        let (outcome, handle) = match event {
            Event::Reached { made, .. } => ("made", Some(serde_json::to_string(&made.facts).unwrap_or_default())),
            Event::Member { value, .. } => ("made", Some(value.to_string())),
            Event::Undone { .. } => ("undone", None),
            Event::Failed { class, .. } => (class.name(), None),
            // The holder of the intent finds these out too, so nothing is left outside.
            _ => continue,
        };
        let subject = intent.subject.as_deref();
        let key = base.key(&intent.transition, subject, intent.life);
        tracing::warn!(
            machine = %id.machine, resource = %id.resource, transition = %intent.transition, subject, attempt = intent.attempt,
            action = ?intent.action, outcome, key, handle,
            "the outcome is known and is not recorded: {why}"
        );
    }
}
