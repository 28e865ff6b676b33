//! What holds for every picture, tried on random graphs to 60 states and on the gallery's machines.

mod drawn;
mod inert;
mod planes;
mod random;
#[cfg(feature = "png")]
mod readers;
mod sheets;

#[path = "../../tests/gallery/machines.rs"]
pub(crate) mod machines;

use proptest::prelude::*;

use machines::Machine;

/// Shows every random machine, without a position.
#[cfg(feature = "json")]
pub(crate) fn each_machine(look: impl Fn(&crate::Graph<'_>)) {
    holds(|machine, _| {
        machine.with(&look);
        Ok(())
    });
}

/// Tries a property on random machines, each with a random overlay, and on every machine of the gallery.
fn holds(property: impl Fn(&Machine, &random::Position) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    if let Err(error) = runner.run(&random::live(), |(machine, position)| property(&machine, &position)) {
        panic!("{error}");
    }
    for (name, machine) in machines::all() {
        for position in [random::Position::start(), random::Position::end(&machine)] {
            property(&machine, &position).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}
