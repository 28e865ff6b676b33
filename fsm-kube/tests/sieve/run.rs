//! One run: a subject, a script, and what strikes. Invariant: the same plan gives the same run, to the last digit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use durable_fsm::graph::Graph;

use crate::controller::Operate;
use crate::ledger::Ledger;
use crate::oracle::Oracle;
use crate::place::Place;
use crate::plan::Plan;
use crate::script::Script;
use crate::world::World;

/// A controller that is looked at.
#[derive(Clone, Copy)]
pub struct Subject {
    pub operate: Operate,
    /// The graph of its machine, if it has one, and what a worker has besides its skills.
    pub machine: Option<(&'static Graph<'static>, &'static [&'static str])>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    /// The places come by after the last fault.
    pub places: Vec<Place>,
    /// What was found wrong; nothing in a run that passes.
    pub wrongs: Vec<String>,
    /// A number for all that happened.
    pub digest: u64,
    /// All that happened, if it was to be told.
    pub timeline: Vec<String>,
}

impl Run {
    /// Runs a plan.
    pub fn of(subject: Subject, script: Script, plan: &Plan, tells: bool) -> Self {
        catch_unwind(AssertUnwindSafe(|| run(subject, script, plan, tells))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
            Self {
                places: Vec::new(),
                wrongs: vec![format!("a panic: {}", text.unwrap_or_default())],
                digest: 0,
                timeline: Vec::new(),
            }
        })
    }
}

fn run(subject: Subject, script: Script, plan: &Plan, tells: bool) -> Run {
    fastrand::seed(7);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World::new(Ledger::new(plan.clone(), tells), |shelf| {
            subject.machine.map(|(graph, things)| Oracle::new(graph, things, shelf))
        });
        let played = tokio::select! {
            biased;
            played = script.play(&world) => played,
            () = world.run_controllers(subject.operate) => unreachable!("controllers run forever"),
        };
        world.end();
        let now = world.now();
        let twice = world.shelf.twice();
        let mut ledger = world.ledger();
        if let Err(wrong) = played {
            ledger.wrong(now, wrong);
        }
        for twice in twice {
            ledger.wrong(now, format!("twice: {twice}"));
        }
        if !ledger.has_struck() {
            let wrong = format!("these faults have not struck: {}", ledger.left());
            ledger.wrong(now, wrong);
        }
        Run {
            places: std::mem::take(&mut ledger.places),
            wrongs: std::mem::take(&mut ledger.wrongs),
            digest: ledger.digest(),
            timeline: ledger.timeline(),
        }
    })
}
