//! `fsm show`, `fsm history` and `fsm plan`.
//!
//! Invariant: every command that is printed is accepted as it stands, except for values that only the provider knows.

use std::io::Write as _;
use std::time::SystemTime;

use durable_fsm::diagram::{Live, terminal};
use durable_fsm::explain::{Offer, Offered, Wish, made, offers, waits};
use durable_fsm::graph::{Graph, Kind};
use durable_fsm::record::Record;
use serde_json::json;

use crate::args::Select;
use crate::code::FINE;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::row::Row;
use crate::text::{Paint, plain};

pub(crate) fn show(fleet: &Fleet, name: &str, machine: Option<&str>, json: bool, paint: Paint) -> Result<u8, Error> {
    let row = fleet.one(name, machine)?;
    let mut out = std::io::stdout().lock();
    let record = row.record.as_ref();
    if json {
        let told = json!({ "resource": row.told(), "record": record.ok(), "remedies": remedies(fleet, row) });
        writeln!(out, "{}", serde_json::to_string_pretty(&told).map_err(std::io::Error::from)?)?;
        return Ok(FINE);
    }
    let title = format!("{}  {}", plain(&row.id.machine), plain(&row.resource().to_string()));
    writeln!(out, "{}\n", paint.bold(&title))?;
    match record {
        Ok(record) => {
            for line in body(fleet, row, record, paint) {
                writeln!(out, "{line}")?;
            }
        }
        Err(unread) => {
            let why = if row.message.is_empty() { &unread.why } else { &row.message };
            writeln!(out, "{}: {}\n", paint.phase(row.phase, &row.reason), plain(why))?;
        }
    }
    let remedies = remedies(fleet, row);
    if !remedies.is_empty() {
        writeln!(out, "{}", paint.bold("Commands that will be accepted"))?;
        for remedy in remedies {
            writeln!(out, "  {}\n      {}", plain(&remedy.what), plain(&remedy.command))?;
        }
    }
    Ok(FINE)
}

fn body(fleet: &Fleet, row: &Row, record: &Record, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    match row.graph {
        Some(graph) => {
            let live = Live::of(graph, row.resource().to_string(), record, SystemTime::now());
            lines.extend(terminal::write(graph, Some(&live.overlay()), &paint.options).lines().map(str::to_owned));
        }
        None => lines.push(format!(
            "{} since {}; the graph of version {} ({}) is not in {}: give its lock file with --graph",
            plain(&record.state),
            record.since,
            record.version,
            plain(&record.graph),
            fleet.backend.name()
        )),
    }
    lines.push(String::new());
    let mut section = |title: &str, entries: Vec<String>| {
        if !entries.is_empty() {
            lines.push(paint.bold(title));
            lines.extend(entries.iter().map(|entry| format!("  {}", plain(entry))));
            lines.push(String::new());
        }
    };
    section("Facts", record.facts.iter().map(|(name, value)| format!("{name} = {value}")).collect());
    section("Created, the next one to undo first", made(record, row.graph));
    section("Waits for", waits(record, SystemTime::now()));
    section("History", record.history.clone());
    lines
}

/// Something that may be asked for, as a command.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Remedy {
    what: String,
    command: String,
}

/// What the record allows now. A value that only the provider knows stands as `VALUE`.
fn remedies(fleet: &Fleet, row: &Row) -> Vec<Remedy> {
    let name = row.resource().to_string();
    let machine = row.id.machine.as_str();
    let is_alone = fleet.rows.iter().filter(|other| other.resource() == row.resource()).count() == 1;
    let remedy = |what: String, words: &[&str]| {
        let mut all = vec![words[0], name.as_str()];
        if !is_alone {
            all.extend(["--machine", machine]);
        }
        all.extend(&words[1..]);
        Remedy { what, command: fleet.command(&all) }
    };
    let Ok(record) = &row.record else {
        return vec![remedy("drop the record, and leave what it made as it is".to_owned(), &["release"])];
    };
    if row.other_uid.is_some() {
        let words: &[&str] = if fleet.backend.is_live() { &["rebind"] } else { &["rebind", "--uid", "UID"] };
        return vec![remedy("give the record to this resource, after a restore or a move".to_owned(), words)];
    }
    let offered = offers(record, row.graph).into_iter();
    let remedies = offered.filter_map(|Offer { what, offered }| {
        let words = words(&offered)?;
        Some(remedy(what, &words.iter().map(String::as_str).collect::<Vec<_>>()))
    });
    remedies.collect()
}

/// The command that asks for it, without the resource.
fn words(offered: &Offered) -> Option<Vec<String>> {
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    match offered {
        Offered::Wish(Wish::Retry) => words(&["retry"]),
        Offered::Wish(Wish::RollBack) => words(&["resolve", "--roll-back"]),
        Offered::Wish(Wish::Waive) => words(&["waive"]),
        Offered::Wish(Wish::Pause) => words(&["pause"]),
        Offered::Wish(Wish::Resume) => words(&["resume"]),
        Offered::Wish(Wish::Rebind { uid }) => words(&["rebind", "--uid", uid]),
        Offered::Wish(Wish::NotApplied { transition }) => {
            words(&["resolve", "--transition", transition, "--not-applied"])
        }
        Offered::Applied { transition, to, facts, value } => {
            let mut all: Vec<String> = words(&["resolve", "--transition", transition, "--applied"])?;
            if let Some(to) = to {
                all.extend(["--to".to_owned(), to.clone()]);
            }
            if *value {
                all.extend(["--value".to_owned(), "VALUE".to_owned()]);
            }
            all.extend(facts.iter().flat_map(|fact| ["--fact".to_owned(), format!("{fact}=VALUE")]));
            Some(all)
        }
        // It holds values already, or is something that a later version of the library offers.
        _ => None,
    }
}

pub(crate) fn history(fleet: &Fleet, select: &Select, json: bool, paint: Paint) -> Result<u8, Error> {
    let rows = select.of(fleet)?;
    let mut out = std::io::stdout().lock();
    let lines = |row: &Row| row.record.as_ref().map(|record| record.history.clone()).unwrap_or_default();
    if json {
        let told: Vec<_> = rows
            .iter()
            .map(|row| {
                let resource = row.resource();
                json!({ "machine": row.id.machine, "namespace": resource.namespace, "name": resource.name,
                    "history": lines(row) })
            })
            .collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&told).map_err(std::io::Error::from)?)?;
        return Ok(FINE);
    }
    for row in rows {
        writeln!(out, "{}", paint.bold(&plain(&row.id.to_string())))?;
        for line in lines(row) {
            writeln!(out, "  {}", plain(&line))?;
        }
    }
    Ok(FINE)
}

pub(crate) fn plan(fleet: &Fleet, name: &str, machine: Option<&str>, json: bool) -> Result<u8, Error> {
    let row = fleet.one(name, machine)?;
    let lines = match &row.record {
        Err(unread) => vec![format!("nothing: the record cannot be read: {}", unread.why)],
        Ok(record) => next(record, row.graph, fleet.backend.name()),
    };
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&lines).map_err(std::io::Error::from)?)?;
        return Ok(FINE);
    }
    for line in lines {
        writeln!(out, "{}", plain(&line))?;
    }
    Ok(FINE)
}

/// What comes next, as far as the record tells; then what is tried in the state, in order.
fn next(record: &Record, graph: Option<&Graph<'_>>, place: &str) -> Vec<String> {
    if record.paused {
        return vec!["nothing until it is resumed".to_owned()];
    }
    let mut lines = Vec::new();
    if let Some(held) = &record.held {
        lines.push(format!("nothing until a person decides: {}", held.message));
    } else if !record.direction.is_forward()
        || record.intent.is_some()
        || record.next_retry().is_some()
        || record.blocked.is_some()
    {
        lines.extend(waits(record, SystemTime::now()).into_iter().map(|wait| format!("waits for {wait}")));
    }
    let Some(graph) = graph else {
        lines.push(format!(
            "the next steps are unknown, because the graph is not in {place}: give its lock file with --graph"
        ));
        return lines;
    };
    if !record.direction.is_forward() {
        lines.extend(made(record, Some(graph)).into_iter().map(|effect| format!("then undoes {effect}")));
        return lines;
    }
    let Some((at, state)) = graph.state(&record.state) else { return lines };
    for index in state.transitions {
        let Some(step) = graph.transitions.get(*index) else { continue };
        let when = match (graph.guard(at, *index), step.for_each()) {
            (Some(guard), _) => format!(", when the controller's `{guard}` says so"),
            (None, Some(set)) => format!(", for each of the controller's `{}`", set.fact),
            (None, None) => String::new(),
        };
        let what = match step.kind {
            Kind::Effect(_) => "runs",
            Kind::NoEffect | Kind::Deferred(_) => "computes",
            Kind::Waits { .. } => "looks at",
            Kind::Rewind => "goes back with",
            Kind::End(end) if end.back => "may be given up, and goes back with",
            Kind::End(_) if step.to.is_empty() => "may be given up, and is held with",
            Kind::End(_) => "may be given up with",
        };
        let when = if step.on_delete { format!("{when}, once deletion is wanted") } else { when };
        lines.push(format!("in {}: {what} {}{when}", state.name, step.name));
    }
    if state.transitions.is_empty() {
        lines.push(format!("in {}: nothing, it stays here until it is deleted", state.name));
    }
    lines
}
