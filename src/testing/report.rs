//! What an exploration says. Invariant: it claims only what was complete, and a failure carries all that is needed to see it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::oracle::Violation;
use super::plan::{Fault, Place, Plan};
use super::sim::Line;

/// What was explored, and found to hold.
#[derive(Debug, Clone)]
pub struct Report {
    /// The machine.
    pub machine: &'static str,
    /// Up to how many faults every combination was run.
    pub complete: usize,
    /// Where the budget ended it: at how many faults, and how much of those was done.
    pub cut: Option<(usize, f64)>,
    /// How many runs there were, by the number of faults.
    pub by_depth: Vec<u64>,
    /// How many different runs there were in all.
    pub schedules: u64,
    /// How many of them were run twice and compared.
    pub twice: u64,
    /// How many ended held for a person, as `in_doubt = hold` may.
    pub ended_held: u64,
    /// How many places a run without faults passes.
    pub places: usize,
    /// How many edges were taken.
    pub edges: usize,
    /// How many undos were run.
    pub undone: usize,
    /// How many aborts were run.
    pub aborted: usize,
    /// How many edges, undos and aborts the machine has.
    pub of: Totals,
    /// For each transition how many faults have struck, and last those that belong to none.
    pub rows: Vec<Row>,
    /// How often each fault struck at each kind of place.
    pub faults: BTreeMap<(Place, Fault), u64>,
    /// How long it took.
    pub time: Duration,
}

/// How many edges, undos and aborts a machine has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Edges; a set counts as one.
    pub edges: usize,
    /// Undo methods.
    pub undos: usize,
    /// Abort methods.
    pub aborts: usize,
}

/// What has struck one transition. A fault counts once for each kind of place: a site, the awaits inside of it, or between passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The transition; empty for what belongs to none.
    pub transition: String,
    /// How many faults have struck.
    pub struck: u32,
    /// How many could have, in a run with any of the faults. What could only after as many faults as were explored is among them.
    pub offered: u32,
}

impl Report {
    /// Whether one plan was replayed instead, or skipped, because of `FSM_PLAN`: nothing is claimed to be complete.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.by_depth.is_empty()
    }

    pub(crate) fn of_replay(machine: &'static str) -> Self {
        Self {
            machine,
            complete: 0,
            cut: None,
            by_depth: Vec::new(),
            schedules: 1,
            twice: 0,
            ended_held: 0,
            places: 0,
            edges: 0,
            undone: 0,
            aborted: 0,
            of: Totals::default(),
            rows: Vec::new(),
            faults: BTreeMap::new(),
            time: Duration::ZERO,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_replay() {
            return write!(f, "{}: FSM_PLAN alone was run", self.machine);
        }
        write!(f, "{}: complete to {} faults", self.machine, self.complete)?;
        if let Some((depth, part)) = self.cut {
            write!(f, "; NOT A PASS, stopped by the budget at {:.0} % of {depth}", part * 100.0)?;
        }
        let speed = self.schedules as f64 / self.time.as_secs_f64().max(0.001);
        writeln!(f, "\n  {} schedules, {:.1} s, {speed:.0} a second", self.schedules, self.time.as_secs_f64())?;
        writeln!(f, "  {} places without faults; runs by number of faults: {:?}", self.places, self.by_depth)?;
        writeln!(
            f,
            "  edges {}/{}, undos {}/{}, aborts {}/{}; ended held {}",
            self.edges, self.of.edges, self.undone, self.of.undos, self.aborted, self.of.aborts, self.ended_held
        )?;
        let all = |count: fn(&Row) -> u32| self.rows.iter().map(count).sum::<u32>();
        writeln!(f, "  faults x places {}/{}", all(|row| row.struck), all(|row| row.offered))?;
        for row in &self.rows {
            let name = if row.transition.is_empty() { "(none)" } else { &row.transition };
            writeln!(f, "    {name:<24} {}/{}", row.struck, row.offered)?;
        }
        writeln!(f, "  {} runs compared with themselves, 0 differences", self.twice)?;
        let places: BTreeSet<Place> = self.faults.keys().map(|(place, _)| *place).collect();
        for place in places {
            write!(f, "  {:<10}", name(place))?;
            for ((_, fault), count) in self.faults.iter().filter(|((at, _), _)| *at == place) {
                write!(f, " {fault} {count},")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn name(place: Place) -> String {
    match place {
        Place::Await(site, _) => format!("{}.n", site.name()),
        place => place.to_string(),
    }
}

/// A counterexample.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The machine.
    pub machine: &'static str,
    /// The faults that lead to it; what replays it.
    pub plan: Plan,
    /// What was violated.
    pub violation: Violation,
    /// Which schedule it was.
    pub schedule: u64,
    pub(crate) timeline: Vec<Line>,
    /// In which world of several.
    pub(crate) world: &'static str,
}

impl Failure {
    /// The same, told to be of one world of several.
    pub(crate) fn in_world(mut self: Box<Self>, name: &'static str) -> Box<Self> {
        self.world = name;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = self.plan.0.len();
        let world = if self.world.is_empty() { String::new() } else { format!(" ({})", self.world) };
        writeln!(f, "{}{world}: {}", self.machine, self.violation)?;
        writeln!(f, "  smallest: {faults} faults; found at schedule {}", self.schedule)?;
        f.write_str(&lines(&self.timeline))?;
        match self.schedule {
            // Nothing was run that could be replayed.
            0 => Ok(()),
            _ => write!(f, "replay: FSM_PLAN='{}'", self.plan),
        }
    }
}

/// A timeline as text. What the second controller does is marked.
pub(super) fn lines(timeline: &[Line]) -> String {
    let mut text = String::new();
    for line in timeline {
        let controller = if line.actor == 0 { ' ' } else { '\'' };
        let at = line.at.as_secs_f64() - 1.0;
        text.push_str(&format!("{at:>10.3} s {controller} {}\n", line.text));
    }
    text
}

impl std::error::Error for Failure {}

/// The end of a test.
pub trait AssertOk {
    /// What is returned if it holds.
    type Output;

    /// The report.
    ///
    /// # Panics
    /// If something was violated, with the timeline and the plan that replays it; or if the exploration was cut short.
    fn assert_ok(self) -> Self::Output;
}

impl AssertOk for Result<Report, Box<Failure>> {
    type Output = Report;

    #[track_caller]
    fn assert_ok(self) -> Report {
        match self {
            Ok(report) if report.cut.is_some() => {
                panic!("{report}raise the budget, or take the report with `unwrap` and look at `cut`")
            }
            Ok(report) => report,
            Err(failure) => panic!("{failure}"),
        }
    }
}

impl AssertOk for Result<(), Box<Failure>> {
    type Output = ();

    #[track_caller]
    fn assert_ok(self) {
        if let Err(failure) = self {
            panic!("{failure}");
        }
    }
}
