//! What is asked for on one resource.

use durable_fsm::graph::Graph;
use durable_fsm::record::Expected;
use durable_fsm::{Left, RecordId, Request};

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Change(Request, Expected),
    Release,
    /// That the provider is asked whether everything is still there.
    Verify,
}

/// What is asked for, and on which record.
pub(crate) struct Change<'c> {
    pub(crate) id: &'c RecordId,
    pub(crate) graph: &'static Graph<'static>,
    pub(crate) asked: &'c Asked,
}

/// What a release leaves behind, for people.
pub(crate) fn left_behind(left: &[Left]) -> String {
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
