//! What the fuzz targets do; `tests/fuzz.rs` runs the same with bounded input.

use durable_fsm::record::Record;
use durable_fsm::store::FileStore;
use durable_fsm::{Each, Fsm, RecordId, Resource, ResourceId, Store as _};

#[derive(Clone)]
pub struct Thing;

impl Resource for Thing {
    type Spec = ();
    fn id(&self) -> ResourceId {
        ResourceId::new("default", "thing")
    }
    fn uid(&self) -> &str {
        "uid-1"
    }
    fn spec(&self) -> &() {
        &()
    }
}

/// The graph of the records in the corpus.
#[derive(Fsm)]
#[fsm(name = "test.io/thing", version = 1, resource = Thing)]
pub enum ThingFlow {
    #[fsm(initial)]
    #[transition(make_account -> Accounted, in_doubt = repeat, undo = drop_account)]
    Requested,
    #[transition(make_room -> Roomed, in_doubt = lookup, undo = close_room)]
    Accounted { account: String },
    #[transition(configure -> Configured, no_effect)]
    Roomed { room: String },
    #[transition(roll_out -> RolledOut, waits)]
    Configured { config: String },
    #[transition(send_mail -> Ready, in_doubt = hold, undo = none)]
    RolledOut,
    #[fsm(resting)]
    #[transition(run_container, for_each = containers, in_doubt = repeat, undo = stop_container)]
    #[transition(add_member, for_each = members, in_doubt = lookup, undo = remove_member)]
    Ready { containers: Each<String, String>, members: Each<String, u64>, mail: String },
}

/// True if the bytes are a record.
pub fn decode_record(bytes: &[u8]) -> bool {
    match Record::decode(&ThingFlow::GRAPH, bytes) {
        Ok(record) => {
            let state = ThingFlow::GRAPH.state(&record.state).expect("a record that is read is in a known state").0;
            drop(<ThingFlow as durable_fsm::Machine>::state(state, &record.facts));
            let written = serde_json::to_vec(&record).expect("a record that is read can be written");
            assert_eq!(Record::decode(&ThingFlow::GRAPH, &written).as_ref(), Ok(&record), "and read again");
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

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
