//! What must hold. Invariant: only what the contracts promise is demanded.

use stateright::Property;

use crate::rules::Contract;
use crate::system::Protocol;
use crate::world::{Controller, Thing, World};

pub const ONE_OF_EACH: &str = "at most one thing of a kind";
pub const NO_ORPHAN: &str = "what exists is known, and nothing is left of what is gone";
pub const RECORD_IS_TRUE: &str = "the record says what is so";
pub const NOT_STRIPPED: &str = "a record goes only with its resource";
pub const ENDS_WELL: &str = "where nothing more happens, it is provisioned, gone, or held for a doubt";
pub const COMES_TO_REST: &str = "it comes to rest";
/// Not demanded, but shown to be possible.
pub const PROVISIONED: &str = "it is provisioned";

/// Every property.
pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(ONE_OF_EACH, |model: &Protocol, world| model.one_of_each(world)),
        Property::always(NO_ORPHAN, |model: &Protocol, world| model.no_orphan(world)),
        Property::always(RECORD_IS_TRUE, |model: &Protocol, world| model.record_is_true(world)),
        Property::always(NOT_STRIPPED, |_: &Protocol, world: &World| !world.stripped),
        Property::always(ENDS_WELL, |model: &Protocol, world| model.ends_well(world)),
        Property::eventually(COMES_TO_REST, |model: &Protocol, world| model.is_at_rest(world)),
        Property::sometimes(PROVISIONED, |model: &Protocol, world: &World| {
            world.record.as_ref().is_some_and(|record| usize::from(record.at) == model.contracts.len())
        }),
    ]
}

impl Protocol {
    /// Whether nothing more happens, faults aside.
    pub fn is_at_rest(&self, world: &World) -> bool {
        if !world.flights.is_empty() || world.controllers.iter().any(|it| *it != Controller::Idle) {
            return false;
        }
        let fate = world.fate;
        let awaited = (world.exists && (fate.edit || fate.delete)) || (!world.exists && fate.recreate);
        !awaited && (0..2).all(|me| !self.begin(&mut world.clone(), me, world.uid))
    }

    /// Where it may come to rest: provisioned, gone, or held for what nobody can know.
    fn ends_well(&self, world: &World) -> bool {
        if !self.is_at_rest(world) {
            return true;
        }
        let Some(record) = &world.record else { return !world.exists };
        let in_doubt = record.intent.is_some_and(|it| it.doubt || self.contract(it.step) == Contract::Hold);
        let done = usize::from(record.at) == self.contracts.len() && record.intent.is_none() && !record.held;
        world.exists && record.origin == world.uid && !world.deleting && (done || (record.held && in_doubt))
    }

    /// At most one thing in a life, and, going forward, one of a kind. What was refused once and landed all the same, after the spec had
    /// changed, is a life of its own: the record has it among what it touched, until the resource is deleted.
    fn one_of_each(&self, world: &World) -> bool {
        let is_touched = |thing: &Thing| {
            world.record.as_ref().is_some_and(|record| {
                record.origin == thing.origin
                    && record.touched.iter().any(|it| (it.step, it.life) == (thing.step, thing.life))
            })
        };
        let forward = world.record.as_ref().is_none_or(|record| !record.deleting);
        let twins = |pair: &[Thing]| {
            let same = (pair[0].origin, pair[0].step) == (pair[1].origin, pair[1].step);
            same && (pair[0].life == pair[1].life || (forward && !pair.iter().any(is_touched)))
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
                record.undo.iter().any(|it| (it.step, it.life) == (thing.step, thing.life))
                    || record.intent.is_some_and(|it| (it.step, it.life) == (thing.step, thing.life))
                    || record.touched.iter().any(|it| (it.step, it.life) == (thing.step, thing.life))
            })
        };
        !self.is_at_rest(world) || world.things.iter().all(known)
    }

    /// What the record says of a thing is so.
    fn record_is_true(&self, world: &World) -> bool {
        let Some(record) = &world.record else { return true };
        let differs = |thing: &Thing| {
            let mut claims = record.undo.iter();
            thing.origin == record.origin
                && claims.any(|it| (it.step, it.life) == (thing.step, thing.life) && it.spec != thing.spec)
        };
        !world.things.iter().any(differs)
    }
}
