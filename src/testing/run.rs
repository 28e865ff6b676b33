//! One run of a machine under one plan: it is provisioned, edited, and deleted. Invariant: controllers run one at a time, on this thread,
//! and only the plan decides which and for how long.

mod between;
mod checkpoint;
mod clean;
mod course;
mod rests;
mod resume;
mod script;
mod sweeps;
mod turns;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::oracle::{Oracle, Violation};
use super::plan::Fault;
use super::sim::{Followed, Journal, Line, Menus, Observed, Point, Seen, Sim, SimClock, SimProbe, SimStore};
use super::world::{At, World};
use crate::driver::{Driver, Report};
use crate::probe::Watch;
use crate::steps::Steps;
use crate::{Clock, Machine, RecordId, Resource, Store, StoreError};

pub(crate) use checkpoint::Checkpoint;
pub(crate) use clean::{Clean, Rested, edits, idle_edits};

/// What stands between the driver and the simulation.
pub(crate) type Seam<A, B> = Box<dyn Fn(A) -> Arc<B> + Send + Sync>;

/// How a machine under test is put together. The library's own tests put their planted bugs in here.
pub(crate) struct Rig<W: World> {
    /// The resource with each of its specs, one after the other.
    pub(crate) resources: Arc<Vec<<W::Machine as Machine>::Resource>>,
    pub(crate) store: Option<Seam<SimStore, dyn Store>>,
    pub(crate) steps: Option<Seam<Arc<dyn Steps>, dyn Steps>>,
    pub(crate) clock: Option<Seam<SimClock, dyn Clock>>,
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
            store: None,
            steps: None,
            clock: None,
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
    /// Where others may go on from, after all faults of the plan.
    pub(crate) checkpoints: Vec<Arc<Checkpoint>>,
}

/// How many passes a machine gets to come to rest, and how much time.
const PASSES: u32 = 300;
const TIME: Duration = Duration::from_secs(14 * 24 * 3600);

type Pass = Pin<Box<dyn Future<Output = Result<Report, StoreError>> + Send>>;

struct Actor {
    driver: Arc<Driver>,
    pass: Option<Pass>,
    draining: bool,
    stopped_at: Duration,
}

enum End {
    Report(Box<Report>),
    Store,
    Crashed,
}

struct Runner<'r, W: World> {
    rig: &'r Rig<W>,
    sim: Sim,
    world: W,
    id: Arc<RecordId>,
    transitions: Arc<W::Transitions>,
    /// By the resource's specs, once somebody has asked for it.
    typed: Vec<Option<Arc<dyn Steps>>>,
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
    /// Whether others may go on from where it was.
    records: bool,
    checkpoints: Vec<Arc<Checkpoint>>,
    /// How much had happened by itself when everything was asked about last.
    asked_at: usize,
}

/// How a plan is run.
#[derive(Default)]
pub(crate) struct Manner<'m> {
    /// What runs without faults leave.
    pub(crate) clean: Option<&'m Clean>,
    /// The resource has this one of its specs from the beginning, and no other.
    pub(crate) alone: Option<usize>,
    /// Where the run may end, because it was followed from there before.
    pub(crate) followed: Followed,
    /// Keeps a timeline.
    pub(crate) verbose: bool,
    /// Keeps a digest of all that happens.
    pub(crate) traced: bool,
    /// Others go on from where it was.
    pub(crate) records: bool,
    /// Where it goes on from: a run that was the same up to there.
    pub(crate) from: Option<&'m Checkpoint>,
}

/// What a release has left that was stopped.
pub(crate) struct Left<W> {
    pub(crate) sim: Sim,
    pub(crate) world: W,
    /// The record, if there is one.
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) violation: Option<Violation>,
}

/// Runs until the faults of a plan have struck and the pass is over; without any, until the machine rests. Then nothing strikes any more.
pub(crate) fn left<W: World>(rig: &Rig<W>, plan: &[(Point, Fault)]) -> Left<W> {
    let mut runner = set_up(rig, plan, &Manner::default());
    runner.until_struck();
    let (sim, world) = (runner.sim.clone(), runner.world.clone());
    drop(runner);
    let mut core = sim.core();
    core.quiet = true;
    let (bytes, seen, violation) = (core.stored.bytes.clone(), std::mem::take(&mut core.seen), core.violation.take());
    drop(core);
    Left { sim, world, bytes, seen, violation }
}

fn set_up<'r, W: World>(rig: &'r Rig<W>, plan: &[(Point, Fault)], manner: &Manner<'_>) -> Runner<'r, W> {
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
        // A run that goes on from it may keep a digest too.
        core.digest = (manner.traced || manner.records).then_some(0);
        core.followed = manner.followed.clone();
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
    Runner {
        rig,
        id: Arc::new(RecordId { machine: graph.name.to_owned(), resource }),
        transitions: Arc::new(world.transitions()),
        typed: vec![None; rig.resources.len()],
        actors: [new_actor(rig, &sim, 0), new_actor(rig, &sim, 1)],
        world,
        sim,
        lead: 0,
        passes: 0,
        pause: longest.unwrap_or_default() + Duration::from_secs(1),
        rests: Vec::new(),
        outdated: false,
        behind: false,
        records: false,
        checkpoints: Vec::new(),
        asked_at: 0,
    }
}

/// Runs one plan.
pub(crate) fn run<W: World>(rig: &Rig<W>, plan: &[(Point, Fault)], manner: &Manner<'_>) -> Run {
    let graph = <W::Machine as Machine>::GRAPH;
    let mut runner = set_up(rig, plan, manner);
    let sim = runner.sim.clone();
    // What somebody else has put in between is not copied.
    let is_plain = rig.store.is_none() && rig.steps.is_none() && rig.clock.is_none() && sim.backend().is_none();
    runner.records = manner.records && is_plain;
    let course = match manner.from {
        Some(checkpoint) => Some(runner.go_on_from(checkpoint)),
        None => {
            sim.core().journal = runner.records.then(Journal::default);
            None
        }
    };
    let ended_held = runner.script(manner.clean, course);
    runner.actors.iter_mut().for_each(|actor| actor.pass = None);
    let (rests, checkpoints) = (std::mem::take(&mut runner.rests), std::mem::take(&mut runner.checkpoints));
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
        checkpoints,
    }
}

fn new_actor<W: World>(rig: &Rig<W>, sim: &Sim, index: usize) -> Actor {
    let clock = SimClock(sim.clone());
    let clock = match &rig.clock {
        Some(seam) => seam(clock),
        None => Arc::new(clock),
    };
    let store = match sim.backend() {
        Some(backend) => Arc::new(Observed { store: backend.open(index), sim: sim.clone() }),
        None => match &rig.store {
            Some(seam) => seam(SimStore(sim.clone())),
            None => Arc::new(SimStore(sim.clone())),
        },
    };
    let driver = Driver::new(store, clock, Watch::of(SimProbe(sim.clone())), Duration::from_secs(600));
    sim.core().incarnations[index] = driver.incarnation().to_owned();
    Actor { driver: Arc::new(driver), pass: None, draining: false, stopped_at: Duration::ZERO }
}
