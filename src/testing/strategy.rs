//! proptest strategies: plans of any length, for what is too deep to enumerate. Invariant: every plan that is generated strikes, because
//! each fault is chosen among those that can strike after the ones before it; so it does while it shrinks, too.

use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngSeed, TestCaseError};

use super::explore::{Explorer, faults_of, plan_of};
use super::plan::{Fault, Plan};
use super::run::{Manner, run};
use super::sim::Point;
use super::world::World;
use crate::Machine;

/// Choices of faults, one after the other. Which faults these are depends on the machine: [`Explorer::plan`] tells. Faults that are several already,
/// such as an outage or an unnoticed restore, strike alone and are not among them.
#[derive(Debug, Clone)]
pub struct Picks(Vec<Index>);

/// Any choice of so many faults.
///
/// ```
/// # use durable_fsm::testing::picks;
/// let up_to_four = picks(0..=4);
/// ```
pub fn picks(faults: RangeInclusive<usize>) -> impl Strategy<Value = Picks> {
    vec(any::<Index>(), faults).prop_map(Picks)
}

/// How many random plans a test runs, and which. They are the same ones in every run, so that a test which passed and fails now fails for what was changed.
///
/// `PROPTEST_RNG_SEED` set to a number asks for others, and `PROPTEST_CASES` for more or fewer: to look for faults, set both.
///
/// ```
/// # use durable_fsm::testing::random_plans;
/// assert_eq!(random_plans(64), random_plans(64));
/// ```
#[must_use]
pub fn random_plans(cases: u32) -> Config {
    let asked = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { cases };
    let rng_seed = if asked.rng_seed == RngSeed::Random { RngSeed::Fixed(0) } else { asked.rng_seed };
    Config { cases, rng_seed, ..asked }
}

impl<W: World> Explorer<W> {
    /// The plan that was chosen.
    #[must_use]
    pub fn plan(&self, picks: &Picks) -> Plan {
        let mut faults: Vec<(Point, Fault)> = Vec::new();
        for pick in &picks.0 {
            let run = run(self.as_rig(), &faults, &Manner::default());
            let menu: Vec<(Point, Fault)> = run.seen[run.fired_at.min(run.seen.len())..]
                .iter()
                .flat_map(|seen| faults_of::<W>(seen.menu & !Fault::ALONE).map(|fault| (seen.point.clone(), fault)))
                .collect();
            if menu.is_empty() || run.violation.is_some() {
                break;
            }
            faults.push(pick.get(&menu).clone());
        }
        plan_of(&faults, <W::Machine as Machine>::GRAPH)
    }

    /// Runs the plan that was chosen.
    ///
    /// # Errors
    /// What was violated, with the timeline and the plan that replays it.
    pub fn survives(&self, picks: &Picks) -> Result<(), TestCaseError> {
        self.replay(&self.plan(picks)).map_err(|failure| TestCaseError::fail(failure.to_string()))
    }
}
