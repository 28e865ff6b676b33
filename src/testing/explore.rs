//! The explorer: every place, every fault that can strike there, alone and together. Invariant: it goes from fewer faults to more, so the
//! first counterexample has as few as any.

mod coverage;
mod search;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use durable_fsm_graph::Graph;

use super::oracle::{Oracle, Violation};
use super::plan::{Fault, Plan};
use super::report::{Failure, Report};
use super::run::{Manner, Rig, run};
use super::sim::{Joins, Point};
use super::world::World;
use crate::Machine;
use coverage::Covered;
use search::{Ended, Search};

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
/// `FSM_UNABRIDGED=1` leaves nothing out, and `FSM_PLAN` runs one plan instead, with every machine that has the transitions it names.
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

    /// Says that this world has no occasion for something: `transition -> State`, `undo transition`, `abort transition`,
    /// `lookup transition`, `take-over transition`, `wait transition` or `fault name`. It is an error if it has, or if there is no such
    /// thing.
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
    /// numbering, times and prose, with the same things in the world, and nothing under way. Unless asked for, a run ends there; but one in
    /// sixty-four goes on to its end.
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
            let graph = self.graph();
            match plan.0.iter().find(|(label, _)| Point::of(label, graph).is_none()) {
                // It is for another machine of the same tests.
                Some((label, _)) => {
                    eprintln!("{}: SKIPPED FSM_PLAN, this machine has no `{}`", graph.name, label.transition);
                }
                None => self.replay(&plan)?,
            }
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
        let mut known: Vec<Arc<Joins>> = vec![Arc::new(first.joins.iter().copied().collect())];
        for depth in 1..=self.faults {
            let before = schedules.load(Ordering::Relaxed);
            let ended = Search::new(self, &clean, &known, &schedules, begun, depth).run(&first.seen);
            let (more, been) = match ended {
                Ended::Found { nth, plan, violation } => {
                    let manner = Manner { clean: Some(&clean), verbose: true, ..Manner::default() };
                    let log = run(&self.rig, &plan, &manner).log;
                    return Err(self.failure(plan_of(&plan, self.graph()), violation, log, before + nth));
                }
                Ended::Cut { covered: more, part } => {
                    by_depth.push(more.schedules);
                    covered.merge(more);
                    cut = Some((depth, part));
                    break;
                }
                Ended::Complete { covered, been } => (covered, been),
            };
            by_depth.push(more.schedules);
            covered.merge(more);
            complete = depth;
            known.push(Arc::new(been));
            if self.progress {
                let time = begun.elapsed().as_secs_f32();
                eprintln!(
                    "{}: {depth} faults complete, {} schedules, {time:.1} s",
                    self.graph().name,
                    covered.schedules
                );
            }
        }
        if self.only.is_none()
            && let Some(violation) = covered.check(self, complete)
        {
            return Err(self.failure(Plan::default(), violation, Vec::new(), 0));
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
            of: coverage::totals(self.graph()),
            rows: covered.rows(self.graph()),
            faults: covered.faults,
            time: begun.elapsed(),
        })
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

pub(crate) fn plan_of(faults: &[(Point, Fault)], graph: &Graph<'_>) -> Plan {
    Plan(faults.iter().map(|(point, fault)| (point.label(graph), *fault)).collect())
}
