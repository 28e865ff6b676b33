//! One resource as a row of `fsm list`.
//!
//! Invariant: a record that cannot be read has a row too, with the reason.

use std::time::{Duration, SystemTime};

use durable_fsm::graph::Graph;
use durable_fsm::record::{Record, Stamp, Unreadable};
use durable_fsm::{Phase, Position, Reason, RecordId, ResourceId};
use serde::Serialize;

use crate::graphs::Graphs;
use crate::kept::{Kept, Published};

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
    /// The uid that the resource has now, if its record belongs to another one.
    pub(crate) other_uid: Option<String>,
}

/// Why there is no record to look at.
#[derive(Debug)]
pub(crate) struct Unread {
    /// What the bytes say of themselves, as far as they are JSON.
    pub(crate) version: Option<u64>,
    pub(crate) why: String,
    /// Whether there is none.
    pub(crate) is_missing: bool,
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
    phase: &'static str,
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
    pub(crate) fn of(kept: &Kept, graphs: &Graphs, now: SystemTime) -> Self {
        let mut row = match &kept.bytes {
            Some(bytes) => Self::recorded(kept.id.clone(), bytes, graphs, now),
            None => Self::unrecorded(kept.id.clone()),
        };
        let seq = row.record.as_ref().ok().map(|record| record.seq);
        let owner = row.record.as_ref().ok().map(|record| record.owner.as_str());
        row.other_uid = kept.uid.clone().filter(|uid| owner.is_some_and(|owner| owner != uid));
        // What the controller has published is about this record, or about none that can be read. It knows more than stands in a record.
        if let Some(Published { phase, reason, message, .. }) =
            kept.published.as_ref().filter(|it| it.seq == seq || seq.is_none() || row.other_uid.is_some())
        {
            (row.phase, row.reason, row.message) = (*phase, reason.clone(), message.clone());
        }
        row
    }

    fn unrecorded(id: RecordId) -> Self {
        let record = Err(Unread { version: None, why: "it has no record".to_owned(), is_missing: true });
        let (phase, reason, message) = (Phase::Progressing, "new".to_owned(), "it has no record yet".to_owned());
        Self { id, phase, reason, message, since: None, attempt: 0, graph: None, record, other_uid: None }
    }

    fn recorded(id: RecordId, bytes: &[u8], graphs: &Graphs, now: SystemTime) -> Self {
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
                let Position { reason, message, .. } = Position::of_record(graph, &record);
                let (phase, reason) = (reason.phase(), reason.word());
                let since = Some(Stamp::from(now).after(record.since));
                let attempt = attempt(&record);
                Self { id, phase, reason, message, since, attempt, graph, record: Ok(record), other_uid: None }
            }
            Err(error) => {
                let why = error.to_string();
                let version = said("version").and_then(serde_json::Value::as_u64);
                let (phase, reason, message) = (Phase::Held, Reason::Unreadable.word(), why.clone());
                let record = Err(Unread { version, why, is_missing: false });
                Self { id, phase, reason, message, since: None, attempt: 0, graph, record, other_uid: None }
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
            phase: self.phase.word(),
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
