//! Any bytes are a record or an error, and a record that is read can be written again.
#![no_main]

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::decode_record(bytes));
