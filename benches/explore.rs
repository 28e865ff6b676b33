//! How many schedules the explorer runs in a second, and the deep explorations that are too long for a test.
//!
//! ```sh
//! cargo bench --features testing --bench explore              # the speed, on four steps and on eight
//! cargo bench --features testing --bench explore -- triples   # every three faults of the eight steps
//! cargo bench --features testing --bench explore -- cluster   # every fault of twenty steps with long polls and three sets
//! cargo bench --features testing --bench explore -- asking    # the same, where the world asks for the time: no run ends where another was
//! ```

#[path = "../tests/worlds/mod.rs"]
mod worlds;

use durable_fsm::testing::{AssertOk, Explorer, World, explore};

/// A fifth of exploring is allocating; this allocator is faster at it than the one of glibc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // `cargo bench` adds `--bench`.
    let asked = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    match asked.as_deref() {
        None => {
            measure::<worlds::keyed::Cloud>(2);
            measure::<worlds::worker::Cloud>(2);
        }
        Some("cluster") => run(worlds::cluster::explorer::<false>()),
        Some("asking") => run(worlds::cluster::explorer::<true>()),
        Some("keyed") => measure::<worlds::keyed::Cloud>(3),
        Some("timeline") => println!("{}", explore::<worlds::keyed::Cloud>().timeline(&Default::default())),
        Some("triples") => measure::<worlds::worker::Cloud>(3),
        Some(other) => panic!("there is no `{other}`; say `triples`, `keyed` or nothing"),
    }
}

/// Explores every combination of up to so many faults.
fn measure<W: World>(faults: usize) {
    run(explore::<W>().faults(faults));
}

fn run<W: World>(explorer: Explorer<W>) {
    println!("{}", explorer.progress().run().assert_ok());
}
