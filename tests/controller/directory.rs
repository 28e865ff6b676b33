//! Documents in a directory: what makes, changes, leaves and deletes a resource.

use std::fs;
use std::path::Path;

use durable_fsm::store::MemoryStore;
use durable_fsm::testing::TestClock;
use durable_fsm::{RecordId, Store as _};
use tempfile::TempDir;

use super::tenant::{Cloud, Running, id};

struct Place {
    folder: TempDir,
    cloud: Cloud,
    store: MemoryStore,
    clock: TestClock,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, cloud: Cloud::default(), store: MemoryStore::new(), clock: TestClock::new() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path().join(file), text).unwrap();
    }

    fn remove(&self, file: &str) {
        fs::remove_file(self.path().join(file)).unwrap();
    }

    fn run(&self) -> Running {
        Running::watch(&self.cloud, self.store.clone(), self.path(), &self.clock)
    }

    async fn uid(&self, name: &str) -> Option<String> {
        let record = RecordId { machine: "example.io/tenant".to_owned(), resource: id(name) };
        let bytes = self.store.load(&record).await.unwrap().bytes?;
        let record: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        Some(record["origin"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn what_no_listing_has_told_of_yet_is_woken_in_vain_and_not_undone() {
    let place = Place::new();
    place.write("a.yaml", "name: a\n");
    let running = place.run();
    running.settle().await;
    running.drain().await;
    let uid = place.uid("a").await;
    place.cloud.calls();
    let running = place.run();
    running.handle.wake_all();
    running.handle.wake(&id("a"));
    running.settle_in_time().await;
    assert_eq!((place.cloud.accounts(), place.uid("a").await), (vec!["a".to_owned()], uid));
    assert!(place.cloud.calls().iter().all(|call| !call.starts_with("close")), "it is not undone");
}

#[tokio::test]
async fn documents_become_resources_and_removed_ones_are_undone() {
    let place = Place::new();
    place.write("a.yaml", "name: a\nplan: gold\n");
    place.write("bc.yml", "name: b\n---\nname: c\n");
    place.write("d.json", r#"{"name": "d"}"#);
    place.write("notes.txt", "name: e");
    let mut running = place.run();
    running.settle().await;
    assert_eq!(place.cloud.accounts().len(), 4);
    assert_eq!(running.outcomes().len(), 4);
    assert!(place.cloud.calls().contains(&"open_account a gold".to_owned()));
    // Nothing changes, and nothing is done.
    running.settle().await;
    assert_eq!((running.outcomes(), place.cloud.calls()), (vec![], vec![]));
    // A change of the layout alone is none.
    place.write("a.yaml", "plan: 'gold'\nname: 'a'\n");
    running.settle().await;
    assert_eq!(running.outcomes(), Vec::<String>::new());
    place.write("a.yaml", "name: a\nplan: silver\n");
    running.settle().await;
    assert_eq!(running.outcomes(), ["a: Ready"]);
    // One document of two, and a file.
    place.write("bc.yml", "name: b\n");
    place.remove("d.json");
    running.settle_in_time().await;
    let mut left = place.cloud.accounts();
    left.sort_unstable();
    assert_eq!(left, ["a", "b"]);
    let outcomes = running.outcomes();
    assert!(outcomes.contains(&"c: gone".to_owned()) && outcomes.contains(&"d: gone".to_owned()), "{outcomes:?}");
    running.drain().await;
}

#[tokio::test]
async fn a_document_that_cannot_be_read_changes_nothing() {
    let place = Place::new();
    place.write("a.yaml", "name: a\n");
    place.write("b.yaml", "name: b\n");
    let mut running = place.run();
    running.settle().await;
    running.outcomes();
    for broken in ["name: [a", "", "nme: a\n", "name: a\nuid: 7\n", "just a text"] {
        place.write("a.yaml", broken);
        running.settle_in_time().await;
        assert_eq!(running.outcomes(), Vec::<String>::new(), "{broken:?}");
    }
    // Another file is removed meanwhile, and that one counts.
    place.remove("b.yaml");
    running.settle_in_time().await;
    assert_eq!(place.cloud.accounts(), ["a"]);
    running.drain().await;
}

#[tokio::test]
async fn what_a_broken_document_stood_for_is_known_after_a_restart() {
    let place = Place::new();
    place.write("a.yaml", "name: a\nplan: gold\n");
    let running = place.run();
    running.settle().await;
    running.drain().await;
    place.write("a.yaml", "name: [");
    let mut running = place.run();
    running.settle_in_time().await;
    assert_eq!(place.cloud.accounts(), ["a"]);
    // It goes on with the spec that it had last.
    assert_eq!(running.outcomes(), ["a: Ready"]);
    running.drain().await;
}

#[tokio::test]
async fn nothing_is_deleted_while_a_broken_file_may_have_taken_it_over() {
    let place = Place::new();
    place.write("a.yaml", "name: alice\n");
    place.write("b.yaml", "name: bob\n");
    let running = place.run();
    running.settle().await;
    // Bob moves into Alice's file, with a mistake.
    place.write("a.yaml", "name: alice\n---\nname: bob\nplan: [\n");
    place.remove("b.yaml");
    running.settle_in_time().await;
    assert_eq!(place.cloud.accounts().len(), 2);
    // A file that was never read may have taken over anything.
    place.write("a.yaml", "name: alice\n");
    place.write("new.yaml", "");
    running.settle_in_time().await;
    assert_eq!(place.cloud.accounts().len(), 2);
    place.write("new.yaml", "name: carol\n");
    running.settle_in_time().await;
    let mut left = place.cloud.accounts();
    left.sort_unstable();
    assert_eq!(left, ["alice", "carol"]);
    running.drain().await;
}

#[tokio::test]
async fn nothing_is_deleted_while_the_directory_cannot_be_read() {
    let place = Place::new();
    place.write("a.yaml", "name: a\n");
    let running = place.run();
    running.settle().await;
    let away = place.path().with_extension("away");
    fs::rename(place.path(), &away).unwrap();
    running.settle_in_time().await;
    assert_eq!(place.cloud.accounts(), ["a"]);
    running.drain().await;
    // Nor after a restart, when it goes on with what it was.
    place.cloud.calls();
    let mut running = place.run();
    running.settle_in_time().await;
    assert_eq!((place.cloud.accounts(), running.outcomes()), (vec!["a".to_owned()], vec!["a: Ready".to_owned()]));
    fs::rename(&away, place.path()).unwrap();
    running.settle_in_time().await;
    assert_eq!(place.cloud.calls(), Vec::<String>::new());
    running.drain().await;
}

#[tokio::test]
async fn a_file_that_is_missing_once_is_not_gone() {
    let place = Place::new();
    place.write("a.yaml", "name: a\n");
    let running = place.run();
    running.settle().await;
    place.cloud.calls();
    for _ in 0..3 {
        place.remove("a.yaml");
        running.settle().await;
        place.write("a.yaml", "name: a\n");
        running.settle().await;
    }
    assert_eq!(place.cloud.calls(), Vec::<String>::new());
    place.remove("a.yaml");
    running.settle().await;
    assert_eq!(place.cloud.accounts(), ["a"]);
    running.settle().await;
    running.settle_in_time().await;
    assert!(place.cloud.accounts().is_empty());
    running.drain().await;
}

#[tokio::test]
async fn what_was_removed_while_nothing_ran_is_undone_with_its_last_spec() {
    let place = Place::new();
    place.write("a.yaml", "name: a\nplan: gold\n");
    let running = place.run();
    running.settle().await;
    running.kill().await;
    place.remove("a.yaml");
    place.cloud.calls();
    let mut running = place.run();
    running.settle_in_time().await;
    assert_eq!(place.cloud.calls(), ["close_room a gold", "close_account a gold"]);
    assert_eq!(running.outcomes().last().unwrap(), "a: gone");
    assert!(place.store.list("example.io/tenant#resources").await.unwrap().is_empty());
    running.drain().await;
}

#[tokio::test]
async fn a_uid_is_made_up_once_for_each_life() {
    let place = Place::new();
    place.write("a.yaml", "name: a\n");
    let running = place.run();
    running.settle().await;
    let first = place.uid("a").await.unwrap();
    place.write("a.yaml", "name: a\nplan: gold\n");
    running.settle().await;
    running.kill().await;
    let running = place.run();
    running.settle().await;
    assert_eq!(place.uid("a").await.as_ref(), Some(&first));
    // It comes back while it is being undone: the undo waits for late duplicates, so it is not over at once.
    place.remove("a.yaml");
    running.settle().await;
    running.settle().await;
    assert_eq!(place.uid("a").await.as_ref(), Some(&first));
    place.write("a.yaml", "name: a\n");
    running.settle_in_time().await;
    let second = place.uid("a").await.unwrap();
    assert_ne!(first, second);
    assert_eq!(place.cloud.accounts(), ["a"]);
    // One that the document says is taken as it is, after the one before is undone.
    place.write("a.yaml", "name: a\nuid: mine\n");
    running.settle_in_time().await;
    assert_eq!(place.uid("a").await.as_deref(), Some("mine"));
    assert_eq!(place.cloud.accounts(), ["a"]);
    running.drain().await;
}

#[tokio::test]
async fn two_documents_of_one_resource_are_both_left_unread() {
    let place = Place::new();
    place.write("a.yaml", "name: a\nplan: gold\n");
    let mut running = place.run();
    running.settle().await;
    running.outcomes();
    place.write("copy.yaml", "name: a\nplan: silver\n---\nname: b\n");
    running.settle_in_time().await;
    assert_eq!(running.outcomes(), Vec::<String>::new());
    place.remove("a.yaml");
    running.settle_in_time().await;
    assert_eq!(running.outcomes(), ["a: Ready", "b: Ready"]);
    assert_eq!(place.cloud.accounts().len(), 2);
    running.drain().await;
}

#[tokio::test]
async fn the_graph_is_kept_beside_the_records() {
    let place = Place::new();
    let running = place.run();
    running.settle().await;
    let kept = place.store.list("example.io/tenant#graphs").await.unwrap();
    let record = RecordId { machine: "example.io/tenant#graphs".to_owned(), resource: kept[0].clone() };
    let text = String::from_utf8(place.store.load(&record).await.unwrap().bytes.unwrap()).unwrap();
    let graph = durable_fsm::graph::json::read(&text).unwrap();
    assert_eq!((graph, kept.len()), (<super::tenant::TenantFlow as durable_fsm::Machine>::GRAPH, 1));
    running.drain().await;
}
