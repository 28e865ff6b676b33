//! Two processes, late writers, hostile names, modes.

use std::process::Command;

use durable_fsm::store::{FileStore, OpenError, Store, StoreError};
use durable_fsm::{RecordId, ResourceId};

fn id(name: &str) -> RecordId {
    RecordId { machine: "test.io/thing".to_owned(), resource: ResourceId::new("default", name) }
}

/// Run in a process of its own by the test below: opens the directory that the environment names.
#[test]
fn second_process() {
    let Ok(directory) = std::env::var("SECOND_PROCESS_DIRECTORY") else { return };
    match FileStore::open(directory) {
        Ok(_) => println!("second process: opened"),
        Err(error) => println!("second process: {error}"),
    }
}

fn from_second_process(directory: &std::path::Path) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["processes::second_process", "--exact", "--nocapture"])
        .env("SECOND_PROCESS_DIRECTORY", directory)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_second_process_is_told_who_is_in_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::open(directory.path()).unwrap();
    let said = from_second_process(directory.path());
    assert!(said.contains("is locked by another process") && said.contains("stop that controller"), "{said}");
    assert!(matches!(FileStore::open(directory.path()), Err(OpenError::Locked(_))), "nor a second handle of this one");
    drop(store);
    let said = from_second_process(directory.path());
    assert!(said.contains("second process: opened"), "{said}");
}

#[tokio::test]
async fn a_writer_that_is_late_by_a_life_conflicts() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::open(directory.path()).unwrap();
    let absent = store.load(&id("a")).await.unwrap().version;
    let first = store.compare_and_swap(&id("a"), &absent, b"{}").await.unwrap().version;
    store.remove(&id("a"), &first).await.unwrap();
    for late in [&absent, &first] {
        assert_eq!(store.compare_and_swap(&id("a"), late, b"{}").await, Err(StoreError::Conflict));
        assert_eq!(store.remove(&id("a"), late).await, Err(StoreError::Conflict));
    }
    let again = store.load(&id("a")).await.unwrap().version;
    store.compare_and_swap(&id("a"), &again, b"{}").await.unwrap();
    assert_eq!(
        store.compare_and_swap(&id("a"), &first, b"{}").await,
        Err(StoreError::Conflict),
        "the same bytes, another life"
    );
}

#[tokio::test]
async fn an_edit_by_hand_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::open(directory.path()).unwrap();
    let absent = store.load(&id("a")).await.unwrap().version;
    let first = store.compare_and_swap(&id("a"), &absent, b"{}").await.unwrap().version;
    std::fs::write(store.path(&id("a")), b"{\"edited\":1}").unwrap();
    assert_eq!(store.compare_and_swap(&id("a"), &first, b"{}").await, Err(StoreError::Conflict));
    assert_eq!(store.load(&id("a")).await.unwrap().bytes.unwrap(), b"{\"edited\":1}");
}

#[tokio::test]
async fn hostile_names_stay_inside_and_come_back() {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("records");
    let store = FileStore::open(&inner).unwrap();
    let long = "n".repeat(900);
    let names = [
        "..",
        "../../x",
        "/etc/passwd",
        "a/b",
        "",
        ".",
        "A",
        "a",
        "%2e",
        "x.json",
        ".lock",
        "日本",
        "a\nb",
        "+",
        &long,
    ];
    for name in names {
        let id = RecordId { machine: name.to_owned(), resource: ResourceId::new(name, name) };
        let absent = store.load(&id).await.unwrap().version;
        store.compare_and_swap(&id, &absent, name.as_bytes()).await.unwrap();
        assert!(store.path(&id).starts_with(&inner));
    }
    for name in names {
        let listed = store.list(name).await.unwrap();
        assert_eq!(listed, [ResourceId::new(name, name)]);
        let id = RecordId { machine: name.to_owned(), resource: ResourceId::new(name, name) };
        assert_eq!(store.load(&id).await.unwrap().bytes.unwrap(), name.as_bytes());
    }
    let outside: Vec<_> = std::fs::read_dir(outer.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(outside, ["records"]);
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("records");
    let store = FileStore::open(&root).unwrap();
    let absent = store.load(&id("a")).await.unwrap().version;
    store.compare_and_swap(&id("a"), &absent, b"{}").await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&store.path(&id("a"))), 0o600);
    assert_eq!(mode(&root), 0o700);
    assert_eq!(mode(store.path(&id("a")).parent().unwrap()), 0o700);
    assert_eq!(mode(&root.join(".lock")), 0o600);
}
