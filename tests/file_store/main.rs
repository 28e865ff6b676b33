//! The file store: every crash, two processes, hostile names.

mod crash;
mod disk;
mod processes;
