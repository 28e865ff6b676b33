//! A record of each shape, as it is written. `UPDATE_GOLDEN=1` writes them anew; a change here is a change of the format.

use durable_fsm::Resource as _;
use durable_fsm::record::{Record, Resolution};
use serde_json::Value;

use crate::machine::{Thing, ThingFlow};
use crate::world::{Bench, Fault, Refusal};

async fn check(name: &str, bench: &Bench, thing: &Thing) {
    let bytes = bench.bytes(thing).await.unwrap();
    let record = Record::decode(&ThingFlow::GRAPH, &bytes).unwrap();
    assert_eq!(serde_json::to_vec(&record).unwrap(), bytes, "{name}: it is read as it was written");
    // The incarnation is what the clock gives; here always 0.
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let text = format!("{}\n", serde_json::to_string_pretty(&value).unwrap());
    let path = format!("{}/tests/golden/record/{name}.json", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        golden, text,
        "{name}: the format has changed; write it anew with UPDATE_GOLDEN=1 and look at the difference"
    );
    assert!(bytes.len() < 4096, "{name}: {} bytes", bytes.len());
}

#[tokio::test]
async fn a_record_of_each_shape() {
    let thing = Thing::new("web:1", &["ann"]);
    let stopped_at = async |call: &'static str, faults: &[Fault]| {
        let bench = Bench::new();
        bench.provider.will(call, faults);
        let _ = bench.pass(&thing).await;
        assert!(bench.provider.all_faults_fired());
        bench
    };
    check("in-doubt", &stopped_at("make_room", &[Fault::Refused(Refusal::Unknown)]).await, &thing).await;
    check("touched", &stopped_at("make_account", &[Fault::Refused(Refusal::NotApplied)]).await, &thing).await;
    check("blocked", &stopped_at("make_room", &[Fault::Refused(Refusal::Rejected)]).await, &thing).await;
    check("held", &stopped_at("make_account", &[Fault::Refused(Refusal::NotOurs)]).await, &thing).await;
    let bench = Bench::new();
    let _ = bench.settle(&thing).await;
    check("at-rest", &bench, &thing).await;
    bench.runner.pause(&thing.id()).await.unwrap();
    check("paused", &bench, &thing).await;
    let bench = Bench::new();
    let _ = bench.settle(&thing).await;
    bench.provider.will("close_room", &[Fault::Refused(Refusal::Unknown)]);
    let deleted = Thing { deleting: true, ..thing.clone() };
    while !bench.provider.all_faults_fired() {
        let outcome = bench.pass(&deleted).await;
        bench.clock.advance(outcome.requeue_after().unwrap_or_default());
    }
    check("deleting", &bench, &thing).await;
    let bench = stopped_at("make_room", &[Fault::Refused(Refusal::Rejected)]).await;
    bench.runner.resolve(&thing.id(), Resolution::RollBack).await.unwrap();
    check("rolling-back", &bench, &thing).await;
    // Another image while the member was refused: the old value of nothing is saved, the sets differ.
    let bench = Bench::new();
    bench.provider.will("add_member", &[Fault::Applied(Refusal::Unknown)]);
    let _ = bench.pass(&thing).await;
    check("member-in-doubt", &bench, &thing).await;
}
