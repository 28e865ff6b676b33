//! What there is: a store, a provider, requests under way, and two controllers. Invariant: nothing here decides anything.

use crate::record::{Intent, Outcome, Record};
use crate::system::Fate;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub record: Option<Record>,
    pub version: u8,
    pub uid: u8,
    pub exists: bool,
    pub deleting: bool,
    pub spec: u8,
    pub things: Vec<Thing>,
    pub flights: Vec<Flight>,
    pub controllers: [Controller; 2],
    pub faults: u8,
    pub pauses: u8,
    pub fate: Fate,
    /// The record of a resource that is not to be deleted was removed.
    pub stripped: bool,
}

/// Something that exists at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thing {
    pub origin: u8,
    pub step: u8,
    pub life: u8,
    pub spec: u8,
}

/// A request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flight {
    pub thing: Thing,
    pub removes: bool,
    /// Who waits for the answer.
    pub sender: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Controller {
    Idle,
    /// About to write.
    Writes(Box<Write>),
    /// Has written, and does not know whether it is there: looks.
    Looks(Box<Write>),
    /// Its intent is durable, and nothing was sent.
    Holds(Box<Held>),
    /// As before, and a look-up has found nothing.
    Asked(Box<Held>),
    /// Its request is sent.
    Sent(Box<Held>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Write {
    /// The record as it was read, and its version.
    pub base: Record,
    pub version: u8,
    pub learnt: Option<Outcome>,
    /// What is written; none to remove the record.
    pub new: Option<Record>,
    /// Whether the intent in it is carried out then.
    pub attempt: bool,
    pub late: bool,
    pub deleting: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Held {
    pub record: Record,
    pub version: u8,
    pub late: bool,
    pub deleting: bool,
}

impl World {
    pub fn controller(&mut self, me: u8) -> &mut Controller {
        &mut self.controllers[usize::from(me)]
    }

    /// Somebody takes an attempt at this step for over. If the other controller still stands in it, it was paused for that long. False if
    /// nobody pauses any more.
    pub fn pause(&mut self, me: u8, origin: u8, late: Option<(u8, u8)>) -> bool {
        let Some(here) = late else { return true };
        let is_it = |record: &Record| {
            let at = |it: Intent| (it.step, it.life) == here;
            record.origin == origin && record.intent.is_some_and(at)
        };
        let stands = match self.controller(1 - me) {
            Controller::Holds(held) | Controller::Asked(held) | Controller::Sent(held) if is_it(&held.record) => {
                held.late = true;
                true
            }
            // It has written the intent and does not know it yet.
            Controller::Looks(write) if write.attempt && write.new.as_ref().is_some_and(is_it) => {
                write.late = true;
                true
            }
            Controller::Writes(write) | Controller::Looks(write) => write.learnt.is_some() && is_it(&write.base),
            _ => false,
        };
        if stands && self.pauses == 0 {
            return false;
        }
        self.pauses -= u8::from(stands);
        true
    }
}
