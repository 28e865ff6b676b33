//! The store and the controller against a real API server. Without one these tests fail, and say what to do about it.

mod cluster;
mod controller;
mod licence;
mod operators;
mod provider;
mod store;
mod tools;
mod worker;
