//! What a run keeps account of: how often each place was come by, what of the plan has struck, and what was found wrong.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use crate::fault::Fault;
use crate::place::{Kind, Place};
use crate::plan::Plan;

/// The account of one run.
pub struct Ledger {
    plan: Plan,
    struck: usize,
    counts: HashMap<String, u32>,
    /// The places come by since the last fault of the plan.
    pub places: Vec<Place>,
    /// When the last fault struck.
    pub last_fault: Duration,
    /// The name of the controller that runs; none while there is none.
    pub alive: Option<String>,
    /// The versions that the writes of workers made.
    pub versions: Vec<u64>,
    /// The number of the request whose record admission takes off.
    pub stripped: Option<u64>,
    /// The last record that was written, and the uid of its worker.
    pub backup: (String, String),
    /// What was found wrong.
    pub wrongs: Vec<String>,
    digest: DefaultHasher,
    timeline: Option<Vec<String>>,
}

impl Ledger {
    pub fn new(plan: Plan, tells: bool) -> Self {
        Self {
            plan,
            struck: 0,
            counts: HashMap::new(),
            places: Vec::new(),
            last_fault: Duration::ZERO,
            alive: None,
            versions: Vec::new(),
            stripped: None,
            backup: Default::default(),
            wrongs: Vec::new(),
            digest: DefaultHasher::new(),
            timeline: tells.then(Vec::new),
        }
    }

    /// Comes by a place, and says what strikes there.
    pub fn come_by(&mut self, name: String, kind: Kind, is_there: bool, at: Duration) -> Option<Fault> {
        let count = self.counts.entry(name.clone()).or_default();
        *count += 1;
        let label = format!("{name}#{count}");
        let next = self.plan.0.get(self.struck);
        let fault = next.filter(|it| it.at == label).map(|it| it.fault);
        match fault {
            Some(fault) => {
                self.struck += 1;
                self.last_fault = at;
                self.places.clear();
                self.note(at, format_args!("{label} <- {fault}"));
            }
            None => {
                self.note(at, format_args!("{label}"));
                self.places.push(Place { label, kind, is_there });
            }
        }
        fault
    }

    /// Whether every fault of the plan has struck.
    pub fn has_struck(&self) -> bool {
        self.struck == self.plan.0.len()
    }

    /// The faults that have struck.
    pub fn struck(&self) -> impl Iterator<Item = Fault> {
        self.plan.0[..self.struck].iter().map(|it| it.fault)
    }

    /// The faults of the plan that have not struck.
    pub fn left(&self) -> Plan {
        Plan(self.plan.0[self.struck..].to_vec())
    }

    /// Notes what happens.
    pub fn note(&mut self, at: Duration, what: std::fmt::Arguments<'_>) {
        let line = what.to_string();
        (at, &line).hash(&mut self.digest);
        if let Some(timeline) = &mut self.timeline {
            timeline.push(format!("{:>10.3} s  {line}", at.as_secs_f64()));
        }
    }

    /// Notes something that must not be.
    pub fn wrong(&mut self, at: Duration, what: String) {
        self.note(at, format_args!("WRONG: {what}"));
        self.wrongs.push(what);
    }

    /// A number for all that was noted.
    pub fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// All that was noted, if the run was to tell.
    pub fn timeline(&mut self) -> Vec<String> {
        self.timeline.take().unwrap_or_default()
    }
}
