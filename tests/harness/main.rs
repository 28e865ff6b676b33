//! The harness, applied to machines of every shape.
#![cfg(feature = "testing")]

mod each;
mod keyed;
mod resource;
mod worker;
