//! Bugs around the steps that a deletion begins with.

use super::machines::Leaving;
use super::{assert_found, forgetful};
use crate::record::{Direction, Record};
use crate::testing::explore;
use crate::testing::oracle::Oracle;

#[test]
fn a_deletion_with_steps_of_its_own_is_sound() {
    explore::<Leaving>().faults(2).run().unwrap();
}

#[test]
fn undone_without_the_steps_that_a_deletion_begins_with() {
    fn skip(record: &mut Record, old: Option<&Record>) {
        if record.direction == Direction::Leaving && old.is_some_and(|old| old.direction == Direction::Forward) {
            record.direction = Direction::Deleting;
            record.intent = None;
        }
    }
    let failure = forgetful::<Leaving>(skip);
    assert_found(&failure, Oracle::Edge, "");
    assert!(failure.violation.message.contains("without `copy`"), "{failure}");
}

#[test]
fn a_deletion_is_taken_back() {
    fn go_on(record: &mut Record, old: Option<&Record>) {
        if old.is_some_and(|old| old.direction == Direction::Leaving) {
            record.direction = Direction::Forward;
        }
    }
    let failure = forgetful::<Leaving>(go_on);
    assert_found(&failure, Oracle::Edge, "");
}
