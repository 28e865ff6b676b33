//! The reason why a resource is as it is, in one word.
//!
//! Invariant: the list is closed, so alerts and dashboards can be written against it. Every reason that stops a resource has a page in the runbook.

use std::fmt;

use crate::record::{BlockedReason, Direction, HeldReason, Record};

/// Where the runbook is published.
pub const RUNBOOK: &str = "https://github.com/durable-fsm/durable-fsm/blob/main/docs/runbook";

/// Why a resource is as it is. It is a label of the metrics, and the reason of the conditions on Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It rests. Nothing is left to do.
    AsDeclared,
    /// It is working, or waits for something.
    Progressing,
    /// The last attempt failed, and it is tried again.
    Retrying,
    /// It is being deleted, and what it made is being undone.
    Deleting,
    /// Everything is being undone, to begin again.
    RollingBack,
    /// An operator has paused it.
    Paused,
    /// It rests in a state that is marked as failed.
    Failed,
    /// Blocked: the provider will not carry out the step as things stand.
    Rejected,
    /// Blocked: it has waited longer than its `within`.
    Overdue,
    /// Blocked: it is to be deleted, and the resource refuses that.
    DeletionRefused,
    /// Blocked: things of too many resources are gone, so nothing is made again.
    LostLimit,
    /// Blocked: what is next is an undo, and somebody has stopped them.
    UndosStopped,
    /// Held: an effect may or may not have happened.
    InDoubt,
    /// Held: something of that name exists, and nothing proves that this resource made it.
    NotOurs,
    /// Held: a thing is half-built.
    Incomplete,
    /// Held: a step was refused under several specs, and each of them may still be carried out late.
    Unsettled,
    /// Held: an older version of the machine wrote the record, and the current version declares no upgrade for it.
    Upgrade,
    /// Held: a rewind goes back to a state of which the record has no mark.
    NoMark,
    /// Held: the record cannot be used.
    Unreadable,
    /// Held: the record does not fit.
    TooLarge,
    /// Held: there was a record, and it is gone or older.
    RecordLost,
    /// Held: the server accepts the record and does not keep it.
    NotKept,
    /// Held: somebody else than the machine has removed a thing.
    Vanished,
    /// Held: a step was given up, and its author wants a person to look.
    GivenUp,
    /// Held: a guard stays true after its own transition.
    Restless,
    /// Held: the controller's own code panicked.
    Panicked,
    /// Held: the object is no longer valid, so nothing can be recorded on it. Only on Kubernetes.
    ObjectInvalid,
}

/// What kind of reason it is. The worse it is, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Nothing is left to do.
    Ready,
    /// No pass runs.
    Paused,
    /// It goes on by itself.
    Progressing,
    /// It is being deleted.
    Deleting,
    /// It goes on by itself when something changes.
    Blocked,
    /// It needs a person.
    Held,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 27] = [
        Reason::AsDeclared,
        Reason::Progressing,
        Reason::Retrying,
        Reason::Deleting,
        Reason::RollingBack,
        Reason::Paused,
        Reason::Failed,
        Reason::Rejected,
        Reason::Overdue,
        Reason::DeletionRefused,
        Reason::LostLimit,
        Reason::UndosStopped,
        Reason::InDoubt,
        Reason::NotOurs,
        Reason::Incomplete,
        Reason::Unsettled,
        Reason::Upgrade,
        Reason::NoMark,
        Reason::Unreadable,
        Reason::TooLarge,
        Reason::RecordLost,
        Reason::NotKept,
        Reason::Vanished,
        Reason::GivenUp,
        Reason::Restless,
        Reason::Panicked,
        Reason::ObjectInvalid,
    ];

    /// The reason, as conditions have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reason::AsDeclared => "AsDeclared",
            Reason::Progressing => "Progressing",
            Reason::Retrying => "Retrying",
            Reason::Deleting => "Deleting",
            Reason::RollingBack => "RollingBack",
            Reason::Paused => "Paused",
            Reason::Failed => "Failed",
            Reason::Rejected => "Rejected",
            Reason::Overdue => "Overdue",
            Reason::DeletionRefused => "DeletionRefused",
            Reason::LostLimit => "LostLimit",
            Reason::UndosStopped => "UndosStopped",
            Reason::InDoubt => "InDoubt",
            Reason::NotOurs => "NotOurs",
            Reason::Incomplete => "Incomplete",
            Reason::Unsettled => "Unsettled",
            Reason::Upgrade => "Upgrade",
            Reason::NoMark => "NoMark",
            Reason::Unreadable => "Unreadable",
            Reason::TooLarge => "TooLarge",
            Reason::RecordLost => "RecordLost",
            Reason::NotKept => "NotKept",
            Reason::Vanished => "Vanished",
            Reason::GivenUp => "GivenUp",
            Reason::Restless => "Restless",
            Reason::Panicked => "Panicked",
            Reason::ObjectInvalid => "ObjectInvalid",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The reason as records and `fsm` have it, such as `in-doubt`.
    #[must_use]
    pub fn word(self) -> String {
        let mut word = String::new();
        for letter in self.name().chars() {
            if letter.is_uppercase() && !word.is_empty() {
                word.push('-');
            }
            word.extend(letter.to_lowercase());
        }
        word
    }

    /// The reason of a resource that is neither stopped nor gone. `rests` says whether nothing is left to do in its state.
    pub(crate) fn going(record: &Record, rests: bool, failed: bool) -> Self {
        match record.direction {
            Direction::Leaving | Direction::Deleting => Reason::Deleting,
            Direction::Forward | Direction::RollingBack if record.next_retry().is_some() => Reason::Retrying,
            Direction::RollingBack => Reason::RollingBack,
            Direction::Forward if rests && failed => Reason::Failed,
            Direction::Forward if rests => Reason::AsDeclared,
            Direction::Forward => Reason::Progressing,
        }
    }

    /// What kind of reason it is.
    #[must_use]
    pub const fn phase(self) -> Phase {
        match self {
            Reason::AsDeclared => Phase::Ready,
            Reason::Progressing | Reason::Retrying | Reason::RollingBack => Phase::Progressing,
            Reason::Deleting => Phase::Deleting,
            Reason::Paused => Phase::Paused,
            Reason::Failed
            | Reason::Rejected
            | Reason::Overdue
            | Reason::DeletionRefused
            | Reason::LostLimit
            | Reason::UndosStopped => Phase::Blocked,
            Reason::InDoubt
            | Reason::NotOurs
            | Reason::Incomplete
            | Reason::Unsettled
            | Reason::Upgrade
            | Reason::NoMark
            | Reason::Unreadable
            | Reason::TooLarge
            | Reason::RecordLost
            | Reason::NotKept
            | Reason::Vanished
            | Reason::GivenUp
            | Reason::Restless
            | Reason::Panicked
            | Reason::ObjectInvalid => Phase::Held,
        }
    }

    /// The page that tells what to do, for a reason that does not heal alone.
    #[must_use]
    pub fn runbook(self) -> Option<String> {
        matches!(self.phase(), Phase::Blocked | Phase::Held).then(|| format!("{RUNBOOK}/{}.md", self.word()))
    }
}

impl Phase {
    /// All of them, the worst first.
    pub const ALL: [Phase; 6] =
        [Phase::Held, Phase::Blocked, Phase::Deleting, Phase::Progressing, Phase::Paused, Phase::Ready];

    /// The phase of this name or [word](Self::word).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name || phase.word() == name)
    }

    /// The phase as `fsm` has it: its name in lower case.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Phase::Ready => "ready",
            Phase::Progressing => "progressing",
            Phase::Blocked => "blocked",
            Phase::Held => "held",
            Phase::Deleting => "deleting",
            Phase::Paused => "paused",
        }
    }

    /// The phase's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Ready => "Ready",
            Phase::Progressing => "Progressing",
            Phase::Blocked => "Blocked",
            Phase::Held => "Held",
            Phase::Deleting => "Deleting",
            Phase::Paused => "Paused",
        }
    }
}

impl From<HeldReason> for Reason {
    fn from(reason: HeldReason) -> Self {
        match reason {
            HeldReason::InDoubt => Reason::InDoubt,
            HeldReason::NotOurs => Reason::NotOurs,
            HeldReason::Incomplete => Reason::Incomplete,
            HeldReason::Unsettled => Reason::Unsettled,
            HeldReason::Upgrade => Reason::Upgrade,
            HeldReason::NoMark => Reason::NoMark,
            HeldReason::TooLarge => Reason::TooLarge,
            HeldReason::RecordLost => Reason::RecordLost,
            HeldReason::NotKept => Reason::NotKept,
            HeldReason::Vanished => Reason::Vanished,
            HeldReason::GivenUp => Reason::GivenUp,
            HeldReason::Restless => Reason::Restless,
            HeldReason::Panicked => Reason::Panicked,
            // Also what a later version of the library may hold for.
            _ => Reason::Unreadable,
        }
    }
}

impl From<BlockedReason> for Reason {
    fn from(reason: BlockedReason) -> Self {
        match reason {
            BlockedReason::Overdue => Reason::Overdue,
            BlockedReason::DeletionRefused => Reason::DeletionRefused,
            BlockedReason::LostLimit => Reason::LostLimit,
            BlockedReason::UndosStopped => Reason::UndosStopped,
            _ => Reason::Rejected,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{Phase, Reason};

    #[test]
    fn every_reason_that_does_not_heal_alone_has_a_page() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runbook");
        for reason in Reason::ALL {
            let stopped = matches!(reason.phase(), Phase::Blocked | Phase::Held);
            assert_eq!(reason.runbook().is_some(), stopped);
            if let Some(address) = reason.runbook() {
                let page = address.rsplit('/').next().unwrap().to_owned();
                let text =
                    std::fs::read_to_string(format!("{root}/{page}")).unwrap_or_else(|error| panic!("{page}: {error}"));
                assert!(text.starts_with(&format!("# {reason}")), "{page} has another title");
            }
        }
    }
}
