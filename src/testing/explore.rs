//! The explorer: every place, every fault that can strike there, alone and together. Invariant: it goes from fewer faults to more, so the
//! first counterexample has as few as any.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use durable_fsm_graph::{Graph, Undo};

use super::oracle::{Oracle, Violation};
use super::plan::{Fault, Label, Place, Plan};
use super::report::{Failure, Report};
use super::run::{Manner, Rests, Rig, Run, run};
use super::sim::{Joins, Point, Seen};
use super::world::World;
use crate::{Machine, Site};

/// An exploration of one world.
#[must_use]
pub struct Explorer<W: World> {
    rig: Rig<W>,
    faults: usize,
    budget: Option<u64>,
    time: Option<Duration>,
    threads: usize,
    /// The one transition, and the faults, that are asked for.
    only: Option<(Option<String>, u64)>,
    unreached: BTreeSet<String>,
    progress: bool,
    joined: bool,
}

/// Explores the machine of a world: all single faults, unless asked for more.
///
/// The environment has the last word, so that a test can be taken further without changing it: `FSM_FAULTS=3` sets the number of faults,
/// `FSM_UNABRIDGED=1` leaves nothing out, and `FSM_PLAN` runs one plan instead.
pub fn explore<W: World>() -> Explorer<W> {
    Explorer {
        rig: Rig::new(),
        faults: 1,
        budget: None,
        time: None,
        threads: std::thread::available_parallelism().map_or(1, |threads| threads.get().min(8)),
        only: None,
        unreached: BTreeSet::new(),
        progress: false,
        joined: true,
    }
}

/// What a run, or many, have covered.
#[derive(Debug, Default)]
struct Covered {
    edges: BTreeSet<(usize, Option<usize>)>,
    undone: BTreeSet<usize>,
    aborted: BTreeSet<usize>,
    faults: BTreeMap<(Place, Fault), u64>,
    schedules: u64,
    twice: u64,
    ended_held: u64,
}

impl Covered {
    fn add(&mut self, run: &Run, plan: &[(Point, Fault)]) {
        self.edges.extend(&run.edges);
        self.undone.extend(&run.undone);
        self.aborted.extend(&run.aborted);
        for (point, fault) in plan {
            let place = match point.place {
                Place::Await(site, _) => Place::Await(site, 0),
                place => place,
            };
            *self.faults.entry((place, *fault)).or_default() += 1;
        }
        self.schedules += 1;
        self.ended_held += u64::from(run.ended_held);
    }

    fn merge(&mut self, other: Covered) {
        self.edges.extend(other.edges);
        self.undone.extend(other.undone);
        self.aborted.extend(other.aborted);
        for (key, count) in other.faults {
            *self.faults.entry(key).or_default() += count;
        }
        self.schedules += other.schedules;
        self.twice += other.twice;
        self.ended_held += other.ended_held;
    }
}

/// What the threads of one depth share.
struct Search<'s, W: World> {
    explorer: &'s Explorer<W>,
    clean: &'s Rests,
    stop: AtomicBool,
    /// Where runs with so many faults have been.
    known: &'s [Arc<Joins>],
    been: Mutex<Joins>,
    schedules: &'s AtomicU64,
    begun: Instant,
    found: Mutex<Option<Found>>,
    depth: usize,
}

type Faults = Vec<(Point, Fault)>;

/// A counterexample, and which schedule it was.
type Found = (u64, Faults, Violation);

impl<W: World> Explorer<W> {
    /// Up to so many faults in one run.
    pub fn faults(mut self, faults: usize) -> Self {
        self.faults = faults;
        self
    }

    /// Stops after so many schedules. The report says what was complete by then.
    pub fn budget(mut self, schedules: u64) -> Self {
        self.budget = Some(schedules);
        self
    }

    /// Stops after so much time. The report says what was complete by then.
    pub fn within(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// Runs on so many threads; on all processors unless set.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Only faults at this transition. What is covered is then no condition.
    pub fn at(mut self, transition: &str) -> Self {
        self.only.get_or_insert((None, u64::MAX)).0 = Some(transition.to_owned());
        self
    }

    /// Only this fault. What is covered is then no condition.
    pub fn fault(self, fault: Fault) -> Self {
        self.masked(fault.bit())
    }

    pub(crate) fn masked(mut self, faults: u64) -> Self {
        self.only.get_or_insert((None, u64::MAX)).1 = faults;
        self
    }

    pub(crate) fn as_rig(&self) -> &Rig<W> {
        &self.rig
    }

    /// Says that this world has no occasion for something: `transition -> State`, `undo transition` or `abort transition`. It is an
    /// error if it has.
    pub fn unreached(mut self, what: &str) -> Self {
        self.unreached.insert(what.to_owned());
        self
    }

    /// Other resources than the world's: the first, and what it is edited to.
    pub fn resources(mut self, resources: Vec<<W::Machine as Machine>::Resource>) -> Self {
        if !resources.is_empty() {
            self.rig.resources = resources;
        }
        self
    }

    /// The store tells that no other process can write to it, as a file store does.
    pub fn exclusive(mut self) -> Self {
        self.rig.exclusive = true;
        self
    }

    /// Also runs what follows after a run has come back to where runs with fewer faults have been: to a record that agrees in all but
    /// numbering, times and prose, with the same things in the world, and nothing under way. Unless asked for, that is left out.
    pub fn unabridged(mut self) -> Self {
        self.joined = false;
        self
    }

    /// Prints a line now and then.
    pub fn progress(mut self) -> Self {
        self.progress = true;
        self
    }

    #[cfg(test)]
    pub(crate) fn rig(mut self, change: impl FnOnce(&mut Rig<W>)) -> Self {
        change(&mut self.rig);
        self
    }

    fn graph(&self) -> &'static Graph<'static> {
        <W::Machine as Machine>::GRAPH
    }

    /// Runs one plan.
    ///
    /// # Errors
    /// What was violated, with the timeline.
    pub fn replay(&self, plan: &Plan) -> Result<(), Box<Failure>> {
        let graph = self.graph();
        let mut points = Vec::new();
        for (label, fault) in &plan.0 {
            match Point::of(label, graph) {
                Some(point) => points.push((point, *fault)),
                None => {
                    let message = format!("this machine has no transition `{}`", label.transition);
                    return Err(self.failure(plan.clone(), Violation::new(Oracle::NotFired, message), Vec::new(), 1));
                }
            }
        }
        let clean = run(&self.rig, &[], &Manner::default());
        if clean.violation.is_some() {
            points.clear();
        }
        let manner = |verbose| Manner { clean: Some(&clean.rests), verbose, ..Manner::default() };
        match run(&self.rig, &points, &manner(false)).violation {
            None => Ok(()),
            Some(violation) => {
                let log = run(&self.rig, &points, &manner(true)).log;
                Err(self.failure(plan_of(&points, graph), violation, log, 1))
            }
        }
    }

    /// What happens under a plan, line by line.
    #[must_use]
    pub fn timeline(&self, plan: &Plan) -> String {
        let points = plan.0.iter().filter_map(|(label, fault)| Some((Point::of(label, self.graph())?, *fault)));
        let run = run(&self.rig, &points.collect::<Vec<_>>(), &Manner { verbose: true, ..Manner::default() });
        super::report::lines(&run.log)
    }

    /// Explores.
    ///
    /// # Errors
    /// The first counterexample, with its timeline.
    pub fn run(mut self) -> Result<Report, Box<Failure>> {
        if let Some(faults) = std::env::var("FSM_FAULTS").ok().and_then(|text| text.parse().ok()) {
            self.faults = faults;
        }
        if std::env::var("FSM_UNABRIDGED").is_ok() {
            self.joined = false;
        }
        self.search()
    }

    fn search(&self) -> Result<Report, Box<Failure>> {
        if let Ok(text) = std::env::var("FSM_PLAN") {
            let plan = text.parse::<Plan>().map_err(|error| {
                self.failure(Plan::default(), Violation::new(Oracle::NotFired, error.to_string()), Vec::new(), 0)
            })?;
            self.replay(&plan)?;
            return Ok(Report::of_replay(self.graph().name));
        }
        let begun = Instant::now();
        let schedules = AtomicU64::new(0);
        let first = run(&self.rig, &[], &Manner::default());
        let mut covered = Covered::default();
        covered.add(&first, &[]);
        schedules.fetch_add(1, Ordering::Relaxed);
        if let Some(violation) = first.violation {
            let log = run(&self.rig, &[], &Manner { verbose: true, ..Manner::default() }).log;
            return Err(self.failure(Plan::default(), violation, log, 1));
        }
        let clean = first.rests;
        let places = first.seen.len();
        let mut complete = 0;
        let mut cut = None;
        let mut by_depth = vec![1];
        let mut known: Vec<Arc<Joins>> = vec![Arc::new(first.joins.iter().map(|(at, _)| *at).collect())];
        for depth in 1..=self.faults {
            let search = Search {
                explorer: self,
                clean: &clean,
                stop: AtomicBool::new(false),
                known: &known,
                been: Mutex::default(),
                schedules: &schedules,
                begun,
                found: Mutex::new(None),
                depth,
            };
            let before = schedules.load(Ordering::Relaxed);
            let (more, part) = search.depth(&first.seen);
            by_depth.push(schedules.load(Ordering::Relaxed) - before);
            covered.merge(more);
            let found = search.found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some((nth, faults, violation)) = found {
                let log = run(&self.rig, &faults, &Manner { clean: Some(&clean), verbose: true, ..Manner::default() }).log;
                return Err(self.failure(plan_of(&faults, self.graph()), violation, log, nth));
            }
            if search.stop.load(Ordering::Relaxed) {
                cut = Some((depth, part));
                break;
            }
            complete = depth;
            known.push(Arc::new(search.been.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)));
            if self.progress {
                let (count, time) = (schedules.load(Ordering::Relaxed), begun.elapsed().as_secs_f32());
                eprintln!("{}: {depth} faults complete, {count} schedules, {time:.1} s", self.graph().name);
            }
        }
        let missing = if self.only.is_none() { self.missing(&covered, complete) } else { Vec::new() };
        if !missing.is_empty() {
            let message = format!("the world has no occasion for: {}", missing.join(", "));
            return Err(self.failure(Plan::default(), Violation::new(Oracle::NotFired, message), Vec::new(), 0));
        }
        Ok(Report {
            machine: self.graph().name,
            complete,
            cut,
            by_depth,
            schedules: covered.schedules,
            twice: covered.twice,
            ended_held: covered.ended_held,
            places,
            edges: covered.edges.len(),
            undone: covered.undone.len(),
            aborted: covered.aborted.len(),
            faults: covered.faults,
            time: begun.elapsed(),
        })
    }

    /// What the graph has and no run has reached.
    fn missing(&self, covered: &Covered, depth: usize) -> Vec<String> {
        let graph = self.graph();
        let mut wanted = Vec::new();
        for (index, step) in graph.transitions.iter().enumerate() {
            if step.for_each().is_some() {
                wanted.push((step.name.to_owned(), covered.edges.contains(&(index, None))));
            }
            for to in step.to {
                let edge = format!("{} -> {}", step.name, graph.states[*to].name);
                wanted.push((edge, covered.edges.contains(&(index, Some(*to)))));
            }
            let Some(contract) = step.contract() else { continue };
            if matches!(contract.undo, Undo::Method(_)) {
                wanted.push((format!("undo {}", step.name), covered.undone.contains(&index)));
            }
            if contract.abort.is_some() && depth > 0 {
                wanted.push((format!("abort {}", step.name), covered.aborted.contains(&index)));
            }
        }
        let wrong = wanted.into_iter().filter(|(what, reached)| *reached == self.unreached.contains(what));
        wrong.map(|(what, reached)| if reached { format!("{what} (it has)") } else { what }).collect()
    }

    fn failure(&self, plan: Plan, violation: Violation, log: Vec<super::sim::Line>, nth: u64) -> Box<Failure> {
        Box::new(Failure { machine: self.graph().name, plan, violation, timeline: log, schedule: nth })
    }

    fn admits(&self, point: &Point, fault: Fault) -> bool {
        let Some((transition, only)) = &self.only else { return true };
        let here = transition.as_ref().is_none_or(|name| {
            let step = self.graph().transitions.get(usize::from(point.transition));
            step.is_some_and(|step| step.name == name)
        });
        here && only & fault.bit() != 0
    }
}

impl<W: World> Search<'_, W> {
    /// All runs with exactly so many faults; how much of them was done.
    fn depth(&self, seen: &[Seen]) -> (Covered, f64) {
        let first = self.children(&[], seen);
        let next = AtomicUsize::new(0);
        let workers = self.explorer.threads.min(first.len().max(1));
        let covered = std::thread::scope(|scope| {
            let work = || {
                let mut covered = Covered::default();
                while !self.stop.load(Ordering::Relaxed) {
                    let Some(plan) = first.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    self.below(plan.clone(), &mut covered);
                }
                covered
            };
            let handles: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
            let mut all = work();
            for handle in handles {
                match handle.join() {
                    Ok(covered) => all.merge(covered),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            all
        });
        let done = next.load(Ordering::Relaxed).min(first.len());
        (covered, done as f64 / first.len().max(1) as f64)
    }

    /// This plan, and, if it has too few faults yet, all that begin with it.
    fn below(&self, plan: Faults, covered: &mut Covered) {
        if self.stop.load(Ordering::Relaxed) {
            return;
        }
        let nth = self.schedules.fetch_add(1, Ordering::Relaxed) + 1;
        let over = self.explorer.budget.is_some_and(|budget| nth > budget)
            || self.explorer.time.is_some_and(|time| nth.is_multiple_of(16) && self.begun.elapsed() > time);
        if self.explorer.progress && nth.is_multiple_of(20_000) {
            eprintln!("{}: {} faults, {nth} schedules so far", self.explorer.graph().name, self.depth);
        }
        if over {
            self.stop.store(true, Ordering::Relaxed);
            return;
        }
        let run = run(&self.explorer.rig, &plan, &self.manner(&plan));
        if plan.len() == self.depth {
            covered.add(&run, &plan);
            if nth.is_multiple_of(100) {
                self.again(&plan, &run, nth);
                covered.twice += 1;
            }
        }
        if let Some(violation) = run.violation {
            self.report(nth, plan, violation);
            return;
        }
        if plan.len() < self.depth {
            for child in self.children(&plan, run.seen.get(run.fired_at..).unwrap_or_default()) {
                self.below(child, covered);
            }
        } else if self.explorer.joined && self.depth < self.explorer.faults {
            let mut been = self.been.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            been.extend(run.joins.iter().map(|(at, _)| *at));
        }
    }

    /// A run ends where runs with fewer faults have been.
    fn manner(&self, plan: &Faults) -> Manner<'_> {
        let fewer = if self.explorer.joined { &self.known[..plan.len().min(self.known.len())] } else { &[] };
        Manner { clean: Some(self.clean), known: fewer, verbose: false }
    }

    fn again(&self, plan: &Faults, before: &Run, nth: u64) {
        // One that ended where another was goes on to its end: that shows whether it is the same from there on.
        let whole = run(&self.explorer.rig, plan, &Manner { known: &[], ..self.manner(plan) });
        if let Some(violation) = whole.violation {
            self.report(nth, plan.clone(), violation);
        }
        let again = run(&self.explorer.rig, plan, &self.manner(plan));
        if again.digest != before.digest {
            let mut pairs = again.seen.iter().zip(&before.seen);
            let graph = self.explorer.graph();
            let differs = pairs.find(|(one, other)| one.point != other.point).map(|(one, _)| one.point.label(graph));
            let place = differs.map_or_else(|| "the end".to_owned(), |label: Label| label.to_string());
            let message =
                format!("the runs part at {place}; a hash map, a real clock or chance in the world does that");
            self.report(nth, plan.clone(), Violation::new(Oracle::Nondeterministic, message));
        }
    }

    fn report(&self, nth: u64, plan: Faults, violation: Violation) {
        self.stop.store(true, Ordering::Relaxed);
        let mut found = self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if found.as_ref().is_none_or(|(other, _, _)| nth < *other) {
            *found = Some((nth, plan, violation));
        }
    }

    /// The plan, with one more fault at one of these places.
    fn children(&self, plan: &[(Point, Fault)], seen: &[Seen]) -> Vec<Faults> {
        let mut children = Vec::new();
        for seen in seen {
            for fault in Fault::ALL.iter().copied().filter(|fault| seen.menu & fault.bit() != 0) {
                // After the last await of a method nothing is left to do: the method's own faults say the same.
                let twice = seen.last_await
                    && self.depth > 1
                    && matches!(seen.point.place, Place::Await(Site::Effect | Site::Undo | Site::Abort, _));
                if twice || !self.explorer.admits(&seen.point, fault) {
                    continue;
                }
                let mut child = plan.to_vec();
                child.push((seen.point.clone(), fault));
                children.push(child);
            }
        }
        children
    }
}

pub(crate) fn plan_of(faults: &[(Point, Fault)], graph: &Graph<'_>) -> Plan {
    Plan(faults.iter().map(|(point, fault)| (point.label(graph), *fault)).collect())
}
