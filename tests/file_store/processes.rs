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

/// Nothing that can be removed from the directory lets a second process in.
#[test]
fn removing_every_file_admits_no_second_process() {
    let directory = tempfile::tempdir().unwrap();
    let _store = FileStore::open(directory.path()).unwrap();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    let said = from_second_process(directory.path());
    assert!(said.contains("is locked by another process"), "{said}");
}

#[cfg(unix)]
#[test]
fn two_paths_to_one_directory_are_one_directory() {
    let outer = tempfile::tempdir().unwrap();
    let (real, link) = (outer.path().join("real"), outer.path().join("link"));
    let _store = FileStore::open(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    for path in [&link, &real.join("../real"), &link.join(".")] {
        assert!(matches!(FileStore::open(path), Err(OpenError::Locked(_))), "{}", path.display());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_directory_that_is_moved_or_replaced_is_written_no_more() {
    let outer = tempfile::tempdir().unwrap();
    let (root, away) = (outer.path().join("records"), outer.path().join("away"));
    let store = FileStore::open(&root).unwrap();
    let absent = store.load(&id("a")).await.unwrap().version;
    let first = store.compare_and_swap(&id("a"), &absent, b"{}").await.unwrap().version;
    std::fs::rename(&root, &away).unwrap();
    let refused = store.compare_and_swap(&id("a"), &first, b"{}").await.unwrap_err();
    assert!(refused.to_string().contains("was moved or replaced while it was open"), "{refused}");
    let second = FileStore::open(&root).expect("another directory of that name is another store");
    assert!(matches!(store.load(&id("a")).await, Err(StoreError::Refused(_))));
    assert_eq!(second.list(&id("a").machine).await.unwrap(), []);
    drop(second);
    std::fs::remove_dir_all(&root).unwrap();
    std::fs::rename(&away, &root).unwrap();
    store.compare_and_swap(&id("a"), &first, b"{}").await.expect("it was moved back");
}

/// Run in a process of its own by the test below: opens a relative path and then changes the working directory.
#[tokio::test]
async fn relative_process() {
    let Ok(directory) = std::env::var("RELATIVE_PROCESS_DIRECTORY") else { return };
    std::env::set_current_dir(&directory).unwrap();
    let store = FileStore::open("records").unwrap();
    std::env::set_current_dir("/").unwrap();
    let absent = store.load(&id("a")).await.unwrap().version;
    store.compare_and_swap(&id("a"), &absent, b"{}").await.unwrap();
}

#[test]
fn a_relative_path_means_what_it_meant_when_the_store_was_opened() {
    let directory = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["processes::relative_process", "--exact"])
        .env("RELATIVE_PROCESS_DIRECTORY", directory.path())
        .status()
        .unwrap();
    assert!(status.success());
    let store = FileStore::open(directory.path().join("records")).unwrap();
    assert!(store.path(&id("a")).exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_at_a_temporary_name_is_not_written_through() {
    let outer = tempfile::tempdir().unwrap();
    let (root, other) = (outer.path().join("records"), outer.path().join("other"));
    std::fs::write(&other, "theirs").unwrap();
    let store = FileStore::open(&root).unwrap();
    let absent = store.load(&id("a")).await.unwrap().version;
    for number in 0..4 {
        std::os::unix::fs::symlink(&other, root.join(".tmp").join(number.to_string())).unwrap();
    }
    let path = store.path(&id("a"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut old = path.clone();
    old.as_mut_os_string().push(".tmp");
    std::os::unix::fs::symlink(&other, &old).unwrap();
    let mut written = store.compare_and_swap(&id("a"), &absent, b"{}").await;
    for _ in 0..4 {
        if matches!(written, Err(StoreError::Unavailable(_))) {
            written = store.compare_and_swap(&id("a"), &absent, b"{}").await;
        }
    }
    written.unwrap();
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "theirs");
    std::fs::remove_dir_all(root.join(".tmp")).unwrap();
    drop(store);
    std::os::unix::fs::symlink(outer.path(), root.join(".tmp")).unwrap();
    assert!(matches!(FileStore::open(&root), Err(OpenError::Io { .. })), "a link is no directory of ours");
}

#[tokio::test]
async fn a_directory_that_was_removed_by_hand_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::open(directory.path()).unwrap();
    let absent = store.load(&id("a")).await.unwrap().version;
    store.compare_and_swap(&id("a"), &absent, b"{}").await.unwrap();
    std::fs::remove_dir_all(store.path(&id("a")).parent().unwrap()).unwrap();
    let lost = store.load(&id("a")).await.unwrap();
    assert_eq!(lost.bytes, None);
    let first = store.compare_and_swap(&id("a"), &lost.version, b"{}").await;
    assert!(matches!(first, Err(StoreError::Unavailable(_))), "{first:?}");
    store.compare_and_swap(&id("a"), &lost.version, b"{}").await.expect("the next write makes it");
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
    let edited = store.load(&id("a")).await.unwrap();
    assert_eq!(edited.bytes.unwrap(), b"{\"edited\":1}");
    // So is one that leaves the length as it was.
    std::fs::write(store.path(&id("a")), b"{\"edited\":2}").unwrap();
    let file = std::fs::File::options().write(true).open(store.path(&id("a"))).unwrap();
    file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(1)).unwrap();
    assert_eq!(store.compare_and_swap(&id("a"), &edited.version, b"{}").await, Err(StoreError::Conflict));
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
    assert_eq!(mode(&root.join(".tmp")), 0o700);
}
