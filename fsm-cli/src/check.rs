//! `fsm check`: reads every record as a controller would.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::json;

use crate::code::{FINE, REFUSED};
use crate::error::Error;
use crate::fleet::Fleet;
use crate::text::plain;

pub(crate) fn check(fleet: &Fleet, as_json: bool) -> Result<u8, Error> {
    // By machine and version: how many, and how many of them without a graph to judge them by.
    let mut versions: BTreeMap<(&str, u32, &str), usize> = BTreeMap::new();
    let mut unjudged: BTreeMap<(&str, u32, &str), usize> = BTreeMap::new();
    let mut unread = Vec::new();
    let mut unrecorded = 0;
    for row in &fleet.rows {
        match &row.record {
            Ok(record) => {
                let key = (row.id.machine.as_str(), record.version, record.graph.as_str());
                *versions.entry(key).or_default() += 1;
                if row.graph.is_none() {
                    *unjudged.entry(key).or_default() += 1;
                }
            }
            Err(error) if error.is_missing => unrecorded += 1,
            Err(error) => unread.push((&row.id, error)),
        }
    }
    let mut out = std::io::stdout().lock();
    let code = if unread.is_empty() { FINE } else { REFUSED };
    if as_json {
        let versions: Vec<_> = versions
            .iter()
            .map(|((machine, version, graph), count)| {
                let judged = !unjudged.contains_key(&(*machine, *version, *graph));
                json!({ "machine": machine, "version": version, "graph": graph, "records": count, "judged": judged })
            })
            .collect();
        let unread: Vec<_> = unread
            .iter()
            .map(|(id, error)| {
                let resource = &id.resource;
                json!({ "machine": id.machine, "namespace": resource.namespace, "name": resource.name,
                    "version": error.version, "why": error.why })
            })
            .collect();
        let told = json!({ "readable": versions, "unreadable": unread, "unrecorded": unrecorded });
        writeln!(out, "{}", serde_json::to_string_pretty(&told).map_err(std::io::Error::from)?)?;
        return Ok(code);
    }
    for ((machine, version, graph), count) in &versions {
        writeln!(out, "{}: {count} of version {version} (graph {graph})", plain(machine))?;
        if let Some(count) = unjudged.get(&(*machine, *version, *graph)) {
            let add = fleet.command(&["check", "--graph", "FILE"]);
            writeln!(
                out,
                "  {count} of them were not checked, because the graph is not in {}; give its lock file: {add}",
                fleet.backend.name()
            )?;
        }
    }
    for (id, error) in &unread {
        let version = error.version.map_or_else(String::new, |version| format!(" of version {version}"));
        writeln!(out, "{}{version} cannot be read: {}", plain(&id.to_string()), plain(&error.why))?;
    }
    let records = fleet.rows.len() - unrecorded;
    writeln!(out, "{} of {records} records can be read", records - unread.len())?;
    if unrecorded > 0 {
        writeln!(out, "{unrecorded} resources have no record")?;
    }
    Ok(code)
}
