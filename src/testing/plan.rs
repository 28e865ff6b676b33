//! Plans: which faults strike where. Invariant: a plan names places by label, never by position, so it survives edits of the machine
//! that do not touch those places.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use crate::Site;

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident = $name:literal,)*) => {
        /// What can go wrong at one place, or happen there.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[$doc])* $fault,)*
            /// Something happens in the world by itself: one of [`World::events`](super::World::events), by its name.
            Event(&'static str),
        }

        /// The faults' numbers.
        enum Number { $($fault,)* Event }

        impl Fault {
            /// Every fault but the events, which differ from world to world.
            pub const ALL: &'static [Fault] = &[$(Fault::$fault,)*];

            /// The fault's name in plans.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Fault::$fault => $name,)* Fault::Event(name) => name }
            }

            pub(crate) const fn bit(self) -> u64 {
                match self {
                    $(Fault::$fault => 1 << Number::$fault as u64,)*
                    Fault::Event(_) => Fault::EVENTS,
                }
            }
        }
    };
}

faults! {
    /// The controller dies just before.
    Crash = "crash",
    /// The controller dies just after.
    CrashAfter = "crash-after",
    /// The request is sent, the controller dies, and the request is carried out later.
    CrashLate = "crash-late",
    /// It is carried out, and the answer is an error that leaves it open.
    ReplyLost = "reply-lost",
    /// It is not carried out, and the answer is an error that leaves it open.
    RequestLost = "request-lost",
    /// It is carried out after the sender has given up.
    Late = "late",
    /// It is carried out, and no answer comes.
    Hang = "hang",
    /// It takes long, but not too long.
    Slow = "slow",
    /// The network delivers the request twice, the second time late.
    Duplicate = "duplicate",
    /// It is refused, and certainly did not happen.
    NotApplied = "not-applied",
    /// It is refused for now, with a time to wait.
    Throttled = "throttled",
    /// It is refused as things stand.
    Rejected = "rejected",
    /// Something of that name is there, and not provably ours.
    NotOurs = "not-ours",
    /// The store cannot be reached.
    Unavailable = "unavailable",
    /// Something else of the resource was written in between.
    Conflict = "conflict",
    /// The record does not fit.
    TooLarge = "too-large",
    /// The store says yes and keeps what it had.
    NotKept = "not-kept",
    /// The version before the last is read.
    Stale = "stale",
    /// Only a part of the record is read.
    Torn = "torn",
    /// The store says that there is no such resource, and is wrong.
    Missing = "missing",
    /// The resource is to be deleted from here on.
    Delete = "delete",
    /// The resource's spec changes here.
    Edit = "edit",
    /// An operator pauses the resource here, and resumes it when it has been left alone for a while.
    Suspended = "suspended",
    /// Another controller makes one pass here.
    Switch = "switch",
    /// The controller is paused here, longer than any deadline, while another one acts.
    Pause = "pause",
    /// The controller is asked to stop.
    Drain = "drain",
    /// The controller is started afresh.
    Restart = "restart",
    /// Another controller takes over the work.
    Other = "other",
    /// The time of day goes back by an hour.
    ClockBack = "clock-back",
    /// The time of day goes back by three days.
    ClockDaysBack = "clock-days-back",
    /// The time of day goes back by ten years.
    ClockYearsBack = "clock-years-back",
    /// The time of day jumps ahead by three days.
    ClockDaysAhead = "clock-days-ahead",
    /// The time of day jumps ahead by ten years.
    ClockAhead = "clock-ahead",
    /// An old record is put back, and noticed.
    Restored = "restored",
    /// The record of another resource is found.
    Copied = "copied",
    /// A newer version of the library has written the record.
    Newer = "newer",
    /// An operator has everything undone that is held in doubt, and begun again.
    RollBack = "roll-back",
    /// The record is removed by hand, and its mark is not.
    Removed = "removed",
    /// The mark is removed by hand, and the record is not.
    Unmarked = "unmarked",
    /// Once it is gone, the resource is made again under its name, and a controller that has not heard of it acts for the old one.
    MadeAgain = "made-again",
    /// The undo is delivered once more, late.
    Echo = "echo",
    /// It is refused, and the network delivers it once more, late, when it is carried out.
    Twin = "twin",
    /// The controller is given the resource as it was before the last edit, as by a cache that lags.
    Behind = "behind",
    /// The resource is moved, so that it has another uid, and an operator binds the record to it.
    Rebound = "rebound",
    /// An operator has looked, and resolves what is held in doubt: it was applied, or it was not.
    Resolved = "resolved",
    /// It is refused for its spec, now and whenever it is tried again with the same; somebody then edits the resource, or deletes it.
    Unacceptable = "unacceptable",
    /// It is carried out, the answer is lost, and the resource's spec changes before it is tried again.
    Overtaken = "overtaken",
    /// From here on somebody else changes something of the resource before every write of the record, so that each write meets a conflict once.
    Touched = "touched",
    /// The store cannot be reached for eight operations, and then it can.
    Outage = "outage",
    /// The record before the last is put back, with everything that would tell that it is old: as if the whole object were restored from a backup.
    Forgotten = "forgotten",
    /// The whole resource is again as it was when it last rested: record, spec, and not deleted. So after the store was restored from a backup, of all resources at
    /// once. It may also strike once the resource is gone.
    Rewound = "rewound",
    /// The record is gone, with everything that would tell that there was one.
    Emptied = "emptied",
    /// The resource is restored from a backup under another uid, with the record before the last. One pass finds it so; then an operator binds the record.
    RestoredAnew = "restored-anew",
    /// The resource is copied, with its record, to a second cluster. The controller there makes one pass for it, and one after it was deleted there.
    SecondCluster = "second-cluster",
}

impl Fault {
    /// All events.
    pub(crate) const EVENTS: u64 = 1 << Number::Event as u64;

    /// The faults of the time of day.
    pub(crate) const CLOCK: u64 = Fault::ClockBack.bit()
        | Fault::ClockDaysBack.bit()
        | Fault::ClockYearsBack.bit()
        | Fault::ClockDaysAhead.bit()
        | Fault::ClockAhead.bit();

    /// The faults that strike alone in an exploration: each is several faults already, so combining it with all others would cost more than it finds.
    /// Only [`Fault::Touched`] before the first pass is combined with each other fault.
    pub(crate) const ALONE: u64 = Fault::Overtaken.bit()
        | Fault::Touched.bit()
        | Fault::Outage.bit()
        | Fault::BACKUPS
        | Fault::SecondCluster.bit();

    /// What a backup does without being noticed, and what was put back under another uid.
    pub(crate) const BACKUPS: u64 =
        Fault::Forgotten.bit() | Fault::Rewound.bit() | Fault::Emptied.bit() | Fault::RestoredAnew.bit();

    /// By how many seconds the time of day jumps.
    pub(crate) const fn clock_jump(self) -> Option<i64> {
        const DAY: i64 = 24 * 3600;
        match self {
            Fault::ClockBack => Some(-3600),
            Fault::ClockDaysBack => Some(-3 * DAY),
            Fault::ClockYearsBack => Some(-3650 * DAY),
            Fault::ClockDaysAhead => Some(3 * DAY),
            Fault::ClockAhead => Some(3650 * DAY),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Event(name) => write!(f, "event({name})"),
            fault => f.write_str(fault.name()),
        }
    }
}

impl FromStr for Fault {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let event = text.strip_prefix("event(").and_then(|rest| rest.strip_suffix(')'));
        let fault = match event {
            Some(name) => short_name(name).map(Fault::Event),
            None => Fault::ALL.iter().copied().find(|fault| fault.name() == text),
        };
        fault.ok_or_else(|| PlanError::Fault(text.to_owned()))
    }
}

/// What kind of place it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A crossing of the driver, and the operation that follows it.
    Site(Site),
    /// Inside the method that is called there, at its n-th await that has to wait.
    Await(Site, u32),
    /// A further request of a store of the author's own, behind the first one after the crossing, by its name.
    Request(Site, &'static str),
    /// Between two passes.
    Pass,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Site(site) => f.write_str(site.name()),
            Place::Await(site, nth) => write!(f, "{}.{nth}", site.name()),
            Place::Request(site, name) => write!(f, "{}.{name}", site.name()),
            Place::Pass => f.write_str("pass"),
        }
    }
}

/// A place in a run: `create_room/effect#1` is where `create_room` is called for the first time, `create_room/effect.2#1` the
/// second await inside of that call, `push_skill(web)/commit#1` where the outcome of that member is written, and `pass#3` what
/// comes before the third pass.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// The transition; empty where there is none.
    pub transition: String,
    /// The subject, for a member of a set.
    pub subject: Option<String>,
    /// What happens there.
    pub place: Place,
    /// How often this place was passed, this time included.
    pub nth: u32,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.transition)?;
        if let Some(subject) = &self.subject {
            write!(f, "({subject})")?;
        }
        if !self.transition.is_empty() {
            f.write_str("/")?;
        }
        write!(f, "{}#{}", self.place, self.nth)
    }
}

impl FromStr for Label {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let wrong = || PlanError::Label(text.to_owned());
        let (head, nth) = text.rsplit_once('#').ok_or_else(wrong)?;
        let nth = nth.parse().map_err(|_| wrong())?;
        let (step, place) = head.rsplit_once('/').unwrap_or(("", head));
        let (transition, subject) = match step.split_once('(') {
            Some((transition, rest)) => (transition, Some(rest.strip_suffix(')').ok_or_else(wrong)?.to_owned())),
            None => (step, None),
        };
        let (site, inner) = match place.split_once('.') {
            Some((site, inner)) => (site, Some(inner)),
            None => (place, None),
        };
        let place = if site == "pass" {
            Place::Pass
        } else {
            let site = SITES.into_iter().find(|it| it.name() == site).ok_or_else(wrong)?;
            match inner.map(str::parse) {
                None => Place::Site(site),
                Some(Ok(nth)) => Place::Await(site, nth),
                Some(Err(_)) => Place::Request(site, inner.and_then(short_name).ok_or_else(wrong)?),
            }
        };
        Ok(Self { transition: transition.to_owned(), subject, place, nth })
    }
}

/// The name of a request or of an event. Names are few, so those that were read are kept.
fn short_name(name: &str) -> Option<&'static str> {
    static READ: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
        return None;
    }
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = read.get(name) {
        return Some(*known);
    }
    let name: &'static str = name.to_owned().leak();
    read.insert(name);
    Some(name)
}

const SITES: [Site; 11] = [
    Site::Load,
    Site::Intent,
    Site::TakeOver,
    Site::Lookup,
    Site::Effect,
    Site::Commit,
    Site::Undo,
    Site::Abort,
    Site::Wait,
    Site::Note,
    Site::Remove,
];

/// Faults and the places where they strike, in order. It is also the token that replays a run: it prints as
/// `create_room/effect#1=reply-lost; create_room/commit#1=conflict`, and parses from the same.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plan(pub Vec<(Label, Fault)>);

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (label, fault)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{label}={fault}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Plan {
    /// The token: it is what a failing test prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FSM_PLAN='{self}'")
    }
}

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
        let faults = parts.map(|part| {
            let (label, fault) = part.rsplit_once('=').ok_or_else(|| PlanError::Label(part.to_owned()))?;
            Ok((label.parse()?, fault.parse()?))
        });
        faults.collect::<Result<_, _>>().map(Plan)
    }
}

/// A plan that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Not a label.
    #[error("`{0}` is not a label; one looks like `create_room/effect#1`")]
    Label(String),
    /// Not a fault.
    #[error("`{0}` is not a fault; one looks like `reply-lost`")]
    Fault(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_prints_as_what_it_parses_from() {
        let text = "create_room/effect#1=reply-lost; push_skill(a/b)/commit#2=conflict; a/undo.3#1=crash; a/commit.get#2=stale; pass#3=edit; a/wait#1=event(pod-lost)";
        let plan: Plan = text.parse().unwrap();
        assert_eq!(plan.to_string(), text);
        assert_eq!(plan.0[2].0.place, Place::Await(Site::Undo, 3));
        assert_eq!("".parse::<Plan>().unwrap(), Plan::default());
        for wrong in [
            "a",
            "a=crash",
            "a/effect#x=crash",
            "a/effect#1=smash",
            "a/nowhere#1=crash",
            "a(b/effect#1=crash",
            "a/commit.#1=crash",
            "a/commit.G#1=crash",
            "a/commit#1=event(Pod)",
            "a/commit#1=event()",
        ] {
            assert!(wrong.parse::<Plan>().is_err(), "{wrong}");
        }
        assert!(Fault::ALL.len() < 64);
    }
}
