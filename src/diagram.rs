//! Diagrams of machines, plain or with a live record laid over. Invariant: what is shown of a record is in it; a state or an edge is
//! shown as passed only if the record says so, or leaves no other way.
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
//! println!("{}", terminal::write(&WorkerFlow::GRAPH, None, &terminal::Options::from_env()));
//! ```
//!
//! With the feature `png` there is `png::write` as well. [`assert_current`] keeps a checked-in picture current.

mod back;
mod way;

use std::time::{Duration, SystemTime};

#[cfg(feature = "png")]
pub use durable_fsm_graph::png;
pub use durable_fsm_graph::{Overlay, Step, Stopped, assert_current, dot, mermaid, svg, terminal};

use crate::graph::Graph;
use crate::record::{Effect, Record, Stamp};
use way::Way;

/// What a diagram shows of a record.
#[derive(Debug, Clone)]
pub struct Live<'r> {
    resource: String,
    here: usize,
    done: Vec<usize>,
    walked: Vec<Step>,
    under_way: Option<usize>,
    undone: Vec<usize>,
    pending: Vec<usize>,
    imported: Vec<usize>,
    lost: Vec<usize>,
    since: Duration,
    next_retry: Option<Duration>,
    record: &'r Record,
}

impl<'r> Live<'r> {
    /// What there is to show of this record of the resource, as of `now`.
    #[must_use]
    pub fn of(graph: &Graph<'_>, resource: impl Into<String>, record: &'r Record, now: SystemTime) -> Self {
        let now = Stamp::from(now);
        let here = graph.state(&record.state).map_or(usize::MAX, |(index, _)| index);
        let Way { visited, walked } = Way::of(graph, record);
        let (undone, pending) = back::of(graph, record, &walked);
        let marked = |is_it: fn(&Effect) -> bool| -> Vec<usize> {
            let live = record.undo.iter().filter(|effect| is_it(effect));
            live.filter_map(|effect| Some(graph.transition(&effect.transition)?.0)).collect()
        };
        let at = record.blocked.as_ref().map(|blocked| blocked.at).or(record.next_retry().map(|retry| retry.at));
        Self {
            resource: resource.into(),
            here,
            done: visited.into_iter().filter(|state| *state != here).collect(),
            walked,
            under_way: record.intent.as_ref().and_then(|it| Some(graph.transition(&it.transition)?.0)),
            undone,
            pending,
            imported: marked(|effect| effect.imported),
            lost: marked(|effect| effect.lost),
            since: now.after(record.since),
            // What waits for a person is not tried again by itself.
            next_retry: at.filter(|_| record.held.is_none() && !record.paused).map(|at| at.after(now)),
            record,
        }
    }

    /// The overlay, for any of the writers.
    #[must_use]
    pub fn overlay(&self) -> Overlay<'_> {
        let record = self.record;
        let held = record.held.as_ref().map(|held| Stopped::Held(&held.message));
        let blocked = record.blocked.as_ref().map(|blocked| Stopped::Blocked(&blocked.message));
        Overlay {
            resource: &self.resource,
            here: self.here,
            done: &self.done,
            walked: &self.walked,
            since: Some(self.since),
            attempt: attempt(record),
            last_error: record.next_retry().map(|retry| retry.error.as_str()),
            next_retry: self.next_retry,
            under_way: self.under_way,
            in_doubt: record.intent.as_ref().is_some_and(|intent| intent.in_doubt),
            paused: record.paused,
            undoing: !record.direction.is_forward(),
            stopped: held.or(blocked),
            undone: &self.undone,
            pending_undo: &self.pending,
            imported: &self.imported,
            lost: &self.lost,
        }
    }
}

/// The attempt under way, or the last one that failed: what is known not to have happened leaves no intent, and is counted elsewhere.
fn attempt(record: &Record) -> u32 {
    let failed = record.next_retry().map(|retry| {
        let sent = record.unconfirmed.last().map_or(0, |unconfirmed| unconfirmed.attempt);
        retry.count.max(sent)
    });
    record.intent.as_ref().map(|intent| intent.attempt).or(failed).unwrap_or(0)
}
