//! The large machine: twenty states, long polls, a branch, guards, an upgrade and three sets.

use durable_fsm::testing::AssertOk;

use crate::worlds::cluster::explorer;

#[test]
fn survives_every_fault() {
    let report = explorer::<false>().run().assert_ok();
    println!("{report}");
    assert!(report.is_replay() || report.complete == 1, "{report}");
}
