//! The eight steps of a worker.

use durable_fsm::testing::{AssertOk, explore};

pub use crate::worlds::worker::Cloud;

durable_fsm::survive! {
    mod survives for Cloud {
        register_account, create_room, create_consumer, add_route, write_config, push_files, push_skill, start_container
    }
}

/// What was learnt is kept until the store tells what is there now: a read that is out of date says nothing about our intent.
#[test]
fn a_stale_read_after_a_conflict_loses_nothing_that_was_learnt() {
    for plan in [
        "register_account/effect#1=reply-lost; register_account/commit#1=conflict; load#2=stale",
        "create_room/effect#1=reply-lost; create_room/commit#1=conflict; load#2=stale",
    ] {
        explore::<Cloud>().replay(&plan.parse().unwrap()).assert_ok();
    }
}
