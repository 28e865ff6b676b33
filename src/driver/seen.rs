//! What a controller says of itself: spans and events of `tracing`. Invariant: an event tells what is durable, after it is; what needs
//! somebody's eye is said at `warn`, once by each incarnation and not at each pass; and no fact, spec or key is said.
//!
//! | span, event | level | says |
//! |---|---|---|
//! | span `fsm.pass` | info | one pass for one resource |
//! | span `fsm.transition` | info | one call of an effect, an undo, an abort or a look-up, or one look of a transition that waits |
//! | `reached`, `made`, `undone` | info | what was recorded |
//! | `attempt failed` | info | a failure, with its class |
//! | `in doubt`, `taken over`, `overdue`, `blocked`, `held`, `lost`, `not undone` | warn | what somebody may have to look at |
//!
//! All have the fields `machine` and `resource`; what is about a step has `transition`, `subject` and `attempt` too. The texts of errors are those
//! that stand in the record.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use tracing::{Instrument as _, Level, Span, field};

use super::decision::Ending;
use crate::record::{BlockedReason, Event, Held, Record};
use crate::{Class, RecordId, Site};

/// A span of one pass.
pub(super) fn pass(id: &RecordId, delete: bool) -> Span {
    tracing::info_span!("fsm.pass", machine = %id.machine, resource = %id.resource, delete, otel.kind = "internal")
}

/// A span of one call of a method.
pub(super) fn call(id: &RecordId, site: Site, transition: &str, subject: Option<&str>, attempt: u32) -> Span {
    let site = site.name();
    tracing::info_span!(
        "fsm.transition",
        machine = %id.machine, resource = %id.resource, transition, subject, attempt, site,
        otel.name = transition, otel.kind = "client", otel.status_code = field::Empty
    )
}

/// The call, in its span, which tells whether it failed.
pub(super) async fn told<A, E>(span: Span, call: impl Future<Output = Result<A, E>>) -> Result<A, E> {
    let answer = call.instrument(span.clone()).await;
    if answer.is_err() {
        span.record("otel.status_code", "ERROR");
    }
    answer
}

/// Steps that are not durable yet, and are told when they are.
#[derive(Debug, Default)]
pub(super) struct Untold(Vec<Step>);

#[derive(Debug)]
struct Step {
    what: What,
    transition: String,
    subject: Option<String>,
    attempt: u32,
}

#[derive(Debug)]
enum What {
    Reached,
    Made,
    Undone,
    Failed { class: Class, error: String, in_doubt: bool },
    TakenOver { from: String },
}

impl Untold {
    /// Takes note of an event that is about to happen to this record.
    pub(super) fn note(&mut self, record: &Record, event: &Event) {
        if !tracing::enabled!(Level::WARN) {
            return;
        }
        let open = record.intent.as_ref();
        let (what, transition) = match event {
            Event::Derived { transition, .. } => (What::Reached, Some(transition)),
            Event::Reached { .. } if record.direction.is_forward() => (What::Reached, None),
            Event::Reached { .. } | Event::Member { .. } => (What::Made, None),
            Event::Undone { .. } => (What::Undone, None),
            Event::Failed { class, error, .. } => {
                let in_doubt = *class == Class::Unknown && open.is_some_and(|open| !open.in_doubt);
                (What::Failed { class: *class, error: error.clone(), in_doubt }, None)
            }
            Event::NotAsked { transition, class, error, .. } => {
                (What::Failed { class: *class, error: error.clone(), in_doubt: false }, Some(transition))
            }
            Event::TakenOver { .. } => match open {
                Some(open) => (What::TakenOver { from: open.holder.clone() }, None),
                None => return,
            },
            _ => return,
        };
        let of = transition.or(open.map(|open| &open.transition)).cloned().unwrap_or_default();
        let open = open.filter(|open| open.transition == of);
        let (subject, attempt) = (open.and_then(|open| open.subject.clone()), open.map_or(1, |open| open.attempt));
        self.0.push(Step { what, transition: of, subject, attempt });
    }
}

impl Untold {
    /// What happened is durable.
    pub(super) fn tell(&mut self, id: &RecordId, incarnation: &str, record: &Record) {
        for Step { what, transition, subject, attempt } in self.0.drain(..) {
            let (machine, resource, subject) = (&id.machine, &id.resource, subject.as_deref());
            let (state, seq) = (record.state.as_str(), record.seq);
            match what {
                What::Reached => {
                    tracing::info!(%machine, %resource, transition, subject, attempt, state, seq, "reached");
                }
                What::Made => tracing::info!(%machine, %resource, transition, subject, attempt, state, seq, "made"),
                What::Undone => tracing::info!(%machine, %resource, transition, subject, attempt, state, seq, "undone"),
                What::Failed { class, error, in_doubt } => {
                    let class = class.name();
                    tracing::info!(%machine, %resource, transition, subject, attempt, class, error, "attempt failed");
                    if in_doubt {
                        tracing::warn!(%machine, %resource, transition, subject, attempt, error, "in doubt");
                    }
                }
                What::TakenOver { from } if !from.starts_with(incarnation) => {
                    tracing::warn!(%machine, %resource, transition, subject, attempt, from, "taken over");
                }
                What::TakenOver { .. } => {}
            }
        }
    }
}

/// What somebody has to look at, and was told: for each resource a hash of it.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashMap<RecordId, u64>>);

impl Told {
    /// A pass has ended: says what somebody has to look at, unless it was said before.
    pub(super) fn ended(&self, id: &RecordId, ending: &Ending, record: Option<&Record>, unwritten: Option<&Held>) {
        let held = unwritten.or(record.and_then(|record| record.held.as_ref()));
        let blocked = record.and_then(|record| record.blocked.as_ref());
        let open = record.and_then(|record| record.intent.as_ref());
        let transition = open.map_or("", |intent| intent.transition.as_str());
        let (subject, attempt) =
            (open.and_then(|intent| intent.subject.as_deref()), open.map_or(0, |intent| intent.attempt));
        let (machine, resource) = (&id.machine, &id.resource);
        match (ending, held, blocked) {
            (Ending::Held, Some(held), _) => {
                // What is not recorded is found again at each pass, in other words.
                let text = if unwritten.is_some() { "" } else { held.message.as_str() };
                if self.is_new(id, (held.reason, text)) {
                    let (reason, why) = (held.reason, held.message.as_str());
                    tracing::warn!(%machine, %resource, transition, subject, attempt, ?reason, why, "held");
                }
            }
            (Ending::Blocked(after), _, Some(blocked)) => {
                if self.is_new(id, (blocked.reason, blocked.message.as_str())) {
                    let (reason, why, after) = (blocked.reason, blocked.message.as_str(), after.as_secs());
                    if reason == BlockedReason::Overdue {
                        tracing::warn!(%machine, %resource, transition, subject, attempt, why, "overdue");
                    } else {
                        tracing::warn!(%machine, %resource, transition, subject, attempt, ?reason, why, after, "blocked");
                    }
                }
            }
            (Ending::Kept(why), ..) => {
                if self.is_new(id, why) {
                    tracing::warn!(%machine, %resource, why, "its deletion is refused");
                }
            }
            (Ending::Braked(_, why), ..) => {
                // The numbers change, and say nothing new.
                if self.is_new(id, BlockedReason::LostLimit) {
                    tracing::warn!(%machine, %resource, why, "lost, and not made again");
                }
            }
            (Ending::UndosStopped(why), ..) => {
                if self.is_new(id, why) {
                    tracing::warn!(%machine, %resource, transition, subject, attempt, why, "not undone");
                }
            }
            (Ending::Paused, ..) => {}
            _ => self.forget(id),
        }
    }

    #[cfg(feature = "testing")]
    pub(super) fn copied(&self) -> Self {
        Self(Mutex::new(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    /// There is nothing to look at any more.
    pub(super) fn forget(&self, id: &RecordId) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Hardly anything has to be looked at, and this is asked at the end of every pass.
        if !told.is_empty() {
            told.remove(id);
        }
    }

    fn is_new(&self, id: &RecordId, what: impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        let what = hasher.finish();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), what) != Some(what)
    }
}
