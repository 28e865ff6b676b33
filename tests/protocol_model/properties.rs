//! What must hold. Invariant: only what the contracts promise is demanded.

use stateright::Property;

use crate::machine::{Contract, Does, Edge};
use crate::record::Target;
use crate::system::Protocol;
use crate::world::{Controller, Thing, World};

pub const ONE_OF_EACH: &str = "at most one thing of a kind";
pub const NO_ORPHAN: &str = "what exists is known, and nothing is left of what is gone";
pub const RECORD_IS_TRUE: &str = "the record says what is so";
pub const STATE_IS_TRUE: &str = "the state claims only what lives";
pub const BASE_STANDS: &str = "nothing stands whose base is gone";
pub const IN_ORDER: &str = "nothing is undone while an entry of higher order stands";
pub const CLEAN_IS_QUIET: &str = "where delivery is once, nothing is under way for a clean entry";
pub const NOTHING_IN_VAIN: &str = "the way back makes nothing that can be settled otherwise";
pub const NOTHING_LEFT: &str = "nothing that was made after a mark is left after a rewind";
pub const LEAVES_FIRST: &str = "what is to leave first is not undone at once";
pub const NOT_AGAIN: &str = "without a fault, an undo that is done is not sent again";
pub const NOT_STRIPPED: &str = "a record goes only with its resource";
pub const ENDS_WELL: &str = "where nothing more happens, it is provisioned, gone, or held for a reason";
pub const COMES_TO_REST: &str = "it comes to rest";
/// Not demanded, but shown to be possible.
pub const PROVISIONED: &str = "it is provisioned";

/// Every property.
pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(ONE_OF_EACH, |model: &Protocol, world| model.one_of_each(world)),
        Property::always(NO_ORPHAN, |model: &Protocol, world| model.no_orphan(world)),
        Property::always(RECORD_IS_TRUE, |model: &Protocol, world| model.record_is_true(world)),
        Property::always(STATE_IS_TRUE, |model: &Protocol, world| model.state_is_true(world)),
        Property::always(BASE_STANDS, |model: &Protocol, world| model.base_stands(world)),
        Property::always(IN_ORDER, |_: &Protocol, world: &World| !world.seen.disordered),
        Property::always(CLEAN_IS_QUIET, |model: &Protocol, world| model.clean_is_quiet(world)),
        Property::always(NOTHING_IN_VAIN, |_: &Protocol, world: &World| !world.seen.vain),
        Property::always(NOTHING_LEFT, |_: &Protocol, world: &World| !world.seen.left),
        Property::always(LEAVES_FIRST, |model: &Protocol, world| model.leaves_first(world)),
        Property::always(NOT_AGAIN, |_: &Protocol, world: &World| !world.seen.again),
        Property::always(NOT_STRIPPED, |_: &Protocol, world: &World| !world.seen.stripped),
        Property::always(ENDS_WELL, |model: &Protocol, world| model.ends_well(world)),
        Property::eventually(COMES_TO_REST, |model: &Protocol, world| model.is_at_rest(world)),
        Property::sometimes(PROVISIONED, |model: &Protocol, world| model.is_provisioned(world)),
    ]
}

impl Protocol {
    /// Whether no controller has anything to do.
    fn is_quiescent(&self, world: &World) -> bool {
        let idle = world.flights.is_empty() && world.controllers.iter().all(|it| *it == Controller::Idle);
        idle && (0..2).all(|me| !self.begin(&mut world.clone(), me, world.uid))
    }

    /// Whether nothing more happens, faults aside.
    fn is_at_rest(&self, world: &World) -> bool {
        let fate = world.fate;
        let awaited = if world.exists { fate.edits > 0 || fate.touches > 0 || fate.delete } else { fate.recreate };
        !awaited && self.is_quiescent(world)
    }

    /// Whether everything is there in a state that no step leads out of.
    fn is_provisioned(&self, world: &World) -> bool {
        let leads_out = |edge: &Edge| !edge.on_delete && edge.from != edge.to && edge.does != Does::Rewind;
        world.record.as_ref().is_some_and(|record| {
            let last = !record.held && record.back.is_none() && !self.machine.edges_of(record.at).any(leads_out);
            last && record.intent.is_none() && !record.live.is_empty()
        })
    }

    /// Where it may come to rest: provisioned, gone, or held for an outcome in doubt or for a mark that is missing.
    fn ends_well(&self, world: &World) -> bool {
        if !self.is_quiescent(world) {
            return true;
        }
        let Some(record) = &world.record else { return !world.exists };
        let in_doubt = |step: u8, doubt: bool| doubt || self.machine.step(step).contract == Contract::Hold;
        let in_doubt = record.intent.is_some_and(|it| in_doubt(it.step, it.doubt));
        let is_whole = self.unmarked && record.back.is_none() && record.intent.is_none();
        let done = record.back.is_none() && record.intent.is_none() && !record.held;
        let is_held = record.held && (in_doubt || is_whole);
        world.exists && record.origin == world.uid && !world.deleting && (done || is_held)
    }

    fn is_same(&self, thing: &Thing, step: u8, life: u8) -> bool {
        thing.step == step && self.machine.is_same(step, thing.life, life)
    }

    /// At most one thing in a life, and, going forward, one of a kind. What was refused once and landed all the same, after the spec had
    /// changed, is a life of its own: it is unconfirmed and not in doubt, until the resource is deleted.
    fn one_of_each(&self, world: &World) -> bool {
        let is_refused = |thing: &Thing| {
            world.record.as_ref().is_some_and(|record| {
                record.origin == thing.origin
                    && record.unconfirmed.iter().any(|it| !it.doubt && self.is_same(thing, it.step, it.life))
            })
        };
        let forward = world.record.as_ref().is_none_or(|record| record.back.is_none());
        let twins = |pair: &[Thing]| {
            let same = (pair[0].origin, pair[0].step) == (pair[1].origin, pair[1].step);
            same && (pair[0].life == pair[1].life || (forward && !pair.iter().any(is_refused)))
        };
        !world.things.windows(2).any(twins)
    }

    /// What exists is known: to the record at rest, and nothing is left of a resource that is gone.
    fn no_orphan(&self, world: &World) -> bool {
        let gone = |thing: &Thing| thing.origin < world.uid || !world.exists;
        if world.things.iter().any(gone) {
            return false;
        }
        let known = |thing: &Thing| {
            world.record.as_ref().is_some_and(|record| {
                record.live.iter().any(|it| self.is_same(thing, it.step, it.life))
                    || record.intent.is_some_and(|it| self.is_same(thing, it.step, it.life))
                    || record.unconfirmed.iter().any(|it| self.is_same(thing, it.step, it.life))
            })
        };
        world.things.iter().all(known) || !self.is_quiescent(world)
    }

    /// What the record says of a thing is so, unless a request is under way that changes it.
    fn record_is_true(&self, world: &World) -> bool {
        let Some(record) = &world.record else { return true };
        let changes = |step: u8| self.machine.step(step).kept && record.intent.is_some_and(|it| it.step == step);
        let differs = |thing: &Thing| {
            let mut claims = record.live.iter().filter(|it| it.spec.is_some());
            thing.origin == record.origin
                && !changes(thing.step)
                && claims.any(|it| self.is_same(thing, it.step, it.life) && it.spec != Some(thing.spec))
        };
        !world.things.iter().any(differs)
    }

    /// Going forward, what a state claims is live in the record and exists.
    fn state_is_true(&self, world: &World) -> bool {
        let Some(record) = world.record.as_ref().filter(|record| record.back.is_none()) else { return true };
        let steps = (0..).zip(&self.machine.steps).map(|(step, _)| step);
        let mut claims = steps.filter(|step| self.machine.claims(record.at, *step));
        claims.all(|step| {
            record.live(step).is_some_and(|live| {
                record.fact(step) == live.spec
                    && world.things.iter().any(|it| it.origin == record.origin && self.is_same(it, step, live.life))
            })
        })
    }

    /// Nothing stands whose base is gone.
    fn base_stands(&self, world: &World) -> bool {
        let stands = |thing: &Thing| {
            let Some((step, life)) = thing.base else { return true };
            world.things.iter().any(|it| it.origin == thing.origin && self.is_same(it, step, life))
        };
        world.things.iter().all(stands)
    }

    /// For a clean entry nothing is under way that makes it, where delivery is once.
    fn clean_is_quiet(&self, world: &World) -> bool {
        let Some(record) = &world.record else { return true };
        let makes = |step: u8, life: u8| {
            let is_it = |it: &Thing| it.origin == record.origin && self.is_same(it, step, life);
            world.flights.iter().any(|it| !it.removes && is_it(&it.thing))
        };
        let is_open = |step: u8| record.intent.is_some_and(|it| it.step == step);
        let clean = record.live.iter().filter(|it| it.clean && self.machine.step(it.step).once && !is_open(it.step));
        !clean.into_iter().any(|it| makes(it.step, it.life))
    }

    /// A deletion turns the way back only in a state that no step leaves.
    fn leaves_first(&self, world: &World) -> bool {
        let Some(record) = world.record.as_ref().filter(|it| it.back == Some(Target::Nothing)) else { return true };
        !self.machine.edges_of(record.at).any(|edge| edge.on_delete)
    }
}
