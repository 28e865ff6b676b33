//! One run of a machine under one plan: it is provisioned, edited, and deleted. Invariant: controllers run one at a time, on this thread,
//! and only the plan decides which and for how long.

mod clean;
mod rests;
mod turns;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::oracle::{Oracle, Violation};
use super::plan::{Fault, Place};
use super::sim::{Joins, Line, Menus, Observed, Point, Seen, Sim, SimClock, SimProbe, SimStore};
use super::world::{At, Change, World};
use crate::driver::{Driver, Ending, Report};
use crate::record::{Action, Blocked, BlockedReason, Direction, HeldReason, Record, Resolution};
use crate::steps::Steps;
use crate::{Clock, Machine, RecordId, Resource, Store, StoreError};

pub(crate) use clean::{Clean, Rested, edits, idle_edits};

/// What stands between the driver and the simulation.
pub(crate) type Seam<A, B> = Box<dyn Fn(A) -> Arc<B> + Send + Sync>;

/// How a machine under test is put together. The library's own tests put their planted bugs in here.
pub(crate) struct Rig<W: World> {
    /// The resource with each of its specs, one after the other.
    pub(crate) resources: Arc<Vec<<W::Machine as Machine>::Resource>>,
    pub(crate) store: Seam<SimStore, dyn Store>,
    pub(crate) steps: Seam<Arc<dyn Steps>, dyn Steps>,
    pub(crate) clock: Seam<SimClock, dyn Clock>,
    /// Whether the store says that no other process can write to it.
    pub(crate) exclusive: bool,
    /// Whether somebody else has the names, before the first pass.
    pub(crate) strangers: bool,
}

impl<W: World> Rig<W> {
    pub(crate) fn new() -> Self {
        let mut resources = vec![W::resource()];
        resources.extend(W::edits());
        Self {
            resources: Arc::new(resources),
            store: Box::new(|store| Arc::new(store)),
            steps: Box::new(|steps| steps),
            clock: Box::new(|clock| Arc::new(clock)),
            exclusive: false,
            strangers: false,
        }
    }
}

/// What a run gave.
pub(crate) struct Run {
    pub(crate) seen: Vec<Seen>,
    pub(crate) violation: Option<Violation>,
    pub(crate) digest: u64,
    pub(crate) log: Vec<Line>,
    pub(crate) rests: Vec<Rested>,
    pub(crate) edges: BTreeSet<(usize, Option<usize>)>,
    pub(crate) undone: BTreeSet<usize>,
    pub(crate) aborted: BTreeSet<usize>,
    pub(crate) crossed: Vec<u16>,
    pub(crate) offered: Menus,
    pub(crate) ended_held: bool,
    pub(crate) joins: Vec<u64>,
    /// How many things of strangers there were in the end.
    pub(crate) strangers: usize,
    /// How many places had been passed when the last fault struck.
    pub(crate) fired_at: usize,
}

/// How many passes a machine gets to come to rest, and how much time.
const PASSES: u32 = 300;
const TIME: Duration = Duration::from_secs(14 * 24 * 3600);

type Pass = Pin<Box<dyn Future<Output = Result<Report, StoreError>> + Send>>;

struct Actor {
    driver: Arc<Driver<SimProbe>>,
    pass: Option<Pass>,
    draining: bool,
    stopped_at: Duration,
}

enum End {
    Report(Box<Report>),
    Store,
    Crashed,
}

/// Where a phase of the run ended.
#[derive(PartialEq)]
enum Rest {
    Resting,
    /// Held for a person who cannot end it: in doubt, or because somebody else has the name.
    Held,
    Gone,
    /// Something was violated, or how it goes on is known.
    Over,
}

struct Runner<'r, W: World> {
    rig: &'r Rig<W>,
    sim: Sim,
    world: W,
    id: Arc<RecordId>,
    transitions: Arc<W::Transitions>,
    actors: [Actor; 2],
    /// Which controller works.
    lead: usize,
    passes: u32,
    /// Until when a holder of an attempt may be paused, and a bit more.
    pause: Duration,
    rests: Vec<Rested>,
    /// What begins now is a pass for a resource that is gone.
    outdated: bool,
    /// The next pass is given the resource as it was before the last edit.
    behind: bool,
}

/// How a plan is run.
#[derive(Default)]
pub(crate) struct Manner<'m> {
    /// What runs without faults leave.
    pub(crate) clean: Option<&'m Clean>,
    /// The resource has this one of its specs from the beginning, and no other.
    pub(crate) alone: Option<usize>,
    /// Where the run may end, because it was followed from there before.
    pub(crate) known: &'m [Arc<Joins>],
    /// Keeps a timeline.
    pub(crate) verbose: bool,
    /// Keeps a digest of all that happens.
    pub(crate) traced: bool,
}

/// Runs one plan.
pub(crate) fn run<W: World>(rig: &Rig<W>, plan: &[(Point, Fault)], manner: &Manner<'_>) -> Run {
    let graph = <W::Machine as Machine>::GRAPH;
    let sim = Sim::new(graph, plan, manner.verbose);
    {
        let mut core = sim.core();
        core.edits = rig.resources.len() - 1;
        core.events = if W::events().is_empty() { 0 } else { Fault::EVENTS };
        core.stored.exclusive = rig.exclusive;
        rig.resources[0].uid().clone_into(&mut core.first_uid);
        if let Some(spec) = manner.alone {
            (core.edit, core.edits) = (spec, spec);
        }
        core.digest = manner.traced.then_some(0);
        core.known = manner.known.to_vec();
    }
    let world = W::new(&sim);
    let (inventory, check, moved) = (world.clone(), world.clone(), world.clone());
    let specs = Arc::clone(&rig.resources);
    sim.is_on(world.backend());
    sim.watch(
        Arc::new(move || inventory.inventory()),
        Arc::new(move |moment| At::of(moment, &specs).map_or(Ok(()), |at| check.check(&at))),
        Arc::new(move |event| match event {
            Some(event) => moved.happen(event),
            None => moved.strangers(),
        }),
    );
    sim.check_world();
    if rig.strangers {
        sim.let_strangers_in();
    }
    let resource = rig.resources[0].id();
    let longest = graph.transitions.iter().filter_map(|step| step.contract()).map(|it| it.timeout + it.settle).max();
    let mut runner = Runner {
        rig,
        id: Arc::new(RecordId { machine: graph.name.to_owned(), resource }),
        transitions: Arc::new(world.transitions()),
        actors: [new_actor(rig, &sim, 0), new_actor(rig, &sim, 1)],
        world,
        sim: sim.clone(),
        lead: 0,
        passes: 0,
        pause: longest.unwrap_or_default() + Duration::from_secs(1),
        rests: Vec::new(),
        outdated: false,
        behind: false,
    };
    let ended_held = runner.script(manner.clean);
    runner.actors.iter_mut().for_each(|actor| actor.pass = None);
    let rests = std::mem::take(&mut runner.rests);
    drop(runner);
    sim.unwatch();
    let mut core = sim.core();
    let core = &mut *core;
    if core.violation.is_none()
        && let Some(missed) = core.plan.iter().find(|planned| !planned.fired)
    {
        let message = format!("{} at {} had no occasion", missed.fault, missed.point.label(graph));
        core.violation = Some(Violation::new(Oracle::NotFired, message));
    }
    Run {
        seen: std::mem::take(&mut core.seen),
        violation: core.violation.take(),
        digest: core.digest.unwrap_or_default(),
        log: core.log.take().unwrap_or_default(),
        rests,
        edges: std::mem::take(&mut core.books.edges),
        undone: std::mem::take(&mut core.books.undone),
        aborted: std::mem::take(&mut core.books.aborted),
        crossed: std::mem::take(&mut core.books.crossed),
        offered: std::mem::take(&mut core.books.offered),
        ended_held,
        joins: std::mem::take(&mut core.joins),
        strangers: core.by_itself.strangers.len(),
        fired_at: core.fired_at,
    }
}

fn new_actor<W: World>(rig: &Rig<W>, sim: &Sim, index: usize) -> Actor {
    let clock = (rig.clock)(SimClock(sim.clone()));
    let store = match sim.backend() {
        Some(backend) => Arc::new(Observed { store: backend.open(index), sim: sim.clone() }),
        None => (rig.store)(SimStore(sim.clone())),
    };
    let driver = Driver::new(store, clock, SimProbe(sim.clone()), Duration::from_secs(600));
    sim.core().incarnations[index] = driver.incarnation().to_owned();
    Actor { driver: Arc::new(driver), pass: None, draining: false, stopped_at: Duration::ZERO }
}

impl<W: World> Runner<'_, W> {
    /// The whole life of a resource, and where the plan wants it that of a second one of the same name. True if one ended held, as some
    /// contracts may.
    fn script(&mut self, clean: Option<&Clean>) -> bool {
        let held = self.live(clean);
        if !self.sim.core().stored.gone || self.sim.core().is_over() || !self.is_made_again() {
            return held;
        }
        self.sim.core().make_again();
        self.sim.change(Change::MadeAgain);
        self.act_for_the_old_one();
        let held_again = self.live(clean);
        held || held_again
    }

    fn live(&mut self, clean: Option<&Clean>) -> bool {
        let mut ended_held = false;
        loop {
            let stage = self.sim.core().edit;
            match self.settle(Rest::Resting) {
                Rest::Over => return ended_held,
                Rest::Gone => break,
                Rest::Held => {
                    ended_held = true;
                    if self.is_recorded(|record| record.held.is_some()) {
                        self.stays("held", |ending| *ending == Ending::Held, true);
                    }
                }
                Rest::Resting => {
                    if !self.at_rest(clean) {
                        return ended_held;
                    }
                }
            }
            let (edit, edits) = {
                let core = self.sim.core();
                (core.edit, core.edits)
            };
            if edit < edits && !ended_held {
                if edit == stage {
                    self.sim.edit();
                }
            } else {
                self.sim.core().note(|| "the resource is to be deleted".to_owned());
                self.sim.delete();
                match self.settle(Rest::Gone) {
                    Rest::Gone => break,
                    Rest::Over => return ended_held,
                    _ => {
                        let message = "it rests, and is to be deleted".to_owned();
                        self.sim.core().violate(Violation::new(Oracle::Quiescent, message));
                        return ended_held;
                    }
                }
            }
        }
        self.gone();
        ended_held
    }

    /// Passes until it rests, is gone, or is held for a person.
    fn settle(&mut self, until: Rest) -> Rest {
        let begun = self.sim.time();
        // When the next pass begins, if nothing wakes the controller up before.
        let mut due = begun;
        let mut has_retried = false;
        for _ in 0..PASSES {
            if self.sim.core().deleting && until == Rest::Resting && self.sim.core().stored.gone {
                return Rest::Gone;
            }
            if !self.between() {
                self.sim.advance_to(due);
            }
            let wanted = self.wanted();
            let behind = self.behind;
            let since = self.sim.time();
            let end = self.drive();
            if self.sim.core().is_over() {
                return Rest::Over;
            }
            let tampered = self.sim.outlast_tampering();
            let now = self.sim.time();
            match end {
                End::Crashed => self.sim.advance_to(now + Duration::from_millis(10)),
                End::Store => self.sim.advance_to(now + Duration::from_secs(1)),
                End::Report(report) => match report.ending {
                    Ending::Held if report.unwritten.is_some() || tampered => {
                        self.abandon(tampered);
                        self.sim.advance_to(now + Duration::from_secs(1));
                    }
                    _ if tampered && self.sim.core().is_poisoned() => {
                        let message = format!("a record that cannot be honoured led to {:?}", report.ending);
                        self.sim.core().violate(Violation::new(Oracle::History, message));
                        return Rest::Over;
                    }
                    // Whatever was changed during the pass wakes the controller up again.
                    Ending::Resting | Ending::Progressing(_) | Ending::Blocked(_) if self.wanted() != wanted => {}
                    // It has read that nobody has paused it.
                    Ending::Resting if self.sim.core().suspended > 0 => {
                        self.sim.advance_to(now + Duration::from_secs(1));
                    }
                    // It has read that the mark is still there.
                    Ending::Resting if self.sim.core().is_exposed() => {
                        self.sim.advance_to(now + Duration::from_secs(1));
                    }
                    // Whoever gave it what is out of date learns of the edit.
                    Ending::Resting | Ending::Blocked(_) if behind => {
                        self.sim.advance_to(now + Duration::from_secs(1));
                    }
                    Ending::Resting => return Rest::Resting,
                    // Nobody takes the reason away, so it stays.
                    Ending::Kept(_) => return Rest::Resting,
                    Ending::Progressing(after) => due = now + after.max(Duration::from_millis(1)),
                    Ending::Blocked(after) => {
                        let blocked = report.record.as_ref().and_then(|record| record.blocked.as_ref());
                        if report.record.as_deref().is_some_and(|record| self.is_left_behind(record)) {
                            let message = "an effect was rejected, and what was made waits to be undone".to_owned();
                            self.sim.core().violate(Violation::new(Oracle::Quiescent, message));
                            return Rest::Over;
                        }
                        let is_stale =
                            |it: &Blocked| it.reason != BlockedReason::Overdue && it.generation < wanted.0 as u64 + 1;
                        if blocked.is_some_and(is_stale) {
                            let message = "it is blocked for a spec that is no longer wanted".to_owned();
                            self.sim.core().violate(Violation::new(Oracle::Quiescent, message));
                            return Rest::Over;
                        }
                        // Another controller may have gone on meanwhile. What waits may look again.
                        // What it waits for may have come while it wrote that it waits.
                        let is_still: fn(&Record) -> bool = if now > since {
                            |record| record.blocked.as_ref().is_some_and(|it| it.reason != BlockedReason::Overdue)
                        } else {
                            |record| record.blocked.is_some()
                        };
                        if self.is_recorded(is_still) {
                            self.stays("blocked", |ending| matches!(ending, Ending::Blocked(_)), false);
                        }
                        due = if self.is_unacceptable() { now } else { now + after.max(Duration::from_millis(1)) };
                    }
                    Ending::Held => {
                        let record =
                            report.record.as_deref().cloned().or_else(|| self.sim.core().stored.record().cloned());
                        let in_doubt = record
                            .as_ref()
                            .and_then(|record| record.held.as_ref())
                            .filter(|held| held.reason == HeldReason::InDoubt);
                        if let Some(held) = in_doubt
                            && record.as_ref().is_some_and(|record| record.direction == Direction::Deleting)
                        {
                            let message = format!("a deletion is held: {}", held.message);
                            self.sim.core().violate(Violation::new(Oracle::Quiescent, message));
                            return Rest::Over;
                        }
                        let leaves = record.as_ref().is_some_and(|record| record.direction == Direction::Leaving);
                        if in_doubt.is_some() && (leaves || !self.sim.core().deleting) {
                            let Some(resolution) = self.resolution() else { return Rest::Held };
                            self.sim.advance_to(now + self.pause);
                            self.operate(resolution);
                            continue;
                        }
                        if self.wanted() == wanted && self.is_recorded(|record| record.held.is_some()) {
                            self.stays("held", |ending| *ending == Ending::Held, true);
                        }
                        let Some(resolution) = self.about_strangers(&mut has_retried) else { return Rest::Held };
                        self.sim.advance_to(now + Duration::from_secs(60));
                        self.operate(resolution);
                    }
                    Ending::Gone => {
                        let core = self.sim.core();
                        if core.deleting && (core.stored.gone || core.stored.bytes.is_none()) {
                            return Rest::Gone;
                        }
                        drop(core);
                        // The store was wrong: the resource is there, and comes up again.
                        self.sim.advance_to(now + Duration::from_secs(1));
                    }
                    Ending::Paused => {
                        self.sim.end_paused_pass();
                        self.sim.advance_to(now + Duration::from_secs(60));
                    }
                },
            }
            if self.sim.time() > begun + TIME {
                break;
            }
        }
        let state = self.sim.core().stored.record().map_or("nothing", |it| &it.state).to_owned();
        let message = format!("it does not come to rest from {state}");
        self.sim.core().violate(Violation::new(Oracle::Quiescent, message));
        Rest::Over
    }

    fn is_recorded(&self, what: fn(&Record) -> bool) -> bool {
        self.sim.core().stored.record().is_some_and(what)
    }

    /// What a person does about a hold that is not for a doubt. While a stranger has the name, trying again is of no use: then nothing is done until the
    /// resource is deleted, and the deletion is told that nothing of ours is there.
    fn about_strangers(&self, has_retried: &mut bool) -> Option<Resolution> {
        let core = self.sim.core();
        let record = core.stored.record();
        let is_run = |record: &&Record| record.intent.as_ref().is_none_or(|intent| intent.action == Action::Run);
        let held = record.filter(is_run).and_then(|record| record.held.as_ref());
        let is_not_ours = held.is_some_and(|held| held.reason == HeldReason::NotOurs);
        if !is_not_ours || core.by_itself.strangers.is_empty() || !std::mem::replace(has_retried, true) {
            return Some(Resolution::Retry);
        }
        if core.deleting { Some(core.finding().unwrap_or(Resolution::Retry)) } else { None }
    }

    /// What is refused for its spec leads to another one, or to none. That is an event.
    fn is_unacceptable(&mut self) -> bool {
        let core = self.sim.core();
        let is_it = core.unacceptable.is_some() && !core.deleting;
        let (edit, edits) = (core.edit, core.edits);
        drop(core);
        if is_it && edit < edits {
            self.sim.edit();
        } else if is_it {
            self.sim.delete();
        }
        is_it
    }

    /// Which spec is wanted, or none, and whether an operator keeps everybody away.
    fn wanted(&self) -> (usize, bool, bool) {
        let core = self.sim.core();
        (core.edit, core.deleting, core.suspended > 0)
    }

    /// What may happen between two passes; it says whether that makes the next one begin at once.
    fn between(&mut self) -> bool {
        self.passes += 1;
        self.sim.change(Change::PassOver);
        let has_mark = self.sim.backend().is_none_or(|backend| backend.has_mark());
        let mut core = self.sim.core();
        core.actor = self.lead;
        let mut menu = Fault::Restart.bit() | Fault::Other.bit() | Fault::CLOCK | core.events;
        if self.passes == 1 && !core.stored.exclusive {
            menu |= Fault::Touched.bit();
        }
        if core.stored.exclusive {
            menu &= !Fault::Other.bit();
        }
        if core.suspended == 0 {
            menu |= Fault::Suspended.bit();
        }
        if !core.stored.exclusive && core.edit > 0 && !core.deleting {
            menu |= Fault::Behind.bit();
        }
        let is_untouched = core.stored.tampered.is_none() && self.sim.backend().is_none();
        if let Some(record) = core.stored.record().filter(|_| is_untouched) {
            if !core.stored.exclusive && core.made_again.is_none() {
                menu |= Fault::Rebound.bit();
            }
            let is_stuck = record.next_retry().is_some() || record.blocked.is_some();
            if is_stuck && record.held.is_none() && record.direction.is_forward() && !core.deleting {
                menu |= Fault::RollBack.bit();
            }
        }
        if core.stored.bytes.is_some() && core.stored.tampered.is_none() {
            menu |= Fault::Copied.bit() | Fault::Newer.bit() | Fault::Removed.bit() | Fault::Unmarked.bit();
            if core.old_record().is_some() {
                menu |= Fault::Restored.bit();
                menu |= if is_untouched { Fault::Forgotten.bit() } else { 0 };
            }
        }
        if !has_mark || core.deleting || core.is_exposed() {
            menu &= !Fault::Unmarked.bit();
        }
        if !core.deleting {
            menu |= if core.is_exposed() { 0 } else { Fault::Delete.bit() };
            if core.edit < core.edits {
                menu |= Fault::Edit.bit();
            }
        }
        let point = Point { transition: u16::MAX, subject: None, place: Place::Pass, nth: self.passes };
        let Some(fault) = core.pass_point(point, menu) else { return false };
        match fault {
            Fault::Restart => {
                drop(core);
                self.restart(self.lead);
            }
            Fault::Other => self.lead = 1 - self.lead,
            Fault::Behind => self.behind = true,
            Fault::Touched => core.touched = Some(false),
            Fault::Rebound => core.rebind(),
            Fault::RollBack => {
                drop(core);
                self.operate(Resolution::RollBack);
            }
            _ => match fault.clock_jump() {
                Some(jump) => core.skew += jump,
                None => {
                    drop(core);
                    self.sim.befall(fault);
                }
            },
        }
        // A change of the resource is an event, and who starts looks at everything.
        fault.clock_jump().is_none()
    }

    /// What the plan wants a person to do about what is held in doubt.
    fn resolution(&mut self) -> Option<Resolution> {
        self.passes += 1;
        let point = Point { transition: u16::MAX, subject: None, place: Place::Pass, nth: self.passes };
        let mut core = self.sim.core();
        let finding = core.finding();
        let menu = if finding.is_some() { Fault::Resolved.bit() } else { 0 };
        match core.pass_point(point, menu | Fault::RollBack.bit())? {
            Fault::Resolved => finding,
            _ => Some(Resolution::RollBack),
        }
    }

    /// Whether the plan wants the resource, which is gone, to be made again.
    fn is_made_again(&mut self) -> bool {
        self.passes += 1;
        let point = Point { transition: u16::MAX, subject: None, place: Place::Pass, nth: self.passes };
        let mut core = self.sim.core();
        let menu = if core.stored.exclusive || core.made_again.is_some() { 0 } else { Fault::MadeAgain.bit() };
        core.pass_point(point, menu).is_some()
    }

    /// The other controller makes a pass for the resource that is gone, as it saw it last.
    fn act_for_the_old_one(&mut self) {
        self.lead = 1 - self.lead;
        self.outdated = true;
        drop(self.drive());
        self.outdated = false;
        self.lead = 1 - self.lead;
    }
}
