//! The store and the controller against a real API server. Without one these tests fail, and say what to do about it.

mod adoption;
mod appliers;
mod chain;
#[expect(dead_code, reason = "the test under fire and the bench use the rest")]
mod cluster;
mod controller;
mod decisions;
mod definition;
mod deletion;
mod early;
mod existing;
mod kinds;
mod licence;
mod moves;
mod namesake;
mod operators;
mod order;
#[expect(dead_code, reason = "the test under fire uses the rest")]
mod provider;
mod published;
mod replica;
mod replicas;
mod requests;
mod resent;
mod store;
mod tools;
mod verified;
mod worker;
