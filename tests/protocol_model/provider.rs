//! Requests and what the provider does with them. Invariant: a request lands while a controller may still believe in it: until timeout +
//! settle are over, which is when others act.

use crate::machine::Contract;
use crate::record::{Act, Outcome};
use crate::rules::Rule;
use crate::system::Protocol;
use crate::world::{Controller, Flight, Held, Thing, World};

impl Protocol {
    /// Carries an intent out.
    pub fn go(&self, world: &mut World, me: u8, mut held: Held, asked: bool) {
        let Some(intent) = held.record.intent else { return };
        let step = self.machine.step(intent.step);
        if held.late && self.off != Some(Rule::LateCheck) {
            *world.controller(me) = Controller::Idle;
            if !intent.doubt && self.off != Some(Rule::Withdraw) {
                self.learn(world, me, &held, Outcome::Withdrawn);
            }
            return;
        }
        let here = (held.record.origin, intent.step);
        let is_own = |it: &&Thing| {
            let same = self.machine.is_same(intent.step, it.life, intent.life) || intent.act == Act::Run;
            (it.origin, it.step) == here && same
        };
        let asks = match intent.act {
            Act::Run | Act::Undo => step.contract == Contract::Lookup,
            Act::Settle => true,
            Act::Abort => false,
        };
        if asks && !asked {
            let found = world.things.iter().find(is_own).copied();
            match (found, intent.act) {
                (Some(found), Act::Run | Act::Settle) => {
                    return self.learn(world, me, &held, Outcome::Found(found.spec));
                }
                (None, Act::Run) => {
                    if let Some(intent) = &mut held.record.intent {
                        intent.doubt = false;
                    }
                }
                (None, _) => return self.learn(world, me, &held, Outcome::Absent),
                (Some(_), _) => {}
            }
            *world.controller(me) = Controller::Asked(Box::new(held));
            return;
        }
        let (runs, back) = (intent.act == Act::Run, held.record.back.is_some());
        let needless = !step.repeats() || step.aborts || step.verifies || (step.once && !intent.doubt);
        world.seen.vain |= runs && back && needless;
        let base = held.record.live.last().filter(|it| runs && !back && it.step != intent.step);
        let base = base.map(|it| (it.step, it.life));
        let thing = Thing { origin: here.0, step: intent.step, life: intent.life, spec: intent.spec, base };
        world.seen.again |= !runs && world.seen.known.contains(&(thing.origin, thing.step, thing.life));
        world.flights.push(Flight { thing, removes: !runs, sender: Some(me) });
        world.flights.sort_unstable();
        *world.controller(me) = Controller::Sent(Box::new(held));
    }

    /// The provider does what a request asks for. What it has done already it does not do again.
    fn carry_out(&self, world: &mut World, flight: Flight) {
        let Flight { thing, removes, .. } = flight;
        let step = self.machine.step(thing.step);
        let is_it = |it: &Thing| {
            let same = self.machine.is_same(thing.step, it.life, thing.life);
            (it.origin, it.step) == (thing.origin, thing.step) && same
        };
        let there = world.things.iter().position(is_it);
        let key = (thing.origin, thing.step, thing.life);
        match there {
            // The undo of one that was found is given its id.
            Some(index) if removes && step.contract == Contract::Lookup => {
                world.things.remove(index);
            }
            _ if removes => world.things.retain(|it| !is_it(it)),
            Some(index) if step.repeats() => {
                let found = &mut world.things[index];
                found.base = thing.base.or(found.base);
                let is_new = step.contract == Contract::Named || !world.keys.contains(&key);
                if step.lifeless && is_new {
                    (found.life, found.spec) = (thing.life, thing.spec);
                }
            }
            None if step.contract == Contract::Keyed && world.keys.contains(&key) => {}
            Some(_) | None => world.things.push(thing),
        }
        if step.contract == Contract::Keyed && !removes && !world.keys.contains(&key) {
            world.keys.push(key);
            world.keys.sort_unstable();
        }
        world.things.sort_unstable();
    }

    /// A request ends: it is carried out or not, is delivered again or not, and its sender is told.
    pub fn end(&self, world: &mut World, index: usize, applied: bool, again: bool, outcome: Option<Outcome>) {
        let flight = world.flights.remove(index);
        if applied {
            self.carry_out(world, flight);
        }
        if again {
            world.flights.push(Flight { sender: None, ..flight });
        }
        if let Some(me) = flight.sender
            && let Controller::Sent(held) = world.controller(me).clone()
        {
            let Thing { origin, step, life, spec, .. } = flight.thing;
            let outcome = outcome.unwrap_or(Outcome::Done(spec));
            if flight.removes && outcome == Outcome::Done(spec) && (self.faults, self.pauses) == (0, 0) {
                world.seen.known.push((origin, step, life));
            }
            self.learn(world, me, &held, outcome);
        }
        world.flights.sort_unstable();
    }
}
