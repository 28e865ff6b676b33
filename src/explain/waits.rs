//! What a record has made, and what it waits for. Invariant: nothing is said that the record does not have.

use std::time::{Duration, SystemTime};

use crate::graph::{Graph, Undo};
use crate::record::{Action, Record, Retrying, Stamp};

/// What the record has made and would undo, the next one to undo first. Without the graph, it is not said how.
#[must_use]
pub fn made(record: &Record, graph: Option<&Graph<'_>>) -> Vec<String> {
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

/// What the record waits for, as of `now`: an operator, a change, an attempt under way, the next attempt.
#[must_use]
pub fn waits(record: &Record, now: SystemTime) -> Vec<String> {
    let now = Stamp::from(now);
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

/// A duration as people write it, its two largest units only.
#[must_use]
pub fn span(time: Duration) -> String {
    let s = time.as_secs();
    let two = |large: u64, one: &str, small: u64, other: &str| match small {
        0 => format!("{large}{one}"),
        _ => format!("{large}{one}{small}{other}"),
    };
    match s {
        0..60 => format!("{s}s"),
        60..3600 => two(s / 60, "m", s % 60, "s"),
        3600..86400 => two(s / 3600, "h", s / 60 % 60, "m"),
        _ => two(s / 86400, "d", s / 3600 % 24, "h"),
    }
}
