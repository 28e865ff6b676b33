//! The pictures and records in the book are those of the machine. `UPDATE_DIAGRAMS=1` draws the pictures.

use std::path::PathBuf;
use std::time::Duration;

use durable_fsm::diagram::{Live, assert_current, svg};
use durable_fsm::record::Record;
use example_tutorial::TenantFlow;

const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/book/src/pictures");

#[test]
fn the_pictures_of_the_tutorial_are_current() {
    assert_current(format!("{PICTURES}/tutorial.svg"), &TenantFlow::GRAPH);
    assert_current(format!("{PICTURES}/tutorial.txt"), &TenantFlow::GRAPH);
}

/// Draws the record of this name, three seconds after its state was entered or its deletion began.
fn assert_live_is_current(name: &str, seconds: u64) {
    let record = std::fs::read(format!("{}/tests/records/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let record = Record::decode(&TenantFlow::GRAPH, &record).unwrap();
    let now = record.since.time() + Duration::from_secs(seconds);
    let live = Live::of(&TenantFlow::GRAPH, "acme", &record, now);
    let picture = svg::file(&TenantFlow::GRAPH, Some(&live.overlay()));
    let path = PathBuf::from(format!("{PICTURES}/{name}.svg"));
    if std::env::var_os("UPDATE_DIAGRAMS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &picture).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(found == picture, "{} is not current: run this test with UPDATE_DIAGRAMS=1", path.display());
}

#[test]
fn a_record_in_doubt_is_drawn_as_the_book_shows_it() {
    assert_live_is_current("in-doubt", 2);
}

#[test]
fn a_record_on_its_way_back_is_drawn_as_the_book_shows_it() {
    assert_live_is_current("undoing", 5400);
}
