//! The file store: every crash, two processes, hostile names.

mod crash;
mod disk;
#[cfg(feature = "embedded")]
mod embedded;
mod faults;
#[cfg(feature = "embedded")]
mod pages;
mod passes;
mod processes;
