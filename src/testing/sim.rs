//! The simulation: virtual time, one durable record, and what goes wrong. Invariant: everything that a run does follows from its plan;
//! there is no other source of time, order or chance.

mod backend;
mod calls;
mod clock;
mod crossings;
mod decoded;
mod events;
mod fork;
mod imports;
mod joins;
mod journal;
mod menus;
mod observed;
mod places;
mod record;
mod signals;
mod turns;

use std::collections::BTreeSet;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

pub(crate) use calls::SimSteps;
pub(crate) use clock::SimClock;
pub(crate) use crossings::SimProbe;
pub(crate) use decoded::Decoded;
use durable_fsm_graph::Graph;
pub(crate) use events::ByItself;
pub(crate) use joins::{AsMany, Followed, Joins};
pub(crate) use journal::{Asked, Journal};
pub(crate) use menus::Menus;
pub(crate) use observed::Observed;
pub(crate) use places::{Planned, Point, Seen};
pub(crate) use record::SimStore;
use record::Stored;
pub(crate) use signals::Told;

use super::known::Known;
use super::oracle::{Books, Oracle, Violation};
use super::plan::Fault;
use super::stable_hash::{StableHasher, stable_hasher};
use super::world::{Backend, Moment, Thing};
use crate::machine::Reply;
use crate::record::{Effect, Spec, Unconfirmed};

/// A transition that is refused for the spec it was sent with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Unacceptable {
    pub(crate) transition: usize,
    pub(crate) spec: Option<Spec>,
    /// A record says that it was refused; before that only the controller knew which asked.
    pub(crate) recorded: bool,
}

/// Why a pass was stopped for the moment, or forever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Crash,
    Switch,
    Pause,
    Drain,
}

/// A line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) at: Duration,
    pub(crate) actor: usize,
    pub(crate) text: String,
}

/// A request under way whose sender is gone.
struct Flight {
    lands: Duration,
    call: Pin<Box<dyn Future<Output = ()> + Send>>,
    what: String,
}

/// The simulation of one run. The world's constructor is given it, for the time and for its awaits. Every clone is the same one.
#[derive(Clone)]
pub struct Sim(Arc<Shared>);

struct Shared {
    core: Mutex<Core>,
    inventory: Mutex<Option<Inventory>>,
    check: Mutex<Option<Check>>,
    happen: Mutex<Option<Happen>>,
    /// What is behind the store, if it is one of the author's own.
    backend: Mutex<Option<Arc<dyn Backend>>>,
}

/// Hashes a shelf, given the keys that are known and the time.
pub(crate) type ShelfHash = Box<dyn Fn(&Known, Duration, &mut StableHasher) + Send>;
type Inventory = Arc<dyn Fn() -> Vec<Thing> + Send + Sync>;
/// What happens in the world by itself, by its name; and with none, what strangers do before the first pass.
type Happen = Arc<dyn Fn(Option<&'static str>) + Send + Sync>;
type Check = Arc<dyn Fn(&Moment<'_>) -> Result<(), String> + Send + Sync>;

/// What changes during a run.
pub(crate) struct Core {
    pub(crate) graph: &'static Graph<'static>,
    pub(crate) now: Duration,
    /// How far the time of day is off, in seconds.
    pub(crate) skew: i64,
    chance: u64,
    /// The earliest time for which the polled future waits.
    pub(crate) wake: Option<Duration>,
    /// The polled future waits for nothing in particular: poll it again.
    pub(crate) yielded: bool,
    pub(crate) stop: Option<Stop>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) plan: Vec<Planned>,
    /// The place that each controller has passed last, as an index into `seen`.
    current: [Option<usize>; 2],
    /// Which controller runs.
    pub(crate) actor: usize,
    /// The incarnation of each controller.
    pub(crate) incarnations: [String; 2],
    flights: Vec<Flight>,
    pub(crate) stored: Stored,
    pub(crate) books: Books,
    /// What existed when the world was looked at last. Only calls change it, and after each of them somebody looks.
    pub(crate) things: Vec<Thing>,
    pub(crate) deleting: bool,
    /// Which of the resource's specs holds.
    pub(crate) edit: usize,
    pub(crate) edits: usize,
    /// The uid of the resource, as its author has it.
    pub(crate) first_uid: String,
    /// The version from which on the resource is another one of the same name.
    pub(crate) made_again: Option<u64>,
    /// That one's uid, if it is not ours to choose.
    pub(crate) uid_again: Option<String>,
    /// Whether the next request of each controller is the first one after a crossing.
    first_request: [bool; 2],
    /// No faults, and no places: a pass that only checks.
    pub(crate) quiet: bool,
    pub(crate) violation: Option<Violation>,
    pub(crate) log: Option<Vec<Line>>,
    /// A hash of everything that happened, if one is kept.
    pub(crate) digest: Option<u64>,
    /// The longest that a look-up of this world lags.
    pub(crate) lag: Duration,
    shelves: Vec<ShelfHash>,
    /// How many passes are stopped half-way.
    pub(crate) stopped: usize,
    /// For how many passes an operator keeps everybody away from the resource.
    pub(crate) suspended: u8,
    /// What each controller was told of the resource.
    pub(crate) told: [Told; 2],
    /// For how long each controller was paused.
    pub(crate) paused: [Duration; 2],
    pub(crate) draining: bool,
    /// How many places had been passed when the last fault struck.
    pub(crate) fired_at: usize,
    /// Where other runs may come to, and what follows is known from this one.
    pub(crate) joins: Vec<u64>,
    /// Where other runs have been, and were followed to their end.
    pub(crate) followed: Followed,
    /// The run has come to where another one was: how it goes on is known.
    pub(crate) joined: bool,
    /// A write is durable, and its reply takes its time.
    pub(crate) replying: bool,
    /// Since when the open intent is durable.
    pub(crate) intent_since: Duration,
    /// What the provider last made of those effects that only a person can vouch for, and under which key.
    pub(crate) made: Option<(String, Reply)>,
    /// What is refused forever.
    pub(crate) unacceptable: Option<Unacceptable>,
    /// The events that the world has, for menus.
    pub(crate) events: u64,
    /// What has happened in the world by itself, and what that has changed.
    pub(crate) by_itself: ByItself,
    /// Somebody else changes the resource before each write of the record; whether that was so before the last one.
    pub(crate) touched: Option<bool>,
    /// What is read and written is a copy of the resource in a second cluster; whether that copy is to be deleted.
    pub(crate) elsewhere: Option<bool>,
    /// What the world was asked, where another run may begin from here.
    pub(crate) journal: Option<Journal>,
}

impl Sim {
    pub(crate) fn new(graph: &'static Graph<'static>, plan: &[(Point, Fault)], verbose: bool) -> Self {
        let plan = plan.iter().map(|(point, fault)| Planned { point: point.clone(), fault: *fault, fired: false });
        Self(Arc::new(Shared {
            core: Mutex::new(Core {
                graph,
                now: Duration::from_secs(1),
                skew: 0,
                chance: 0,
                wake: None,
                yielded: false,
                stop: None,
                seen: Vec::with_capacity(128),
                plan: plan.collect(),
                current: [None; 2],
                actor: 0,
                incarnations: Default::default(),
                flights: Vec::new(),
                stored: Stored::default(),
                books: Books::new(graph),
                things: Vec::new(),
                deleting: false,
                edit: 0,
                edits: 0,
                first_uid: String::new(),
                made_again: None,
                uid_again: None,
                first_request: [false; 2],
                quiet: false,
                violation: None,
                log: verbose.then(Vec::new),
                digest: None,
                lag: Duration::ZERO,
                shelves: Vec::new(),
                stopped: 0,
                suspended: 0,
                told: Default::default(),
                paused: [Duration::ZERO; 2],
                draining: false,
                fired_at: 0,
                joins: Vec::new(),
                followed: Followed::default(),
                joined: false,
                replying: false,
                intent_since: Duration::ZERO,
                made: None,
                unacceptable: None,
                events: 0,
                by_itself: ByItself::default(),
                touched: None,
                elsewhere: None,
                journal: None,
            }),
            inventory: Mutex::new(None),
            check: Mutex::new(None),
            happen: Mutex::new(None),
            backend: Mutex::new(None),
        }))
    }

    /// The time that has passed since the run began.
    #[must_use]
    pub fn now(&self) -> Duration {
        let mut core = self.core();
        // A run that comes there at another time may see something else.
        core.joins.clear();
        core.now
    }

    /// The time, for the simulation itself.
    pub(crate) fn time(&self) -> Duration {
        self.core().now
    }

    /// What a shelf does from now on depends on what it hashes.
    pub(crate) fn keep_shelf(&self, shelf: ShelfHash) {
        self.core().shelves.push(shelf);
    }

    /// One await that has to wait: here a method can be dropped half-way. Call it wherever a real method would wait for an answer.
    pub fn pause(&self) -> impl Future<Output = ()> + Send + 'static {
        Once(false)
    }

    /// Look-ups in this world lag by as much as this.
    pub(crate) fn lags(&self, lag: Duration) {
        let mut core = self.core();
        core.lag = core.lag.max(lag);
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.0.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn watch(&self, inventory: Inventory, check: Check, happen: Happen) {
        *self.0.happen.lock().unwrap_or_else(PoisonError::into_inner) = Some(happen);
        *self.0.inventory.lock().unwrap_or_else(PoisonError::into_inner) = Some(inventory);
        *self.0.check.lock().unwrap_or_else(PoisonError::into_inner) = Some(check);
    }

    /// Breaks the circle of world and simulation.
    pub(crate) fn unwatch(&self) {
        *self.0.inventory.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.0.check.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.0.happen.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.is_on(None);
        // A call that is dropped may take note of that.
        let flights = std::mem::take(&mut self.core().flights);
        drop(flights);
    }

    /// What exists in the world now.
    fn things(&self) -> Vec<Thing> {
        let inventory = self.0.inventory.lock().unwrap_or_else(PoisonError::into_inner).clone();
        inventory.map(|inventory| inventory()).unwrap_or_default()
    }

    /// Looks at the world after it may have changed.
    pub(crate) fn check_world(&self) {
        let things = self.things();
        {
            let mut core = self.core();
            core.things = things;
            core.check_things();
        }
        self.check_author();
    }

    /// The author's own check, of what exists and of what is durable now.
    pub(crate) fn check_author(&self) {
        let check = self.0.check.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(check) = check {
            self.check_with(&*check);
        }
    }

    /// A check, without the lock: it may ask for the time.
    pub(crate) fn check_with(&self, check: &dyn Fn(&Moment<'_>) -> Result<(), String>) {
        let (decoded, deleting, edit, things, restored) = {
            let mut core = self.core();
            let (restored, things) = (core.books.has_forgotten(), std::mem::take(&mut core.things));
            (core.stored.decoded.clone(), core.deleting, core.edit, things, restored)
        };
        let record = decoded.as_ref().map(|decoded| &*decoded.record);
        let checked = check(&Moment { record, deleting, things: &things, edit, restored });
        let mut core = self.core();
        core.things = things;
        if let Err(message) = checked {
            let hint = if restored { "; a record was restored unnoticed, as `At::restored` tells" } else { "" };
            let message = message + hint;
            core.violate(Violation::new(Oracle::Author, message));
        }
    }

    /// Lets time pass, and what is under way land.
    pub(crate) fn advance_to(&self, to: Duration) {
        loop {
            let flight = {
                let mut core = self.core();
                let due = core.flights.iter().enumerate().filter(|(_, flight)| flight.lands <= to);
                let first = due.min_by_key(|(_, flight)| flight.lands).map(|(index, _)| index);
                let Some(first) = first else {
                    core.now = core.now.max(to);
                    return;
                };
                let flight = core.flights.remove(first);
                core.now = core.now.max(flight.lands);
                core.note(|| format!("{} lands, late", flight.what));
                flight
            };
            let mut call = flight.call;
            for _ in 0..1000 {
                if call.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready() {
                    break;
                }
            }
            self.check_world();
        }
    }

    /// Until when something is under way.
    pub(crate) fn quiet_at(&self) -> Duration {
        let core = self.core();
        core.flights.iter().map(|flight| flight.lands).max().unwrap_or(core.now).max(core.now)
    }
}

impl Core {
    /// Whether a pass that was polled waits for something that is decided here.
    pub(crate) fn is_awaited(&self) -> bool {
        self.stop.is_some() || self.yielded || self.wake.is_some() || self.joined
    }

    /// Whether nothing is left to find out.
    pub(crate) fn is_over(&self) -> bool {
        self.joined || self.violation.is_some()
    }

    pub(crate) fn violate(&mut self, violation: Violation) {
        self.note(|| format!("VIOLATED {violation}"));
        if self.violation.is_none() {
            self.violation = Some(violation);
        }
    }

    /// What exists, against what is durable.
    fn check_things(&mut self) {
        let in_books = self.books.check_world(self.stored.decoded.as_deref(), &self.things);
        if let Some(violation) = in_books.or_else(|| self.by_itself.check_strangers(&self.things)) {
            self.violate(violation);
        }
    }

    /// The transitions of whose live effects one exists under its key, and those of whose one does not.
    pub(crate) fn backing(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let Some(decoded) = &self.stored.decoded else { return Default::default() };
        // What a namesake has left stands under that one's key, also where it is the same thing to the provider.
        if decoded.record.origin != self.uid(false) {
            return Default::default();
        }
        // What stayed of an earlier request was refused, perhaps: then it is listed because it may come late.
        let last = |it: &Effect| decoded.record.effect(&it.transition, it.subject.as_deref()).map(|last| last.life);
        let live = decoded.record.undo.iter().zip(decoded.live()).filter(|(it, _)| last(it) == Some(it.life));
        let is_it = |thing: &Thing, key: &String| thing.key.as_ref() == Some(key);
        // What was lost although no call has removed it is no mistake of the record.
        let all = || self.things.iter().chain(&self.by_itself.lost);
        let exists = |key: &String| all().any(|thing| is_it(thing, key));
        // Under one name, what the twin of an earlier life has made is the same thing.
        let has_twin = |it: &Effect| {
            let same =
                |(_, sent): &(&String, &Unconfirmed)| sent.transition == it.transition && sent.subject == it.subject;
            decoded.unconfirmed().iter().zip(&decoded.record.unconfirmed).filter(same).any(|(key, _)| exists(key))
        };
        let (backed, bare): (Vec<_>, Vec<_>) = live.partition(|(it, key)| exists(key) || has_twin(it));
        let names = |some: &[(&Effect, &String)]| -> BTreeSet<String> {
            some.iter().map(|(it, _)| it.transition.clone()).collect()
        };
        (names(&backed), names(&bare))
    }

    /// Mixes what happens into the digest, if one is kept.
    pub(crate) fn trace<T: Hash>(&mut self, what: impl FnOnce() -> T) {
        if let Some(digest) = &mut self.digest {
            let mut hasher = stable_hasher();
            (*digest, what()).hash(&mut hasher);
            *digest = hasher.finish();
        }
    }

    /// Adds a line to the timeline, if one is kept.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let (now, actor) = (self.now, self.actor);
        if let Some(log) = &mut self.log {
            log.push(Line { at: now, actor, text: line() });
        }
    }

    pub(crate) fn chance(&mut self) -> u64 {
        self.chance += 1;
        self.chance.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Puts a request under way that lands later.
    pub(crate) fn fly(&mut self, lands: Duration, what: String, call: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.flights.push(Flight { lands, call, what });
    }
}

/// Waits once.
struct Once(bool);

impl Future for Once {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}
