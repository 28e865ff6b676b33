//! Places: each request of a controller and each event of its watch, under a label. Invariant: a place's label and what can go wrong there
//! follow from the run so far alone.

use kube_memory_server::{EventType, Seen, SeenEvent, Verb};
use serde_json::Value;

use crate::fault::{Fault, Pattern};

/// What happens at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A get or a list of workers, and how many older versions of them can be told apart.
    Read { versions: usize },
    /// Any other request that changes nothing.
    Look,
    /// A write of record or finalizer.
    Record,
    /// A write of something else.
    Write,
    /// An event of a watch.
    Event,
}

/// A place that a run has come by.
#[derive(Debug, Clone)]
pub struct Place {
    pub label: String,
    pub kind: Kind,
    /// Whether there is a worker for somebody else to edit.
    pub is_there: bool,
}

impl Place {
    /// What can go wrong here.
    pub fn menu(&self, patterns: &[Pattern]) -> impl Iterator<Item = Fault> {
        let can = |it: &Fault| self.is_there || !matches!(it, Fault::Label | Fault::Edit);
        let here = move |it: &Fault| patterns.contains(&it.pattern()) && self.kind.has(*it) && can(it);
        Fault::ALL.iter().copied().filter(here)
    }
}

impl Kind {
    /// Left out is what does the same as another fault: a crash after a read is one before the next request; a read of the previous
    /// version is, where there are only two, one of the first; a label makes a difference only to a write.
    fn has(self, fault: Fault) -> bool {
        use Fault::{
            Crash, CrashAfter, Disconnect, Drop, Edit, Expire, Expired, First, Invalid, Label, Late, LoseReply,
            LoseRequest, Merge, Previous, RefuseConnection, Revert, Strip, Throttle, TooLarge, TooLong, Unavailable,
            Unborn,
        };
        let is_write = matches!(self, Kind::Record | Kind::Write);
        match fault {
            Previous => matches!(self, Kind::Read { versions: 3.. }),
            First => matches!(self, Kind::Read { versions: 2.. }),
            Unborn => matches!(self, Kind::Read { versions: 1.. }),
            Drop | Merge | Disconnect | Expire => self == Kind::Event,
            Crash | LoseRequest | Edit | Throttle | Unavailable => self != Kind::Event,
            CrashAfter | LoseReply | RefuseConnection | Late | Label | Invalid => is_write,
            Expired => matches!(self, Kind::Read { .. } | Kind::Look),
            TooLong | TooLarge | Revert | Strip => self == Kind::Record,
        }
    }
}

/// What a request is called, without its number.
pub fn name_of(seen: &Seen) -> String {
    let noun = match (&*seen.kind, seen.subresource.as_deref()) {
        (_, Some(subresource)) => subresource,
        (crate::worker::WORKERS, None) => "worker",
        _ => "event",
    };
    format!("{}/{}-{noun}", seen.client, seen.verb)
}

/// What a request is, given how many older versions of the workers there are.
pub fn kind_of(seen: &Seen, versions: usize) -> Kind {
    let is_of_worker = &*seen.kind == crate::worker::WORKERS;
    match seen.verb {
        Verb::Get | Verb::List if is_of_worker => Kind::Read { versions },
        Verb::Get | Verb::List | Verb::Watch => Kind::Look,
        _ if is_of_worker && seen.subresource.is_none() => Kind::Record,
        _ => Kind::Write,
    }
}

/// What an event is called, without its number.
pub fn name_of_event(event: &SeenEvent) -> String {
    let type_ = match event.event {
        EventType::Added => "added",
        EventType::Modified => "modified",
        EventType::Deleted => "deleted",
    };
    format!("{}/{type_}", event.client)
}

/// An annotation of a stored object.
pub fn annotation<'o>(object: &'o Value, key: &str) -> Option<&'o str> {
    object["metadata"]["annotations"][key].as_str()
}
