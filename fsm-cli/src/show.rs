//! `fsm show`, `fsm history` and `fsm plan`.
//!
//! Invariant: every command that is printed is accepted as it stands, except for values that only the provider knows.

use std::io::Write as _;
use std::time::SystemTime;

use durable_fsm::diagram::{Live, terminal};
use durable_fsm::graph::{Graph, Kind, Transition, Undo};
use durable_fsm::record::{Action, Direction, HeldReason, Record, Retrying, Stamp};
use serde_json::json;

use crate::args::Select;
use crate::code::FINE;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::row::Row;
use crate::text::{Paint, plain, span};

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
    section("Created, the next one to undo first", undo_list(record, row.graph));
    section("Waits for", waits(record));
    section("History", record.history.clone());
    lines
}

fn undo_list(record: &Record, graph: Option<&Graph<'_>>) -> Vec<String> {
    let effects = record.undo.iter().rev().map(|effect| {
        let transition = graph.and_then(|graph| graph.transition(&effect.transition));
        let undo = match transition.and_then(|(_, step)| step.contract()).map(|contract| contract.undo) {
            Some(Undo::Method(method)) => format!("undone by {method}"),
            Some(Undo::Retain) => "left behind".to_owned(),
            Some(_) | None => String::new(),
        };
        let subject = effect.subject.as_deref();
        let key = record.key(&effect.transition, subject, effect.life);
        let of = subject.map_or_else(String::new, |subject| format!(" for {subject}"));
        format!("{}{of}  {undo}  key {key}", effect.transition)
    });
    effects.collect()
}

fn waits(record: &Record) -> Vec<String> {
    let now = Stamp::from(SystemTime::now());
    let at = |stamp: Stamp| format!("{stamp}, in {}", span(stamp.after(now)));
    let mut waits = Vec::new();
    if record.paused {
        waits.push("it is paused, until it is resumed".to_owned());
    }
    if let Some(held) = &record.held {
        waits.push(format!("a person, since {}: {}", held.since, held.message));
    }
    if let Some(blocked) = &record.blocked {
        waits.push(format!("a change: {}; tried again at {}", blocked.message, at(blocked.at)));
    }
    if let Some(intent) = &record.intent {
        let of = intent.subject.as_ref().map_or_else(String::new, |subject| format!(" for {subject}"));
        let what = match intent.action {
            Action::Run => "",
            Action::Undo => "the undo of ",
            Action::Abort => "the abort of ",
        };
        let doubt = if intent.in_doubt { ", whose outcome is in doubt" } else { "" };
        waits.push(format!(
            "{what}{}{of}{doubt}: attempt {} by {}, until {}",
            intent.transition,
            intent.attempt,
            intent.holder,
            at(intent.deadline)
        ));
    }
    if let Some(retry) = &record.retry {
        waits.push(format!("the next attempt ({} failed so far), at {}: {}", retry.count, at(retry.at), retry.error));
    }
    for Retrying { transition, subject, retry, rejected } in &record.retrying {
        let of = subject.as_ref().map_or_else(String::new, |subject| format!(" for {subject}"));
        let change = if rejected.is_some() { "a change of the spec, or " } else { "" };
        let (count, error) = (retry.count, &retry.error);
        waits.push(format!(
            "{change}the next attempt at {transition}{of} after {count} failures, at {}: {error}",
            at(retry.at)
        ));
    }
    waits
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
    let mut remedies = Vec::new();
    let mut may = |what: String, words: &[&str]| {
        let mut all = vec![words[0], name.as_str()];
        if !is_alone {
            all.extend(["--machine", machine]);
        }
        all.extend(&words[1..]);
        remedies.push(Remedy { what, command: fleet.command(&all) });
    };
    let Ok(record) = &row.record else {
        may("drop the record, and leave what it made as it is".to_owned(), &["release"]);
        return remedies;
    };
    if row.other_uid.is_some() {
        let words: &[&str] = if fleet.backend.is_live() { &["rebind"] } else { &["rebind", "--uid", "UID"] };
        may("give the record to this resource, after a restore or a move".to_owned(), words);
        return remedies;
    }
    if record.paused {
        may("end the pause".to_owned(), &["resume"]);
        return remedies;
    }
    let Some(graph) = row.graph else { return remedies };
    let in_doubt = record.held.as_ref().is_some_and(|held| held.reason == HeldReason::InDoubt);
    let running = record.intent.as_ref().filter(|intent| intent.action == Action::Run);
    if let (true, Some(intent)) = (in_doubt, running)
        && let Some((_, step)) = graph.transition(&intent.transition)
    {
        let transition = intent.transition.as_str();
        for (to, facts) in applied(graph, step) {
            let mut words = vec!["resolve", "--transition", transition, "--applied"];
            if let Some(to) = to {
                words.extend(["--to", to]);
            }
            words.extend(facts.iter().map(String::as_str));
            let what = match to {
                Some(to) => format!("if it happened, and led to {to}"),
                None => "if it happened".to_owned(),
            };
            may(what, &words);
        }
        let words = ["resolve", "--transition", transition, "--not-applied"];
        may("if it did not happen, and can no longer happen".to_owned(), &words);
    }
    if !in_doubt && (record.held.is_some() || record.blocked.is_some() || record.next_retry().is_some()) {
        may("try again now".to_owned(), &["retry"]);
    }
    if record.direction == Direction::Leaving {
        may("undo what was made, without what the deletion began with".to_owned(), &["waive"]);
    } else if record.direction.is_forward()
        && (record.held.is_some() || record.blocked.is_some() || record.next_retry().is_some())
    {
        may("undo everything and begin again".to_owned(), &["resolve", "--roll-back"]);
    }
    may("pause it: no pass runs until it is resumed".to_owned(), &["pause"]);
    remedies
}

/// What `--applied` has to be given, for each state that the effect may lead to.
fn applied<'g>(graph: &Graph<'g>, step: &Transition<'g>) -> Vec<(Option<&'g str>, Vec<String>)> {
    if step.for_each().is_some() {
        return vec![(None, vec!["--value".to_owned(), "VALUE".to_owned()])];
    }
    let facts = |state: usize| -> Vec<String> {
        let own = graph.states[state].facts.iter().filter(|fact| !fact.each);
        own.flat_map(|fact| ["--fact".to_owned(), format!("{}=VALUE", fact.name)]).collect()
    };
    match step.to {
        [only] => vec![(None, facts(*only))],
        several => several.iter().map(|to| (Some(graph.states[*to].name), facts(*to))).collect(),
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
        lines.extend(waits(record).into_iter().map(|wait| format!("waits for {wait}")));
    }
    let Some(graph) = graph else {
        lines.push(format!(
            "the next steps are unknown, because the graph is not in {place}: give its lock file with --graph"
        ));
        return lines;
    };
    if !record.direction.is_forward() {
        lines.extend(undo_list(record, Some(graph)).into_iter().map(|effect| format!("then undoes {effect}")));
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
