//! The oracles: what must hold for every machine, whatever goes wrong. Invariant: they judge by what is durable and by what exists,
//! never by what a controller believes, and they demand no more than the declared contracts promise.

mod holds;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use durable_fsm_graph::{Graph, Kind, Transition, Undo};

use super::plan::Place;
use super::sim::{Core, Decoded, Menus, Point};
use super::world::Thing;
use crate::machine::{Failure, Reply};
use crate::record::{Action, Direction, Effect, HeldReason, Intent, Record, Stamp, Unconfirmed};
use crate::steps::Ask;
use crate::{Class, Site};

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
pub(crate) struct Books {
    graph: &'static Graph<'static>,
    pub(crate) writes: u64,
    pub(crate) calls: u64,
    /// By which transition what is under a key was made.
    keys: BTreeMap<String, usize>,
    /// Keys of what was left behind on purpose.
    retained: BTreeSet<String>,
    /// Keys that only a record knew which is no longer there, because somebody has put an older one in its place.
    forgotten: BTreeSet<String>,
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
            keys: BTreeMap::new(),
            retained: BTreeSet::new(),
            forgotten: BTreeSet::new(),
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

    /// A record is replaced by another, or written first.
    pub(crate) fn check_write(
        &mut self,
        actor: usize,
        deleting: bool,
        old: Option<&Record>,
        new: &Record,
    ) -> Option<Violation> {
        let history = |message: String| Some(Violation::new(Oracle::History, message));
        let edge = |message: String| Some(Violation::new(Oracle::Edge, message));
        let (failed, certain) = (self.failed[actor].take(), self.certain[actor].take());
        let decided = std::mem::take(&mut self.decided);
        if decided {
            self.due.clear();
        }
        let graph = self.graph;
        let is_counted = |transition: usize, subject: Option<&str>| {
            let name = graph.transitions.get(transition).map_or("", |step| step.name);
            new.retry.is_some() || new.retrying(name, subject).is_some()
        };
        self.due.retain(|(transition, subject), _| is_counted(*transition, subject.as_deref()));
        if let Some(Failed { transition, subject, due, .. }) = &failed
            && is_counted(*transition, subject.as_deref())
        {
            self.due.insert((*transition, subject.clone()), *due);
        }
        let expected = old.map_or(0, |old| old.seq) + 1;
        if new.seq != expected {
            return history(format!("seq {} was written where {expected} was due", new.seq));
        }
        // An undo that was begun before the machine turned back is finished first.
        let begun = old.is_some_and(|old| same_step(old.intent.as_ref(), new.intent.as_ref()));
        let in_doubt = new.held.as_ref().is_some_and(|held| held.reason == HeldReason::InDoubt);
        if in_doubt && new.intent.is_none() && new.unconfirmed.is_empty() {
            return edge("it is held in doubt, and nothing is: nobody can resolve that".to_owned());
        }
        if let Some(effect) = self.out_of_order(new).filter(|_| !begun) {
            return edge(effect);
        }
        if old.is_none_or(|old| old.held.is_none())
            && let Some(violation) = self.check_hold(new, certain)
        {
            return Some(violation);
        }
        let old = old?;
        if new.origin != old.origin || new.machine != old.machine {
            return history(format!("the record of {} became that of {}", old.origin, new.origin));
        }
        let is_back = match old.direction {
            Direction::Deleting => new.direction != Direction::Deleting,
            Direction::Leaving => !new.direction.is_deletion(),
            Direction::Forward | Direction::RollingBack => false,
        };
        if is_back {
            return edge(format!("from {:?} to {:?}", old.direction, new.direction));
        }
        if !old.direction.is_deletion() && new.direction.is_deletion() && !deleting {
            return edge("everything is to be undone, and nobody has deleted the resource".to_owned());
        }
        if let Some(why) = self.wrong_leave(old, new) {
            return edge(why);
        }
        // What a look-up or a wait was told counts too, and is not remembered here.
        if let Some(why) = self.wrong_rewind(old, new) {
            return edge(why);
        }
        let rolls_back = old.direction.is_forward() && new.direction == Direction::RollingBack;
        let rewind = if rolls_back { self.rewind(old, new) } else { None };
        self.edges.extend(rewind);
        if rolls_back && !decided && !self.graph.undo_on_rejected && rewind.is_none() {
            return edge("it is rolled back, and neither the machine nor a person says so".to_owned());
        }
        if let Some(why) = other_spec(old, new) {
            return Some(Violation::new(Oracle::ExactResume, why));
        }
        if old.state != new.state && !self.leads(old, new) {
            return edge(format!("from {} to {} by no declared transition", old.state, new.state));
        }
        self.edges.extend(self.bad_end(old, new));
        for effect in &old.undo {
            let kept = new.undo.iter().any(|it| it.of() == effect.of());
            let is_undone = |intent: &Intent| intent.action == Action::Undo && intent.of() == effect.of();
            let undoing = old.intent.as_ref().is_some_and(is_undone);
            let stays = new
                .retained
                .iter()
                .any(|it| (&it.transition, &it.subject, it.life) == (&effect.transition, &effect.subject, effect.life));
            if !kept && !undoing && !stays && self.undo_of(&effect.transition) != Some(Undo::None) {
                return edge(format!("`{}` of life {} is live, and was forgotten", effect.transition, effect.life));
            }
        }
        if let Some(Failed { transition, subject, seq, rejected, .. }) = failed {
            let stays = new.direction.is_forward() && new.held.is_none();
            if rejected && seq == old.seq && stays && old.direction.is_forward() && self.graph.undo_on_rejected {
                return edge("an effect was rejected, and what the machine has made is not undone".to_owned());
            }
            let name = self.graph.transitions.get(transition).map_or("", |step| step.name);
            let goes_on = new.direction == old.direction && old.direction.is_forward() && new.held.is_none();
            let lost =
                seq == old.seq && goes_on && new.state == old.state && !is_counted(transition, subject.as_deref());
            if lost {
                return history(format!("an attempt at `{name}` failed, and the record does not count it"));
            }
        }
        None
    }

    /// Whether a deletion skips its own steps, takes one of them before it has begun, or goes on with what belongs to an ordinary state.
    fn wrong_leave(&self, old: &Record, new: &Record) -> Option<String> {
        let is_own = |record: &Record, step: &Transition<'_>| {
            step.on_delete || self.graph.state(&record.state).is_some_and(|(_, state)| state.leaving)
        };
        let begins = new.intent.as_ref().filter(|it| !same_step(old.intent.as_ref(), Some(it)));
        let begins = begins.filter(|it| it.action == Action::Run && new.direction.is_forward());
        if let Some((_, step)) = begins.and_then(|intent| self.graph.transition(&intent.transition))
            && is_own(new, step) != (new.direction == Direction::Leaving)
        {
            return Some(format!("`{}` is begun in {}, and the record is {:?}", step.name, new.state, new.direction));
        }
        let (_, here) = self.graph.state(&old.state)?;
        let skips =
            old.direction == Direction::Forward && new.direction == Direction::Deleting && old.state == new.state;
        let unguarded = here.transitions.iter().map(|index| &self.graph.transitions[*index]);
        let mut unguarded = unguarded.filter(|step| step.on_delete && step.guard.is_none());
        let skipped = unguarded.next().filter(|_| skips)?;
        Some(format!(
            "everything is undone from {} without `{}`, with which a deletion begins",
            old.state, skipped.name
        ))
    }

    /// Whether a rewind leaves what was made since its state was entered, or what it undoes stood there before.
    fn wrong_rewind(&self, old: &Record, new: &Record) -> Option<String> {
        let to = old.to.as_deref().filter(|_| old.direction == Direction::RollingBack)?;
        if new.direction.is_forward() {
            let is_left = |it: &&Effect| {
                self.undo_of(&it.transition) != Some(Undo::Retain)
                    && old.is_above_mark(self.graph, &it.transition, it.order())
            };
            let left = new.undo.iter().find(is_left)?;
            return Some(format!("it is at {to} again, and `{}` is above its mark", left.transition));
        }
        // What the state that it goes back to knows was recorded before its mark, and is not undone.
        let is_undo = |intent: &&Intent| intent.action == Action::Undo && new.to == old.to;
        let undone = new.intent.as_ref().filter(is_undo)?;
        let step = self.graph.transition(&undone.transition)?.1;
        let there = self.graph.state(to)?.1;
        let made = step.to.iter().flat_map(|state| self.graph.states[*state].facts);
        let is_known = made.into_iter().any(|fact| there.known.contains(&fact.name));
        is_known.then(|| format!("`{}` is undone, and stands below the mark of {to}", undone.transition))
    }

    /// The rewind that leads to where the record goes back to, from where it was or from where it could be in the same write.
    fn rewind(&self, old: &Record, new: &Record) -> Option<(usize, Option<usize>)> {
        let open = old.intent.as_ref().and_then(|intent| self.graph.transition(&intent.transition));
        let reached = open.map(|(_, step)| step.to).unwrap_or_default();
        let from = [self.graph.state(&old.state), self.graph.state(&new.state)].into_iter().flatten();
        let from: BTreeSet<usize> = from.map(|(index, _)| index).chain(reached.iter().copied()).collect();
        let to = new.to.as_deref().and_then(|to| self.graph.state(to)).map(|(index, _)| index);
        let to = to.unwrap_or_else(|| self.graph.initial());
        let mut rewinds = self.graph.transitions.iter().enumerate().filter(|(_, step)| step.goes_back());
        let stands = |index| self.graph.places(index).any(|place| from.contains(&place));
        rewinds.find(|(index, step)| step.to.contains(&to) && stands(*index)).map(|(index, _)| (index, Some(to)))
    }

    /// The bad end that the machine has gone to.
    fn bad_end(&self, old: &Record, new: &Record) -> Option<(usize, Option<usize>)> {
        let (from, to) = (self.graph.state(&old.state)?.0, self.graph.state(&new.state)?.0);
        let open = old.intent.as_ref().and_then(|intent| self.graph.transition(&intent.transition)).map(|(of, _)| of);
        let listed = self.graph.states[from].transitions.iter().copied();
        let is_it = |index: &usize| match self.graph.transitions[*index].kind {
            Kind::End(end) => !end.back && open.is_none_or(|of| of == end.of),
            _ => false,
        };
        let mut ends = listed.filter(is_it).filter(|index| self.graph.transitions[*index].to.contains(&to));
        ends.next().filter(|_| from != to).map(|index| (index, Some(to)))
    }

    /// Whether an intent to undo is for anything but the entry of the highest order.
    fn out_of_order(&self, new: &Record) -> Option<String> {
        let intent = new.intent.as_ref().filter(|intent| intent.action == Action::Undo)?;
        if new.direction.is_forward() {
            return None;
        }
        let goes = |it: &&Effect| new.is_above_mark(self.graph, &it.transition, it.order());
        let latest =
            new.undo.iter().rev().filter(goes).find(|it| self.undo_of(&it.transition) != Some(Undo::Retain))?;
        let above = |sent: &&Unconfirmed| {
            sent.order() >= intent.order() && new.is_above_mark(self.graph, &sent.transition, sent.order())
        };
        if let Some(sent) = new.unconfirmed.iter().find(above) {
            return Some(format!(
                "`{}` is undone before `{}`, which was sent after it",
                intent.transition, sent.transition
            ));
        }
        (latest.transition != intent.transition || latest.subject != intent.subject).then(|| {
            format!("`{}` is undone before `{}`, which was made after it", intent.transition, latest.transition)
        })
    }

    /// Whether a declared transition, and then any number without effect, lead from one state to the other.
    fn leads(&self, old: &Record, new: &Record) -> bool {
        let mut reached: BTreeSet<usize> = match old.direction {
            Direction::Deleting => return false,
            // It begins again in the same write.
            Direction::RollingBack => {
                let to = old.to.as_deref().and_then(|to| self.graph.state(to)).map(|(index, _)| index);
                BTreeSet::from([to.unwrap_or_else(|| self.graph.initial())])
            }
            Direction::Forward | Direction::Leaving => {
                let open = old.intent.as_ref().and_then(|intent| self.graph.transition(&intent.transition));
                let targets = open.map(|(_, step)| step.to).unwrap_or_default();
                let from = self.graph.state(&old.state).map(|(index, _)| index);
                from.into_iter().chain(targets.iter().copied()).collect()
            }
        };
        loop {
            // A rewind that has nothing to undo arrives in the write that turns back.
            let is_free = |step: &&Transition<'_>| match step.kind {
                Kind::Effect(_) => false,
                Kind::End(end) => !end.back,
                Kind::Rewind => old.undo.len() == new.undo.len() && new.marks.iter().any(|mark| mark.seq == old.seq),
                Kind::NoEffect | Kind::Waits { .. } | Kind::Deferred(_) => true,
            };
            let here = reached.iter().flat_map(|state| self.graph.states[*state].transitions);
            let free = here.map(|index| &self.graph.transitions[*index]).filter(is_free);
            let more: Vec<usize> = free.flat_map(|step| step.to.iter().copied()).collect();
            let before = reached.len();
            reached.extend(more);
            if reached.len() == before {
                break;
            }
        }
        reached.iter().any(|state| self.graph.states[*state].name == new.state)
    }

    /// Whether somebody has to undo what is under this key.
    pub(crate) fn is_owned(&self, key: &str) -> bool {
        let made_by = self.keys.get(key).and_then(|index| self.graph.transitions.get(*index));
        let owned = made_by.is_none_or(|step| step.contract().is_none_or(|contract| contract.undo != Undo::None));
        owned && !self.retained.contains(key) && !self.forgotten.contains(key)
    }

    /// Whether what is under this key is left behind on purpose, once the resource goes.
    fn is_retained(&self, key: &str) -> bool {
        let made_by = self.keys.get(key).and_then(|index| self.graph.transitions.get(*index));
        made_by.and_then(|step| step.contract()).is_some_and(|contract| contract.undo == Undo::Retain)
    }

    /// What exists, against what is known.
    pub(crate) fn check_world(&mut self, decoded: Option<&Decoded>, things: &[Thing]) -> Option<Violation> {
        let record = decoded.map(|decoded| &*decoded.record);
        let known = decoded.map(|decoded| &*decoded.known).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        let mut violation = None;
        for (index, thing) in things.iter().enumerate() {
            let is_known = thing.key.as_ref().map(|key| known.contains(key));
            (thing.kind, &thing.detail, is_known).hash(&mut hasher);
            let (Some(key), Some(is_known), None) = (&thing.key, is_known, &violation) else { continue };
            let is_twice = || things[..index].iter().any(|other| other.kind == thing.kind && other.key == thing.key);
            if !self.forgotten.contains(key) && is_twice() {
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
        self.due.clear();
        self.refused = None;
        (0..2).for_each(|actor| self.forget(actor));
    }

    /// Whether some record has gone without a trace.
    pub(crate) fn has_forgotten(&self) -> bool {
        !self.forgotten.is_empty()
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

    /// The keys of what a record leaves behind on purpose.
    fn kept(&self, decoded: &Decoded) -> Vec<String> {
        let live = decoded.record.undo.iter().zip(decoded.live());
        let kept = live.filter(|(it, _)| self.undo_of(&it.transition) == Some(Undo::Retain));
        kept.map(|(_, key)| key).chain(decoded.retained()).cloned().collect()
    }
}

/// An attempt that goes on with a life has the spec of the one before.
fn other_spec(old: &Record, new: &Record) -> Option<String> {
    let intent = new.intent.as_ref().filter(|intent| intent.action == Action::Run && intent.attempt > 1)?;
    let open = old.intent.iter().filter(|it| it.of() == intent.of()).filter_map(|it| old.spec_of(it));
    let sent = old.unconfirmed.iter().filter(|it| it.of() == intent.of()).filter_map(|it| it.spec.as_ref());
    let before = open.chain(sent).next()?;
    let name = &intent.transition;
    (Some(before) != new.spec_of(intent)).then(|| format!("`{name}` goes on with another spec than it was sent with"))
}

fn same_step(one: Option<&Intent>, other: Option<&Intent>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            (&one.transition, &one.subject, one.life, one.action)
                == (&other.transition, &other.subject, other.life, other.action)
        }
        (None, None) => true,
        _ => false,
    }
}

impl Core {
    /// A provider that knows keys is asked again under one, for something else than before.
    pub(crate) fn sent_otherwise(&mut self, kind: &str, key: &str, before: &str, now: &str) {
        if self.books.has_forgotten() {
            // The numbers begin again where the older record ends, and so do the keys.
            return;
        }
        let message = format!("a {kind} was asked for under key {key}, made of {before:?}, and now of {now:?}");
        self.violate(Violation::new(Oracle::SingleEffect, message));
    }

    /// A method is called: is it entitled to be?
    pub(crate) fn called(&mut self, site: Site, ask: &Ask) {
        self.books.calls += 1;
        let name = self.graph.transitions.get(ask.transition).map_or("", |step| step.name);
        let (number, site_name) = (ask.details.number, site.name());
        self.note(|| format!("{site_name} of {name}, attempt {number}"));
        if site != Site::Lookup {
            self.books.keys.insert(ask.details.key.clone(), ask.transition);
        }
        if self.is_poisoned() {
            let message = format!("{site_name} of `{name}` is called on a record that cannot be honoured");
            self.violate(Violation::new(Oracle::IntentFirst, message));
        }
        if let Some(due) = self.books.due.get(&(ask.transition, ask.subject.clone())).copied()
            && self.now < due
            && self.skew == 0
        {
            let message = format!("{site_name} of `{name}` comes {:?} before its time", due - self.now);
            self.violate(Violation::new(Oracle::History, message));
        }
        // A look changes nothing, so it needs no leave.
        if site != Site::Lookup
            && let Some(violation) = self.entitled(site, name, ask)
        {
            self.violate(violation);
        }
    }

    fn entitled(&self, site: Site, name: &str, ask: &Ask) -> Option<Violation> {
        let first =
            |why: &str| Some(Violation::new(Oracle::IntentFirst, format!("{} of `{name}`: {why}", site.name())));
        let exact =
            |why: &str| Some(Violation::new(Oracle::ExactResume, format!("{} of `{name}`: {why}", site.name())));
        if let Some(why) = self.is_kept_away() {
            return first(why);
        }
        if self.is_unwanted() {
            return first("the controller was told that the resource is to be deleted");
        }
        let Some(decoded) = &self.stored.decoded else { return first("there is no record") };
        let record = &*decoded.record;
        let Some(intent) = &record.intent else { return first("no intent is durable") };
        if intent.transition != name || intent.subject != ask.subject {
            return first(&format!("the durable intent is for `{}`", intent.transition));
        }
        let action = match site {
            Site::Undo => Action::Undo,
            Site::Abort => Action::Abort,
            _ => Action::Run,
        };
        if intent.action != action {
            return first(&format!("the durable intent is to {:?}", intent.action));
        }
        if intent.attempt != ask.details.number || !intent.holder.starts_with(&self.incarnations[self.actor]) {
            return first(&format!("the durable intent is attempt {} of another controller", intent.attempt));
        }
        if record.held.is_some() {
            return first("the resource is held");
        }
        let timeout =
            self.graph.transitions[ask.transition].contract().map_or(Duration::MAX, |contract| contract.timeout);
        if self.now >= self.intent_since.saturating_add(timeout) {
            return first("it is called after its deadline, when others may act already");
        }
        let each = self.graph.transitions[ask.transition].for_each().map(|for_each| for_each.fact);
        if action != Action::Abort && ask.facts != record.facts_of(intent, each) {
            return exact("the facts are not those of the record");
        }
        if ask.spec.as_ref() != record.spec_of(intent) {
            return exact("the spec is not the one that the intent was written with");
        }
        if decoded.key_of_intent() != Some(&ask.details.key) {
            return first("the key is not that of the durable intent");
        }
        None
    }

    /// A transition that waits is about to look, which may take long: what an effect has given is durable.
    pub(crate) fn waits(&mut self, ask: &Ask) {
        // Somebody else may have written it, or gone on.
        let open = self.stored.record().and_then(|record| record.intent.as_ref());
        let is_own = open.is_some_and(|intent| intent.holder.starts_with(&self.incarnations[self.actor]));
        if let Some(step) =
            self.books.certain[self.actor].filter(|_| is_own).and_then(|index| self.graph.transitions.get(index))
        {
            let name = self.graph.transitions.get(ask.transition).map_or("", |step| step.name);
            let message = format!("`{name}` looks before the outcome of `{}` is durable", step.name);
            self.violate(Violation::new(Oracle::IntentFirst, message));
        }
    }

    /// A method that may change the world has answered its caller.
    pub(crate) fn answered(&mut self, site: Site, ask: &Ask, failure: Option<&Failure>) {
        let intent = self.stored.record().and_then(|record| record.intent.as_ref());
        let doubted = intent.is_none_or(|intent| intent.in_doubt);
        let unknown = match failure {
            None => false,
            Some(Failure::Provider { class, .. }) => *class == Class::Unknown,
            Some(Failure::Fact(_) | Failure::Unrecorded(_)) => true,
        };
        self.books.certain[self.actor] = (!doubted && !unknown).then_some(ask.transition);
        if let Some(failure) = failure {
            let record = self.stored.record();
            let seq = record.map_or(0, |record| record.seq);
            let class = match failure {
                Failure::Provider { class, .. } => *class,
                Failure::Fact(_) | Failure::Unrecorded(_) => Class::Unknown,
            };
            let rejected = site == Site::Effect && class == Class::Rejected && !doubted;
            let contract = self.graph.transitions.get(ask.transition).and_then(|step| step.contract());
            // A quarter of the back-off is chance.
            let back_off = contract.map_or(Duration::ZERO, |contract| contract.retry.base / 4 * 3);
            let wait = match class {
                Class::NotApplied { retry_after: Some(asked) } => back_off.max(asked),
                Class::NotApplied { retry_after: None } | Class::Unknown => back_off,
                Class::Rejected | Class::NotOurs => Duration::ZERO,
            };
            let due = self.now + wait;
            self.books.failed[self.actor] =
                Some(Failed { transition: ask.transition, subject: ask.subject.clone(), seq, rejected, due });
            self.failed(site, ask, failure);
        }
    }

    /// A method has failed: the timeline says so, and it may be a reason to hold.
    pub(crate) fn failed(&mut self, site: Site, ask: &Ask, failure: &Failure) {
        let name = self.graph.transitions.get(ask.transition).map_or("", |step| step.name);
        match failure {
            Failure::Provider { class, message } => {
                if *class == Class::NotOurs {
                    self.books.may_hold(HeldReason::NotOurs);
                }
                self.note(|| format!("{} of {name} fails: {} ({message})", site.name(), class.name()));
            }
            Failure::Fact(error) | Failure::Unrecorded(error) => {
                self.books.may_hold(HeldReason::Unreadable);
                self.note(|| format!("{} of {name} fails: {error}", site.name()));
            }
        }
    }
}
