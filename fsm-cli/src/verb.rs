//! The commands that change records.
//!
//! Invariant: a change goes through [`Operator`], like a change by a running controller. It is shown before it is carried out, and it is carried out only on the record that was shown.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use durable_fsm::explain::{WILL_VERIFY, Wish, WishError, will, will_release};
use durable_fsm::graph::Graph;
use durable_fsm::record::Expected;
use durable_fsm::{OperateError, Operator, Request};
use serde_json::json;

use crate::args::Verb;
use crate::change::{Asked, Change};
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
            true => Ok(asked(WILL_VERIFY, Asked::Verify)),
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
            Ok(released) => Done { row, told: Ok(will_release(&released)), asked: Some(Asked::Release) },
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
    let wish = match verb {
        Verb::Retry(_) => Wish::Retry,
        Verb::Pause(_) | Verb::Release(_) | Verb::Verify(_) => Wish::Pause,
        Verb::Resume(_) => Wish::Resume,
        Verb::Rebind { uid, .. } => {
            let own = fleet.backend.is_live().then(|| row.other_uid.clone()).flatten();
            match (own, uid) {
                (Some(own), None) => Wish::Rebind { uid: own },
                (Some(own), Some(uid)) if own != *uid => return Ok(Err(format!("the resource has the uid {own}"))),
                (_, Some(uid)) if !fleet.backend.is_live() => Wish::Rebind { uid: uid.clone() },
                (None, _) if fleet.backend.is_live() => {
                    return Ok(Err("the record belongs to this resource already".to_owned()));
                }
                _ => return Err(Error::NoUid),
            }
        }
        Verb::Resolve { roll_back: true, .. } => Wish::RollBack,
        Verb::Waive(_) => Wish::Waive,
        Verb::Resolve { not_applied: true, transition, .. } => {
            Wish::NotApplied { transition: transition.clone().unwrap_or_default() }
        }
        Verb::Resolve { transition, fact, to, value, .. } => {
            let given = fact.iter().map(|text| {
                let (fact, value) = text.split_once('=').ok_or_else(|| Error::NotAFact(text.clone()))?;
                Ok((fact.to_owned(), value.to_owned()))
            });
            let facts = given.collect::<Result<_, Error>>()?;
            let transition = transition.clone().unwrap_or_default();
            Wish::Applied { transition, facts, to: to.clone(), value: value.clone() }
        }
    };
    match wish.request(graph) {
        Err(error @ WishError::Placeholder(_)) => Err(error.into()),
        asked => Ok(asked.map_err(|error| error.to_string())),
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
