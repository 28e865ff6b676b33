//! Bugs of the store.

use std::sync::Arc;

use super::machines::{Keeping, Keyed};
use super::seams::{BadStore, Bug, StoreBug, bad_steps};
use super::{assert_found, store};
use crate::testing::{Oracle, explore};

#[test]
fn no_compare_and_swap() {
    assert_found(&store::<Keyed>(StoreBug::NoCompare), Oracle::History, "make_a/intent#1=switch");
}

#[test]
fn intent_after_effect() {
    assert_found(&store::<Keyed>(StoreBug::IntentLater), Oracle::IntentFirst, "");
}

#[test]
fn no_take_over_write() {
    let failure = store::<Keyed>(StoreBug::NoTakeOver);
    assert_found(&failure, Oracle::IntentFirst, "make_a/intent#1=crash-after");
}

#[test]
fn record_removed_early() {
    assert_found(&store::<Keyed>(StoreBug::RemovedEarly), Oracle::Finalizer, "");
}

#[test]
fn record_reset_when_it_cannot_be_read() {
    let failure = store::<Keyed>(StoreBug::Reset);
    assert_found(&failure, Oracle::History, "pass#2=removed");
}

#[test]
fn stale_load() {
    let failure = store::<Keyed>(StoreBug::StaleLoad);
    assert_found(&failure, Oracle::History, "");
}

#[test]
fn a_pass_for_a_namesake_that_is_gone() {
    let failure = store::<Keyed>(StoreBug::Nameless);
    assert_found(&failure, Oracle::HeldForReason, "make_a/intent#1=delete; pass#2=made-again");
}

#[test]
fn pause_ignored() {
    let failure = store::<Keyed>(StoreBug::Deaf(|signals| signals.paused = false));
    assert_found(&failure, Oracle::IntentFirst, "pass#1=suspended");
}

#[test]
fn newer_spec_not_noticed_during_a_pass() {
    let failure = store::<Keyed>(StoreBug::Deaf(|signals| signals.generation = None));
    assert_found(&failure, Oracle::IntentFirst, "make_a/intent#1=edit");
}

#[test]
fn record_written_after_its_removal() {
    let failure = store::<Keyed>(StoreBug::Revives);
    assert_found(&failure, Oracle::History, "");
    assert!(failure.violation.message.contains("a resource that is gone"), "{failure}");
}

#[test]
fn deletion_not_noticed_during_a_pass() {
    let failure = store::<Keyed>(StoreBug::Deaf(|signals| signals.deleting = false));
    assert_found(&failure, Oracle::IntentFirst, "make_a/intent#1=delete");
}

#[test]
fn outcome_not_durable_before_a_look() {
    let failure = store::<Keeping>(StoreBug::OutcomeLater);
    assert_found(&failure, Oracle::IntentFirst, "");
    assert!(failure.violation.message.contains("looks before the outcome of `publish`"), "{failure}");
}

/// That nothing is known of an edit is found before, where it matters more; here a refusal has come before it.
#[test]
fn blocked_for_a_spec_that_is_no_longer_wanted() {
    let plan = "make_a/effect#1=rejected; pass#2=edit".parse().unwrap();
    let explorer = explore::<Keyed>().rig(|rig| {
        rig.store =
            Some(Box::new(|store| Arc::new(BadStore(store, StoreBug::Deaf(|signals| signals.generation = None)))));
        rig.steps = Some(Box::new(|steps| bad_steps(steps, Bug::FirstGeneration)));
    });
    let failure = explorer.replay(&plan).unwrap_err();
    assert_eq!(failure.violation.oracle, Oracle::Quiescent, "{failure}");
    assert!(failure.violation.message.contains("no longer wanted"), "{failure}");
}
