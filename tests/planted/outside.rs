//! Bugs that show only when others act: another writer of the resource, strangers, and the world by itself.

use super::machines::{Careless, Keyed, Mixed};
use super::seams::StoreBug;
use super::{assert_found, store};
use crate::testing::explore;
use crate::testing::oracle::Oracle;
use crate::testing::plan::Plan;

#[test]
fn what_was_learnt_dropped_when_the_removal_meets_a_conflict() {
    let failure = store::<Keyed>(StoreBug::Disowns);
    assert_found(&failure, Oracle::Quiescent, "pass#1=touched");
}

#[test]
fn somebody_elses_thing_removed_by_its_name() {
    let failure = *explore::<Careless<true, false>>().among_strangers().run().expect_err("not found");
    assert_found(&failure, Oracle::Stranger, "");
    explore::<Careless<false, false>>().among_strangers().faults(2).run().unwrap();
}

#[test]
fn undo_that_wants_to_find_what_the_world_has_lost() {
    let failure = *explore::<Careless<false, true>>().threads(1).run().expect_err("not found");
    assert_found(&failure, Oracle::Quiescent, "claim/commit#1=event(bucket-lost)");
    explore::<Careless<false, false>>().faults(2).run().unwrap();
}

#[test]
fn strangers_and_events_that_there_are_not_fail() {
    let failure = *explore::<Mixed<true, true>>().among_strangers().run().unwrap_err();
    assert!(failure.to_string().contains("puts nothing there"), "{failure}");
    let plan: Plan = "pass#2=event(nothing)".parse().unwrap();
    let failure = *explore::<Careless<false, false>>().replay(&plan).unwrap_err();
    assert!(failure.to_string().contains("this world has no event `nothing`"), "{failure}");
}

/// Each write of the record, its removal included, meets one conflict, and is then made.
#[test]
fn each_write_meets_a_conflict_and_is_made() {
    let plan: Plan = "pass#1=touched".parse().unwrap();
    explore::<Keyed>().replay(&plan).unwrap();
    let (clean, touched) = (explore::<Keyed>().timeline(&Plan::default()), explore::<Keyed>().timeline(&plan));
    let count = |timeline: &str, what| timeline.matches(what).count();
    let writes = count(&touched, "   written: seq") + count(&touched, "the record is removed");
    assert_eq!(count(&touched, "somebody else changes the resource"), writes, "{touched}");
    assert_eq!(count(&touched, "undo of"), count(&clean, "undo of"), "no undo is sent twice: {touched}");
    assert_eq!(count(&clean, "somebody else changes the resource"), 0);
}

/// An outage lasts for longer than a write is tried, and ends.
#[test]
fn an_outage_ends_and_the_run_goes_on() {
    let plan: Plan = "make_a/commit#1=outage".parse().unwrap();
    explore::<Keyed>().replay(&plan).unwrap();
    let timeline = explore::<Keyed>().timeline(&plan);
    assert!(timeline.contains("the pass ends: the store is not available"), "{timeline}");
    assert!(timeline.contains("the pass ends: Gone"), "{timeline}");
}

/// A record that is put back knows nothing of the last write: what that write alone knew is left behind, and nothing else is.
#[test]
fn what_a_record_that_was_put_back_cannot_know_is_left_behind() {
    let plan: Plan = "make_b/effect#1=crash-after; pass#2=forgotten".parse().unwrap();
    let timeline = explore::<Keyed>().timeline(&plan);
    explore::<Keyed>().replay(&plan).unwrap();
    assert!(timeline.contains("seq 1 is put back, and nothing tells of a later one"), "{timeline}");
    assert_eq!(timeline.matches("effect of make_b, attempt 1").count(), 2, "under another key: {timeline}");
    assert!(timeline.contains("the pass ends: Gone"), "{timeline}");
}
