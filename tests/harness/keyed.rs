//! Four keyed steps.

use durable_fsm::testing::{AssertOk, explore};

pub use crate::worlds::keyed::Cloud;

#[test]
fn survives_every_fault() {
    println!("{}", explore::<Cloud>().run().assert_ok());
}

#[test]
fn survives_every_pair_of_faults() {
    println!("{}", explore::<Cloud>().faults(2).run().assert_ok());
}
