//! Planted bugs: a driver, store, clock or author with one fault each. Invariant: every bug is found, by the oracle that is there for it,
//! with no more faults than it takes.
//!
//! The files are tests of the library's own, compiled into it (`src/testing.rs`): bugs are planted where the driver meets store, clock and methods,
//! and those places are private.

mod author;
mod clock;
mod leaving;
mod machines;
mod outside;
mod record;
mod roll_back;
mod seams;
mod specs;
mod store;

use std::sync::Arc;

use machines::{Keeping, Keyed, Looping, Opaque};
use seams::{BadStore, Bug, StoreBug, bad_steps};

use super::run::Rig;
use super::{Failure, Oracle, World, explore};
use crate::record::Record;

/// What is found, with up to two faults.
fn found<W: World>(plant: impl FnOnce(&mut Rig<W>)) -> Failure {
    let explored = explore::<W>().rig(plant).faults(2).threads(1).run();
    *explored.expect_err("the bug was not found")
}

/// That it is found by this oracle, with these faults and no fewer.
#[track_caller]
fn assert_found(failure: &Failure, oracle: Oracle, plan: &str) {
    assert_eq!((failure.violation.oracle, failure.plan.to_string().as_str()), (oracle, plan), "{failure}");
}

fn store<W: World>(bug: StoreBug) -> Failure {
    found::<W>(|rig| rig.store = Some(Box::new(move |store| Arc::new(BadStore(store, bug)))))
}

fn forgetful<W: World>(forget: fn(&mut Record, Option<&Record>)) -> Failure {
    store::<W>(StoreBug::Forgets(forget))
}

fn steps<W: World>(bug: Bug) -> Failure {
    found::<W>(|rig| rig.steps = Some(Box::new(move |steps| bad_steps(steps, bug))))
}

#[test]
fn with_all_bugs_off_nothing_is_found() {
    explore::<Keyed>().faults(2).run().unwrap();
    explore::<Opaque>().faults(2).run().unwrap();
    explore::<Looping>().faults(2).run().unwrap();
    explore::<Keeping>().run().unwrap();
}

#[test]
fn a_fault_without_occasion_fails() {
    for plan in ["make_a/effect#9=crash", "make_z/effect#1=crash"] {
        let failure = explore::<Keyed>().replay(&plan.parse().unwrap()).unwrap_err();
        assert_eq!(failure.violation.oracle, Oracle::NotFired, "{failure}");
    }
}

#[test]
fn an_edge_without_occasion_fails() {
    let failure = *explore::<Keyed>().resources(vec![Keyed::resource()]).run().unwrap_err();
    assert_eq!(failure.violation.oracle, Oracle::NotFired, "{failure}");
    // Without the edge, nothing is asked of what comes only with it.
    assert!(failure.violation.message.contains("for: apply -> Ready; give it one"), "{failure}");
    assert!(failure.violation.message.ends_with("unreached { \"apply -> Ready\" }"), "{failure}");
    let failure = *explore::<Keyed>().unreached("apply -> Ready").run().unwrap_err();
    assert!(failure.to_string().contains("apply -> Ready (it has)"), "{failure}");
    for (what, why) in [
        ("take-over make_a", "it has"),
        ("fault rejected", "it has"),
        ("apply -> Redy", "there is no such thing"),
        ("lookup make_a", "there is no such thing"),
    ] {
        let failure = *explore::<Keyed>().unreached(what).run().unwrap_err();
        assert!(failure.to_string().contains(&format!("{what} ({why})")), "{failure}");
    }
}
