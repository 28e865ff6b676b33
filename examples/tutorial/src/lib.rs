//! Tenants with a database and a certificate: the machine of the book's tutorial, and its transitions.

pub mod folder;
mod machine;
mod provision;

pub use machine::*;
pub use provision::{Provider, Provisioner};
