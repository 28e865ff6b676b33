//! One golden record of each shape. `UPDATE_GOLDEN=1` updates them. A change here is a change of the format.

use std::time::Duration;

use durable_fsm::graph::Graph;
use durable_fsm::record::{Record, Resolution};
use durable_fsm::store::MemoryStore;
use durable_fsm::{RecordId, Resource as _, Store as _};
use serde_json::Value;

use crate::machine::{Thing, ThingFlow};
use crate::site::{SiteFlow, SiteRunner};
use crate::world::{Bench, Fault, ManualClock, Provider, Refusal};

pub async fn check(name: &str, bench: &Bench, thing: &Thing) {
    check_bytes(name, &ThingFlow::GRAPH, &bench.bytes(thing).await.unwrap());
}

pub fn check_bytes(name: &str, graph: &Graph<'_>, bytes: &[u8]) {
    let record = Record::decode(graph, bytes).unwrap();
    assert_eq!(serde_json::to_vec(&record).unwrap(), bytes, "{name}: it is read as it was written");
    // The incarnation is what the clock gives; here always 0.
    let value: Value = serde_json::from_slice(bytes).unwrap();
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

/// The records of this version, and those that `tests/golden/release.sh` has kept of each release.
#[test]
fn records_of_every_release_are_read_and_nothing_of_them_is_lost() {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = |folder: &std::path::Path| -> Vec<_> {
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    };
    let folders = files(&golden.join("released")).into_iter().chain([golden.join("record")]);
    let mut read = 0;
    for path in folders.flat_map(|folder| files(&folder)) {
        let text = std::fs::read(&path).unwrap();
        let value: Value = serde_json::from_slice(&text).unwrap();
        let record: Record =
            serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(serde_json::to_value(&record).unwrap(), value, "{}", path.display());
        read += 1;
    }
    assert!(read >= 20, "{read} golden records");
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
    check("unconfirmed", &stopped_at("make_account", &[Fault::Refused(Refusal::NotApplied)]).await, &thing).await;
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
    let mail_in_doubt = stopped_at("send_mail", &[Fault::Applied(Refusal::Unknown)]).await;
    let _ = mail_in_doubt.settle(&thing).await;
    check("held-in-doubt", &mail_in_doubt, &thing).await;
    let bench = Bench::new();
    bench.provider.set_rolled_out(false);
    let _ = bench.settle(&thing).await;
    check("overdue", &bench, &thing).await;
}

/// A site under a controller of its own.
struct Site {
    provider: Provider,
    store: MemoryStore,
    clock: ManualClock,
    runner: SiteRunner<Provider>,
}

impl Site {
    fn new() -> Self {
        let (provider, store, clock) = (Provider::default(), MemoryStore::new(), ManualClock::default());
        let runner = SiteRunner::builder(provider.clone(), store.clone()).clock(clock.clone()).build();
        Self { provider, store, clock, runner }
    }

    /// Reconciles until all faults have fired, waiting as long as it is told to.
    async fn until_faults_fired(&self, thing: &Thing) {
        for _ in 0..50 {
            let outcome = self.runner.reconcile(thing).await.unwrap();
            if self.provider.all_faults_fired() {
                return;
            }
            self.clock.advance(outcome.requeue_after().unwrap_or_default());
        }
        panic!("a fault did not fire");
    }

    async fn check(&self, name: &str, thing: &Thing) -> Record {
        let id = RecordId { machine: SiteFlow::GRAPH.name.to_owned(), resource: thing.id() };
        let bytes = self.store.load(&id).await.unwrap().bytes.unwrap();
        check_bytes(name, &SiteFlow::GRAPH, &bytes);
        Record::decode(&SiteFlow::GRAPH, &bytes).unwrap()
    }
}

#[tokio::test]
async fn a_record_of_each_shape_of_an_effect() {
    let thing = Thing::new("old title", &[]);
    let site = Site::new();
    site.provider.will("lookup_place", &[Fault::Refused(Refusal::Rejected)]);
    site.until_faults_fired(&thing).await;
    let record = site.check("retained", &thing).await;
    assert_eq!(record.undo[0].transition, "reserve");

    let site = Site::new();
    site.provider.will("open", &[Fault::Refused(Refusal::Rejected)]);
    site.until_faults_fired(&thing).await;
    let record = site.check("branch", &thing).await;
    assert_eq!(record.undo[1].state.as_deref(), Some("Dedicated"));

    let site = Site::new();
    site.until_faults_fired(&thing).await;
    let _ = site.runner.reconcile(&Thing::new("new title", &[])).await.unwrap();
    let record = site.check("saved", &thing).await;
    assert_eq!(record.facts.get::<String>("title").unwrap(), "new title");
    assert_eq!(record.undo[2].saved.get::<String>("title").unwrap(), "old title", "as its undo knew it");

    // Refused under one spec and made under another; a duplicate of the first may still make it, with what it was sent with.
    let site = Site::new();
    site.provider.will("open", &[Fault::Refused(Refusal::NotApplied)]);
    site.until_faults_fired(&thing).await;
    site.clock.advance(Duration::from_secs(3600));
    let _ = site.runner.reconcile(&Thing::new("new title", &[])).await.unwrap();
    let record = site.check("unconfirmed-saved", &thing).await;
    assert_eq!(record.facts.get::<String>("title").unwrap(), "new title");
    assert_eq!(record.unconfirmed[0].saved.get::<String>("title").unwrap(), "old title", "as it was sent");

    let site = Site::new();
    site.provider.will("place", &[Fault::Applied(Refusal::Unknown)]);
    site.until_faults_fired(&thing).await;
    site.provider.will("clear", &[Fault::Refused(Refusal::Unknown)]);
    site.until_faults_fired(&Thing { deleting: true, ..thing.clone() }).await;
    let record = site.check("aborting", &thing).await;
    assert_eq!(record.intent.unwrap().action, durable_fsm::record::Action::Abort);
}
