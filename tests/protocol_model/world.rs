//! What there is: a store, a provider, requests under way, and two controllers. Invariant: nothing here decides anything.

use std::cmp::Ordering;

use crate::controller::Attempted;
use crate::record::{Intent, Outcome, Record};
use crate::system::Fate;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct World {
    pub controllers: [Controller; 2],
    pub record: Option<Record>,
    pub version: u8,
    pub uid: u8,
    pub exists: bool,
    pub deleting: bool,
    pub spec: u8,
    pub things: Vec<Thing>,
    /// Origin, step and life of the keys that a provider remembers.
    pub keys: Vec<(u8, u8, u8)>,
    pub flights: Vec<Flight>,
    pub faults: u8,
    pub pauses: u8,
    pub fate: Fate,
    pub seen: Seen,
}

/// What happened and must not.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seen {
    /// The record of a resource that is not to be deleted was removed.
    pub stripped: bool,
    /// On the way back something was made that is certainly absent, or could have been looked up or aborted.
    pub vain: bool,
    /// After a rewind something was left that was made after the mark.
    pub left: bool,
    /// An undo or abort was begun while an entry of higher order stood.
    pub disordered: bool,
    /// An undo was sent again whose sender knew that it was done.
    pub again: bool,
    /// The undos that are known to be done. Empty where crashes may lose that.
    pub known: Vec<(u8, u8, u8)>,
}

/// Something that exists at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thing {
    pub origin: u8,
    pub step: u8,
    pub life: u8,
    pub spec: u8,
    /// The step and life that it depends on.
    pub base: Option<Attempted>,
}

/// A request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flight {
    pub thing: Thing,
    pub removes: bool,
    /// Who waits for the answer.
    pub sender: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

    /// Somebody needs these attempts to be quiet. If the other controller still stands in one of them, it was paused for that long. False if
    /// no controller pauses any more.
    pub fn pause(&mut self, me: u8, origin: u8, late: &[Attempted]) -> bool {
        let is_it = |record: &Record| {
            let at = |it: Intent| late.contains(&(it.step, it.life));
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

    /// The two controllers are alike: of a world and its mirror image only one is visited.
    pub fn folded(self) -> Self {
        let [one, other] = &self.controllers;
        match one.rank().cmp(&other.rank()) {
            Ordering::Less => self,
            Ordering::Greater => self.mirrored(),
            Ordering::Equal => self.clone().min(self.mirrored()),
        }
    }

    fn mirrored(mut self) -> Self {
        self.controllers.swap(0, 1);
        for flight in &mut self.flights {
            flight.sender = flight.sender.map(|it| 1 - it);
        }
        self.flights.sort_unstable();
        self.record.iter_mut().for_each(mirrored);
        for controller in &mut self.controllers {
            match controller {
                Controller::Idle => {}
                Controller::Writes(write) | Controller::Looks(write) => {
                    mirrored(&mut write.base);
                    write.new.iter_mut().for_each(mirrored);
                }
                Controller::Holds(held) | Controller::Asked(held) | Controller::Sent(held) => {
                    mirrored(&mut held.record);
                }
            }
        }
        self
    }
}

impl Controller {
    fn rank(&self) -> u8 {
        match self {
            Controller::Idle => 0,
            Controller::Writes(_) => 1,
            Controller::Looks(_) => 2,
            Controller::Holds(_) => 3,
            Controller::Asked(_) => 4,
            Controller::Sent(_) => 5,
        }
    }
}

fn mirrored(record: &mut Record) {
    if let Some(intent) = &mut record.intent {
        intent.holder.controller = 1 - intent.holder.controller;
    }
}
