//! All resources of a place.
//!
//! Invariant: graphs and copies of resources are not listed as resources.

use std::path::PathBuf;
use std::time::SystemTime;

use durable_fsm::record::{GRAPHS, RESOURCES};

use crate::backend::Backend;
use crate::error::Error;
use crate::graphs::Graphs;
use crate::kept::Kept;
use crate::row::Row;
use crate::shell::quoted;

pub(crate) struct Fleet {
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) graphs: Graphs,
    pub(crate) rows: Vec<Row>,
    /// Everything that is kept, as it stands.
    pub(crate) kept: Vec<Kept>,
}

impl Fleet {
    pub(crate) async fn read(backend: Box<dyn Backend>, files: &[PathBuf]) -> Result<Self, Error> {
        let kept = backend.all().await?;
        let graphs = Graphs::of(files, &kept)?;
        let now = SystemTime::now();
        let records = kept.iter().map(|kept| (&kept.id.machine, kept));
        let records = records.filter(|(machine, _)| !machine.ends_with(GRAPHS) && !machine.ends_with(RESOURCES));
        let rows = records.map(|(_, kept)| Row::of(kept, &graphs, now)).collect();
        Ok(Self { backend, graphs, rows, kept })
    }

    /// The one resource of this name.
    pub(crate) fn one(&self, name: &str, machine: Option<&str>) -> Result<&Row, Error> {
        let is_asked = |row: &&Row| self.is_called(row, name) && machine.is_none_or(|it| row.id.machine == it);
        let found: Vec<&Row> = self.rows.iter().filter(is_asked).collect();
        match found.as_slice() {
            [] => Err(Error::NoResource { name: name.to_owned(), command: self.command(&["list"]) }),
            [row] => Ok(row),
            [first, ..] => {
                let machines = found.iter().map(|row| row.id.machine.as_str()).collect::<Vec<_>>().join(", ");
                let command = self.command(&["show", name, "--machine", &first.id.machine]);
                Err(Error::Ambiguous { name: name.to_owned(), machines, command })
            }
        }
    }

    /// Whether a resource is meant by a name.
    pub(crate) fn is_called(&self, row: &Row, name: &str) -> bool {
        let resource = row.resource();
        resource.to_string() == name || resource.name == name && self.backend.home() == Some(&resource.namespace)
    }

    /// A command on this place.
    pub(crate) fn command(&self, words: &[&str]) -> String {
        let words = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        format!("{} {words}", self.backend.command())
    }
}
