//! Bugs of the clock.

use super::machines::Keyed;
use super::seams::{slow_clock, stopped_clock};
use super::{assert_found, found};
use crate::testing::Oracle;

#[test]
fn no_deadline_check_before_sending() {
    let failure = found::<Keyed>(|rig| rig.clock = Some(Box::new(stopped_clock)));
    assert_found(&failure, Oracle::IntentFirst, "make_a/effect#1=pause");
}

#[test]
fn deadline_on_a_slow_clock() {
    let failure = found::<Keyed>(|rig| rig.clock = Some(Box::new(slow_clock)));
    assert_found(&failure, Oracle::IntentFirst, "make_a/intent#1=slow");
    assert!(failure.violation.message.contains("after its deadline"), "{failure}");
}
