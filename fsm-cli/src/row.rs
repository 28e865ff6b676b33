//! One resource as a row of `fsm list`.
//!
//! Invariant: a record that cannot be read has a row too, with the reason.

use std::time::{Duration, SystemTime};

use durable_fsm::graph::Graph;
use durable_fsm::record::{Record, Stamp, Unreadable};
use durable_fsm::{RecordId, ResourceId};
use serde::Serialize;

use crate::graphs::Graphs;
use crate::phase::{self, Phase};

/// One resource.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: RecordId,
    pub(crate) phase: Phase,
    pub(crate) reason: String,
    pub(crate) message: String,
    /// How long it has been in its state.
    pub(crate) since: Option<Duration>,
    pub(crate) attempt: u32,
    pub(crate) graph: Option<&'static Graph<'static>>,
    pub(crate) record: Result<Record, Unread>,
}

/// Why there is no record to look at.
#[derive(Debug)]
pub(crate) struct Unread {
    /// What the bytes say of themselves, as far as they are JSON.
    pub(crate) version: Option<u64>,
    pub(crate) why: String,
}

/// As JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told<'r> {
    machine: &'r str,
    namespace: &'r str,
    name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'r str>,
    phase: Phase,
    reason: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

impl Row {
    pub(crate) fn of(id: RecordId, bytes: &[u8], graphs: &Graphs, now: SystemTime) -> Self {
        let value = serde_json::from_slice::<serde_json::Value>(bytes).ok();
        let said = |name: &str| value.as_ref().and_then(|value| value.get(name));
        let fingerprint = said("graph").and_then(serde_json::Value::as_str).unwrap_or_default();
        let graph = graphs.get(&id.machine, fingerprint);
        let decoded = match graph.or_else(|| graphs.latest(&id.machine)) {
            Some(graph) => Record::decode(graph, bytes),
            // Without any graph the record is read as it stands.
            None => serde_json::from_slice::<Record>(bytes).map_err(|error| Unreadable::Damaged(error.to_string())),
        };
        match decoded {
            Ok(record) => {
                let (phase, reason, message) = phase::of(&record, graph);
                let since = Some(Stamp::from(now).after(record.since));
                let attempt = attempt(&record);
                Self { id, phase, reason, message, since, attempt, graph, record: Ok(record) }
            }
            Err(error) => {
                let why = error.to_string();
                let version = said("version").and_then(serde_json::Value::as_u64);
                let (phase, reason, message) = (Phase::Held, "unreadable".to_owned(), why.clone());
                let record = Err(Unread { version, why });
                Self { id, phase, reason, message, since: None, attempt: 0, graph, record }
            }
        }
    }

    pub(crate) fn resource(&self) -> &ResourceId {
        &self.id.resource
    }

    pub(crate) fn state(&self) -> Option<&str> {
        self.record.as_ref().ok().map(|record| record.state.as_str())
    }

    pub(crate) fn told(&self) -> Told<'_> {
        let record = self.record.as_ref().ok();
        Told {
            machine: &self.id.machine,
            namespace: &self.id.resource.namespace,
            name: &self.id.resource.name,
            state: self.state(),
            phase: self.phase,
            reason: &self.reason,
            message: &self.message,
            since: record.map(|record| record.since.to_string()),
            attempt: self.attempt,
            seq: record.map(|record| record.seq),
        }
    }
}

/// The attempt under way, or how often the current step has failed.
fn attempt(record: &Record) -> u32 {
    let failed = record.next_retry().map_or(0, |retry| retry.count);
    record.intent.as_ref().map_or(failed, |intent| intent.attempt)
}
