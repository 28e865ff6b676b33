//! The search: all plans of one fault, then all of two, and so on. Invariant: a depth is complete or it has failed; nothing is sampled.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::fault::{Fault, Pattern};
use crate::plan::Plan;
use crate::run::{Run, Subject};
use crate::script::Script;

/// The environment variable with a plan to run instead of all.
const PLAN: &str = "SIEVE_PLAN";

/// Every so-manieth plan is run twice, and both runs must be the same.
const TWICE: usize = 64;

/// What is searched.
pub struct Search {
    pub subject: Subject,
    pub script: Script,
    pub patterns: &'static [Pattern],
}

/// The first plan that fails, and the others of the same number of faults.
#[derive(Debug)]
pub struct Counterexample {
    pub plan: Plan,
    pub wrongs: Vec<String>,
    pub others: Vec<Plan>,
}

/// One depth that was searched to its end.
#[derive(Default)]
struct Depth {
    plans: usize,
    twice: usize,
    by_fault: BTreeMap<Fault, usize>,
    by_patterns: BTreeMap<Vec<Pattern>, usize>,
}

impl Search {
    /// Runs all plans up to this number of faults, and says how many; panics with the first that fails, of those with the fewest faults.
    pub fn passes(&self, depth: usize) {
        if let Ok(plan) = std::env::var(PLAN) {
            return self.replay(&plan.parse().unwrap());
        }
        let started = Instant::now();
        let thread = std::thread::current();
        let test = thread.name().unwrap_or_default();
        match self.run(depth) {
            Ok(report) => println!("{test}, in {:.1?}:{report}", started.elapsed()),
            Err(found) => {
                let timeline = Run::of(self.subject, self.script, &found.plan, true).timeline.join("\n");
                let Counterexample { plan, wrongs, others } = found;
                let others: Vec<String> = others.iter().map(|it| format!("  {it}")).collect();
                panic!(
                    "{timeline}\n{plan} fails:\n  {}\nand {} others:\n{}\nrun it again: {PLAN}='{plan}' cargo test -p durable-fsm-kube --test sieve {test}",
                    wrongs.join("\n  "),
                    others.len(),
                    others.join("\n"),
                );
            }
        }
    }

    /// The first plan that fails, of those with the fewest faults.
    pub fn fails(&self, depth: usize) -> Option<Counterexample> {
        self.run(depth).err()
    }

    fn replay(&self, plan: &Plan) {
        let run = Run::of(self.subject, self.script, plan, true);
        println!("{}", run.timeline.join("\n"));
        assert!(run.wrongs.is_empty(), "{plan} fails:\n  {}", run.wrongs.join("\n  "));
        println!("{plan} passes");
    }

    fn run(&self, depth: usize) -> Result<String, Counterexample> {
        let mut report = String::new();
        let mut plans = vec![Plan::default()];
        for faults in 0..=depth {
            let runs = self.run_all(&plans);
            let mut reached = Depth { plans: plans.len(), ..Depth::default() };
            let mut next = Vec::new();
            let mut found: Option<Counterexample> = None;
            for (number, (plan, run)) in plans.iter().zip(runs).enumerate() {
                match &mut found {
                    _ if run.wrongs.is_empty() => {}
                    Some(found) => found.others.push(plan.clone()),
                    None => found = Some(Counterexample { plan: plan.clone(), wrongs: run.wrongs, others: Vec::new() }),
                }
                reached.twice += usize::from(number % TWICE == 0);
                if let Some(last) = plan.0.last() {
                    *reached.by_fault.entry(last.fault).or_default() += 1;
                    let patterns = plan.0.iter().map(|it| it.fault.pattern()).collect();
                    *reached.by_patterns.entry(patterns).or_default() += 1;
                }
                if faults < depth {
                    let places = run.places.iter();
                    next.extend(places.flat_map(|it| it.menu(self.patterns).map(|fault| plan.and(&it.label, fault))));
                }
            }
            if let Some(found) = found {
                return Err(found);
            }
            self.check_coverage(faults, &reached);
            let _ = write!(report, "{}", reached.report(faults));
            plans = next;
        }
        Ok(report)
    }

    /// Runs plans on all cores. Which thread runs which plan makes no difference.
    fn run_all(&self, plans: &[Plan]) -> Vec<Run> {
        let next = AtomicUsize::new(0);
        let runs: Mutex<Vec<Option<Run>>> = Mutex::new(plans.iter().map(|_| None).collect());
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(plan) = plans.get(number) else { return };
                let mut run = Run::of(self.subject, self.script, plan, false);
                if number.is_multiple_of(TWICE) {
                    let again = Run::of(self.subject, self.script, plan, false);
                    if again.digest != run.digest {
                        run.wrongs.push("it does not run the same way twice".to_owned());
                    }
                }
                runs.lock().unwrap()[number] = Some(run);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(work);
            }
        });
        runs.into_inner().unwrap().into_iter().map(|run| run.expect("every plan was run")).collect()
    }

    /// Every fault of the patterns must have struck somewhere, or the script never gives it the chance.
    fn check_coverage(&self, faults: usize, depth: &Depth) {
        if faults == 0 {
            return;
        }
        let all = Fault::ALL.iter().filter(|it| self.patterns.contains(&it.pattern()));
        let never: Vec<&Fault> = all.filter(|it| !depth.by_fault.contains_key(it)).collect();
        assert!(never.is_empty(), "with {faults} faults, these never struck last: {never:?}");
    }
}

impl Depth {
    fn report(&self, faults: usize) -> String {
        let mut report = format!("\n  {faults} faults: all {} plans", self.plans);
        for (patterns, count) in &self.by_patterns {
            let names: Vec<String> = patterns.iter().map(ToString::to_string).collect();
            let _ = write!(report, "\n    {:>6}  {}", count, names.join(", then "));
        }
        let _ = write!(report, "\n    {:>6}  run twice, the same way", self.twice);
        report
    }
}
