//! Bugs that show only when the spec changes: what exists is then that of another spec.

use super::assert_found;
use super::machines::{Early, Keyed, Mixed};
use crate::testing::oracle::Oracle;
use crate::testing::{World, explore};

#[test]
fn specs_that_are_told_apart() {
    explore::<Mixed<true, true>>().faults(2).run().unwrap();
}

#[test]
fn latest_spec_recorded_of_what_was_sent_with_the_attempts() {
    let failure = *explore::<Mixed<true, false>>().run().expect_err("not found");
    assert_found(&failure, Oracle::SameAsClean, "publish/effect#1=overtaken");
    assert!(failure.violation.message.contains("there is page (1), and without faults page (2)"), "{failure}");
}

#[test]
fn latest_spec_sent_under_the_key_of_the_attempts() {
    let failure = *explore::<Mixed<false, true>>().run().expect_err("not found");
    assert_found(&failure, Oracle::SingleEffect, "publish/effect#1=overtaken");
}

#[test]
fn edit_not_followed_when_it_comes_in_the_middle() {
    let failure = *explore::<Early>().run().expect_err("not found");
    assert_found(&failure, Oracle::SameAsClean, "open/effect#1=edit");
}

#[test]
fn an_edit_that_changes_nothing_is_reported_and_so_is_one_that_does_and_is_listed() {
    let resources = || vec![Keyed::resource(), Keyed::resource()];
    let failure = *explore::<Keyed>().resources(resources()).run().unwrap_err();
    assert_eq!(failure.violation.oracle, Oracle::NotFired, "{failure}");
    assert!(failure.to_string().contains("edit 1 changes nothing that exists"), "{failure}");
    assert!(failure.to_string().contains("fn idle_edits() -> Vec<usize> { vec![1] }"), "{failure}");
    let failure = *explore::<Mixed<true, true>>().idle_edit(1).run().unwrap_err();
    assert!(failure.to_string().contains("edit 1 is listed as idle, and changes what exists"), "{failure}");
}
