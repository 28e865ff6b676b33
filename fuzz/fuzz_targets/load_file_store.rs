//! Any directory is opened, listed and read, or refused with an error. `tests/fuzz.rs` runs the same with bounded input.
#![no_main]

use durable_fsm::store::FileStore;
use durable_fsm::{RecordId, Store as _};

/// Makes a directory of the bytes, opens it, and reads what is listed; gives how many records there were.
///
/// The bytes are lines; each is a path, a tab, and a file's content.
pub fn load_file_store(bytes: &[u8]) -> usize {
    let outer = tempfile::tempdir().expect("a temporary directory");
    let root = outer.path().join("records");
    std::fs::create_dir(&root).expect("a directory");
    for line in bytes.split(|byte| *byte == b'\n').take(32) {
        let (path, content) = line.split_at(line.iter().position(|byte| *byte == b'\t').unwrap_or(line.len()));
        let Ok(path) = std::str::from_utf8(path) else { continue };
        // What an attacker who can write into the directory could put there, and nothing above it.
        let safe = !path.is_empty() && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if !safe || path.contains('\0') {
            continue;
        }
        let path = root.join(path);
        if let Some(parent) = path.parent() {
            drop(std::fs::create_dir_all(parent));
        }
        drop(std::fs::write(path, content.get(1..).unwrap_or_default()));
    }
    let Ok(store) = FileStore::open(&root) else { return 0 };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let machine = "test.io/thing".to_owned();
        let Ok(resources) = store.list(&machine).await else { return 0 };
        for resource in &resources {
            let id = RecordId { machine: machine.clone(), resource: resource.clone() };
            assert!(store.path(&id).starts_with(&root), "no name leaves the directory");
            let before = std::fs::read(store.path(&id)).ok();
            let loaded = store.load(&id).await.map(|loaded| loaded.bytes);
            assert_eq!(loaded.unwrap_or_default(), before, "what is listed is read as it is");
        }
        resources.len()
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    load_file_store(bytes);
});
