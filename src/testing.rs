//! For testing machines: one transition alone, stores, and whole machines under every fault.

mod clock;
mod conformance;
mod explore;
mod known;
mod oracle;
mod plan;
#[cfg(test)]
#[path = "../tests/planted/mod.rs"]
mod planted;
mod report;
mod run;
mod sim;
mod stable_hash;
mod strategy;
mod survive;
mod unit;
mod upgrade;
mod world;

#[doc(hidden)]
pub use ::proptest;
pub use clock::TestClock;
pub use conformance::{Broken, StoreFixture, check as check_store, store_conformance};
pub use explore::{Explorer, explore};
pub use oracle::{Oracle, Violation};
pub use plan::{Fault, Label, Place, Plan, PlanError};
pub use report::{AssertOk, Failure, Report, Row, Totals};
pub use sim::Sim;
pub use strategy::{Picks, picks, random_plans};
pub use survive::{Suite, Trouble, assert_listed};
pub use unit::{Attempt, state};
pub use upgrade::{Successor, Upgrades, upgrade};
pub use world::{At, Backend, Change, Shelf, ShelfError, Shelved, Sweeper, Thing, Timer, World};
