//! The Team and the Human: against the stand-in servers on the real clock, and under every fault against a world in memory.

mod human;
mod human_world;
mod linear;
mod stage;
mod team;
mod team_world;

/// A fifth of exploring is allocating; this allocator is faster at it than the one of glibc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
