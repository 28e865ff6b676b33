//! Two controllers, a store, a provider and what goes wrong between them. Invariant: requests land while somebody may still believe in them:
//! until timeout + settle are over, which is when others act.

use stateright::{Model, Property};

use crate::controller::{Around, Decision};
use crate::properties;
use crate::record::{Act, Outcome, Record};
use crate::rules::{Contract, Rule};
use crate::world::{Controller, Flight, Held, Thing, World, Write};

/// A model of the protocol, with one rule switched off or none.
#[derive(Debug, Clone)]
pub struct Protocol {
    pub contracts: Vec<Contract>,
    pub off: Option<Rule>,
    /// How many faults strike: crashes, lost replies and requests, late and repeated deliveries, refusals, stale views of the resource.
    pub faults: u8,
    /// How often a controller that has written an intent, or learnt something, is paused for longer than others wait.
    pub pauses: u8,
    /// What is done to the resource.
    pub fates: Vec<Fate>,
}

/// What is done to the resource, at any time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Fate {
    pub edit: bool,
    pub delete: bool,
    /// Once it is gone, it is made again under the same name.
    pub recreate: bool,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Begin(u8),
    /// A pass for the resource as it was before it was deleted and made again.
    BeginStale(u8),
    Write(u8),
    WriteReplyLost(u8),
    WriteRequestLost(u8),
    Look(u8),
    /// Carries the intent out: asks first where the contract wants it, then sends.
    Go(u8),
    Crash(u8),
    Land(usize),
    LandReplyLost(usize),
    /// It lands, and is delivered once more.
    LandTwice(usize),
    Refuse(usize),
    /// It is refused, and is delivered once more.
    RefuseOnce(usize),
    Lose(usize),
    GiveUp(usize),
    Drop(usize),
    Edit,
    Delete,
    Recreate,
}

impl Protocol {
    fn around<'a>(&'a self, controller: u8, deleting: bool, spec: u8, quiet: &'a dyn Fn(u8, u8) -> bool) -> Around<'a> {
        Around { controller, contracts: &self.contracts, off: self.off, deleting, spec, quiet }
    }

    pub fn contract(&self, step: u8) -> Contract {
        self.contracts[usize::from(step)]
    }

    /// Decides on a record, which may be changed by what was learnt already, and begins to do it. None if there is nothing to do.
    fn decide(
        &self,
        world: &mut World,
        me: u8,
        base: &Record,
        version: u8,
        learnt: Option<Outcome>,
        deleting: bool,
    ) -> bool {
        let mut record = base.clone();
        if let Some(outcome) = learnt {
            record.learn(outcome, self.off);
        }
        let dirty = record != *base;
        let origin = record.origin;
        let flights = world.flights.clone();
        let quiet = |step: u8, life: u8| {
            !flights.iter().any(|it| (it.thing.origin, it.thing.step, it.thing.life) == (origin, step, life))
        };
        // With an outcome in hand, it goes on as if it had not heard of the deletion.
        let deleting = deleting && (learnt.is_none() || self.off != Some(Rule::NoNextIntent));
        let failed = matches!(learnt, Some(Outcome::Unknown | Outcome::NotApplied));
        let decision =
            // After a failure it comes back later.
            if failed { Decision::Wait } else { self.around(me, deleting, world.spec, &quiet).decide(&record) };
        let write = |new: Option<Record>, attempt: bool| {
            let new = new.map(|new| Record { seq: base.seq + 1, ..new });
            Controller::Writes(Box::new(Write {
                base: base.clone(),
                version,
                learnt,
                new,
                attempt,
                late: false,
                deleting,
            }))
        };
        let next = match decision {
            Decision::Rest | Decision::Wait if dirty => write(Some(record), false),
            Decision::Rest | Decision::Wait => return false,
            Decision::Note(record, late) => {
                if !world.pause(me, origin, late) {
                    return false;
                }
                write(Some(record), false)
            }
            Decision::Attempt(record, late) => {
                if !world.pause(me, origin, late) {
                    return false;
                }
                write(Some(record), true)
            }
            Decision::Resolve(record, late) => {
                if !world.pause(me, origin, late) {
                    return false;
                }
                Controller::Holds(Box::new(Held { record, version, late: false, deleting }))
            }
            Decision::Remove => write(None, false),
        };
        *world.controller(me) = next;
        true
    }

    /// A controller has learnt something under its intent.
    fn learn(&self, world: &mut World, me: u8, held: &Held, outcome: Outcome) {
        *world.controller(me) = Controller::Idle;
        let (base, version, deleting) = (held.record.clone(), held.version, held.deleting);
        if !self.decide(world, me, &base, version, Some(outcome), deleting) {
            // Nothing was learnt that is not in the record, or others stand in the way of what comes next: it is written alone.
            let mut record = base.clone();
            record.learn(outcome, self.off);
            if record != base {
                record.seq = base.seq + 1;
                let (learnt, new) = (Some(outcome), Some(record));
                *world.controller(me) = Controller::Writes(Box::new(Write {
                    base,
                    version,
                    learnt,
                    new,
                    attempt: false,
                    late: false,
                    deleting,
                }));
            }
        }
    }

    pub fn begin(&self, world: &mut World, me: u8, uid: u8) -> bool {
        if !world.exists || (uid != world.uid && self.off != Some(Rule::SameResource)) {
            return false;
        }
        let deleting = world.deleting && uid == world.uid;
        let (base, version) = match &world.record {
            Some(record) if record.origin != uid => return false,
            Some(record) => (record.clone(), world.version),
            None if deleting => return false,
            None => (Record::initial(uid), world.version),
        };
        self.decide(world, me, &base, version, None, deleting)
    }

    /// The write, if nobody has come between.
    fn write(&self, world: &mut World, write: &Write) -> bool {
        let stored = world.record.as_ref().map_or(0, |record| record.seq);
        let same =
            if self.off == Some(Rule::Version) { stored == write.base.seq } else { world.version == write.version };
        let same = same || (write.new.is_none() && self.off == Some(Rule::ConditionalRemoval));
        if !same || !world.exists {
            return false;
        }
        world.version += 1;
        world.record.clone_from(&write.new);
        if write.new.is_none() {
            if world.deleting { world.exists = false } else { world.stripped = true }
        }
        true
    }

    fn after_write(&self, world: &mut World, me: u8, write: Write) {
        let deleting = write.deleting || world.deleting;
        *world.controller(me) = match write.new {
            Some(record) if write.attempt && record.intent.is_some() => {
                Controller::Holds(Box::new(Held { record, version: world.version, late: write.late, deleting }))
            }
            _ => Controller::Idle,
        };
    }

    /// Looks what became of a write.
    fn look(&self, world: &mut World, me: u8, write: Write) {
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
        // What was learnt is kept while the intent under which it was learnt is there and our own.
        let keeps = self.off != Some(Rule::WriteAgain)
            && record.intent == write.base.intent
            && record.origin == write.base.origin;
        if let Some(outcome) = write.learnt.filter(|_| keeps) {
            let held = Held { record, version: world.version, late: false, deleting: world.deleting };
            self.learn(world, me, &held, outcome);
        }
    }

    /// Carries an intent out.
    fn go(&self, world: &mut World, me: u8, mut held: Held, asked: bool) {
        let Some(intent) = held.record.intent else { return };
        if held.late && self.off != Some(Rule::LateCheck) {
            *world.controller(me) = Controller::Idle;
            if !intent.doubt && self.off != Some(Rule::Withdraw) {
                self.learn(world, me, &held, Outcome::Withdrawn);
            }
            return;
        }
        let here = (held.record.origin, intent.step);
        let asks = self.contract(intent.step) == Contract::Lookup && intent.act != Act::Abort;
        if asks && !asked {
            let found = world
                .things
                .iter()
                .find(|it| (it.origin, it.step) == here && (intent.act == Act::Run || it.life == intent.life));
            match (found.copied(), intent.act) {
                (Some(found), Act::Run) => return self.learn(world, me, &held, Outcome::Done(found.spec)),
                (None, Act::Run) if !held.record.deleting => {
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
        let thing = Thing { origin: here.0, step: intent.step, life: intent.life, spec: intent.spec };
        world.flights.push(Flight { thing, removes: intent.act != Act::Run, sender: Some(me) });
        *world.controller(me) = Controller::Sent(Box::new(held));
    }

    /// The provider does what a request asks for. One that it has done already it does not do again, whatever spec comes with it.
    fn carry_out(&self, world: &mut World, flight: Flight) {
        let Flight { thing, removes, .. } = flight;
        let is_it = |it: &Thing| (it.origin, it.step, it.life) == (thing.origin, thing.step, thing.life);
        match (self.contract(thing.step), removes) {
            (Contract::Repeat, false) if world.things.iter().any(is_it) => {}
            (_, false) => world.things.push(thing),
            // The undo of one that was found is given its id.
            (Contract::Lookup, true) => {
                if let Some(index) = world.things.iter().position(is_it) {
                    world.things.remove(index);
                }
            }
            (_, true) => world.things.retain(|it| !is_it(it)),
        }
        world.things.sort_unstable();
    }

    /// A request ends: it is carried out or not, is delivered again or not, and its sender is told.
    fn end(&self, world: &mut World, index: usize, applied: bool, again: bool, outcome: Option<Outcome>) {
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
            self.learn(world, me, &held, outcome.unwrap_or(Outcome::Done(flight.thing.spec)));
        }
        world.flights.sort_unstable();
    }

    fn step(&self, world: &mut World, action: Action) -> bool {
        use Controller::{Asked, Holds, Idle, Looks, Writes};
        let spend = |world: &mut World| {
            world.faults -= 1;
        };
        match action {
            Action::Begin(me) => return self.begin(world, me, world.uid),
            Action::BeginStale(me) => {
                spend(world);
                return self.begin(world, me, world.uid - 1);
            }
            Action::Write(me) => {
                let Writes(write) = world.controller(me).clone() else { return false };
                if self.write(world, &write) {
                    self.after_write(world, me, *write);
                } else {
                    *world.controller(me) = Looks(write);
                }
            }
            Action::WriteReplyLost(me) => {
                spend(world);
                let Writes(write) = world.controller(me).clone() else { return false };
                if !self.write(world, &write) {
                    return false;
                }
                *world.controller(me) = Looks(write);
            }
            Action::WriteRequestLost(me) => {
                spend(world);
                let Writes(write) = world.controller(me).clone() else { return false };
                *world.controller(me) = Looks(write);
            }
            Action::Look(me) => {
                let Looks(write) = world.controller(me).clone() else { return false };
                self.look(world, me, *write);
            }
            Action::Go(me) => match world.controller(me).clone() {
                Holds(held) => self.go(world, me, *held, false),
                Asked(held) => self.go(world, me, *held, true),
                _ => return false,
            },
            Action::Crash(me) => {
                spend(world);
                *world.controller(me) = Idle;
                world.flights.iter_mut().filter(|it| it.sender == Some(me)).for_each(|it| it.sender = None);
                world.flights.sort_unstable();
            }
            Action::Land(index) => self.end(world, index, true, false, None),
            Action::LandReplyLost(index) => {
                spend(world);
                self.end(world, index, true, false, Some(Outcome::Unknown));
            }
            Action::LandTwice(index) => {
                spend(world);
                self.end(world, index, true, true, None);
            }
            Action::Refuse(index) => {
                spend(world);
                self.end(world, index, false, false, Some(Outcome::NotApplied));
            }
            Action::RefuseOnce(index) => {
                spend(world);
                self.end(world, index, false, true, Some(Outcome::NotApplied));
            }
            Action::Lose(index) => {
                spend(world);
                self.end(world, index, false, false, Some(Outcome::Unknown));
            }
            Action::GiveUp(index) => {
                spend(world);
                self.end(world, index, false, true, Some(Outcome::Unknown));
            }
            Action::Drop(index) => self.end(world, index, false, false, None),
            Action::Edit => {
                world.fate.edit = false;
                world.spec += 1;
            }
            Action::Delete => {
                world.fate.delete = false;
                if world.record.is_some() { world.deleting = true } else { world.exists = false }
            }
            Action::Recreate => {
                world.fate.recreate = false;
                world.uid += 1;
                world.version += 1;
                (world.exists, world.deleting) = (true, false);
            }
        }
        true
    }

    /// Everything that can happen, whether or not it changes anything.
    fn possible(&self, world: &World, actions: &mut Vec<Action>) {
        let faulty = world.faults > 0;
        for me in 0..2 {
            match &world.controllers[usize::from(me)] {
                Controller::Idle => {
                    actions.push(Action::Begin(me));
                    if faulty && world.uid > 0 {
                        actions.push(Action::BeginStale(me));
                    }
                    continue;
                }
                Controller::Writes(_) => {
                    actions.push(Action::Write(me));
                    if faulty {
                        actions.extend([Action::WriteReplyLost(me), Action::WriteRequestLost(me)]);
                    }
                }
                Controller::Looks(_) => actions.push(Action::Look(me)),
                Controller::Holds(_) | Controller::Asked(_) => actions.push(Action::Go(me)),
                Controller::Sent(_) => {}
            }
            if faulty {
                actions.push(Action::Crash(me));
            }
        }
        for (index, flight) in world.flights.iter().enumerate() {
            actions.push(Action::Land(index));
            if flight.sender.is_none() {
                actions.push(Action::Drop(index));
            } else if faulty {
                use Action::{GiveUp, LandReplyLost, LandTwice, Lose, Refuse, RefuseOnce};
                actions.extend([LandReplyLost(index), Refuse(index), Lose(index), GiveUp(index)]);
                if flight.removes || self.contract(flight.thing.step) == Contract::Repeat {
                    actions.extend([LandTwice(index), RefuseOnce(index)]);
                }
            }
        }
        if world.fate.edit && world.exists {
            actions.push(Action::Edit);
        }
        if world.fate.delete && world.exists {
            actions.push(Action::Delete);
        }
        if world.fate.recreate && !world.exists && !world.fate.delete {
            actions.push(Action::Recreate);
        }
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let world = |fate: &Fate| World {
            record: None,
            version: 0,
            uid: 0,
            exists: true,
            deleting: false,
            spec: 0,
            things: Vec::new(),
            flights: Vec::new(),
            controllers: [Controller::Idle, Controller::Idle],
            faults: self.faults,
            pauses: self.pauses,
            fate: *fate,
            stripped: false,
        };
        self.fates.iter().map(world).collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.possible(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.step(&mut next, action).then_some(next).filter(|next| next != world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
