//! The oracles: what must hold for every machine, whatever goes wrong. Invariant: they judge by what is durable and by what exists,
//! never by what a controller believes, and they demand no more than the declared contracts promise.

mod calls;
mod holds;
mod lost;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use durable_fsm_graph::{Graph, InDoubt, Transition, Undo};

pub(crate) use lost::wrongly_lost;

use super::plan::Place;
use super::sim::{Decoded, Menus, Point};
use super::stable_hash::stable_hasher;
use super::world::Thing;
use crate::machine::Reply;
use crate::record::{Direction, HeldReason, Spec, Stamp};
use crate::steps::Ask;

/// What was violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Oracle {
    /// Every change of the record is one that the graph declares; what was made is undone in reverse order, and never forgotten.
    Edge,
    /// The record goes from one version to the next: nothing is written over, lost, or written over what cannot be honoured.
    History,
    /// No effect without a durable intent that is the caller's own, under its key.
    IntentFirst,
    /// A method is given exactly what the record holds.
    ExactResume,
    /// At most one thing lives under one key, and one key stands for one request.
    SingleEffect,
    /// It comes to rest within bounds, once nothing goes wrong any more.
    Quiescent,
    /// A person is asked only where a contract, the provider or the store gives a reason.
    HeldForReason,
    /// Whatever exists is known to the record.
    Orphan,
    /// Once at rest, another pass changes nothing.
    Stable,
    /// Where it rests, what exists is what exists after a run without faults for the same spec, whatever was edited in between.
    SameAsClean,
    /// The record goes only when nothing is left.
    Finalizer,
    /// What is somebody else's stays as it is.
    Stranger,
    /// The author's own checks.
    Author,
    /// A fault of the plan had no occasion to strike: the run proves nothing.
    NotFired,
    /// The same plan gave another run: something in the machine or its world depends on more than the plan.
    Nondeterministic,
}

/// An oracle, and what it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which oracle.
    pub oracle: Oracle,
    /// What it saw.
    pub message: String,
}

impl Violation {
    pub(crate) fn new(oracle: Oracle, message: String) -> Self {
        Self { oracle, message }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.oracle, self.message)
    }
}

/// An attempt of a controller has failed.
#[derive(Debug, Clone)]
struct Failed {
    transition: usize,
    subject: Option<String>,
    /// The record's number then.
    seq: u64,
    /// An effect was refused for its input, and nothing about it is in doubt.
    rejected: bool,
    /// When it may be tried again, at the earliest.
    due: Duration,
}

/// What the oracles remember of a run.
#[derive(Clone)]
pub(crate) struct Books {
    graph: &'static Graph<'static>,
    pub(crate) writes: u64,
    pub(crate) calls: u64,
    /// How often the provider was asked what there is.
    pub(crate) asked: u64,
    /// How often a transition has looked at rest. That is its time's business, whatever else is to be calm.
    pub(crate) looks: u64,
    /// By which transition what is under a key was made, and with which spec it was asked for.
    keys: BTreeMap<String, (usize, Option<Spec>)>,
    /// Keys of what was left behind on purpose.
    retained: BTreeSet<String>,
    /// Keys that only a record knew which is no longer there, because somebody has put an older one in its place.
    forgotten: BTreeSet<String>,
    /// Some record has gone without a trace.
    is_restored: bool,
    /// An attempt of a controller has failed, and its next write has to say so.
    failed: [Option<Failed>; 2],
    /// Failures that are recorded: until when their step is to be left alone.
    due: BTreeMap<(usize, Option<String>), Duration>,
    /// What is undone was refused: under which generation, and when it may begin again with the same one, by the time of day and by the time that
    /// passes.
    pub(crate) refused: Option<(u64, Stamp, Duration)>,
    /// A person has decided what is written next.
    pub(crate) decided: bool,
    /// What a controller was told, so that nothing about it is in doubt: the transition of its last attempt.
    certain: [Option<usize>; 2],
    /// Why a person may be asked, since that was done last.
    reasons: BTreeSet<HeldReason>,
    /// What was reached: a transition, and the state it led to.
    pub(crate) edges: BTreeSet<(usize, Option<usize>)>,
    /// At which sites each transition was, one bit for each.
    pub(crate) crossed: Vec<u16>,
    /// What could strike where.
    pub(crate) offered: Menus,
    /// A hash of what existed when the world was looked at last.
    pub(crate) world: u64,
    pub(crate) undone: BTreeSet<usize>,
    pub(crate) aborted: BTreeSet<usize>,
}

impl Books {
    pub(crate) fn new(graph: &'static Graph<'static>) -> Self {
        Self {
            graph,
            writes: 0,
            calls: 0,
            asked: 0,
            looks: 0,
            keys: BTreeMap::new(),
            retained: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            is_restored: false,
            failed: [None, None],
            due: BTreeMap::new(),
            refused: None,
            decided: false,
            certain: [None; 2],
            reasons: BTreeSet::new(),
            edges: BTreeSet::new(),
            crossed: vec![0; graph.transitions.len()],
            offered: Menus::new(graph.transitions.len()),
            world: 0,
            undone: BTreeSet::new(),
            aborted: BTreeSet::new(),
        }
    }

    pub(crate) fn replied(&mut self, ask: &Ask, reply: &Reply) {
        match reply {
            Reply::Made(made) => drop(self.edges.insert((ask.transition, Some(made.state)))),
            Reply::Member(_) => drop(self.edges.insert((ask.transition, None))),
            Reply::NotYet(_) => {}
        }
    }

    /// A place was passed.
    pub(crate) fn passed(&mut self, point: &Point) {
        if let (Some(sites), Place::Site(site)) = (self.crossed.get_mut(usize::from(point.transition)), point.place) {
            *sites |= 1 << site as u16;
        }
    }

    /// A controller has died, and with it what it alone knew.
    pub(crate) fn forget(&mut self, actor: usize) {
        self.failed[actor] = None;
        self.certain[actor] = None;
    }

    pub(crate) fn undo_of(&self, transition: &str) -> Option<Undo<'static>> {
        self.graph.transition(transition)?.1.contract().map(|contract| contract.undo)
    }

    /// Whether somebody has to undo what is under this key.
    pub(crate) fn is_owned(&self, key: &str) -> bool {
        let owned =
            self.made_by(key).is_none_or(|step| step.contract().is_none_or(|contract| contract.undo != Undo::None));
        owned && !self.retained.contains(key) && !self.forgotten.contains(key)
    }

    /// Whether what is under this key is left behind on purpose, once the resource goes.
    fn is_retained(&self, key: &str) -> bool {
        self.made_by(key).and_then(|step| step.contract()).is_some_and(|contract| contract.undo == Undo::Retain)
    }

    /// Whether what is under this key was made by a step that only a person can vouch for.
    fn is_held_in_doubt(&self, key: &str) -> bool {
        let contract = self.made_by(key).and_then(|step| step.contract());
        contract.is_some_and(|contract| contract.in_doubt == InDoubt::Hold)
    }

    /// The transition that has made what is under this key.
    pub(crate) fn made_by(&self, key: &str) -> Option<&'static Transition<'static>> {
        self.keys.get(key).and_then(|(index, _)| self.graph.transitions.get(*index))
    }

    /// What exists, against what is known.
    pub(crate) fn check_world(&mut self, decoded: Option<&Decoded>, things: &[Thing]) -> Option<Violation> {
        let record = decoded.map(|decoded| &*decoded.record);
        let known = decoded.map(|decoded| &decoded.known);
        let mut hasher = stable_hasher();
        let mut violation = None;
        let mut places: Vec<Option<usize>> = Vec::with_capacity(things.len());
        for (index, thing) in things.iter().enumerate() {
            let place = thing.key.as_ref().and_then(|key| known?.places(key).next());
            places.push(place);
            let is_known = thing.key.as_ref().map(|_| place.is_some());
            (thing.kind, &thing.detail, is_known).hash(&mut hasher);
            let (Some(key), Some(is_known), None) = (&thing.key, is_known, &violation) else { continue };
            // What has one key has one place.
            let mut before = things.iter().zip(&places).take(index).filter(|(_, other)| **other == place);
            let mut is_twice = || before.any(|(other, _)| other.kind == thing.kind && other.key == thing.key);
            let may_be_twice = self.forgotten.contains(key) || self.is_restored && self.is_held_in_doubt(key);
            if !may_be_twice && is_twice() {
                let message = format!("two of kind {} live under key {key}", thing.kind);
                violation = Some(Violation::new(Oracle::SingleEffect, message));
                continue;
            }
            let left = || record.is_none_or(|record| record.direction == Direction::Deleting) && self.is_retained(key);
            if !is_known && self.is_owned(key) && !left() {
                let under = match decoded.and_then(Decoded::key_of_intent) {
                    Some(open) => format!("; it was made under key {key}, and this attempt's key is {open}"),
                    None => format!("; it was made under key {key}"),
                };
                let what = format!("{} ({}) exists, and the record does not know of it", thing.kind, thing.detail);
                violation = Some(Violation::new(Oracle::Orphan, what + &under));
            }
        }
        self.world = hasher.finish();
        violation
    }

    /// A record has gone without a trace, and an older one is there. Only the one that has gone knew of these keys.
    pub(crate) fn forget_keys(&mut self, keys: impl IntoIterator<Item = String>) {
        self.forgotten.extend(keys);
        self.is_restored = true;
        self.due.clear();
        self.refused = None;
        (0..2).for_each(|actor| self.forget(actor));
    }

    /// Whether some record has gone without a trace.
    pub(crate) fn has_forgotten(&self) -> bool {
        self.is_restored
    }

    /// The record is about to be removed.
    pub(crate) fn check_removal(&self, decoded: Option<&Decoded>, things: &[Thing]) -> Option<Violation> {
        let finalizer = |message: String| Some(Violation::new(Oracle::Finalizer, message));
        let Some(decoded) = decoded else { return finalizer("there is no record".to_owned()) };
        let kept = self.kept(decoded);
        for thing in things {
            if let Some(key) = &thing.key
                && !kept.contains(key)
                && self.is_owned(key)
                && !self.is_retained(key)
            {
                return finalizer(format!("the record goes while {} ({}) exists", thing.kind, thing.detail));
            }
        }
        // An intent may be open still: what its undo has given goes with the record, and is not written before.
        None
    }

    /// The record was removed. What it lists last may be undone already, and is not left behind for that.
    pub(crate) fn removed(&mut self, decoded: Option<&Decoded>) {
        let kept = decoded.map(|decoded| self.kept(decoded)).unwrap_or_default();
        self.retained.extend(kept);
    }

    /// The keys of what a record leaves behind on purpose, whether it is certain to be there or not.
    fn kept(&self, decoded: &Decoded) -> Vec<String> {
        let kept = decoded.known.iter().filter(|key| self.is_retained(key));
        kept.chain(decoded.retained()).cloned().collect()
    }
}
