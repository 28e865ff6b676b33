//! Two controllers, a store, a provider and what goes wrong between them. Invariant: everything that can happen is an [`Action`].

use stateright::{Model, Property};

use crate::controller::{Around, Decision};
use crate::machine::Machine;
use crate::properties;
use crate::record::{Live, Outcome, Record};
use crate::rules::Rule;
use crate::world::{Controller, Held, Seen, Thing, World, Write};

/// A model of the protocol, with one rule switched off or none.
#[derive(Debug, Clone)]
pub struct Protocol {
    pub machine: Machine,
    pub off: Option<Rule>,
    /// How many faults strike: crashes, lost replies and requests, late and repeated deliveries, refusals, stale views of the resource.
    pub faults: u8,
    /// How often a controller that has written an intent, or learnt something, is paused for longer than others wait.
    pub pauses: u8,
    /// What is done to the resource.
    pub fates: Vec<Fate>,
    /// The first resource has a record from before its machine had marks, with every step of its last state live.
    pub unmarked: bool,
}

/// What is done to the resource, at any time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fate {
    /// How often its spec changes, between two specs.
    pub edits: u8,
    /// How often another client raises its version.
    pub touches: u8,
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
    Touch,
    Delete,
    Recreate,
}

impl Protocol {
    fn around<'a>(&'a self, controller: u8, deleting: bool, spec: u8, quiet: &'a dyn Fn(u8, u8) -> bool) -> Around<'a> {
        Around { controller, machine: &self.machine, off: self.off, deleting, spec, quiet }
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
            record.learn(outcome, &self.machine, self.off);
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
                if !world.pause(me, origin, &late) {
                    return false;
                }
                write(Some(record), false)
            }
            Decision::Attempt(record, late) => {
                if !world.pause(me, origin, &late) {
                    return false;
                }
                write(Some(record), true)
            }
            Decision::Resolve(record, late) => {
                if !world.pause(me, origin, &late) {
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
    pub fn learn(&self, world: &mut World, me: u8, held: &Held, outcome: Outcome) {
        *world.controller(me) = Controller::Idle;
        let (base, version, deleting) = (held.record.clone(), held.version, held.deleting);
        if !self.decide(world, me, &base, version, Some(outcome), deleting) {
            // Nothing was learnt that is not in the record, or others stand in the way of what comes next: it is written alone.
            let mut record = base.clone();
            record.learn(outcome, &self.machine, self.off);
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
            None => (Record::initial(uid, &self.machine), world.version),
        };
        self.decide(world, me, &base, version, None, deleting)
    }

    fn old_things(&self) -> Vec<Thing> {
        let steps = (0..).zip(&self.machine.steps).map(|(step, _)| step);
        let base = |step: u8| step.checked_sub(1).map(|below| (below, step));
        steps.map(|step| Thing { origin: 0, step, life: step + 1, spec: 0, base: base(step) }).collect()
    }

    /// The record of a chain whose states had no marks.
    fn old_record(&self) -> Record {
        let things = self.old_things();
        let live = |it: &Thing| Live { step: it.step, life: it.life, order: it.life, spec: Some(0), clean: false };
        let at = self.machine.steps.len() as u8;
        let record = Record::initial(0, &self.machine);
        let facts = things.iter().map(|it| (it.step, 0)).collect();
        Record { seq: at + 1, at, facts, live: things.iter().map(live).collect(), ..record }
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
                world.fate.edits -= 1;
                world.spec = 1 - world.spec;
            }
            Action::Touch => {
                world.fate.touches -= 1;
                world.version += 1;
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
                let step = self.machine.step(flight.thing.step);
                if !step.once || (flight.removes && !step.repeats()) {
                    actions.extend([LandTwice(index), RefuseOnce(index)]);
                }
            }
        }
        if world.fate.edits > 0 && world.exists {
            actions.push(Action::Edit);
        }
        if world.fate.touches > 0 && world.exists {
            actions.push(Action::Touch);
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
            record: self.unmarked.then(|| self.old_record()),
            version: 0,
            uid: 0,
            exists: true,
            deleting: false,
            spec: 0,
            things: if self.unmarked { self.old_things() } else { Vec::new() },
            keys: Vec::new(),
            flights: Vec::new(),
            controllers: [Controller::Idle, Controller::Idle],
            faults: self.faults,
            pauses: self.pauses,
            fate: *fate,
            seen: Seen::default(),
        };
        self.fates.iter().map(world).collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.possible(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.step(&mut next, action).then(|| next.folded()).filter(|next| next != world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
