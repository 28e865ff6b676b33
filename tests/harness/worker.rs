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

/// Another controller turned to deleting between the look-up and the effect: what the effect made was once refused as "no effect is
/// under way", because "there is none" was told first, and ends an intent on the way back.
#[test]
fn what_an_effect_has_made_outlives_what_was_seen_before_it() {
    let plan = "create_room/lookup#1=delete; create_room/effect#1=switch".parse().unwrap();
    explore::<Cloud>().replay(&plan).assert_ok();
    let timeline = explore::<Cloud>().timeline(&plan);
    assert!(timeline.contains("create_room was made after all") && !timeline.contains("Held"), "{timeline}");
}
