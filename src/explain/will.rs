//! What a request will do. Invariant: the words are about the record that the request was checked against.

use crate::graph::Graph;
use crate::operator::{Left, Released, Request};
use crate::record::{Record, Resolution};

/// Says what a request will do: `before` is the record as it is, and `after` what [`Operator::preview`](crate::Operator::preview) made of it.
#[must_use]
pub fn will(request: &Request, before: &Record, after: &Record, graph: &Graph<'_>) -> String {
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

/// What a request to look at the provider will do.
pub const WILL_VERIFY: &str = "the next pass asks the provider whether everything is still there";

/// Says what a release will do, by [`Operator::preview_release`](crate::Operator::preview_release).
#[must_use]
pub fn will_release(released: &Released) -> String {
    let more = released.unreadable.as_ref().map_or_else(String::new, |why| format!("; there may be more: {why}"));
    format!("removes the record; {}{more}", left_behind(&released.left))
}

/// Says what a release leaves behind at the providers.
#[must_use]
pub fn left_behind(left: &[Left]) -> String {
    if left.is_empty() {
        return "nothing is left behind".to_owned();
    }
    let each: Vec<String> = left
        .iter()
        .map(|left| {
            let subject = left.subject.as_ref().map_or_else(String::new, |subject| format!(" for {subject}"));
            let doubt = if left.in_doubt { ", perhaps" } else { "" };
            format!("{}{subject} (key {}{doubt})", left.transition, left.key)
        })
        .collect();
    format!("left behind: {}", each.join(", "))
}
