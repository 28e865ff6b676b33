//! What can happen to a record. Invariant: an event says only what happened. [`next()`](super::next()) decides what follows from it.

use std::time::Duration;

use serde_json::Value;

use super::{Action, BlockedReason, Direction, HeldReason, RetainedBy, Spec, Stamp};
use crate::found::Found;
use crate::machine::Made;
use crate::{Class, Facts};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An effect is about to be called.
    Intended {
        /// The transition.
        transition: String,
        /// The subject, for a member of a set.
        subject: Option<String>,
        /// Which of its methods.
        action: Action,
        /// Who calls.
        holder: String,
        /// When the caller gives up.
        deadline: Stamp,
        /// The resource's spec, where an effect is called going forward.
        spec: Option<Spec>,
    },
    /// Another call takes over an intent whose outcome is in doubt.
    TakenOver {
        /// Who calls.
        holder: String,
        /// When the caller gives up.
        deadline: Stamp,
    },
    /// The resource was brought to a state before there was a record.
    Imported {
        /// What there is.
        found: Found,
        /// When.
        at: Stamp,
    },
    /// A record of an older version goes on in another state.
    Upgraded {
        /// The state's index.
        to: usize,
        /// When.
        at: Stamp,
    },
    /// The effect of the intent was not sent, and will not be.
    Withdrawn,
    /// The look-up found nothing. Going forward, the effect may be called again. On the way back, there is nothing to undo.
    SeenAbsent,
    /// The effect has produced a state.
    Reached {
        /// The state and what it adds.
        made: Made,
        /// Whether a look-up or an operator found it, instead of the reply to the attempt.
        found: bool,
        /// When.
        at: Stamp,
    },
    /// The effect has produced a member of a set.
    Member {
        /// What was made for the subject of the intent.
        value: Value,
        /// Whether a look-up or an operator found it, instead of the reply to the attempt.
        found: bool,
        /// When.
        at: Stamp,
    },
    /// A member of a set is there that was waited for.
    Joined {
        /// The transition.
        transition: String,
        /// The subject.
        subject: String,
        /// What there is of it.
        value: Value,
        /// When.
        at: Stamp,
    },
    /// A transition without an effect has produced a state.
    Derived {
        /// The transition.
        transition: String,
        /// The state and what it adds.
        made: Made,
        /// When.
        at: Stamp,
    },
    /// A method has failed.
    Failed {
        /// What its error means.
        class: Class,
        /// Its text.
        error: String,
        /// When.
        at: Stamp,
        /// After how long it is tried again.
        after: Duration,
        /// The resource's generation.
        generation: u64,
    },
    /// A look-up has failed, or a transition without an effect: nothing was sent.
    NotAsked {
        /// The transition.
        transition: String,
        /// What the error means.
        class: Class,
        /// Its text.
        error: String,
        /// When.
        at: Stamp,
        /// After how long it is tried again.
        after: Duration,
        /// The resource's generation.
        generation: u64,
    },
    /// A transition has waited for longer than its `within`, and declares `overdue`.
    Overdue {
        /// The transition.
        transition: String,
        /// For how long.
        waited: Duration,
        /// When that was noticed.
        at: Stamp,
        /// The resource's generation.
        generation: u64,
        /// The resource's spec.
        spec: Spec,
    },
    /// The provider has said twice that something is gone which lives by the record.
    Lost {
        /// The transition.
        transition: String,
        /// The subject.
        subject: Option<String>,
        /// The life.
        life: u64,
        /// The record's sequence number when it was asked about.
        seq: u64,
        /// When.
        at: Stamp,
        /// The resource's generation.
        generation: u64,
        /// The resource's spec.
        spec: Spec,
    },
    /// The effect of the intent stays in doubt and is set aside, because the machine does something else first.
    SetAside {
        /// Whether that is its abort.
        aborting: bool,
    },
    /// The machine turns back.
    Turned {
        /// Where to.
        direction: Direction,
        /// The state whose mark it goes back to, for a rewind.
        to: Option<String>,
        /// When.
        at: Stamp,
    },
    /// An undo or abort has succeeded, or there was nothing to undo.
    Undone {
        /// When.
        at: Stamp,
    },
    /// An undo or abort has begun, and is not done yet.
    NotYet,
    /// A thing is left behind instead of being undone.
    Retained {
        /// The transition.
        transition: String,
        /// The subject.
        subject: Option<String>,
        /// The life.
        life: u64,
        /// Who says so.
        by: RetainedBy,
        /// Why.
        why: String,
        /// When.
        at: Stamp,
    },
    /// A member that is no longer wanted, and that nothing undoes, leaves its set.
    Dropped {
        /// The transition.
        transition: String,
        /// The subject.
        subject: String,
    },
    /// A step that was sent has nothing to undo, or was certainly not carried out.
    Cleared {
        /// The transition.
        transition: String,
        /// The subject.
        subject: Option<String>,
        /// The life.
        life: u64,
    },
    /// No duplicate of the request that undid this can arrive any more.
    Quiet {
        /// The transition.
        transition: String,
        /// The subject.
        subject: Option<String>,
        /// The life.
        life: u64,
    },
    /// Everything is undone, and the machine is at the mark, or begins again.
    RolledBack {
        /// When.
        at: Stamp,
    },
    /// A person has to look.
    Held {
        /// Why.
        reason: HeldReason,
        /// What to look for.
        message: String,
        /// When.
        at: Stamp,
    },
    /// Something has to change.
    Blocked {
        /// Why.
        reason: BlockedReason,
        /// What would release it.
        message: String,
        /// When.
        at: Stamp,
        /// After how long it is tried all the same.
        after: Duration,
        /// The resource's generation.
        generation: u64,
    },
    /// It goes on: what blocked it has changed.
    Released,
    /// An operator has decided.
    Resolved {
        /// What.
        resolution: Resolution,
        /// What the operator was looking at.
        expected: Expected,
        /// When.
        at: Stamp,
    },
    /// An operator pauses or resumes the resource.
    Paused(bool),
    /// An operator gives the record to the resource with this uid.
    Rebound {
        /// The uid.
        owner: String,
    },
    /// An older record was put back, and a person removes what a later one has made: the numbers that its lives had are not used again.
    Renumbered {
        /// The highest of these numbers.
        past: u64,
    },
}

/// What an operator decides about a resource that is held or blocked.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    /// Try again now. For an outcome in doubt this is refused, because it was not looked up.
    Retry,
    /// The effect happened, with these results: the facts that the named state adds.
    Applied {
        /// The state that was reached.
        state: String,
        /// The facts that it adds.
        facts: Facts,
    },
    /// The effect happened for the subject of the intent, with this result.
    AppliedMember {
        /// What was made.
        value: Value,
    },
    /// The effect did not happen. The operator has looked after the attempt's deadline.
    NotApplied,
    /// Undo everything and begin again.
    RollBack,
    /// Gives up what blocks a deletion. Among the first steps of a deletion: these steps end, and the way back begins. On the way
    /// back, or at the undo of a member of a set: the thing is left behind, and listed as retained.
    Waive,
}

/// What an operator saw when deciding. A decision about one effect is never carried out on another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// The transition whose effect is under way; any, if it is not given.
    pub transition: Option<String>,
    /// The record's sequence number; any, if it is not given.
    pub seq: Option<u64>,
}

/// An event that cannot happen to this record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} is not possible: {why}")]
pub struct Illegal {
    /// The event.
    pub event: &'static str,
    /// Why not, and what would be possible.
    pub why: String,
}

impl Event {
    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Event::Intended { .. } => "an intent",
            Event::TakenOver { .. } => "a take-over",
            Event::Imported { .. } => "an import",
            Event::Upgraded { .. } => "an upgrade",
            Event::Withdrawn => "a withdrawal",
            Event::SeenAbsent => "`absent`",
            Event::Reached { .. } => "reaching a state",
            Event::Member { .. } => "making a member",
            Event::Joined { .. } => "a member that was waited for",
            Event::Derived { .. } => "a transition without effect",
            Event::Failed { .. } => "a failure",
            Event::NotAsked { .. } => "a failed look-up",
            Event::Overdue { .. } => "the end of a wait",
            Event::Lost { .. } => "a loss",
            Event::SetAside { .. } => "setting an effect aside",
            Event::Turned { .. } => "turning back",
            Event::Undone { .. } => "an undo",
            Event::NotYet => "an undo that is not done yet",
            Event::Retained { .. } => "retaining",
            Event::Dropped { .. } => "dropping a member",
            Event::Cleared { .. } => "clearing a step",
            Event::Quiet { .. } => "the end of an undo",
            Event::RolledBack { .. } => "beginning again",
            Event::Held { .. } => "holding",
            Event::Blocked { .. } => "blocking",
            Event::Released => "releasing",
            Event::Resolved { .. } => "a resolution",
            Event::Paused(_) => "a pause",
            Event::Rebound { .. } => "rebinding",
            Event::Renumbered { .. } => "renumbering",
        }
    }
}
