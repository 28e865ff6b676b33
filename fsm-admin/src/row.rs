//! One resource as the list shows it. Invariant: the fields are those of `fsm list --json`.

use durable_fsm::ResourceId;
use durable_fsm::controller::{Seen, Window};
use serde::Serialize;

/// One resource.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'r> {
    machine: &'static str,
    namespace: &'r str,
    name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'r str>,
    phase: &'static str,
    reason: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

impl<'r> Row<'r> {
    pub(crate) fn of(window: &Window, id: &'r ResourceId, seen: &'r Seen) -> Self {
        let record = seen.record.as_ref().and_then(|record| record.as_ref().ok());
        let attempt = record.and_then(|record| {
            let failed = record.next_retry().map(|retry| retry.count);
            record.intent.as_ref().map(|intent| intent.attempt).or(failed)
        });
        Self {
            machine: window.graph().name,
            namespace: &id.namespace,
            name: &id.name,
            state: record.map(|record| record.state.as_str()),
            phase: seen.position.reason.phase().word(),
            reason: seen.position.reason.word(),
            message: &seen.position.message,
            since: record.map(|record| record.since.to_string()),
            attempt: attempt.unwrap_or_default(),
            seq: record.map(|record| record.seq),
        }
    }
}
