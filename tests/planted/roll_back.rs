//! Bugs around the roll-back that a machine or a person asks for.

use super::machines::{Keeping, Keyed};
use super::{assert_found, forgetful};
use crate::record::{BlockedReason, Direction, Record};
use crate::testing::oracle::Oracle;

#[test]
fn rolled_back_though_it_is_not_declared() {
    fn turn(record: &mut Record, _: Option<&Record>) {
        if record.state == "MadeA" {
            record.direction = Direction::RollingBack;
            record.intent = None;
        }
    }
    assert_found(&forgetful::<Keyed>(turn), Oracle::Edge, "");
}

#[test]
fn not_rolled_back_though_the_machine_says_so() {
    fn go_on(record: &mut Record, _: Option<&Record>) {
        if record.direction == Direction::RollingBack {
            record.direction = Direction::Forward;
        }
    }
    let failure = forgetful::<Keeping>(go_on);
    assert_found(&failure, Oracle::Edge, "add_image(image-1)/effect#1=rejected");
}

#[test]
fn what_was_made_is_undone_when_the_block_ends_and_not_before() {
    fn block_all(record: &mut Record, _: Option<&Record>) {
        if let Some(blocked) = &mut record.blocked {
            blocked.reason = BlockedReason::Rejected;
        }
    }
    let failure = forgetful::<Keeping>(block_all);
    assert_found(&failure, Oracle::Quiescent, "look/wait#1=rejected");
}

#[test]
fn begins_again_with_what_was_refused() {
    fn unblock(record: &mut Record, old: Option<&Record>) {
        if record.direction == Direction::RollingBack && old.is_some_and(|old| !old.direction.is_forward()) {
            record.blocked = None;
        }
    }
    let failure = forgetful::<Keeping>(unblock);
    assert_found(&failure, Oracle::Edge, "add_author(author-1)/effect#1=rejected");
}
