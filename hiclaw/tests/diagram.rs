//! The pictures in the documentation are the machines as they are declared. `UPDATE_DIAGRAMS=1` draws them anew.

use durable_fsm::graph::assert_current;
use hiclaw::human::HumanFlow;
use hiclaw::team::TeamFlow;
use hiclaw::worker::WorkerFlow;

#[test]
fn the_worker_is_drawn_as_it_is_declared() {
    assert_current(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/worker.svg"), &WorkerFlow::GRAPH);
}

#[test]
fn the_team_is_drawn_as_it_is_declared() {
    assert_current(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/team.svg"), &TeamFlow::GRAPH);
}

#[test]
fn the_human_is_drawn_as_it_is_declared() {
    assert_current(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/human.svg"), &HumanFlow::GRAPH);
}
