//! What happens in the world by itself: its events, and strangers. Invariant: what a stranger has put there is never changed or removed by a
//! controller, and what an event has taken away is not missed.

use std::sync::PoisonError;

use super::{Core, Sim};
use crate::testing::oracle::{Oracle, Violation};
use crate::testing::world::Thing;

/// What has happened by itself, and what that has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct ByItself {
    /// The events, in the order in which they happened.
    happened: Vec<&'static str>,
    /// What exists and is a stranger's.
    pub(crate) strangers: Vec<Thing>,
    /// What was made by an attempt, and is gone although no call has removed it.
    pub(crate) lost: Vec<Thing>,
}

impl Sim {
    /// Strangers take the names, before the first pass.
    pub(crate) fn let_strangers_in(&self) {
        self.let_happen(None);
    }

    /// An event of the world happens.
    pub(crate) fn let_happen(&self, event: Option<&'static str>) {
        let happen = self.0.happen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let before = self.things();
        if let Some(event) = event {
            let mut core = self.core();
            let at = core.now;
            core.journal.iter_mut().for_each(|journal| journal.happened(event, at));
        }
        if let Some(happen) = happen {
            happen(event);
        }
        let after = self.things();
        self.core().by_itself.compare(event, before, &after);
        self.check_world();
    }
}

impl ByItself {
    /// How much has happened.
    pub(crate) fn count(&self) -> usize {
        self.happened.len()
    }

    fn compare(&mut self, event: Option<&'static str>, before: Vec<Thing>, after: &[Thing]) {
        self.happened.extend(event);
        let mut new = after.to_vec();
        for thing in before {
            match new.iter().position(|it| *it == thing) {
                Some(index) => drop(new.remove(index)),
                // An event that removes a stranger's thing is the stranger's own doing.
                None if thing.key.is_none() => self.strangers.retain(|it| *it != thing),
                None => self.lost.push(thing),
            }
        }
        self.strangers.extend(new.into_iter().filter(|thing| thing.key.is_none()));
    }

    /// Whether everything that strangers have put there still stands.
    pub(super) fn check_strangers(&self, things: &[Thing]) -> Option<Violation> {
        let count = |all: &[Thing], thing: &Thing| all.iter().filter(|it| *it == thing).count();
        let gone = self.strangers.iter().find(|it| count(things, it) < count(&self.strangers, it))?;
        let message = format!("{} ({}) is somebody else's, and was changed or removed", gone.kind, gone.detail);
        Some(Violation::new(Oracle::Stranger, message))
    }
}

impl Core {
    /// Whether somebody else changes the resource before the write that is about to be made: before every second one, so that what is tried again
    /// succeeds.
    pub(super) fn is_touched(&mut self) -> bool {
        if self.quiet {
            return false;
        }
        let Some(touched) = &mut self.touched else { return false };
        *touched = !*touched;
        *touched
    }

    /// Somebody else changes something of the resource, so that it has another version.
    pub(super) fn touch(&mut self) {
        self.stored.version += 1;
        self.note(|| "somebody else changes the resource".to_owned());
    }
}
