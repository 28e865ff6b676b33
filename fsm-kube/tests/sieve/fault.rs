//! What can go wrong at one place. Invariant: every fault has a name, and a name means one fault.

use std::fmt;
use std::str::FromStr;

/// Which of Sieve's patterns a fault belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// A controller reads the world as it was.
    StaleRead,
    /// A controller never sees a state that the world was in.
    MissedEvent,
    /// A controller dies between two of its writes.
    Crash,
    /// What else an API server and its other users do; not one of Sieve's.
    Beyond,
    /// What a controller takes for one of those. It is enough that each strikes alone.
    Alike,
}

impl Pattern {
    /// Sieve's three.
    pub const SIEVE: &[Pattern] = &[Pattern::StaleRead, Pattern::MissedEvent, Pattern::Crash];
    /// All that a controller can tell apart.
    pub const APART: &[Pattern] = &[Pattern::StaleRead, Pattern::MissedEvent, Pattern::Crash, Pattern::Beyond];
    /// All that is known here.
    pub const ALL: &[Pattern] =
        &[Pattern::StaleRead, Pattern::MissedEvent, Pattern::Crash, Pattern::Beyond, Pattern::Alike];
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StaleRead => "stale read",
            Self::MissedEvent => "missed event",
            Self::Crash => "crash",
            Self::Beyond => "beyond",
            Self::Alike => "alike",
        })
    }
}

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident = $name:literal: $pattern:ident,)*) => {
        /// What can go wrong at one place.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault { $($(#[$doc])* $fault,)* }

        impl Fault {
            pub const ALL: &[Fault] = &[$(Fault::$fault,)*];

            /// The fault's name in plans.
            pub const fn name(self) -> &'static str {
                match self { $(Fault::$fault => $name,)* }
            }

            pub const fn pattern(self) -> Pattern {
                match self { $(Fault::$fault => Pattern::$pattern,)* }
            }
        }
    };
}

faults! {
    /// Read as of before the last write of the worker.
    Previous = "previous": StaleRead,
    /// Read as of the first write of any worker.
    First = "first": StaleRead,
    /// Read as of before there was any worker.
    Unborn = "unborn": StaleRead,
    /// The event is left out.
    Drop = "drop": MissedEvent,
    /// The event is merged into the next one.
    Merge = "merge": MissedEvent,
    /// The watch ends instead.
    Disconnect = "disconnect": MissedEvent,
    /// The watch says 410 instead, so that the watcher must list again.
    Expire = "expire": MissedEvent,
    /// The controller dies when the request is sent, and the request is not served.
    Crash = "crash": Crash,
    /// The request is served, and the controller dies before it has the reply.
    CrashAfter = "crash-after": Crash,
    /// The reply is lost.
    LoseReply = "lose-reply": Beyond,
    /// The request is lost.
    LoseRequest = "lose-request": Beyond,
    /// There is no connection.
    RefuseConnection = "refuse-connection": Beyond,
    /// The request is served after its sender has given up.
    Late = "late": Beyond,
    /// Somebody else edits a label just before.
    Label = "label": Beyond,
    /// Somebody else edits the spec just before.
    Edit = "edit": Beyond,
    /// 429, to be tried again in a second.
    Throttle = "throttle": Alike,
    /// 503.
    Unavailable = "unavailable": Alike,
    /// 410.
    Expired = "expired": Alike,
    /// 422, because the object is not valid for a moment.
    Invalid = "invalid": Beyond,
    /// 422, because the annotations are too long.
    TooLong = "too-long": Alike,
    /// 413.
    TooLarge = "too-large": Beyond,
    /// Admission takes the write of the record back, and says yes.
    Revert = "revert": Beyond,
    /// Admission takes the record off, and says yes.
    Strip = "strip": Beyond,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|it| it.name() == name);
        found.copied().ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|it| it.name()).collect();
            format!("there is no fault `{name}`; there are {}", names.join(", "))
        })
    }
}
