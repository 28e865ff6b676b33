//! The graphs of the machines of a place.
//!
//! Invariant: a record is interpreted only by the graph whose fingerprint it has.

use std::collections::BTreeMap;
use std::path::PathBuf;

use durable_fsm::graph::{Graph, json};
use durable_fsm::record::{GRAPHS, fingerprint};

use crate::error::Error;
use crate::kept::Kept;

/// Graphs by machine and fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Graphs(BTreeMap<(String, String), &'static Graph<'static>>);

impl Graphs {
    /// The graphs in lock files, and those that a controller has kept beside its records.
    pub(crate) fn of(files: &[PathBuf], kept: &[Kept]) -> Result<Self, Error> {
        let mut graphs = Self::default();
        for Kept { id, bytes, .. } in kept.iter().filter(|kept| kept.id.machine.ends_with(GRAPHS)) {
            let text = String::from_utf8_lossy(bytes.as_deref().unwrap_or_default());
            let graph = json::read(&text).map_err(|source| Error::Graph { path: id.to_string(), source })?;
            graphs.add(graph);
        }
        for path in files {
            graphs.add(read(path)?);
        }
        Ok(graphs)
    }

    fn add(&mut self, graph: &'static Graph<'static>) {
        self.0.insert((graph.name.to_owned(), fingerprint(graph)), graph);
    }

    /// The graph that wrote a record.
    pub(crate) fn get(&self, machine: &str, fingerprint: &str) -> Option<&'static Graph<'static>> {
        self.0.get(&(machine.to_owned(), fingerprint.to_owned())).copied()
    }

    /// The graph of the latest version of a machine.
    pub(crate) fn latest(&self, machine: &str) -> Option<&'static Graph<'static>> {
        self.0.values().filter(|graph| graph.name == machine).max_by_key(|graph| graph.version).copied()
    }

    pub(crate) fn machines(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.keys().map(|(machine, _)| machine.as_str()).collect();
        names.dedup();
        names
    }
}

/// The graph in a lock file.
pub(crate) fn read(path: &PathBuf) -> Result<&'static Graph<'static>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::File { path: path.clone(), source })?;
    json::read(&text).map_err(|source| Error::Graph { path: path.display().to_string(), source })
}
