//! What the store tells of the resource besides its record. Invariant: from when it was told, a controller begins nothing that this forbids.

use super::Core;
use crate::Signals;
use crate::record::Direction;

/// What a controller was told during a pass.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    paused: bool,
    deleting: bool,
    /// The generation of the resource that the pass was given.
    given: u64,
    /// The generation that the pass began with.
    generation: Option<Option<u64>>,
    outdated: bool,
    /// The pass was given a resource that is gone.
    of_one_that_is_gone: bool,
}

impl Told {
    /// Nothing yet, of a resource of this generation.
    pub(crate) fn nothing_of(given: u64, of_one_that_is_gone: bool) -> Self {
        Self { given, of_one_that_is_gone, ..Self::default() }
    }
}

impl Core {
    /// What is so now.
    pub(crate) fn signals(&self) -> Signals {
        // Only a store of many writers keeps the spec too, and can number it.
        let generation = (!self.stored.exclusive).then_some(self.edit as u64 + 1);
        Signals { deleting: self.deleting, paused: self.suspended > 0, generation }
    }

    /// An operator pauses the resource, for two passes.
    pub(crate) fn suspend(&mut self) {
        self.suspended = 2;
    }

    /// A pass has ended because the resource is paused.
    pub(crate) fn end_paused_pass(&mut self) {
        self.suspended = self.suspended.saturating_sub(1);
        if self.suspended == 0 {
            self.note(|| "an operator resumes the resource".to_owned());
        }
    }

    /// The running controller is told.
    pub(super) fn tell(&mut self, signals: &Signals) {
        let told = &mut self.told[self.actor];
        told.paused = signals.paused;
        told.deleting = signals.deleting;
        let has_changed = *told.generation.get_or_insert(signals.generation) != signals.generation;
        // A read that was out of date is no news to a pass that was given the latest spec, and what is to be undone does not depend on it.
        let is_behind = signals.generation.is_some_and(|generation| generation > told.given);
        told.outdated = (has_changed && signals.generation != Some(told.given) || is_behind) && !signals.deleting;
    }

    /// Whether the pass that runs was given the latest spec, of the resource that is there.
    pub(super) fn is_up_to_date(&self) -> bool {
        let told = &self.told[self.actor];
        !told.of_one_that_is_gone && told.given == self.edit as u64 + 1
    }

    /// Whether the running controller was told that the resource is to be deleted, and the record goes forward all the same.
    pub(crate) fn is_unwanted(&self) -> bool {
        self.told[self.actor].deleting
            && self.stored.record().is_some_and(|record| record.direction == Direction::Forward)
    }

    /// Why the running controller may not begin anything, if it was told so.
    pub(crate) fn is_kept_away(&self) -> Option<&'static str> {
        let told = &self.told[self.actor];
        let forward = self.stored.record().is_none_or(|record| record.direction == Direction::Forward);
        match told.paused {
            true => Some("the controller was told that the resource is paused"),
            false if told.outdated && forward => {
                Some("the controller was told that the resource has another spec by now")
            }
            false => None,
        }
    }
}
