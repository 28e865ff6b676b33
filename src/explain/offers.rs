//! What may be asked of a resource. Invariant: what is offered is accepted by the record as it is, if the values that only the provider knows are filled in.

use super::wish::Wish;
use crate::graph::{Graph, Transition};
use crate::record::{Action, Direction, HeldReason, Record};

/// Something that may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// When to ask for it, or what it does, for people.
    pub what: String,
    /// What is asked for.
    pub offered: Offered,
}

/// What is asked for, with the values that are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Offered {
    /// A wish that needs nothing more.
    Wish(Wish),
    /// That the effect in doubt happened. An operator looks at the provider for the values.
    Applied {
        /// The transition.
        transition: String,
        /// The reached state, where there are several.
        to: Option<String>,
        /// The facts to give.
        facts: Vec<String>,
        /// Whether the value of a member is to be given.
        value: bool,
    },
}

/// What may be asked of the resource with this record, in the order in which to think of it. Without the graph that wrote the record, little is offered.
#[must_use]
pub fn offers(record: &Record, graph: Option<&Graph<'_>>) -> Vec<Offer> {
    let mut offers = Vec::new();
    let mut may = |what: String, offered| offers.push(Offer { what, offered });
    if record.paused {
        may("end the pause".to_owned(), Offered::Wish(Wish::Resume));
        return offers;
    }
    let Some(graph) = graph else { return offers };
    let in_doubt = record.held.as_ref().is_some_and(|held| held.reason == HeldReason::InDoubt);
    let running = record.intent.as_ref().filter(|intent| intent.action == Action::Run);
    if let (true, Some(intent)) = (in_doubt, running)
        && let Some((_, step)) = graph.transition(&intent.transition)
    {
        let transition = &intent.transition;
        for (to, facts) in reached(graph, step) {
            let what = match to {
                Some(to) => format!("if it happened, and led to {to}"),
                None => "if it happened".to_owned(),
            };
            let (to, value) = (to.map(str::to_owned), step.for_each().is_some());
            may(what, Offered::Applied { transition: transition.clone(), to, facts, value });
        }
        let not_applied = Wish::NotApplied { transition: transition.clone() };
        may("if it did not happen, and can no longer happen".to_owned(), Offered::Wish(not_applied));
    }
    let is_stopped = record.held.is_some() || record.blocked.is_some() || record.next_retry().is_some();
    if !in_doubt && is_stopped {
        may("try again now".to_owned(), Offered::Wish(Wish::Retry));
    }
    if record.direction == Direction::Leaving {
        may("undo what was made, without what the deletion began with".to_owned(), Offered::Wish(Wish::Waive));
    } else if record.direction.is_forward() && is_stopped {
        may("undo everything and begin again".to_owned(), Offered::Wish(Wish::RollBack));
    }
    may("pause it: no pass runs until it is resumed".to_owned(), Offered::Wish(Wish::Pause));
    offers
}

/// What has to be given if the step happened, for each state that it may lead to.
fn reached<'g>(graph: &Graph<'g>, step: &Transition<'g>) -> Vec<(Option<&'g str>, Vec<String>)> {
    if step.for_each().is_some() {
        return vec![(None, Vec::new())];
    }
    let facts = |state: usize| -> Vec<String> {
        let own = graph.states[state].facts.iter().filter(|fact| !fact.each);
        own.map(|fact| fact.name.to_owned()).collect()
    };
    match step.to {
        [only] => vec![(None, facts(*only))],
        several => several.iter().map(|to| (Some(graph.states[*to].name), facts(*to))).collect(),
    }
}
