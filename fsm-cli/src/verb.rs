//! The commands that change records.
//!
//! Invariant: a change goes through [`Operator`], like a change by a running controller. It is shown before it is carried out, and it is carried out only on the record that was shown.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use durable_fsm::graph::Graph;
use durable_fsm::record::{Expected, Record, Resolution};
use durable_fsm::{Facts, OperateError, Operator, Request};
use serde_json::{Value, json};

use crate::args::Verb;
use crate::change::{Asked, Change, left_behind};
use crate::code::{FINE, REFUSED};
use crate::error::Error;
use crate::fleet::Fleet;
use crate::row::Row;
use crate::shell::this_command;
use crate::text::{Paint, plain};

/// What became of one resource.
struct Done<'f> {
    row: &'f Row,
    /// What will happen, or why nothing will.
    told: Result<String, String>,
    asked: Option<Asked>,
}

pub(crate) async fn carry_out(fleet: &Fleet, verb: &Verb, json: bool, paint: Paint) -> Result<u8, Error> {
    let rows = select(fleet, verb)?;
    let mut all = Vec::new();
    for row in rows {
        all.push(preview(fleet, verb, row).await?);
    }
    let mut out = std::io::stdout().lock();
    if !json {
        for done in &all {
            let name = paint.bold(&plain(&done.row.resource().to_string()));
            match &done.told {
                Ok(will) => writeln!(out, "{name}: {}", plain(will))?,
                Err(why) => writeln!(out, "{name}: refused: {}", plain(why))?,
            }
        }
    }
    let accepted = all.iter().filter(|done| done.asked.is_some()).count();
    let is_wanted = accepted > 0 && !verb.order().dry_run;
    if is_wanted && !verb.order().yes && !confirmed(accepted, verb)? {
        writeln!(out, "nothing was changed")?;
        return Ok(REFUSED);
    }
    let mut changed = 0;
    if is_wanted {
        let changes: Vec<Change<'_>> = all.iter().filter_map(|done| change(fleet, done)).collect();
        let carried = fleet.backend.carry_out(&changes).await?;
        drop(changes);
        for (done, carried) in all.iter_mut().filter(|done| done.asked.is_some()).zip(carried) {
            let name = plain(&done.row.resource().to_string());
            match &carried {
                Ok(told) => {
                    changed += 1;
                    if !json && fleet.backend.is_live() {
                        writeln!(out, "{}: {}", paint.bold(&name), plain(told))?;
                    }
                }
                Err(why) => {
                    done.asked = None;
                    writeln!(std::io::stderr(), "fsm: {name}: {}", plain(why))?;
                }
            }
            done.told = carried;
        }
    }
    let refused = all.iter().filter(|done| done.told.is_err()).count();
    if json {
        let told: Vec<_> = all
            .iter()
            .map(|done| {
                let resource = done.row.resource();
                let (accepted, text) = match &done.told {
                    Ok(text) => (true, text),
                    Err(text) => (false, text),
                };
                json!({ "machine": done.row.id.machine, "namespace": resource.namespace, "name": resource.name,
                "accepted": accepted, "changed": is_wanted && done.asked.is_some(), "text": text })
            })
            .collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&told).map_err(std::io::Error::from)?)?;
    } else {
        let what = if verb.order().dry_run { "would be changed" } else { "changed" };
        let count = if verb.order().dry_run { accepted } else { changed };
        writeln!(out, "{count} {what}, {refused} refused")?;
    }
    Ok(if refused == 0 { FINE } else { REFUSED })
}

fn select<'f>(fleet: &'f Fleet, verb: &Verb) -> Result<Vec<&'f Row>, Error> {
    let order = verb.order();
    if order.select.is_empty() && !order.all {
        return Err(Error::NoSelection);
    }
    let rows = order.select.of(fleet)?;
    if rows.is_empty() {
        return Err(Error::NothingSelected { command: fleet.command(&["list"]) });
    }
    for row in &rows {
        let same = |other: &&&Row| other.resource() == row.resource();
        let several: Vec<&str> = rows.iter().filter(same).map(|row| row.id.machine.as_str()).collect();
        let name = row.resource().to_string();
        // By name one is meant; a filter may mean all of them.
        if several.len() > 1 && order.select.names.contains(&name) {
            let command = format!("{} --machine {}", this_command(), crate::shell::quoted(several[0]));
            return Err(Error::Ambiguous { name, machines: several.join(", "), command });
        }
    }
    Ok(rows)
}

/// The graph to operate with. To release a record needs any graph of its machine.
fn graph_for(fleet: &Fleet, row: &Row) -> Option<&'static Graph<'static>> {
    row.graph.or_else(|| fleet.graphs.latest(&row.id.machine))
}

fn change<'d>(fleet: &Fleet, done: &'d Done<'_>) -> Option<Change<'d>> {
    let asked = done.asked.as_ref()?;
    Some(Change { id: &done.row.id, graph: graph_for(fleet, done.row)?, asked })
}

async fn preview<'f>(fleet: &Fleet, verb: &Verb, row: &'f Row) -> Result<Done<'f>, Error> {
    let refused = |why: String| Done { row, told: Err(why), asked: None };
    let Some(graph) = graph_for(fleet, row) else {
        let (machine, place) = (row.id.machine.clone(), fleet.backend.name());
        return Ok(refused(Error::NoGraph { machine, place }.to_string()));
    };
    let asked = |will: &str, asked| Done { row, told: Ok(will.to_owned()), asked: Some(asked) };
    if let Verb::Verify(_) = verb {
        return match fleet.backend.is_live() {
            true => Ok(asked("the next pass asks the provider whether everything is still there", Asked::Verify)),
            false => Err(Error::NoProvider),
        };
    }
    let is_missing = row.record.as_ref().is_err_and(|unread| unread.is_missing);
    if let (Verb::Release(_), true) = (verb, is_missing) {
        return Ok(asked(
            "removes the finalizer; what was made is not known, because there is no record",
            Asked::Release,
        ));
    }
    let operator = Operator::new(graph, fleet.backend.reader());
    if let Verb::Release(_) = verb {
        return Ok(match operator.preview_release(row.resource()).await {
            Ok(released) => {
                let more = released.unreadable.map_or_else(String::new, |why| format!("; there may be more: {why}"));
                let told = format!("removes the record; {}{more}", left_behind(&released.left));
                Done { row, told: Ok(told), asked: Some(Asked::Release) }
            }
            Err(OperateError::UnderWay { transition, .. }) if fleet.backend.is_live() => {
                asked(&format!("removes the record as soon as `{transition}` is no longer under way"), Asked::Release)
            }
            Err(error) => refused(error.to_string()),
        });
    }
    let record = match &row.record {
        Ok(record) => record,
        Err(unread) => return Ok(refused(unread.why.clone())),
    };
    let (request, transition) = match request(fleet, verb, row, graph)? {
        Ok(request) => request,
        Err(why) => return Ok(refused(why)),
    };
    let expected = Expected { transition, seq: Some(record.seq) };
    Ok(match operator.preview(row.resource(), &request, &expected).await {
        Ok(after) => {
            let told = will(&request, record, &after, graph);
            Done { row, told: Ok(told), asked: Some(Asked::Change(request, expected)) }
        }
        Err(OperateError::Store(error)) => return Err(error.into()),
        // Its controller has seen the attempt for longer, and may know that it is over.
        Err(OperateError::UnderWay { transition, .. }) if fleet.backend.is_live() => {
            let told = format!("asks the controller, which has to know that `{transition}` is no longer under way");
            asked(&told, Asked::Change(request, expected))
        }
        Err(error) => refused(error.to_string()),
    })
}

/// What is asked for, and on which transition; or why that cannot be asked for of this machine.
fn request(
    fleet: &Fleet,
    verb: &Verb,
    row: &Row,
    graph: &Graph<'_>,
) -> Result<Result<(Request, Option<String>), String>, Error> {
    let resolved = |resolution| Ok(Ok((Request::Resolve(resolution), None)));
    match verb {
        Verb::Retry(_) => resolved(Resolution::Retry),
        Verb::Pause(_) | Verb::Release(_) | Verb::Verify(_) => Ok(Ok((Request::Pause, None))),
        Verb::Resume(_) => Ok(Ok((Request::Resume, None))),
        Verb::Rebind { uid, .. } => {
            let own = fleet.backend.is_live().then(|| row.other_uid.clone()).flatten();
            match (own, uid) {
                (Some(own), None) => Ok(Ok((Request::Rebind { uid: own }, None))),
                (Some(own), Some(uid)) if own != *uid => Ok(Err(format!("the resource has the uid {own}"))),
                (_, Some(uid)) if !fleet.backend.is_live() => Ok(Ok((Request::Rebind { uid: uid.clone() }, None))),
                (None, _) if fleet.backend.is_live() => {
                    Ok(Err("the record belongs to this resource already".to_owned()))
                }
                _ => Err(Error::NoUid),
            }
        }
        Verb::Resolve { roll_back: true, .. } => resolved(Resolution::RollBack),
        Verb::Waive(_) => resolved(Resolution::Waive),
        Verb::Resolve { not_applied: true, transition, .. } => {
            Ok(Ok((Request::Resolve(Resolution::NotApplied), transition.clone())))
        }
        Verb::Resolve { transition, fact, to, value, .. } => {
            let name = transition.clone().unwrap_or_default();
            let Some((_, step)) = graph.transition(&name) else {
                return Ok(Err(format!("the machine has no transition `{name}`")));
            };
            if step.for_each().is_some() {
                let value = match value.as_deref() {
                    Some("VALUE") => return Err(Error::Placeholder("--value".to_owned())),
                    Some(text) => parsed(text, None),
                    None => Value::Null,
                };
                return Ok(Ok((Request::Resolve(Resolution::AppliedMember { value }), transition.clone())));
            }
            let targets: Vec<usize> = step.to.to_vec();
            let named = |index: &usize| graph.states[*index].name;
            let state = match (to, targets.as_slice()) {
                (Some(to), _) => to.clone(),
                (None, [only]) => named(only).to_owned(),
                (None, several) => {
                    let names = several.iter().map(named).collect::<Vec<_>>().join(" or ");
                    return Ok(Err(format!("`{name}` may lead to {names}; say which with `--to`")));
                }
            };
            let mut facts = Vec::new();
            for text in fact {
                let (fact, value) = text.split_once('=').ok_or_else(|| Error::NotAFact(text.clone()))?;
                if value == "VALUE" {
                    return Err(Error::Placeholder(fact.to_owned()));
                }
                let declared = graph.state(&state).and_then(|(_, state)| state.facts.iter().find(|it| it.name == fact));
                let Some(declared) = declared else {
                    return Ok(Err(format!("{state} adds no fact `{fact}`")));
                };
                facts.push((fact.to_owned(), parsed(value, Some(declared.ty))));
            }
            let resolution = Resolution::Applied { state, facts: facts.into_iter().collect::<Facts>() };
            Ok(Ok((Request::Resolve(resolution), transition.clone())))
        }
    }
}

/// A value from the command line. What is declared as a text is taken as it stands.
fn parsed(text: &str, ty: Option<&str>) -> Value {
    let as_text = || Value::from(text);
    if ty == Some("String") { as_text() } else { serde_json::from_str(text).unwrap_or_else(|_| as_text()) }
}

/// What a request will do, for people.
fn will(request: &Request, before: &Record, after: &Record, graph: &Graph<'_>) -> String {
    let under_way = before.intent.as_ref().map(|intent| intent.transition.as_str()).unwrap_or_default();
    let ended = match (&before.held, &before.blocked, before.next_retry()) {
        (Some(_), ..) => "ends the hold",
        (None, Some(_), _) => "ends the block",
        (None, None, Some(_)) => "ends the wait",
        (None, None, None) => "changes nothing",
    };
    match request {
        Request::Resolve(Resolution::Retry) => format!("{ended}; the next pass tries again in {}", after.state),
        Request::Resolve(Resolution::NotApplied) => {
            format!("records that `{under_way}` did not happen; the next pass goes on from {}", after.state)
        }
        Request::Resolve(Resolution::Applied { facts, .. }) => {
            let facts: Vec<String> = facts.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            let with = if facts.is_empty() { String::new() } else { format!(" with {}", facts.join(", ")) };
            format!("records that `{under_way}` happened{with}; the next pass goes on from {}", after.state)
        }
        Request::Resolve(Resolution::AppliedMember { value }) => {
            let subject = before.intent.as_ref().and_then(|intent| intent.subject.as_deref()).unwrap_or_default();
            format!("records that `{under_way}` made {value} for {subject}; the next pass goes on from {}", after.state)
        }
        Request::Resolve(Resolution::RollBack) => {
            let undone: Vec<&str> = after.undo.iter().rev().map(|effect| effect.transition.as_str()).collect();
            let first = graph.states.get(graph.initial()).map_or("the beginning", |state| state.name);
            let what = if undone.is_empty() { "nothing".to_owned() } else { undone.join(", ") };
            format!("undoes {what}, and begins again at {first}")
        }
        Request::Resolve(Resolution::Waive) => {
            let undone: Vec<&str> = after.undo.iter().rev().map(|effect| effect.transition.as_str()).collect();
            let what = if undone.is_empty() { "nothing".to_owned() } else { undone.join(", ") };
            format!("ends the steps of the deletion in {}, and undoes {what}", before.state)
        }
        Request::Pause if before.paused => "is already paused".to_owned(),
        Request::Pause => "no pass runs until it is resumed, not even for deletion".to_owned(),
        Request::Resume if before.paused => format!("passes run again, from {}", after.state),
        Request::Resume => "is not paused".to_owned(),
        Request::Rebind { uid } => format!("gives the record of {} to {uid}", before.owner),
    }
}

fn confirmed(count: usize, verb: &Verb) -> Result<bool, Error> {
    let mut input = std::io::stdin().lock();
    if !std::io::stdin().is_terminal() {
        return Err(Error::Unconfirmed { count, command: format!("{} --yes", this_command()) });
    }
    let things = if count == 1 { "1 resource".to_owned() } else { format!("{count} resources") };
    write!(std::io::stderr(), "{} {things}? [y/N] ", verb.name())?;
    std::io::stderr().flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
