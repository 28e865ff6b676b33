//! A release that takes over from another one, wherever that one is stopped. Invariant: what the first release did before it was stopped follows from one
//! plan, and the second one then runs alone on what is left, or the two in turns.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::plan::{Fault, Place};
use super::run::{Rig, left};
use super::sim::{Point, Sim, SimClock};
use super::world::{Thing, World};
use crate::driver::{Driver, Ending, Report};
use crate::probe::Watch;
use crate::record::{Held, HeldReason, Record};
use crate::steps::Typed;
use crate::store::MemoryStore;
use crate::{Crossing, Machine, Probe, RecordId, Resource, Store, StoreError};

/// A world of a machine's next release. It has what the world before it has.
pub trait Successor: World {
    /// The world of the release before.
    type Before: World;

    /// The same provider, with everything that exists in it.
    fn after(before: &Self::Before) -> Self;
}

/// What was run, and found to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrades {
    /// How many runs there were.
    pub runs: usize,
    /// How many ended held in doubt, as `in_doubt = hold` may.
    pub held: usize,
}

impl fmt::Display for Upgrades {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} upgrades, of which {} ended held in doubt", self.runs, self.held)
    }
}

/// What stops the first release, or leaves something open.
const FAULTS: [Fault; 9] = [
    Fault::Crash,
    Fault::CrashAfter,
    Fault::CrashLate,
    Fault::ReplyLost,
    Fault::RequestLost,
    Fault::Late,
    Fault::Duplicate,
    Fault::NotApplied,
    Fault::Rejected,
];

/// How many passes a release gets to come to rest.
const PASSES: u32 = 300;

/// How many crossings at most a release dies at.
const CROSSINGS: u32 = 60;

/// How the second release goes on.
#[derive(Debug, Clone, Copy)]
enum Course {
    /// It brings the resource to rest, and deletes it.
    Rests,
    /// It deletes it at once.
    Deletes,
    /// Both releases run, in turns.
    Both,
    /// It dies at this crossing, and is started again.
    Dies(u32),
}

/// Stops the first release at every place of a run without faults, in every way, and goes on as the second release. It must come to rest with what a
/// resource has that the second release alone has made, and remove everything on deletion. Both releases also run in turns, and the second one dies at
/// each of its crossings.
///
/// What a retired transition has made may be there besides.
///
/// ```text
/// println!("{}", durable_fsm::testing::upgrade::<SecondRelease>().unwrap());
/// ```
///
/// # Errors
/// The first run that does not, with what is wrong.
pub fn upgrade<W: Successor>() -> Result<Upgrades, String> {
    let before = Rig::<W::Before>::new();
    let fresh = Fresh::of::<W>()?;
    let mut done = Upgrades { runs: 0, held: 0 };
    let seen = left(&before, &[]).seen;
    let plans = seen.iter().filter(|seen| seen.point.place != Place::Pass).flat_map(|seen| {
        FAULTS.iter().filter(|fault| seen.menu & fault.bit() != 0).map(|fault| vec![(seen.point.clone(), *fault)])
    });
    for plan in std::iter::once(Vec::new()).chain(plans) {
        let mut courses = vec![Course::Rests, Course::Deletes, Course::Both];
        if plan.first().is_none_or(|(_, fault)| *fault == Fault::Crash) {
            courses.extend((1..CROSSINGS).map(Course::Dies));
        }
        for course in courses {
            match run::<W>(&before, &plan, course, &fresh) {
                Ok(Some(held)) => {
                    done.runs += 1;
                    done.held += usize::from(held);
                }
                // It has no more crossings.
                Ok(None) => break,
                Err(why) => return Err(format!("{}: {why}", told::<W>(&plan, course))),
            }
        }
    }
    Ok(done)
}

fn told<W: Successor>(plan: &[(Point, Fault)], course: Course) -> String {
    let graph = <<W::Before as World>::Machine as Machine>::GRAPH;
    let first = plan.first();
    let struck = first.map_or("at rest".to_owned(), |(point, fault)| format!("{fault} at {}", point.label(graph)));
    let next = <W::Machine as Machine>::GRAPH.version;
    match course {
        Course::Rests => format!("{struck}, then version {next}"),
        Course::Deletes => format!("{struck}, then a deletion by version {next}"),
        Course::Both => format!("{struck}, then both versions in turns"),
        Course::Dies(nth) => format!("{struck}, then version {next}, which dies at its crossing {nth}"),
    }
}

/// How many there are of each kind, with what is to be the same of them.
type Counts = BTreeMap<(&'static str, String), usize>;

fn counts<'t>(things: impl Iterator<Item = &'t Thing>) -> Counts {
    let mut counts = Counts::new();
    for thing in things {
        *counts.entry((thing.kind, thing.detail.clone())).or_default() += 1;
    }
    counts
}

/// What there is where the second release alone rests, and after it has deleted everything.
struct Fresh {
    rests: Counts,
    gone: Counts,
}

impl Fresh {
    fn of<W: World>() -> Result<Self, String> {
        let rig = Rig::<W>::new();
        let left = left(&rig, &[]);
        let name = <W::Machine as Machine>::GRAPH.name;
        let alone = |why: String| format!("version {} alone: {why}", <W::Machine as Machine>::GRAPH.version);
        let storage = Storage::of(&left.sim, name, &W::resource(), left.bytes.as_deref()).map_err(alone)?;
        let release = Release::<W>::new(&left.sim, &left.world, storage);
        release.settle(false).map_err(alone)?;
        let rests = counts(left.world.inventory().iter());
        release.settle(true).map_err(alone)?;
        let gone = counts(left.world.inventory().iter());
        left.sim.unwatch();
        Ok(Self { rests, gone })
    }
}

/// Whether it ended held; none if the second release has no such crossing.
fn run<W: Successor>(
    before: &Rig<W::Before>,
    plan: &[(Point, Fault)],
    course: Course,
    fresh: &Fresh,
) -> Result<Option<bool>, String> {
    let left = left(before, plan);
    if let Some(violation) = left.violation {
        return Err(format!("the first release alone: {}", violation.message));
    }
    let name = <<W::Before as World>::Machine as Machine>::GRAPH.name;
    let storage = Storage::of(&left.sim, name, &W::resource(), left.bytes.as_deref())?;
    let world = W::after(&left.world);
    let mut first = Release::<W::Before>::new(&left.sim, &left.world, storage.clone());
    let mut second = Release::<W>::new(&left.sim, &world, storage);
    let ended = go_on(&mut first, &mut second, course, fresh);
    left.sim.unwatch();
    ended
}

fn go_on<W: Successor>(
    first: &mut Release<W::Before>,
    second: &mut Release<W>,
    course: Course,
    fresh: &Fresh,
) -> Result<Option<bool>, String> {
    match course {
        Course::Rests | Course::Deletes => {}
        Course::Both => {
            for _ in 0..20 {
                first.turn()?;
                second.turn()?;
            }
        }
        Course::Dies(nth) => {
            second.dies.at.store(nth, Ordering::SeqCst);
            if second.pass(false).is_some() {
                return Ok(None);
            }
            second.restart();
        }
    }
    if !matches!(course, Course::Deletes) {
        if second.settle(false)? {
            return Ok(Some(true));
        }
        second.compare(&fresh.rests)?;
    }
    if second.settle(true)? {
        return Ok(Some(true));
    }
    let things = counts(second.world.inventory().iter());
    match things.iter().find(|(thing, count)| fresh.gone.get(*thing).is_none_or(|known| known < *count)) {
        Some(((kind, _), count)) => Err(format!("after its deletion there are {count} of {kind}")),
        None => Ok(Some(false)),
    }
}

/// Where the record is.
#[derive(Clone)]
struct Storage {
    store: MemoryStore,
    id: Arc<RecordId>,
}

impl Storage {
    fn of<R: Resource>(sim: &Sim, machine: &str, resource: &R, bytes: Option<&[u8]>) -> Result<Self, String> {
        let id = RecordId { machine: machine.to_owned(), resource: resource.id() };
        let storage = Self { store: MemoryStore::new(), id: Arc::new(id) };
        if let Some(bytes) = bytes {
            let write = async {
                let loaded = storage.store.load(&storage.id).await?;
                storage.store.compare_and_swap(&storage.id, &loaded.version, bytes).await
            };
            drive(sim, pin!(write), None).ok_or("the store does not answer")?.map_err(|error| error.to_string())?;
        }
        Ok(storage)
    }

    fn record(&self, sim: &Sim) -> Option<Record> {
        let loaded = drive(sim, pin!(self.store.load(&self.id)), None)?.ok()?;
        serde_json::from_slice(&loaded.bytes?).ok()
    }
}

/// Ends a pass at one of its crossings.
#[derive(Clone, Default)]
struct Dies {
    /// At which; 0 for none.
    at: Arc<AtomicU32>,
    is_dead: Arc<AtomicBool>,
}

impl Probe for Dies {
    fn cross(&self, _: &Crossing<'_>) -> impl Future<Output = ()> + Send {
        let last = self.at.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) == Ok(1);
        if last {
            self.is_dead.store(true, Ordering::SeqCst);
        }
        std::future::poll_fn(move |_| if last { Poll::Pending } else { Poll::Ready(()) })
    }
}

/// Polls until it is done, and lets time pass where it waits for that. None if it dies, or waits for nothing.
fn drive<T>(sim: &Sim, mut future: Pin<&mut (impl Future<Output = T> + ?Sized)>, dies: Option<&Dies>) -> Option<T> {
    for _ in 0..100_000 {
        sim.core().wake = None;
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(done);
        }
        if dies.is_some_and(|dies| dies.is_dead.load(Ordering::SeqCst)) {
            return None;
        }
        let wake = sim.core().wake;
        if let Some(wake) = wake {
            sim.advance_to(wake);
        }
    }
    None
}

/// One release, on what another has left.
struct Release<W: World> {
    sim: Sim,
    world: W,
    transitions: Arc<W::Transitions>,
    storage: Storage,
    driver: Driver,
    dies: Dies,
}

impl<W: World> Release<W> {
    fn new(sim: &Sim, world: &W, storage: Storage) -> Self {
        let dies = Dies::default();
        let driver = Self::driver(sim, &storage, &dies);
        let transitions = Arc::new(world.transitions());
        Self { sim: sim.clone(), world: world.clone(), transitions, storage, driver, dies }
    }

    fn driver(sim: &Sim, storage: &Storage, dies: &Dies) -> Driver {
        let (store, clock) = (Arc::new(storage.store.clone()), Arc::new(SimClock(sim.clone())));
        Driver::new(store, clock, Watch::of(dies.clone()), Duration::from_secs(600))
    }

    fn restart(&mut self) {
        self.dies = Dies::default();
        self.driver = Self::driver(&self.sim, &self.storage, &self.dies);
    }

    /// One pass. None if it died.
    fn pass(&self, delete: bool) -> Option<Result<Report, StoreError>> {
        let typed = Typed::<W::Machine, W::Transitions>::new(Arc::clone(&self.transitions), Arc::new(W::resource()));
        let pass = self.driver.reconcile(&typed, &self.storage.id, delete);
        drive(&self.sim, pin!(pass), Some(&self.dies))
    }

    /// One pass of several releases in turns.
    fn turn(&self) -> Result<(), String> {
        let after = match self.pass(false).ok_or("a pass waits for nothing")?.map_err(|error| error.to_string())?.ending
        {
            Ending::Progressing(after) | Ending::Blocked(after) => after,
            _ => Duration::from_secs(1),
        };
        self.sim.advance_to(self.sim.time() + after.clamp(Duration::from_millis(1), Duration::from_secs(60)));
        Ok(())
    }

    /// Passes until it rests, or is gone. Whether it is held in doubt instead.
    fn settle(&self, delete: bool) -> Result<bool, String> {
        let mut last = None;
        for _ in 0..PASSES {
            let ended = self.pass(delete).ok_or("a pass waits for nothing")?;
            let Report { ending, record, unwritten, .. } = ended.map_err(|error| error.to_string())?;
            let after = match ending {
                Ending::Resting | Ending::Watching { .. } | Ending::Kept(_) if !delete => return Ok(false),
                Ending::Gone if delete => return Ok(false),
                Ending::Held => {
                    let held = unwritten.or_else(|| record.as_ref()?.held.clone());
                    return match held {
                        Some(Held { reason: HeldReason::InDoubt, .. }) => Ok(true),
                        Some(Held { reason, message, .. }) => Err(format!("held ({reason:?}): {message}")),
                        None => Err("held".to_owned()),
                    };
                }
                Ending::Progressing(after) | Ending::Blocked(after) => after,
                other => return Err(format!("it ends with {other:?}")),
            };
            last = record;
            self.sim.advance_to(self.sim.time() + after.max(Duration::from_millis(1)));
        }
        let state = last.map(|record| record.state.clone()).unwrap_or_default();
        Err(format!("it does not come to rest from {state}"))
    }

    /// What exists is what the release alone makes, and besides it what retired transitions have made.
    fn compare(&self, expected: &Counts) -> Result<(), String> {
        self.sim.advance_to(self.sim.quiet_at());
        let graph = <W::Machine as Machine>::GRAPH;
        let record = self.storage.record(&self.sim);
        let is_retired = |name: &str| graph.transition(name).is_some_and(|(_, step)| step.retired);
        let retired: Vec<String> = record
            .iter()
            .flat_map(|record| {
                let live = record.undo.iter().filter(|it| is_retired(&it.transition));
                live.map(|it| record.key(&it.transition, it.subject.as_deref(), it.life))
            })
            .collect();
        let things = self.world.inventory();
        let found = counts(things.iter().filter(|it| it.key.as_ref().is_none_or(|key| !retired.contains(key))));
        if found == *expected {
            return Ok(());
        }
        let all: std::collections::BTreeSet<_> = found.keys().chain(expected.keys()).collect();
        let differs = all.into_iter().find(|thing| found.get(*thing) != expected.get(*thing));
        let count = |of: &Counts| differs.and_then(|thing| of.get(thing)).copied().unwrap_or_default();
        let (kind, detail) = differs.cloned().unwrap_or_default();
        Err(format!(
            "at rest there are {} of {kind} {detail}, and the release alone makes {}",
            count(&found),
            count(expected)
        ))
    }
}
