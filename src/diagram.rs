//! Diagrams of machines, plain or with a live record laid over. Invariant: what is shown of a record is in it; nothing is guessed but the way
//! that led here, which is told by the facts that were recorded on it.
//!
//! ```
//! # mod worker {
//! # use durable_fsm::{Fsm, Resource, ResourceId};
//! # #[derive(Clone)] pub struct Worker;
//! # impl Resource for Worker {
//! #     type Spec = ();
//! #     fn id(&self) -> ResourceId { ResourceId::new("", "w") }
//! #     fn uid(&self) -> &str { "u" }
//! #     fn spec(&self) -> &() { &() }
//! # }
//! # #[derive(Fsm)]
//! # #[fsm(name = "example.io/worker", version = 1, resource = Worker)]
//! # pub enum WorkerFlow {
//! #     #[fsm(initial)]
//! #     #[transition(register -> Registered, in_doubt = repeat, undo = deregister)]
//! #     Requested,
//! #     #[fsm(resting)]
//! #     Registered { user_id: String },
//! # }
//! # }
//! # use worker::WorkerFlow;
//! use durable_fsm::diagram::{mermaid, terminal};
//!
//! assert!(mermaid::folded(&WorkerFlow::GRAPH, None).starts_with("stateDiagram-v2"));
//! println!("{}", terminal::write(&WorkerFlow::GRAPH, None, &terminal::Options::default()));
//! ```

use std::time::{Duration, SystemTime};

pub use durable_fsm_graph::{Overlay, Stopped, assert_current, dot, mermaid, svg, terminal};

use crate::graph::{Graph, Undo};
use crate::record::{Direction, Record, Stamp};

/// What a diagram shows of a record.
#[derive(Debug, Clone)]
pub struct Live<'r> {
    resource: String,
    here: usize,
    done: Vec<usize>,
    pending: Vec<&'r str>,
    since: Duration,
    next_retry: Option<Duration>,
    record: &'r Record,
}

impl<'r> Live<'r> {
    /// What there is to show of this record of the resource, as of `now`.
    #[must_use]
    pub fn of(graph: &Graph<'r>, resource: impl Into<String>, record: &'r Record, now: SystemTime) -> Self {
        let now = Stamp::from(now);
        let here = graph.state(&record.state).map_or(usize::MAX, |(index, _)| index);
        let passed = |index: &usize| {
            *index != here
                && leads_to(graph, *index, here)
                && graph.states[*index].facts.iter().all(|fact| fact.each || record.facts.value(fact.name).is_some())
        };
        let undo_of = |name: &str| match graph.transition(name)?.1.contract()?.undo {
            Undo::Method(method) => Some(method),
            Undo::Retain | Undo::None => None,
        };
        Self {
            resource: resource.into(),
            here,
            done: (0..graph.states.len()).filter(passed).collect(),
            pending: record.undo.iter().rev().filter_map(|effect| undo_of(&effect.transition)).collect(),
            since: now.after(record.since),
            next_retry: record.retry.as_ref().map(|retry| retry.at.after(now)),
            record,
        }
    }

    /// The overlay, for any of the writers.
    #[must_use]
    pub fn overlay(&self) -> Overlay<'_> {
        let undoing = self.record.direction != Direction::Forward;
        let held = self.record.held.as_ref().map(|held| Stopped::Held(&held.message));
        let blocked = self.record.blocked.as_ref().map(|blocked| Stopped::Blocked(&blocked.message));
        Overlay {
            resource: &self.resource,
            here: self.here,
            done: &self.done,
            since: Some(self.since),
            attempt: self.record.intent.as_ref().map_or(0, |intent| intent.attempt),
            last_error: self.record.retry.as_ref().map(|retry| retry.error.as_str()),
            next_retry: self.next_retry,
            undoing,
            stopped: held.or(blocked),
            pending_undo: if undoing { &self.pending } else { &[] },
        }
    }
}

/// Whether `to` can come after `from`.
fn leads_to(graph: &Graph<'_>, from: usize, to: usize) -> bool {
    let mut seen = vec![false; graph.states.len()];
    let mut open = vec![from];
    while let Some(state) = open.pop() {
        for step in graph.transitions.iter().filter(|step| step.from == state) {
            for target in step.to {
                if *target == to {
                    return true;
                }
                if let Some(seen) = seen.get_mut(*target)
                    && !std::mem::replace(seen, true)
                {
                    open.push(*target);
                }
            }
        }
    }
    false
}
