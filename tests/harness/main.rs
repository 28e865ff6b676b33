//! The harness, applied to machines of every shape.
#![cfg(feature = "testing")]

mod adopted;
mod backend;
mod cluster;
mod dependent_sets;
mod doubt;
mod each;
mod ends;
mod events;
mod given_up;
mod kept;
mod keyed;
mod leaving;
mod lent;
mod look_up_answers;
mod looking;
mod loops;
mod moved;
mod names;
mod once;
mod preempts;
mod published;
mod refused;
mod replaced_by_name;
mod reports;
mod shapes;
mod shared;
mod swept;
mod unmaking;
mod upgrades;
mod vanish;
mod worker;
#[path = "../worlds/mod.rs"]
mod worlds;

/// A fifth of exploring is allocating; this allocator is faster at it than the one of glibc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
