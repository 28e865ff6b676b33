//! The pictures in the book are those of the machine. `UPDATE_DIAGRAMS=1` draws them.

use durable_fsm::diagram::assert_current;
use example_tutorial::TenantFlow;

#[test]
fn the_pictures_of_the_tutorial_are_current() {
    let pictures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/book/src/pictures");
    assert_current(format!("{pictures}/tutorial.svg"), &TenantFlow::GRAPH);
    assert_current(format!("{pictures}/tutorial.txt"), &TenantFlow::GRAPH);
}
