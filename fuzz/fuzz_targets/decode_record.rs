//! Any bytes are a record or an error, and a record that is read can be written again. `tests/fuzz.rs` runs the same with bounded input.
#![no_main]

use durable_fsm::record::Record;
use durable_fsm::{Each, Fsm, Resource, ResourceId};

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

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    decode_record(bytes);
});
