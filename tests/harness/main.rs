//! The harness, applied to machines of every shape.
#![cfg(feature = "testing")]

mod backend;
mod cluster;
mod doubt;
mod each;
mod events;
mod found;
mod keyed;
mod leaving;
mod lent;
mod loops;
mod moved;
mod names;
mod once;
mod published;
mod refused;
mod reports;
mod shapes;
mod shared;
mod spaced;
mod unmaking;
mod worker;
#[path = "../worlds/mod.rs"]
mod worlds;

/// A fifth of exploring is allocating; this allocator is faster at it than the one of glibc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
