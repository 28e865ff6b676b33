//! The explorer: every place, every fault that can strike there, alone and together. Invariant: it goes from fewer faults to more, so the
//! first counterexample has as few as any.

mod coverage;
mod environment;
mod search;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use durable_fsm_graph::Graph;

use super::oracle::{Oracle, Violation};
use super::plan::{Fault, Plan};
use super::report::{Failure, Report};
use super::run::{Clean, Manner, Rested, Rig, edits, idle_edits, run};
use super::sim::{Joins, Point};
use super::world::World;
use crate::Machine;
pub(crate) use coverage::Covered;
use environment::Environment;
use search::{Ended, Search, Ways};

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
    /// The edits that change nothing that exists.
    idle: BTreeSet<usize>,
    /// They may change something all the same.
    lenient: bool,
    progress: bool,
    joined: bool,
}

/// What was explored.
pub(crate) struct Explored {
    pub(crate) covered: Covered,
    pub(crate) complete: usize,
    pub(crate) cut: Option<(usize, f64)>,
    by_depth: Vec<u64>,
    places: usize,
    time: Duration,
}

impl Explored {
    pub(crate) fn report(&self, graph: &'static Graph<'static>) -> Report {
        let covered = &self.covered;
        Report {
            machine: graph.name,
            complete: self.complete,
            cut: self.cut,
            by_depth: self.by_depth.clone(),
            schedules: covered.schedules,
            twice: covered.twice,
            ended_held: covered.ended_held,
            places: self.places,
            edges: covered.edges.len(),
            undone: covered.undone.len(),
            aborted: covered.aborted.len(),
            of: coverage::totals(graph),
            rows: covered.rows(graph),
            faults: covered.faults.clone(),
            time: self.time,
        }
    }
}

/// Explores the machine of a world: all single faults, unless asked for more.
///
/// The environment has the last word, so that a test can be taken further without changing it: `FSM_FAULTS=3` sets the number of faults,
/// `FSM_UNABRIDGED=1` leaves nothing out, and `FSM_PLAN` runs one plan instead. A machine that has none of the transitions that the plan names fails:
/// it has run nothing.
pub fn explore<W: World>() -> Explorer<W> {
    Explorer {
        rig: Rig::new(),
        faults: 1,
        budget: None,
        time: None,
        threads: std::thread::available_parallelism().map_or(1, |threads| threads.get().min(8)),
        only: None,
        unreached: BTreeSet::new(),
        idle: W::idle_edits().into_iter().collect(),
        lenient: false,
        progress: false,
        joined: true,
    }
}

impl<W: World> Explorer<W> {
    /// Up to so many faults in one run.
    pub fn faults(mut self, faults: usize) -> Self {
        self.faults = faults;
        self
    }

    /// Stops after so many schedules. The report says what was complete by then, and is no pass: [`AssertOk`](super::AssertOk) fails.
    pub fn budget(mut self, schedules: u64) -> Self {
        self.budget = Some(schedules);
        self
    }

    /// Stops after so much time. The report says what was complete by then, and is no pass: [`AssertOk`](super::AssertOk) fails.
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

    /// Says that this world has no occasion for something: `transition -> State`, `undo transition`, `abort transition`,
    /// `lookup transition`, `take-over transition`, `wait transition` or `fault name`. It is an error if it has, or if there is no such
    /// thing.
    pub fn unreached(mut self, what: &str) -> Self {
        self.unreached.insert(what.to_owned());
        self
    }

    /// Other resources than the world's: the first, and what it is edited to. Which of these edits are idle is said anew.
    pub fn resources(mut self, resources: Vec<<W::Machine as Machine>::Resource>) -> Self {
        if !resources.is_empty() {
            self.rig.resources = Arc::new(resources);
            self.idle.clear();
        }
        self
    }

    /// One of several lists of resources for the world. An edit that the world lists as idle may change something in one of them.
    pub(crate) fn in_world(self, resources: Vec<<W::Machine as Machine>::Resource>) -> Self {
        let mut explorer = self.resources(resources);
        explorer.idle.extend(W::idle_edits());
        explorer.lenient = true;
        explorer
    }

    /// Says that an edit, counted from 1, changes nothing that exists, as [`World::idle_edits`] does.
    pub fn idle_edit(mut self, edit: usize) -> Self {
        self.idle.insert(edit);
        self
    }

    /// In every run, somebody else has the names before the first pass: what [`World::strangers`] puts there stays until the end. A machine may be held
    /// then, so what is covered is no condition.
    pub fn among_strangers(mut self) -> Self {
        self.rig.strangers = true;
        self
    }

    /// The store tells that no other process can write to it, as a file store does.
    pub fn exclusive(mut self) -> Self {
        self.rig.exclusive = true;
        self
    }

    /// Also runs what follows after a schedule reaches a state that another schedule explores, with fewer faults or earlier with as many. By default a schedule stops
    /// there, except for one in sixty-four. Two states are equal if nothing is under way, the same things exist, and the records agree, ignoring sequence numbers, timestamps and
    /// messages.
    pub fn unabridged(mut self) -> Self {
        self.joined = false;
        self
    }

    /// Prints a line every five seconds.
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
            if let Fault::Event(name) = fault
                && !W::events().contains(name)
            {
                let violation = Violation::new(Oracle::NotFired, format!("this world has no event `{name}`"));
                return Err(self.failure(plan.clone(), violation, Vec::new(), 1));
            }
            match Point::of(label, graph) {
                Some(point) => points.push((point, *fault)),
                None => {
                    let message = format!("this machine has no transition `{}`", label.transition);
                    return Err(self.failure(plan.clone(), Violation::new(Oracle::NotFired, message), Vec::new(), 1));
                }
            }
        }
        let first = run(&self.rig, &[], &Manner::default());
        if first.violation.is_some() {
            points.clear();
        }
        let clean = self.clean(first.rests)?;
        let manner = |verbose| Manner { clean: Some(&clean), verbose, ..Manner::default() };
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
    /// The first counterexample, with its timeline. Where nothing could be tested that is an error as well: a plan of another machine in `FSM_PLAN`,
    /// `FSM_FAULTS=0`, or a world that has no occasion for something.
    pub fn run(self) -> Result<Report, Box<Failure>> {
        let report = match self.explored()? {
            None => return Ok(Report::of_replay(self.graph().name)),
            Some(explored) => {
                if self.only.is_none() && !self.rig.strangers {
                    self.judge(&explored.covered, explored.complete)?;
                }
                explored.report(self.graph())
            }
        };
        Ok(report)
    }

    /// Explores, and does not judge what was covered. None if one plan was replayed instead.
    pub(crate) fn explored(&self) -> Result<Option<Explored>, Box<Failure>> {
        let nothing = |why| self.failure(Plan::default(), Violation::new(Oracle::NotFired, why), Vec::new(), 0);
        let environment = Environment::read().map_err(nothing)?;
        match &environment.plan {
            None => self.search(&environment).map(Some),
            Some(plan) => {
                let graph = self.graph();
                if let Some((label, _)) = plan.0.iter().find(|(label, _)| Point::of(label, graph).is_none()) {
                    let name = &label.transition;
                    return Err(nothing(format!(
                        "FSM_PLAN is for another machine, this one has no `{name}`: nothing was run; give cargo the names of that machine's tests"
                    )));
                }
                self.replay(plan).map(|()| None)
            }
        }
    }

    /// Whether all was covered that the machine makes possible.
    pub(crate) fn judge(&self, covered: &Covered, complete: usize) -> Result<(), Box<Failure>> {
        let violation = covered.check(self, complete);
        violation.map_or(Ok(()), |it| Err(self.failure(Plan::default(), it, Vec::new(), 0)))
    }

    fn search(&self, environment: &Environment) -> Result<Explored, Box<Failure>> {
        let (faults, joined) = (environment.faults.unwrap_or(self.faults), self.joined && !environment.unabridged);
        let begun = Instant::now();
        let schedules = AtomicU64::new(0);
        let first = run(&self.rig, &[], &Manner { records: true, ..Manner::default() });
        let mut covered = Covered::default();
        covered.add(&first, &[]);
        schedules.fetch_add(1, Ordering::Relaxed);
        if let Some(violation) = first.violation {
            let log = run(&self.rig, &[], &Manner { verbose: true, ..Manner::default() }).log;
            return Err(self.failure(Plan::default(), violation, log, 1));
        }
        if self.rig.strangers && first.strangers == 0 {
            let violation = Violation::new(Oracle::NotFired, "`World::strangers` puts nothing there".to_owned());
            return Err(self.failure(Plan::default(), violation, Vec::new(), 1));
        }
        if self.only.is_none()
            && !self.rig.strangers
            && let Some(violation) = self.check_edits(&first.rests).or_else(|| covered.check_listed(self))
        {
            return Err(self.failure(Plan::default(), violation, Vec::new(), 1));
        }
        let clean = self.clean(first.rests.clone())?;
        let mut explored = Explored {
            covered,
            complete: 0,
            cut: None,
            by_depth: vec![1],
            places: first.seen.len(),
            time: Duration::ZERO,
        };
        let mut been = Joins::default();
        first.joins.iter().for_each(|&here| been.add(here, (0, 0), true));
        let mut known = vec![Arc::new(been)];
        for depth in 1..=faults {
            let before = schedules.load(Ordering::Relaxed);
            let ended = Search::new(self, &clean, Ways { known: &known, joined }, &schedules, begun, depth).run(&first);
            let (more, been) = match ended {
                Ended::Found { nth, plan, violation } => {
                    let manner = Manner { clean: Some(&clean), verbose: true, ..Manner::default() };
                    let log = run(&self.rig, &plan, &manner).log;
                    return Err(self.failure(plan_of(&plan, self.graph()), violation, log, before + nth));
                }
                Ended::Cut { covered: more, part } => {
                    explored.by_depth.push(more.schedules);
                    explored.covered.merge(more);
                    explored.cut = Some((depth, part));
                    break;
                }
                Ended::Complete { covered, been } => (covered, been),
            };
            explored.by_depth.push(more.schedules);
            explored.covered.merge(more);
            explored.complete = depth;
            known.push(Arc::new(been));
            if self.progress {
                let (time, schedules) = (begun.elapsed().as_secs_f32(), explored.covered.schedules);
                eprintln!("{}: {depth} faults complete, {schedules} schedules, {time:.1} s", self.graph().name);
            }
        }
        explored.time = begun.elapsed();
        Ok(explored)
    }

    /// What runs without faults leave: the first one, which gets every spec, and one for each later spec alone.
    fn clean(&self, rests: Vec<Rested>) -> Result<Clean, Box<Failure>> {
        let mut clean = Clean::default();
        clean.add(rests);
        for spec in 1..self.rig.resources.len() {
            let manner = |verbose| Manner { alone: Some(spec), verbose, ..Manner::default() };
            let alone = run(&self.rig, &[], &manner(false));
            if let Some(violation) = alone.violation {
                let message = format!("with the spec of edit {spec} from the beginning: {}", violation.message);
                let log = run(&self.rig, &[], &manner(true)).log;
                return Err(self.failure(Plan::default(), Violation { message, ..violation }, log, 1));
            }
            clean.add(alone.rests);
        }
        Ok(clean)
    }

    /// Whether the edits that change nothing are those that are said to.
    fn check_edits(&self, rests: &[Rested]) -> Option<Violation> {
        let (made, idle) = (edits(rests), idle_edits(rests));
        let list = |edits: Vec<String>| format!("fn idle_edits() -> Vec<usize> {{ vec![{}] }}", edits.join(", "));
        let expected = list(idle.iter().map(ToString::to_string).collect());
        let message = if let Some(edit) = idle.difference(&self.idle).next() {
            format!(
                "edit {edit} changes nothing that exists; let the inventory show what it changes, or say in the world: {expected}"
            )
        } else {
            let edit =
                self.idle.iter().filter(|_| !self.lenient).find(|edit| made.contains(edit) && !idle.contains(edit))?;
            format!("edit {edit} is listed as idle, and changes what exists; say in the world: {expected}")
        };
        Some(Violation::new(Oracle::NotFired, message))
    }

    fn failure(&self, plan: Plan, violation: Violation, log: Vec<super::sim::Line>, nth: u64) -> Box<Failure> {
        Box::new(Failure { machine: self.graph().name, plan, violation, timeline: log, schedule: nth, world: "" })
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

/// The faults of a menu, with the events of the world.
pub(crate) fn faults_of<W: World>(menu: u64) -> impl Iterator<Item = Fault> {
    let events = W::events().iter().map(|name| Fault::Event(name));
    Fault::ALL.iter().copied().chain(events).filter(move |fault| menu & fault.bit() != 0)
}

pub(crate) fn plan_of(faults: &[(Point, Fault)], graph: &Graph<'_>) -> Plan {
    Plan(faults.iter().map(|(point, fault)| (point.label(graph), *fault)).collect())
}
