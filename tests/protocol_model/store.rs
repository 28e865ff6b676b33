//! Writes to the store, and what a controller does when one of them meets a conflict or loses its reply. Invariant: only
//! [`Protocol::write`] changes the stored record.

use crate::machine::{Does, Edge};
use crate::record::{Act, Record, Unconfirmed};
use crate::rules::Rule;
use crate::system::Protocol;
use crate::world::{Controller, Held, World, Write};

/// Whether this write begins to undo or abort an entry while one of higher order is live or unconfirmed.
fn is_disordered(old: &Record, new: &Record) -> bool {
    let Some(intent) = new.intent.filter(|it| matches!(it.act, Act::Undo | Act::Abort)) else { return false };
    let is_it = |step: u8, life: u8| (step, life) == (intent.step, intent.life);
    let goes_on = old.intent.is_some_and(|it| is_it(it.step, it.life) && it.act == intent.act);
    let higher = |step: u8, life: u8, order: u8| order > intent.order && !is_it(step, life);
    new.back.is_some()
        && !goes_on
        && (new.live.iter().any(|it| higher(it.step, it.life, it.order))
            || new.unconfirmed.iter().any(|it| higher(it.step, it.life, it.order)))
}

impl Protocol {
    /// The write, if no other write has come between.
    pub fn write(&self, world: &mut World, write: &Write) -> bool {
        let stored = world.record.as_ref().map_or(0, |record| record.seq);
        let same =
            if self.off == Some(Rule::Version) { stored == write.base.seq } else { world.version == write.version };
        let same = same || (write.new.is_none() && self.off == Some(Rule::ConditionalRemoval));
        if !same || !world.exists {
            return false;
        }
        world.version += 1;
        if let Some(new) = &write.new {
            world.seen.left |= self.is_left(world, &write.base, new);
            world.seen.disordered |= is_disordered(&write.base, new);
        }
        world.record.clone_from(&write.new);
        if write.new.is_none() {
            if world.deleting { world.exists = false } else { world.seen.stripped = true }
        }
        true
    }

    /// Whether this write ends a rewind and something is left that was made after the mark.
    fn is_left(&self, world: &World, old: &Record, new: &Record) -> bool {
        let state = new.at;
        let rewinds = |edge: &Edge| edge.does == Does::Rewind && edge.to == state;
        if new.back.is_some() || old.at == state || !self.machine.edges_of(old.at).any(rewinds) {
            return false;
        }
        let mark = old.mark(state).unwrap_or(0);
        let older = |step: u8, life: u8| {
            let is_it = |it: &&Unconfirmed| (it.step, it.life) == (step, life);
            old.unconfirmed.iter().find(is_it).is_some_and(|it| it.order <= mark)
        };
        let claims = |step: u8| self.machine.knows(state, step);
        new.live.iter().any(|it| !claims(it.step))
            || new.unconfirmed.iter().any(|it| it.order > mark && !claims(it.step))
            || world.things.iter().any(|it| it.origin == new.origin && !claims(it.step) && !older(it.step, it.life))
    }

    pub fn after_write(&self, world: &mut World, me: u8, write: Write) {
        let deleting = write.deleting || world.deleting;
        *world.controller(me) = match write.new {
            Some(record) if write.attempt && record.intent.is_some() => {
                Controller::Holds(Box::new(Held { record, version: world.version, late: write.late, deleting }))
            }
            _ => Controller::Idle,
        };
    }

    /// Looks what became of a write.
    pub fn look(&self, world: &mut World, me: u8, write: Write) {
        let mine = match (&world.record, &write.new) {
            (Some(found), Some(written)) if self.off == Some(Rule::ReadBack) => found.seq == written.seq,
            (found, Some(written)) => found.as_ref() == Some(written),
            (_, None) => false,
        };
        if mine {
            return self.after_write(world, me, write);
        }
        *world.controller(me) = Controller::Idle;
        let Some(record) = world.record.clone() else { return };
        let removes = write.new.is_none();
        if removes && self.off == Some(Rule::DecideAgain) {
            let (base, version) = (record, world.version);
            *world.controller(me) = Controller::Writes(Box::new(Write { base, version, ..write }));
            return;
        }
        if self.keeps(&write, &record, removes)
            && let Some(outcome) = write.learnt
        {
            let held = Held { record, version: world.version, late: false, deleting: world.deleting };
            self.learn(world, me, &held, outcome);
        }
    }

    /// Whether what was learnt is still about this record: its intent is there, and the own one.
    fn keeps(&self, write: &Write, found: &Record, removes: bool) -> bool {
        let off = |rule| self.off == Some(rule);
        let dropped = off(Rule::WriteAgain) || (removes && off(Rule::KeepLearnt));
        let any_intent = off(Rule::SameIntent) && found.intent.is_some();
        let same_intent = any_intent || found.intent == write.base.intent;
        let same_origin = found.origin == write.base.origin || off(Rule::SameOrigin);
        !dropped && same_intent && same_origin
    }
}
