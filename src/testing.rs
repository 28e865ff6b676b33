//! For testing machines: one transition alone, stores, and whole machines under every fault.

mod unit;

pub use unit::{Attempt, state};
