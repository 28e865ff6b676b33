//! What a pass may do next, and what that depends on besides the record. Invariant: nothing here writes, calls or waits; how long something lasts is
//! read from sightings and clocks that the pass has looked at.

use std::time::Duration;

use durable_fsm_graph::{Contract, InDoubt, Transition, Transport, Undo};

use super::looked::Looked;
use super::sightings::{OpenEnd, Sightings, Whose};
use super::waits::LONGEST_WAIT;
use super::watches::Due;
use crate::FactError;
use crate::record::{Action, Blocked, BlockedReason, Direction, HeldReason, Record, Stamp, Unconfirmed};
use crate::steps::Steps;

/// Delay before a pass that was given a stale resource is retried.
pub(super) const BEHIND_FOR: Duration = Duration::from_secs(1);

/// What a pass does next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decision {
    /// Stop here.
    Stop(Ending),
    /// Stop here and come back after this long, for this reason.
    Wait(Duration, String),
    /// Turn to undoing; for a rewind, back to the mark of this state.
    Turn(Direction, Option<String>),
    /// What blocked it has changed.
    Release,
    /// Write an intent, then call. With `set_aside`, an open intent is set aside for its abort in the same write.
    Begin { transition: usize, subject: Option<String>, action: Action, set_aside: bool },
    /// Take the open intent over, then resolve it.
    TakeOver,
    /// The outcome of the open intent stays in doubt; it is settled at its place on the way back.
    SetAside,
    /// Nothing but steps that were rejected is left to do.
    Block { reason: BlockedReason, message: String, after: Duration },
    /// An older version of the machine wrote the record, and the current version declares no upgrade for it.
    Strand { message: String },
    /// A record of an older version goes on in this state.
    Upgrade { to: usize },
    /// A person has to look.
    Hold { reason: HeldReason, message: String },
    /// Run a transition without effect, or let one that waits look.
    Compute { transition: usize },
    /// Look whether a member of a set is there that waits for it.
    Look { transition: usize, subject: String },
    /// What this step has made stays, because the machine says so.
    Retain { transition: usize, subject: Option<String>, life: u64 },
    /// Ask whether everything is still there.
    Verify,
    /// A member that nothing undoes leaves its set.
    Drop { transition: usize, subject: String },
    /// An unconfirmed step has nothing to undo, or certainly made nothing.
    Clear(Unconfirmed),
    /// Everything is undone; begin again.
    BeginAgain,
    /// Everything is undone; remove the record.
    Remove,
}

/// Where a pass ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ending {
    Resting,
    /// It rests, and its things are asked about after this time. They are `whole` if all of them were there, for the record as it is.
    Watching {
        after: Duration,
        whole: bool,
    },
    /// It rests, and nothing is done about what is gone, for this reason. It is asked about again after this time.
    Braked(Duration, String),
    Progressing(Duration),
    Blocked(Duration),
    Held,
    Paused,
    /// What is next takes something away, and undos are stopped, for this reason.
    UndosStopped(String),
    /// It rests, and its deletion is refused for this reason.
    Kept(String),
    Gone,
}

/// What a decision depends on besides the record.
pub(crate) struct Surroundings<'a> {
    pub(crate) whose: Whose,
    pub(crate) steps: &'a dyn Steps,
    pub(crate) sightings: &'a Sightings,
    /// What this pass was told of members that wait, and by transitions that look at rest.
    pub(crate) looked: &'a Looked,
    /// When a transition that looks at rest looks again; none if it is to look now.
    pub(crate) looks_again: &'a dyn Fn(usize) -> Option<Duration>,
    /// Whether the record was ever written.
    pub(crate) stored: bool,
    pub(crate) wall: Stamp,
    pub(crate) monotonic: Duration,
    pub(crate) deleting: bool,
    /// It is the store that says so.
    pub(crate) told: bool,
    /// It is to be deleted, and the resource refuses that, for this reason.
    pub(crate) kept: Option<&'a str>,
    pub(crate) paused: bool,
    /// When its things are asked about; none if they are not.
    pub(crate) due: Option<Due>,
    pub(crate) generation: u64,
    /// The spec is an old one: that it is another than before is no change.
    pub(crate) behind: bool,
    /// The resource that was given is another by now.
    pub(crate) outdated: bool,
    /// Whether the call that wrote an intent is known to be over.
    pub(crate) is_gone: &'a dyn Fn(&str) -> bool,
}

impl Surroundings<'_> {
    /// Whether a transition that looks at rest has looked, or need not look yet.
    pub(super) fn has_looked(&self, transition: usize) -> bool {
        (self.looks_again)(transition).is_some()
    }

    /// After how long one of these transitions looks again, and why one could not look; none if none of them looks.
    pub(super) fn next_look(&self, transitions: &[usize]) -> Option<(Duration, Option<String>)> {
        let again = transitions.iter().filter_map(|it| (self.looks_again)(*it));
        let soonest = again.min()?.saturating_sub(self.monotonic).max(Duration::from_millis(1));
        let failed = transitions.iter().find_map(|it| self.looked.at_rest(*it)?.failed.clone());
        Some((soonest, failed))
    }

    /// How long it takes until an attempt that left this open can no longer do anything.
    pub(super) fn until_quiet(&self, open: OpenEnd<'_>, contract: &Contract<'_>) -> Option<Duration> {
        self.sightings.until_quiet(self.whose, open, contract, self.monotonic)
    }

    /// How long until no request from before a roll-back can take effect. An undo may be by name, and the name is about to be used again. The same goes for a step
    /// that was sent and has no undo.
    pub(super) fn until_undone(&self, record: &Record) -> Option<Duration> {
        let contracts = self.steps.graph().transitions.iter().filter_map(|step| step.contract());
        // Where requests are delivered once, an undo that was answered leaves nothing. What has no undo is not listed, so it may still come.
        let lasts = |contract: &&Contract<'_>| {
            contract.transport != Transport::Once || contract.in_doubt != InDoubt::Repeat || contract.undo == Undo::None
        };
        let longest = contracts.filter(lasts).max_by_key(|contract| contract.timeout + contract.settle)?;
        self.until_quiet(OpenEnd::roll_back(record), longest)
    }

    /// How long nothing may be made in place of what was undone: an undo may be by name, and a duplicate of it may still arrive.
    pub(super) fn until_free(
        &self,
        record: &Record,
        transition: &str,
        subject: Option<&str>,
        contract: &Contract<'_>,
    ) -> Option<Duration> {
        let ended = record.undone.iter().filter(|it| it.transition == transition && it.subject.as_deref() == subject);
        ended.filter_map(|undone| self.until_quiet(OpenEnd::Undone(undone), contract)).max()
    }

    /// Waits for a request that may still land, or else for the back-off after the last failure.
    pub(super) fn pause(
        &self,
        record: &Record,
        quiet: Option<Duration>,
        step: &str,
        subject: Option<&str>,
    ) -> Option<Decision> {
        quiet.map(|left| self.late(left, step, subject)).or_else(|| self.retry_of(record, step, subject))
    }

    pub(super) fn late(&self, left: Duration, step: &str, subject: Option<&str>) -> Decision {
        let of = subject.map(|subject| format!(" for {subject}")).unwrap_or_default();
        Decision::Wait(
            left,
            format!("a late request of `{step}`{of} may still take effect, until {}", self.wall.later(left)),
        )
    }

    pub(super) fn retry(&self, record: &Record) -> Option<Decision> {
        let left = self.until_retry(record)?;
        let retry = record.retry.as_ref()?;
        let step = record.intent.as_ref().map_or("the step".to_owned(), |intent| format!("`{}`", intent.transition));
        let at = self.wall.later(left);
        let (times, class, error) = (retry.count, &retry.class, &retry.error);
        Some(Decision::Wait(
            left,
            format!("{step} failed {times} times, last {class}: {error}; it is tried again at {at}"),
        ))
    }

    /// Waits until this step is tried again. One that was put aside has a wait of its own.
    pub(super) fn retry_of(&self, record: &Record, step: &str, subject: Option<&str>) -> Option<Decision> {
        let Some(aside) = record.retrying(step, subject) else { return self.retry(record) };
        let retry = &aside.retry;
        let left = self.until_due(OpenEnd::Retry(retry), retry.since, retry.at)?;
        let of = subject.map(|subject| format!(" for {subject}")).unwrap_or_default();
        let (times, class, error, at) = (retry.count, &retry.class, &retry.error, self.wall.later(left));
        let Some(generation) = aside.rejected else {
            let what = if record.effect(step, subject).is_some() { "the undo of " } else { "" };
            let why =
                format!("{what}`{step}`{of} failed {times} times, last {class}: {error}; it is tried again at {at}");
            return Some(Decision::Wait(left, why));
        };
        // As for the block of a whole resource: a changed spec ends it, and so does a version that is newer than what was refused.
        let refused_by = record.refused.map_or(record.version, |refused| refused.version);
        let changed = generation != self.generation && !self.behind || self.steps.graph().version > refused_by;
        let message =
            format!("`{step}`{of} was rejected: {error}; it is tried again when the spec or the version changes");
        (!changed).then_some(Decision::Block { reason: BlockedReason::Rejected, message, after: left })
    }

    /// How long the record wants to be left alone after its last failure.
    pub(super) fn until_retry(&self, record: &Record) -> Option<Duration> {
        let retry = record.retry.as_ref()?;
        self.until_due(OpenEnd::Retry(retry), retry.since, retry.at)
    }

    /// How long a block lasts if nothing changes.
    pub(super) fn until_unblocked(&self, blocked: &Blocked) -> Option<Duration> {
        self.until_due(OpenEnd::Blocked(blocked), blocked.since, blocked.at)
    }

    /// How long a wait still lasts that began at one time and ends at another.
    pub(super) fn until_due(&self, end: OpenEnd<'_>, since: Stamp, at: Stamp) -> Option<Duration> {
        let length = at.after(since).min(LONGEST_WAIT);
        let left = self.sightings.left(self.whose, end, length, self.monotonic)?;
        Some(left.min(at.after(self.wall))).filter(|left| !left.is_zero())
    }
}

/// A transition with its contract.
pub(super) fn find<'a>(
    around: &Surroundings<'a>,
    name: &str,
) -> Result<(usize, &'static Transition<'static>, &'static Contract<'static>), FactError> {
    let foreign = || FactError::Foreign(format!("transition `{name}`"));
    let (index, step) = around.steps.graph().transition(name).ok_or_else(foreign)?;
    let contract = step.contract().ok_or_else(foreign)?;
    Ok((index, step, contract))
}
