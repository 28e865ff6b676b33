//! Any directory is opened, listed and read, or refused with an error.
#![no_main]

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::load_file_store(bytes));
