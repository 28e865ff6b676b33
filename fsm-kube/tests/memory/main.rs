//! Machines explored on the store that keeps records in annotations, over an API server in memory, on virtual time.

mod bot;
mod cluster;
mod nameless;
mod on;
#[path = "../../../tests/worlds/resource.rs"]
mod resource;
mod store;
mod wire;
#[path = "../../../tests/worlds/worker.rs"]
mod worker;

use durable_fsm::testing::{AssertOk as _, Oracle, World, explore};

use bot::Bots;
use on::{Lost, Nameless, NoFinalizer, NoPrecondition, On, Refused};
use worker::Cloud;

/// A fifth of exploring is allocating; this allocator is faster at it than the one of glibc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Explores a world, with so many faults in one run, and prints what was covered.
#[track_caller]
fn survives<W: World>(faults: usize) {
    // A read is whole, or fails.
    println!("{}", explore::<W>().faults(faults).unreached("fault torn").run().assert_ok());
}

#[test]
fn three_effects_survive_every_fault_of_the_connection() {
    survives::<On<Bots, Lost>>(1);
}

#[test]
fn three_effects_survive_every_refusal_on_an_object_with_another_finalizer() {
    survives::<On<Bots, Refused>>(1);
}

#[test]
fn three_effects_survive_every_pair_of_faults() {
    survives::<On<Bots, Lost>>(2);
}

/// Whether the record says that it is held is not known then, and not claimed.
#[test]
fn a_hold_that_may_have_been_written_is_read_back() {
    for second in ["reply-lost", "request-lost", "duplicate", "late"] {
        let plan = format!("register/commit#1=too-large; register/commit.patch#1={second}");
        explore::<On<Bots, Lost>>().replay(&plan.parse().unwrap()).assert_ok();
    }
}

/// A deletion would leave everything behind, until a write sets it again.
#[test]
fn a_finalizer_that_was_taken_off_at_rest_is_put_back() {
    let plan = "apply/commit#1=crash-after; pass#3=unmarked".parse().unwrap();
    explore::<On<Bots, Lost>>().replay(&plan).assert_ok();
}

#[test]
fn eight_steps_survive_every_fault() {
    survives::<On<Cloud, Lost>>(1);
}

/// What is found, with one fault.
#[track_caller]
fn assert_found<W: World>(oracle: Oracle, plan: &str) {
    let failure = *explore::<W>().threads(1).run().expect_err("the bug was not found");
    assert_eq!((failure.violation.oracle, &*failure.plan.to_string()), (oracle, plan), "{failure}");
}

#[test]
fn a_store_that_does_not_tell_whose_record_it_is_is_found_out() {
    assert_found::<On<Bots, Nameless>>(Oracle::HeldForReason, "pass#6=made-again");
}

#[test]
fn a_store_that_patches_whatever_is_there_is_found_out() {
    assert_found::<On<Bots, NoPrecondition>>(Oracle::History, "register/intent#1=switch");
}

#[test]
fn a_store_that_adds_no_finalizer_is_found_out() {
    assert_found::<On<Bots, NoFinalizer>>(Oracle::History, "");
}
