//! For testing machines: one transition alone, stores, and whole machines under every fault.

mod conformance;
mod unit;

pub use conformance::{Broken, StoreFixture, check as check_store, store_conformance};
pub use unit::{Attempt, state};
