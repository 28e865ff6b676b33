//! One depth of an exploration, on several threads. Invariant: what it finds depends on the plans alone, never on which thread was faster.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use super::coverage::Covered;
use super::{Explorer, faults_of};
use crate::Site;
use crate::testing::oracle::{Oracle, Violation};
use crate::testing::plan::{Fault, Label, Place};
use crate::testing::run::{Checkpoint, Clean, Manner, Run, run};
use crate::testing::sim::{AsMany, Followed, Joins, Point, Seen};
use crate::testing::world::World;

/// What the threads of one depth share.
pub(super) struct Search<'s, W: World> {
    explorer: &'s Explorer<W>,
    clean: &'s Clean,
    stop: AtomicBool,
    ways: Ways<'s>,
    been: Arc<RwLock<Joins>>,
    schedules: &'s AtomicU64,
    begun: Instant,
    /// When a line was printed last, in units of five seconds.
    told: AtomicU64,
    found: Mutex<Option<Found>>,
    /// The branch of what was found, so that no later one is begun. The largest number if nothing was found.
    found_in: AtomicUsize,
    depth: usize,
}

/// Of so many runs one is run twice and compared: more than one in a hundred, also where the last ones are no full number.
const TWICE: u64 = 64;

/// Where other runs have been.
#[derive(Clone, Copy)]
pub(super) struct Ways<'s> {
    /// Where runs with so many faults have been.
    pub(super) known: &'s [Arc<Joins>],
    /// Whether a run ends where others have been.
    pub(super) joined: bool,
}

/// All plans that begin with the same fault: what one thread explores at a time.
struct Branch {
    index: usize,
    /// How many of its plans were run.
    runs: u64,
    /// How many of them have so many faults, one fewer than the index says.
    of: Vec<u64>,
    covered: Covered,
}

type Faults = Vec<(Point, Fault)>;

/// A plan with one more fault than one that was run.
#[derive(Clone)]
struct Child {
    plan: Faults,
    /// How many places come before the one where the last fault strikes.
    after: usize,
    /// Its number among all children, also those that are not combined with other faults.
    number: usize,
    /// Whether more faults may follow.
    is_combined: bool,
}

/// Where runs that begin alike may go on from, in the order in which they passed.
type Checkpoints = [Arc<Checkpoint>];

/// A counterexample: its branch, and which of the branch's plans it was.
struct Found {
    branch: usize,
    nth: u64,
    plan: Faults,
    violation: Violation,
}

/// How the search of one depth has ended.
pub(super) enum Ended {
    /// A counterexample was found, as so many'th of this depth.
    Found { nth: u64, plan: Faults, violation: Violation },
    /// The budget was used up, when this part was done.
    Cut { covered: Covered, part: f64 },
    /// Everything was run; these are the places where runs have been.
    Complete { covered: Covered, been: Joins },
}

impl<'s, W: World> Search<'s, W> {
    /// The search of all runs with exactly `depth` faults.
    pub(super) fn new(
        explorer: &'s Explorer<W>,
        clean: &'s Clean,
        ways: Ways<'s>,
        schedules: &'s AtomicU64,
        begun: Instant,
        depth: usize,
    ) -> Self {
        Self {
            explorer,
            clean,
            stop: AtomicBool::new(false),
            ways,
            been: Arc::default(),
            schedules,
            begun,
            told: AtomicU64::new(begun.elapsed().as_secs() / 5),
            found: Mutex::new(None),
            found_in: AtomicUsize::new(usize::MAX),
            depth,
        }
    }

    /// Runs them. `clean` is a run without faults.
    pub(super) fn run(self, clean: &Run) -> Ended {
        let (branches, part) = self.branches(clean);
        if let Some(Found { branch, nth, plan, violation }) =
            self.found.into_inner().unwrap_or_else(PoisonError::into_inner)
        {
            let earlier = branches.iter().filter(|other| other.index < branch).map(|other| other.runs);
            return Ended::Found { nth: earlier.sum::<u64>() + nth, plan, violation };
        }
        let mut covered = Covered::default();
        branches.into_iter().for_each(|branch| covered.merge(branch.covered));
        if self.stop.into_inner() {
            return Ended::Cut { covered, part };
        }
        let been = std::mem::take(&mut *self.been.write().unwrap_or_else(PoisonError::into_inner));
        Ended::Complete { covered, been }
    }

    /// All runs, by their first fault; and how much of them was done.
    fn branches(&self, clean: &Run) -> (Vec<Branch>, f64) {
        let first = self.children(&[], &clean.seen, 0);
        let next = AtomicUsize::new(0);
        let workers = self.explorer.threads.min(first.len().max(1));
        let branches = std::thread::scope(|scope| {
            let work = || {
                let mut done = Vec::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(child) = first.get(index) else { break };
                    let mut branch =
                        Branch { index: child.number, runs: 0, of: vec![0; self.depth], covered: Covered::default() };
                    if !self.is_over(&branch) {
                        self.below(child.clone(), &clean.checkpoints, &mut branch);
                        done.push(branch);
                    }
                }
                done
            };
            let handles: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
            let mut all = work();
            for handle in handles {
                match handle.join() {
                    Ok(branches) => all.extend(branches),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            all
        });
        let done = branches.len() as f64 / first.len().max(1) as f64;
        (branches, done)
    }

    /// Whether nothing in this branch is wanted any more: the budget is used up, or an earlier branch has a counterexample. A later one
    /// is no reason, so that what is found does not depend on which thread is faster.
    fn is_over(&self, branch: &Branch) -> bool {
        self.stop.load(Ordering::Relaxed) || branch.index >= self.found_in.load(Ordering::Relaxed)
    }

    /// This plan, and, if it has too few faults yet, all that begin with it.
    fn below(&self, Child { plan, after, is_combined, .. }: Child, checkpoints: &Checkpoints, branch: &mut Branch) {
        if self.is_over(branch) {
            return;
        }
        let nth = self.schedules.fetch_add(1, Ordering::Relaxed) + 1;
        let over = self.explorer.budget.is_some_and(|budget| nth > budget)
            || self.explorer.time.is_some_and(|time| nth.is_multiple_of(16) && self.begun.elapsed() > time);
        if self.explorer.progress && nth.is_multiple_of(256) {
            self.tell(nth);
        }
        if over {
            self.stop.store(true, Ordering::Relaxed);
            return;
        }
        branch.runs += 1;
        branch.of[plan.len() - 1] += 1;
        let order = (branch.index, branch.of[plan.len() - 1]);
        let twice = plan.len() == self.depth && (branch.index as u64 + branch.runs).is_multiple_of(TWICE);
        let from = checkpoints[..checkpoints.partition_point(|it| it.passed <= after)].last();
        let records = plan.len() < self.depth;
        let mut manner = Manner { traced: twice, records, from: from.map(|it| &**it), ..self.manner(&plan) };
        manner.followed.is_extended = records;
        if self.ways.joined && !twice {
            let been = match self.ways.known.get(plan.len()) {
                Some(known) => AsMany::All(Arc::clone(known)),
                None => AsMany::SoFar(Arc::clone(&self.been)),
            };
            manner.followed.as_many = Some((been, order));
        }
        let run = run(&self.explorer.rig, &plan, &manner);
        if plan.len() == self.depth {
            branch.covered.add(&run, &plan);
            if twice {
                self.again(&plan, &run, branch);
                branch.covered.twice += 1;
            }
        }
        if let Some(violation) = run.violation {
            let violation = if from.is_some() { self.confirmed(&plan, violation) } else { violation };
            self.report(branch, plan, violation);
            return;
        }
        if plan.len() < self.depth {
            // What strikes in the same pass as the fault before goes on from where that one did.
            let checkpoints: Vec<_> = from.into_iter().chain(&run.checkpoints).cloned().collect();
            for child in self.children(&plan, &run.seen, run.fired_at) {
                self.below(child, &checkpoints, branch);
            }
        } else if self.ways.joined {
            let mut been = self.been.write().unwrap_or_else(PoisonError::into_inner);
            run.joins.iter().for_each(|&here| been.add(here, order, is_combined));
        }
    }

    /// How far it is, every five seconds.
    fn tell(&self, nth: u64) {
        let now = self.begun.elapsed().as_secs() / 5;
        if self.told.fetch_max(now, Ordering::Relaxed) < now {
            // What a plan begins with is run again at each depth.
            eprintln!("{}: {} faults, {nth} runs so far", self.explorer.graph().name, self.depth);
        }
    }

    /// A run ends where runs with fewer faults have been.
    fn manner(&self, plan: &Faults) -> Manner<'_> {
        let fewer = if self.ways.joined { &self.ways.known[..plan.len().min(self.ways.known.len())] } else { &[] };
        let followed = Followed { fewer: fewer.to_vec(), ..Followed::default() };
        Manner { clean: Some(self.clean), followed, ..Manner::default() }
    }

    /// What a run found that went on from where another one was, if one from the beginning finds it too.
    fn confirmed(&self, plan: &Faults, found: Violation) -> Violation {
        run(&self.explorer.rig, plan, &self.manner(plan)).violation.unwrap_or_else(|| {
            let message = format!(
                "a run that went on from where another one was found \"{found}\", and one from the beginning does not; the world remembers what it was asked by `inventory` or `check`, or by what a guard or a wanted set called"
            );
            Violation::new(Oracle::Nondeterministic, message)
        })
    }

    fn again(&self, plan: &Faults, before: &Run, branch: &Branch) {
        // One that ended where another was goes on to its end: that shows whether it is the same from there on.
        let whole = run(&self.explorer.rig, plan, &Manner { followed: Followed::default(), ..self.manner(plan) });
        if let Some(violation) = whole.violation {
            self.report(branch, plan.clone(), violation);
        }
        let again = run(&self.explorer.rig, plan, &Manner { traced: true, ..self.manner(plan) });
        if again.digest != before.digest {
            let mut pairs = again.seen.iter().zip(&before.seen);
            let graph = self.explorer.graph();
            let differs = pairs.find(|(one, other)| one.point != other.point).map(|(one, _)| one.point.label(graph));
            let place = differs.map_or_else(|| "the end".to_owned(), |label: Label| label.to_string());
            let message =
                format!("the runs part at {place}; a hash map, a real clock or chance in the world does that");
            self.report(branch, plan.clone(), Violation::new(Oracle::Nondeterministic, message));
        }
    }

    /// The first of the earliest branch counts.
    fn report(&self, branch: &Branch, plan: Faults, violation: Violation) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.as_ref().is_none_or(|other| branch.index < other.branch) {
            self.found_in.fetch_min(branch.index, Ordering::Relaxed);
            *found = Some(Found { branch: branch.index, nth: branch.runs, plan, violation });
        }
    }

    /// The plan, with one more fault at one of these places, of which so many come before all of its own have struck.
    fn children(&self, plan: &[(Point, Fault)], seen: &[Seen], fired_at: usize) -> Vec<Child> {
        let mut children = Vec::new();
        let mut number = 0;
        for (after, seen) in seen.iter().enumerate().skip(fired_at) {
            for fault in faults_of::<W>(seen.menu) {
                // After the last await of a method nothing is left to do: the method's own faults say the same.
                let twice = seen.last_await
                    && matches!(seen.point.place, Place::Await(Site::Effect | Site::Undo | Site::Abort, _));
                let is_first = fault == Fault::Touched && seen.point.place == Place::Pass;
                let alone = fault.bit() & Fault::ALONE != 0 && !is_first;
                let is_combined = !twice && !alone;
                number += 1;
                if !(is_combined || self.depth == 1) || !self.explorer.admits(&seen.point, fault) {
                    continue;
                }
                let mut plan = plan.to_vec();
                plan.push((seen.point.clone(), fault));
                children.push(Child { plan, after, number, is_combined });
            }
        }
        children
    }
}
