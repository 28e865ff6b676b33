//! `fsm export` and `fsm import`.
//!
//! Invariant: an import writes the same records, graphs and resources that were exported, value for value.

use std::io::Write as _;
use std::path::Path;

use durable_fsm::{RecordId, ResourceId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::args::Place;
use crate::code::{FINE, REFUSED};
use crate::directory::writer;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::kept::Kept;
use crate::text::plain;

const FORMAT: u32 = 1;

/// An exported document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Export {
    format: u32,
    records: Vec<Exported>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Exported {
    machine: String,
    namespace: String,
    name: String,
    record: Value,
}

pub(crate) async fn export(fleet: &Fleet, file: Option<&Path>) -> Result<u8, Error> {
    let mut records = Vec::new();
    let mut code = FINE;
    for Kept { id, bytes, .. } in &fleet.kept {
        let Some(bytes) = bytes else { continue };
        let ResourceId { namespace, name } = id.resource.clone();
        match serde_json::from_slice(bytes) {
            Ok(record) => records.push(Exported { machine: id.machine.clone(), namespace, name, record }),
            Err(error) => {
                code = REFUSED;
                let why = format!("fsm: {id} is left out, because it is not JSON ({error}); copy its file");
                writeln!(std::io::stderr(), "{}", plain(&why)).ok();
            }
        }
    }
    let text = serde_json::to_string_pretty(&Export { format: FORMAT, records }).map_err(std::io::Error::from)?;
    match file {
        None => writeln!(std::io::stdout(), "{text}")?,
        Some(path) => {
            std::fs::write(path, text + "\n").map_err(|source| Error::File { path: path.to_owned(), source })?;
        }
    }
    Ok(code)
}

pub(crate) async fn import(place: &Place, file: &Path) -> Result<u8, Error> {
    if place.is_cluster() {
        return Err(Error::ImportToCluster);
    }
    let text = std::fs::read(file).map_err(|source| Error::File { path: file.to_owned(), source })?;
    let not = |why: String| Error::NotAnExport { path: file.to_owned(), why };
    let export: Export = serde_json::from_slice(&text).map_err(|error| not(error.to_string()))?;
    if export.format != FORMAT {
        return Err(not(format!("it has format {}, and this version reads format {FORMAT}", export.format)));
    }
    let store = writer(&place.dir)?;
    let mut wanted = Vec::new();
    let mut there = Vec::new();
    for Exported { machine, namespace, name, record } in export.records {
        let id = RecordId { machine, resource: ResourceId { namespace, name } };
        let loaded = store.load(&id).await?;
        match loaded.bytes.as_deref().map(serde_json::from_slice::<Value>) {
            None => wanted.push((id, loaded.version, record)),
            // An import that was cut off goes on where it was.
            Some(Ok(known)) if known == record => {}
            Some(_) => there.push(id),
        }
    }
    if let Some(example) = there.first() {
        return Err(Error::Exists { count: there.len(), example: example.to_string() });
    }
    let count = wanted.len();
    for (id, version, record) in wanted {
        let bytes = serde_json::to_vec(&record).map_err(std::io::Error::from)?;
        store.compare_and_swap(&id, &version, &bytes).await?;
    }
    writeln!(std::io::stdout(), "{count} imported")?;
    Ok(FINE)
}
