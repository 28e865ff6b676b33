//! How a pass ended. Invariant: an error of the author's methods is never an `Err` here. It was classified and recorded, and the outcome shows its consequence.

use std::time::Duration;

use crate::record::{BlockedReason, HeldReason};

/// How a pass ended, with the state that is then durable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Outcome<S> {
    /// Nothing is left to do until the resource changes.
    Resting(S),
    /// As [`Resting`](Outcome::Resting), in a state that says `verify`, or where a transition that waits looks at rest: run the next pass after this time.
    /// It asks whether everything is still there, and looks.
    Watching {
        /// The state it is in.
        state: S,
        /// After how long something is asked about, or looked at.
        after: Duration,
    },
    /// There is more to do: run the next pass after this time, or when something changes.
    Progressing {
        /// The state it is in.
        state: S,
        /// After how long.
        after: Duration,
        /// What it waits for, and until when: a retry, a poll, a request that may still take effect, another controller. For people.
        reason: String,
    },
    /// As [`Progressing`](Outcome::Progressing) and [`Blocked`](Outcome::Blocked), for a deletion of a record that another version of the machine
    /// wrote: this version undoes what it knows, and has no such state, or cannot read it.
    Undoing {
        /// After how long.
        after: Duration,
        /// What it waits for, or what would release it. For people.
        reason: String,
    },
    /// Something has to change. Then the resource goes on by itself.
    Blocked {
        /// The state it is in.
        state: S,
        /// Why.
        reason: BlockedReason,
        /// What would release it.
        message: String,
        /// After how long it is tried again even without a change.
        after: Duration,
    },
    /// The resource waits for a person.
    Held {
        /// Why.
        reason: HeldReason,
        /// What to look for, and what to do then.
        message: String,
    },
    /// An operator or the store has paused the resource.
    Paused,
    /// The resource is deleted: everything is undone, and the record is removed.
    Gone,
}

impl<S> Outcome<S> {
    /// After how long the resource is to be reconciled again, if nothing wakes it up before.
    #[must_use]
    pub fn requeue_after(&self) -> Option<Duration> {
        match self {
            Outcome::Watching { after, .. }
            | Outcome::Progressing { after, .. }
            | Outcome::Undoing { after, .. }
            | Outcome::Blocked { after, .. } => Some(*after),
            Outcome::Resting(_) | Outcome::Held { .. } | Outcome::Paused | Outcome::Gone => None,
        }
    }

    /// Whether nothing is left to do until the resource changes: it is [`Resting`](Outcome::Resting) or [`Watching`](Outcome::Watching).
    #[must_use]
    pub fn is_resting(&self) -> bool {
        matches!(self, Outcome::Resting(_) | Outcome::Watching { .. })
    }

    /// The state, if the record could be read and has one.
    pub fn state(&self) -> Option<&S> {
        match self {
            Outcome::Resting(state)
            | Outcome::Watching { state, .. }
            | Outcome::Progressing { state, .. }
            | Outcome::Blocked { state, .. } => Some(state),
            Outcome::Undoing { .. } | Outcome::Held { .. } | Outcome::Paused | Outcome::Gone => None,
        }
    }
}

/// What a pass would do first. Nothing was written, and no method that acts was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// It would take over what somebody else has made: it would write a record of it, and send nothing.
    Import {
        /// The state in which the record would begin.
        state: String,
        /// What the machine would own from then on: transition and subject, in the order in which they were made.
        owns: Vec<(String, Option<String>)>,
    },
    /// It would run this transition.
    Run {
        /// The transition.
        transition: String,
        /// The subject, for a member of a set.
        subject: Option<String>,
    },
    /// It would undo, or abort, this transition.
    Undo {
        /// The transition.
        transition: String,
        /// The subject, for a member of a set.
        subject: Option<String>,
    },
    /// It would find out what happened to this transition, and go on from there.
    Resolve {
        /// The transition.
        transition: String,
    },
    /// It would ask whether what this transition made is still there, and then about everything else that it may ask about.
    Verify {
        /// The transition.
        transition: String,
        /// The subject, for a member of a set.
        subject: Option<String>,
    },
    /// It would change the record, and nothing else.
    Record(String),
    /// It would wait.
    Wait {
        /// How long.
        after: Duration,
        /// For what, and until when. For people.
        reason: String,
    },
    /// It would rest.
    Rest,
    /// It would stop, and say this.
    Stop(String),
    /// It would remove the record: nothing is left to undo.
    Remove,
}
