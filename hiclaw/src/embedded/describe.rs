//! Where resources are, read from their records. Invariant: reading takes no lock and changes nothing.

use std::time::SystemTime;

use durable_fsm::diagram::{Live, terminal};
use durable_fsm::graph::Rest;
use durable_fsm::record::{Direction, Record, Stamp};
use durable_fsm::store::FileReader;
use durable_fsm::{RecordId, ResourceId, Store as _, StoreError};

use crate::kind::Kind;

/// One line for each resource of these kinds.
pub(super) async fn table(reader: &FileReader, kinds: &[Kind], now: SystemTime) -> Result<String, StoreError> {
    let mut text = format!("{:<7} {:<32} {:<16} {:<12} {:>8}  MESSAGE\n", "KIND", "NAME", "STATE", "PHASE", "SINCE");
    for kind in kinds {
        let mut ids = reader.list(kind.graph().name).await?;
        ids.sort();
        for id in ids {
            // One that is gone by now was removed while the others were read.
            let Some(found) = read(reader, *kind, &id).await? else { continue };
            let (state, (phase, message), since) = match &found {
                Ok(record) => {
                    let since = Stamp::from(now).after(record.since).as_secs();
                    (record.state.as_str(), standing(*kind, record), format!("{since}s"))
                }
                Err(why) => ("", ("held", why.as_str()), String::new()),
            };
            let message = message.lines().next().unwrap_or_default();
            let name = id.to_string();
            text.push_str(&format!("{:<7} {name:<32} {state:<16} {phase:<12} {since:>8}  {message}\n", kind.name()));
        }
    }
    Ok(text)
}

/// One resource, drawn; none if it has no record.
pub(super) async fn drawing(
    reader: &FileReader,
    kind: Kind,
    id: &ResourceId,
    now: SystemTime,
) -> Result<Option<String>, StoreError> {
    let record = match read(reader, kind, id).await? {
        None => return Ok(None),
        Some(Err(why)) => return Ok(Some(format!("{}/{} cannot be read: {why}\n", kind.name(), id))),
        Some(Ok(record)) => record,
    };
    let live = Live::of(kind.graph(), format!("{}/{id}", kind.name()), &record, now);
    let mut text = terminal::write(kind.graph(), Some(&live.overlay()), &terminal::Options::from_env());
    text.push('\n');
    for (name, value) in record.facts.iter() {
        text.push_str(&format!("{name}: {value}\n"));
    }
    Ok(Some(text))
}

async fn read(reader: &FileReader, kind: Kind, id: &ResourceId) -> Result<Option<Result<Record, String>>, StoreError> {
    let record_id = RecordId { machine: kind.graph().name.to_owned(), resource: id.clone() };
    let bytes = reader.load(&record_id).await?.bytes;
    Ok(bytes.map(|bytes| Record::decode(kind.graph(), &bytes).map_err(|error| error.to_string())))
}

fn standing(kind: Kind, record: &Record) -> (&'static str, &str) {
    let error = record.retry.as_ref().map_or("", |retry| retry.error.as_str());
    let rests = kind.graph().state(&record.state).is_some_and(|(_, state)| state.rest != Rest::Passing);
    match (&record.held, &record.blocked) {
        _ if record.paused => ("paused", ""),
        (Some(held), _) => ("held", &held.message),
        (None, Some(blocked)) => ("blocked", &blocked.message),
        _ if !matches!(record.direction, Direction::Forward) => ("deleting", error),
        _ if record.intent.is_some() || !error.is_empty() || !rests => ("progressing", error),
        _ => ("ready", ""),
    }
}
