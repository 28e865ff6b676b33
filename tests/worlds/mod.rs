//! Machines in worlds of their own, which tests and benches share.

pub mod cluster;
pub mod keyed;
pub mod resource;
pub mod worker;
