//! Bugs of the author: of methods, guards and wanted sets.

use super::machines::{Adopting, Keeping, Keyed, Looked, Opaque, Queueing, Timed, Trusting};
use super::seams::Bug;
use super::{assert_found, steps};
use crate::testing::{Oracle, explore};

#[test]
fn commit_before_effect() {
    assert_found(&steps::<Keyed>(Bug::CommitFirst), Oracle::IntentFirst, "");
}

#[test]
fn key_from_a_random_number() {
    assert_found(&steps::<Keyed>(Bug::RandomKey), Oracle::IntentFirst, "");
}

#[test]
fn key_from_the_time() {
    assert_found(&steps::<Keyed>(Bug::KeyOfTime), Oracle::IntentFirst, "");
}

#[test]
fn time_out_taken_as_failure() {
    let failure = steps::<Opaque>(Bug::UnknownIsFailure);
    assert_found(&failure, Oracle::SingleEffect, "buy/effect#1=reply-lost");
}

#[test]
fn repeat_with_a_newer_spec() {
    let failure = steps::<Keyed>(Bug::NewerSpec);
    assert_found(&failure, Oracle::ExactResume, "make_a/effect#1=unacceptable");
}

#[test]
fn undo_that_does_nothing() {
    assert_found(&steps::<Keyed>(Bug::IdleUndo), Oracle::Orphan, "");
}

#[test]
fn undo_that_never_succeeds() {
    assert_found(&steps::<Keyed>(Bug::NoUndo), Oracle::Quiescent, "");
}

#[test]
fn guard_that_cannot_make_up_its_mind() {
    assert_found(&steps::<Keyed>(Bug::FickleGuard), Oracle::Stable, "");
}

#[test]
fn adoption_without_proof() {
    let failure = *explore::<Adopting>().run().expect_err("not found");
    assert_found(&failure, Oracle::Author, "");
}

#[test]
fn resumed_step_taken_as_done() {
    let failure = *explore::<Trusting<false>>().threads(1).run().expect_err("not found");
    assert_found(&failure, Oracle::SameAsClean, "make/intent#1=crash-after");
}

/// Only a run that comes to its second step late goes wrong, though all that is recorded and all that exists is as without the delay.
#[test]
fn method_that_minds_the_time() {
    let failure = *explore::<Timed>().run().expect_err("not found");
    assert_found(&failure, Oracle::SingleEffect, "pass#1=suspended");
}

/// What is made after its undo is found also where nothing else was made, so that the record is gone by then.
#[test]
fn request_carried_out_later_than_declared() {
    let failure = *explore::<Queueing>().run().expect_err("not found");
    assert_found(&failure, Oracle::Orphan, "make/effect#1=late");
}

#[test]
fn step_left_half_done() {
    let failure = *explore::<Trusting<true>>().run().expect_err("not found");
    assert_found(&failure, Oracle::Author, "");
}

#[test]
fn method_given_other_facts() {
    assert_found(&steps::<Keyed>(Bug::OtherFacts), Oracle::ExactResume, "");
}

#[test]
fn delays_of_no_origin() {
    let failure = steps::<Keyed>(Bug::AnyDelay);
    // Which runs are done twice depends on hashes, so the plan is not pinned.
    assert_eq!(failure.violation.oracle, Oracle::Nondeterministic, "{failure}");
}

/// The same things happen at the same places and times; only the record's text differs.
#[test]
fn texts_of_no_origin() {
    let failure = steps::<Keyed>(Bug::AnyText);
    // Which runs are done twice depends on their numbers, so the plan is not pinned.
    assert_eq!(failure.violation.oracle, Oracle::Nondeterministic, "{failure}");
}

/// A run may begin where another one has been, in a new world that was not looked at.
#[test]
fn world_that_is_changed_by_a_look() {
    let failure = *explore::<Looked>().faults(2).threads(1).run().expect_err("not found");
    assert_eq!(failure.violation.oracle, Oracle::Nondeterministic, "{failure}");
}

#[test]
fn step_before_its_sets_are_complete() {
    let failure = steps::<Keeping>(Bug::Wants(|_, there| there));
    assert_found(&failure, Oracle::Edge, "");
    assert!(failure.violation.message.contains("before the set of `add_image` is complete"), "{failure}");
}

#[test]
fn member_made_before_the_old_one_is_undone() {
    let failure = steps::<Keeping>(Bug::Wants(|wanted, there| &wanted | &there));
    assert_found(&failure, Oracle::Edge, "");
    assert!(failure.violation.message.contains("makes one more than the 1 that may be there"), "{failure}");
}

#[test]
fn member_undone_before_the_new_one_is_made() {
    let failure = steps::<Keeping>(Bug::Wants(|wanted, there| {
        // An empty set is filled as it should be.
        if there.is_empty() { wanted } else { &wanted & &there }
    }));
    assert_found(&failure, Oracle::Edge, "");
    assert!(failure.violation.message.contains("is undone before author-2 is complete"), "{failure}");
}

#[test]
fn resumed_step_taken_as_done_after_an_edit() {
    let failure = steps::<Keyed>(Bug::TrustsAfterEdit);
    assert_found(&failure, Oracle::SameAsClean, "pass#1=edit; make_a/intent#1=crash-after");
    assert!(failure.violation.message.contains("nothing of it exists"), "{failure}");
}
