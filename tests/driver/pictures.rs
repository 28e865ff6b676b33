//! A live record laid over the picture of its machine.

use durable_fsm::Clock as _;
use durable_fsm::diagram::{Live, svg, terminal};

use crate::machine::{Thing, ThingFlow};
use crate::world::{Bench, Fault, Refusal};

#[tokio::test]
async fn a_record_shows_where_it_is_and_why_it_waits() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &[]));
    bench.provider.will("make_room", &[Fault::Refused(Refusal::Unknown)]);
    let _ = bench.pass(&thing).await;
    let record = bench.record(&thing).await;
    let live = Live::of(&ThingFlow::GRAPH, "default/thing", &record, bench.clock.wall());
    let overlay = live.overlay();
    assert_eq!((overlay.here, overlay.done, overlay.attempt), (1, &[0][..], 1));
    assert_eq!(overlay.last_error, Some("Unknown"));
    let text = terminal::write(&ThingFlow::GRAPH, Some(&overlay), &terminal::Options::default());
    assert!(text.contains("✔ Requested") && text.contains("▶ Accounted") && text.contains("○ Ready"), "{text}");
    assert!(text.contains("default/thing") && text.contains("attempt 1"), "{text}");
    assert!(svg::file(&ThingFlow::GRAPH, Some(&overlay)).contains("default/thing"));
}

#[tokio::test]
async fn a_record_on_its_way_back_shows_what_is_left() {
    let (bench, thing) = (Bench::new(), Thing::new("web:1", &["ann"]));
    let _ = bench.settle(&thing).await;
    bench.provider.will("close_room", &[Fault::Refused(Refusal::NotOurs)]);
    let deleted = Thing { deleting: true, ..thing.clone() };
    let _ = bench.settle(&deleted).await;
    let record = bench.record(&thing).await;
    let live = Live::of(&ThingFlow::GRAPH, "default/thing", &record, bench.clock.wall());
    let overlay = live.overlay();
    assert_eq!(overlay.pending_undo, ["close_room", "drop_account"]);
    let text = terminal::write(&ThingFlow::GRAPH, Some(&overlay), &terminal::Options::default());
    assert!(text.contains("not provably ours") && text.contains('■'), "{text}");
}
