//! What the store does that no crash or lost message shows: limits, names of one's own, lists in pages, and what it takes off.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use durable_fsm::{RecordId, ResourceId, Store as _, StoreError};
use durable_fsm_kube::{ANNOTATIONS_LIMIT, AnnotationStore, Names};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube_memory_server::{Fault, Invalid, Kind, MemoryServer, Refusal, Verb, When};
use serde_json::{Value, json};

const MACHINE: &str = "test.io/app";
const RECORD: &str = "test.io/app-record";
const FINALIZER: &str = "test.io/app-cleanup";

/// An API server in memory, and somebody who changes its objects.
struct Bench {
    server: MemoryServer,
    apps: Api<DynamicObject>,
}

impl Bench {
    fn new() -> Self {
        let server = MemoryServer::new([Kind::new("test.io", "v1", "App", "apps")]);
        let apps = Api::default_namespaced_with(server.client(), &server.api_resource("apps.test.io"));
        Self { server, apps }
    }

    fn store(&self) -> AnnotationStore {
        AnnotationStore::of_kind(self.server.client(), self.server.api_resource("apps.test.io"))
    }

    async fn create(&self, name: &str, metadata: Value) {
        let mut object = json!({ "apiVersion": "test.io/v1", "kind": "App", "metadata": metadata });
        object["metadata"]["name"] = json!(name);
        self.apps.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    async fn patch(&self, name: &str, patch: Value) {
        self.apps.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    async fn status(&self, name: &str, status: Value) {
        let patch = Patch::Merge(json!({ "status": status }));
        self.apps.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    async fn object(&self, name: &str) -> Value {
        serde_json::to_value(self.apps.get(name).await.unwrap()).unwrap()
    }

    /// How many writes there were.
    fn writes(&self) -> usize {
        self.server.history().len()
    }
}

fn id(name: &str) -> RecordId {
    RecordId { machine: MACHINE.to_owned(), resource: ResourceId::new("default", name) }
}

#[tokio::test]
async fn a_record_shares_the_limit_with_all_annotations_but_itself() {
    let bench = Bench::new();
    bench.create("a", json!({ "annotations": { "one": "x".repeat(100_000), "other": "x".repeat(100_000) } })).await;
    let store = bench.store();
    let room = ANNOTATIONS_LIMIT - 200_000 - "one".len() - "other".len() - RECORD.len();
    let empty = store.load(&id("a")).await.unwrap().version;
    let full = store.compare_and_swap(&id("a"), &empty, "x".repeat(room).as_bytes()).await.unwrap();
    // The record that is there already makes room for the next one.
    let again = store.compare_and_swap(&id("a"), &full.version, "y".repeat(room).as_bytes()).await.unwrap();
    let over = store.compare_and_swap(&id("a"), &again.version, "x".repeat(room + 1).as_bytes()).await;
    assert_eq!(over, Err(StoreError::TooLarge { size: ANNOTATIONS_LIMIT + 1, limit: ANNOTATIONS_LIMIT }));
}

#[tokio::test]
async fn a_finalizer_that_others_set_too_says_nothing_without_a_record() {
    let bench = Bench::new();
    bench.create("a", json!({ "finalizers": [FINALIZER] })).await;
    assert!(bench.store().load(&id("a")).await.unwrap().marked, "it is the machine's own");
    let names = Names::of(MACHINE).unwrap().with_record("test.io/state").with_finalizer(FINALIZER);
    let store = bench.store().named(names);
    let loaded = store.load(&id("a")).await.unwrap();
    assert!(!loaded.marked);
    let written = store.compare_and_swap(&id("a"), &loaded.version, b"{}").await.unwrap();
    assert!(written.marked, "with a record it does");
    let object = bench.object("a").await;
    assert_eq!(object["metadata"]["finalizers"], json!([FINALIZER]), "it is set once");
    assert_eq!(object["metadata"]["annotations"], json!({ "test.io/state": "{}" }));
}

#[tokio::test]
async fn the_mirrored_number_stands_where_it_was_said_to_stand() {
    let bench = Bench::new();
    bench.create("a", json!({})).await;
    bench.status("a", json!({ "fsm": { "seq": 3 }, "second": { "seq": 5 } })).await;
    assert_eq!(bench.store().load(&id("a")).await.unwrap().witness, Some(3));
    let store = bench.store().mirrored_in("second");
    let loaded = store.load(&id("a")).await.unwrap();
    assert_eq!(loaded.witness, Some(5));
    // On an object that stays, it is taken off with the record.
    let written = store.compare_and_swap(&id("a"), &loaded.version, b"{}").await.unwrap();
    store.remove(&id("a"), &written.version).await.unwrap();
    let object = bench.object("a").await;
    assert_eq!(object["status"], json!({ "fsm": { "seq": 3 }, "second": {} }));
    assert_eq!(object["metadata"]["finalizers"], Value::Null);
}

#[tokio::test]
async fn what_is_gone_at_once_needs_no_second_write() {
    let bench = Bench::new();
    for (others, writes) in [(json!([]), 1), (json!(["others.io/cleanup"]), 2)] {
        bench.create("a", json!({ "finalizers": others })).await;
        bench.status("a", json!({ "fsm": { "seq": 3 } })).await;
        let store = bench.store();
        let loaded = store.load(&id("a")).await.unwrap();
        store.compare_and_swap(&id("a"), &loaded.version, b"{}").await.unwrap();
        bench.apps.delete("a", &DeleteParams::default()).await.unwrap();
        let loaded = store.load(&id("a")).await.unwrap();
        assert!(loaded.signals.deleting);
        let before = bench.writes();
        store.remove(&id("a"), &loaded.version).await.unwrap();
        assert_eq!(bench.writes() - before, writes, "{others}");
        if writes == 2 {
            let object = bench.object("a").await;
            assert_eq!(object["metadata"]["finalizers"], others);
            assert_eq!(object["status"]["fsm"], json!({}));
        }
    }
}

#[tokio::test]
async fn what_has_lost_its_record_is_let_go_of() {
    let bench = Bench::new();
    bench.create("marked", json!({ "finalizers": ["others.io/cleanup", FINALIZER] })).await;
    bench.create("witnessed", json!({})).await;
    bench.status("witnessed", json!({ "fsm": { "seq": 3 } })).await;
    bench.create("clean", json!({ "finalizers": ["others.io/cleanup"] })).await;
    let store = bench.store();
    for (name, writes) in [("marked", 1), ("witnessed", 1), ("clean", 0)] {
        let before = bench.writes();
        store.abandon(&id(name)).await.unwrap();
        assert_eq!(bench.writes() - before, writes, "{name}");
        let loaded = store.load(&id(name)).await.unwrap();
        assert_eq!((loaded.bytes, loaded.marked, loaded.witness), (None, false, None), "{name}");
    }
    assert_eq!(bench.object("marked").await["metadata"]["finalizers"], json!(["others.io/cleanup"]));
    assert_eq!(store.abandon(&id("nobody")).await, Err(StoreError::Gone));
}

#[tokio::test]
async fn only_a_record_is_removed() {
    let bench = Bench::new();
    bench.create("a", json!({ "finalizers": [FINALIZER] })).await;
    let store = bench.store();
    let loaded = store.load(&id("a")).await.unwrap();
    assert_eq!(store.remove(&id("a"), &loaded.version).await, Err(StoreError::Conflict));
    assert_eq!(bench.object("a").await["metadata"]["finalizers"], json!([FINALIZER]));
}

#[tokio::test]
async fn what_is_invalid_is_told_from_what_has_moved() {
    let bench = Bench::new();
    bench.server.validate("apps.test.io", |object| {
        let record = object["metadata"]["annotations"][RECORD].as_str();
        if record == Some("bad") { Err(Invalid::new("spec", "it is bad")) } else { Ok(()) }
    });
    bench.create("a", json!({})).await;
    let store = bench.store();
    let loaded = store.load(&id("a")).await.unwrap();
    let refused = store.compare_and_swap(&id("a"), &loaded.version, b"bad").await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    bench.patch("a", json!({ "metadata": { "labels": { "changed": "yes" } } })).await;
    let moved = store.compare_and_swap(&id("a"), &loaded.version, b"bad").await;
    assert_eq!(moved, Err(StoreError::Conflict));
    // It moves while the store asks what the refusal was about.
    let loaded = store.load(&id("a")).await.unwrap();
    bench.server.on_request(|seen| match seen.client.as_ref() {
        "slow" => Fault::ServeLate(When::Requests(2)),
        _ => Fault::None,
    });
    let slow: Api<DynamicObject> =
        Api::default_namespaced_with(bench.server.client_named("slow"), &bench.server.api_resource("apps.test.io"));
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "changed": "again" } } }));
    assert!(slow.patch("a", &PatchParams::default(), &patch).await.is_err(), "it is served later");
    let moved = store.compare_and_swap(&id("a"), &loaded.version, b"bad").await;
    assert_eq!(moved, Err(StoreError::Conflict));
    assert_eq!(bench.object("a").await["metadata"]["labels"]["changed"], "again");
}

#[tokio::test]
async fn a_list_goes_through_all_pages_and_begins_again_when_one_is_too_old() {
    let bench = Bench::new();
    let store = bench.store();
    for number in 0..501 {
        let annotations = if number % 5 == 0 { json!({ RECORD: "{}" }) } else { json!({ "other": "x" }) };
        bench.create(&format!("app-{number:03}"), json!({ "annotations": annotations })).await;
    }
    let expected: Vec<ResourceId> =
        (0..501).step_by(5).map(|number| ResourceId::new("default", format!("app-{number:03}"))).collect();
    assert_eq!(store.list(MACHINE).await.unwrap(), expected);
    // Pages count from 0, over all lists; one of them is refused.
    for (refused, refusal, pages) in
        [(1, Refusal::expired(), Some(4)), (1, Refusal::unavailable(), None), (0, Refusal::expired(), None)]
    {
        let count = Arc::new(AtomicUsize::new(0));
        let counting = count.clone();
        bench.server.on_request(move |seen| {
            let is_it = seen.verb == Verb::List && counting.fetch_add(1, Ordering::SeqCst) == refused;
            if is_it { Fault::Answer(refusal.clone()) } else { Fault::None }
        });
        let listed = store.list(MACHINE).await;
        match pages {
            Some(pages) => {
                assert_eq!(listed.unwrap(), expected);
                assert_eq!(count.load(Ordering::SeqCst), pages);
            }
            None => assert!(matches!(listed, Err(StoreError::Unavailable(_))), "{listed:?}"),
        }
    }
}

#[tokio::test]
async fn a_store_tells_of_which_kind_it_is() {
    assert!(format!("{:?}", Bench::new().store()).contains("App"));
}
