//! Published bugs, replayed on a reconciler that is written like the original and has the bug, and on a machine that must not have it.

mod naive;

use durable_fsm::testing::{AssertOk, Oracle, World, explore};
use naive::{Lab, Strike};

use crate::{doubt, shapes, shared, worker};

/// The same trouble, for a machine.
#[track_caller]
fn survives<W: World>(plans: &[&str]) {
    for plan in plans {
        explore::<W>().replay(&plan.parse().unwrap()).assert_ok();
    }
}

/// Crossplane records any error of a create as failed, also a time-out, and creates again: a second thing where the provider chooses
/// the id (crossplane-runtime, `pkg/reconciler/managed`).
#[test]
fn a_time_out_is_recorded_as_failed() {
    let mut lab = Lab::new(&[("create", Strike::ReplyLost)]);
    lab.reconcile(naive::any_error_is_failure);
    assert_eq!(lab.live("room"), 2);
    survives::<worker::Cloud>(&[
        "create_room/effect#1=reply-lost",
        "create_room/effect#1=hang",
        "create_room/effect#1=late",
    ]);
}

/// Crossplane holds a resource whose create is incomplete, and never comes to its deletion.
#[test]
fn an_uncertain_create_blocks_the_deletion() {
    let mut lab = Lab::new(&[("create", Strike::CrashAfter)]);
    lab.pass(naive::incomplete_is_held);
    lab.deleting = true;
    lab.reconcile(naive::incomplete_is_held);
    assert!(lab.finalizer && lab.live("room") == 1);
    survives::<worker::Cloud>(&["create_room/effect#1=crash-after; pass#2=delete"]);
    survives::<doubt::opaque::Cloud>(&["buy_licence/effect#1=crash-after; pass#2=delete"]);
}

/// Crossplane's stamps have one second, and are compared across machines: a pending create that is not later than the last failure
/// is taken for finished.
#[test]
fn a_clock_that_lags_hides_a_pending_create() {
    let mut lab = Lab::new(&[("create", Strike::NotApplied), ("create", Strike::CrashAfter)]);
    lab.clock = [10, 10, 10].into();
    lab.reconcile(naive::stamps_decide);
    assert_eq!(lab.live("room"), 2);
    survives::<worker::Cloud>(&[
        "create_room/effect#1=not-applied; pass#2=clock-back",
        "create_room/effect#1=not-applied; create_room/effect#2=crash-after",
        "create_room/effect#1=crash-after; pass#2=clock-back",
    ]);
}

/// ACK writes the id after the create: a crash in between makes a second VPC (community 2062).
#[test]
fn an_id_is_returned_and_not_persisted() {
    let mut lab = Lab::new(&[("create", Strike::CrashAfter)]);
    lab.reconcile(naive::id_after_create);
    assert_eq!(lab.live("room"), 2);
    survives::<worker::Cloud>(&["create_room/effect#1=crash-after"]);
}

/// ACK's status patch met a conflict, and the id was lost, until the quota was used up (community 2267).
#[test]
fn a_conflict_loses_the_id() {
    let mut lab = Lab::new(&[("patch", Strike::NotApplied), ("patch", Strike::NotApplied)]);
    lab.reconcile(naive::id_after_create);
    assert_eq!(lab.live("room"), 3);
    survives::<worker::Cloud>(&[
        "create_room/commit#1=conflict",
        "create_room/commit#1=conflict; create_room/commit#2=conflict",
    ]);
}

/// ACK takes an API error of a create for "not created", and removes its finalizer.
#[test]
fn an_error_removes_the_finalizer() {
    let mut lab = Lab::new(&[("create", Strike::ReplyLost)]);
    lab.pass(naive::error_means_unmanaged);
    lab.deleting = true;
    lab.reconcile(naive::error_means_unmanaged);
    assert!(!lab.finalizer && lab.live("room") == 1);
    survives::<worker::Cloud>(&["create_room/effect#1=reply-lost; pass#2=delete"]);
}

/// CAPA looks for its instance by a tag, and the tag is not visible yet: two instances (6131, 6132).
#[test]
fn a_look_up_lags_behind_the_create() {
    let mut lab = Lab::new(&[("patch", Strike::CrashBefore)]);
    lab.lag = 2;
    lab.reconcile(naive::look_up_then_create);
    assert_eq!(lab.live("room"), 2);
    survives::<doubt::lagging::Cloud>(&["create_network/effect#1=crash-after", "create_network/commit#1=crash"]);
}

/// steno unwinds what came before a failed node, and not the node itself, though it may have happened.
#[test]
fn the_failed_step_is_not_undone() {
    let mut lab = Lab::new(&[("second", Strike::ReplyLost)]);
    lab.pass(naive::unwind_what_came_before);
    assert_eq!((lab.live("first"), lab.live("second")), (0, 1));
    survives::<worker::Cloud>(&["create_consumer/effect#1=hang; pass#2=delete"]);
    survives::<shapes::Cloud>(&["place/effect#1=reply-lost; place/effect#2=rejected"]);
}

/// HiClaw 444: an error in a later step runs the earlier ones again, and each run makes another room.
#[test]
fn a_retry_begins_again() {
    let mut lab = Lab::new(&[("second", Strike::NotApplied)]);
    lab.reconcile(naive::all_steps_every_time);
    assert_eq!(lab.live("first"), 2);
    survives::<worker::Cloud>(&["create_consumer/effect#1=not-applied", "create_consumer/effect#1=rejected"]);
}

/// HiClaw 555: no step is recorded, so what was made before a crash is unknown to the deletion.
#[test]
fn what_was_made_before_a_crash_is_forgotten() {
    let mut lab = Lab::new(&[("second", Strike::CrashAfter)]);
    lab.pass(naive::all_steps_every_time);
    lab.deleting = true;
    lab.reconcile(naive::all_steps_every_time);
    assert!(!lab.finalizer && lab.live("first") + lab.live("second") == 2);
    survives::<worker::Cloud>(&[
        "add_route/effect#1=crash-after; pass#2=delete",
        "add_route/effect#1=crash-late; pass#2=delete",
    ]);
}

/// HiClaw 503: a deletion swallows the errors of its steps, and lets the finalizer go.
#[test]
fn a_deletion_swallows_errors() {
    let mut lab = Lab::new(&[("delete", Strike::NotApplied)]);
    lab.pass(naive::id_after_create);
    lab.deleting = true;
    lab.reconcile(naive::delete_and_forget);
    assert!(!lab.finalizer && lab.live("room") == 1);
    survives::<worker::Cloud>(&["create_room/undo#1=not-applied", "create_room/undo#1=request-lost"]);
}

/// HiClaw 887: the deletion of one team wipes the credentials that another one still uses.
#[test]
fn a_deletion_takes_along_what_others_use() {
    let mut lab = Lab::new(&[]);
    // Both teams come; one of them goes.
    lab.pass(naive::wipe_what_is_shared);
    lab.pass(naive::wipe_what_is_shared);
    assert_eq!(lab.live("credentials"), 1);
    lab.deleting = true;
    lab.reconcile(naive::wipe_what_is_shared);
    assert_eq!(lab.live("credentials"), 0);
    // A machine whose undo does the same is found out, and one that looks who is left survives every fault.
    let failure = explore::<shared::Cloud<true>>().run().unwrap_err();
    assert_eq!((failure.violation.oracle, failure.plan.0.len()), (Oracle::Author, 0), "{failure}");
    explore::<shared::Cloud<false>>().faults(2).run().assert_ok();
}

/// Crossplane 6878: the provider cannot be reached, which is taken for "there is no such thing" during a deletion.
#[test]
fn unreachable_is_taken_for_absent() {
    let mut lab = Lab::new(&[("find", Strike::NotApplied)]);
    lab.pass(naive::unreachable_is_absent);
    lab.deleting = true;
    lab.reconcile(naive::unreachable_is_absent);
    assert!(!lab.finalizer && lab.live("room") == 1);
    survives::<worker::Cloud>(&[
        "create_room/lookup#2=throttled",
        "create_room/lookup#2=request-lost",
        "create_room/lookup#2=hang",
    ]);
}

/// k0smotron 1535: the cache is stale after a create, and the next pass creates again.
#[test]
fn a_stale_cache_creates_again() {
    let mut lab = Lab::new(&[]);
    lab.stale = 2;
    lab.reconcile(naive::id_after_create);
    assert_eq!(lab.live("room"), 3);
    survives::<worker::Cloud>(&[
        "create_room/commit#1=crash; load#2=stale",
        "create_room/commit#1=conflict; load#2=stale",
    ]);
}

/// upjet 408: a resource that is applied again without its annotation is taken for new.
#[test]
fn a_lost_record_is_taken_for_a_new_resource() {
    let mut lab = Lab::new(&[]);
    lab.reconcile(naive::id_after_create);
    lab.id = None;
    lab.reconcile(naive::id_after_create);
    assert_eq!(lab.live("room"), 2);
    survives::<worker::Cloud>(&["pass#2=removed", "create_room/effect#1=crash-after; pass#2=removed"]);
}

/// omicron 2095, 3894: an undo that runs again after a crash fails, because what it removes is gone.
#[test]
fn an_undo_fails_the_second_time() {
    let mut lab = Lab::new(&[("delete", Strike::CrashAfter)]);
    lab.pass(naive::id_after_create);
    lab.deleting = true;
    lab.reconcile(naive::delete_must_find);
    assert!(lab.finalizer && lab.live("room") == 0);
    survives::<worker::Cloud>(&[
        "create_room/undo#1=crash-after",
        "create_room/undo#1=reply-lost",
        "create_room/undo#1=duplicate",
    ]);
}
