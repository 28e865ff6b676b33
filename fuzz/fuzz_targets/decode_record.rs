//! Any bytes are a record or an error, and a record that is read can be written again. `tests/fuzz.rs` runs the same with bounded input.
#![no_main]

use durable_fsm::record::Record;
use durable_fsm::{Each, Fsm, Machine, Resource, ResourceId};

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

/// The graph of most records in the corpus.
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

/// The graph of those with a branch, an abort, a retained effect, a fact written twice.
mod site {
    use super::{Fsm, Thing};

    #[derive(Fsm)]
    #[fsm(name = "test.io/site", version = 1, resource = Thing)]
    pub enum SiteFlow {
        #[fsm(initial)]
        #[transition(reserve -> Reserved, in_doubt = repeat, undo = retain)]
        Requested,
        #[transition(place -> Shared | Dedicated, in_doubt = lookup, undo = displace, abort = clear)]
        Reserved { name: String },
        #[transition(entitle_shared -> Entitled, no_effect)]
        Shared { slot: String },
        #[transition(entitle_dedicated -> Entitled, no_effect)]
        Dedicated { host: String },
        #[transition(open -> Open, in_doubt = repeat, undo = close)]
        Entitled { title: String },
        #[fsm(resting)]
        #[transition(retitle -> Retitled, when = has_another_title, no_effect)]
        Open { door: String },
        #[fsm(resting)]
        Retitled { title: String },
    }
}

/// The graph of those with a mark.
mod page {
    use super::{Fsm, Thing};

    #[derive(Fsm)]
    #[fsm(name = "test.io/page", version = 1, resource = Thing)]
    pub enum PageFlow {
        #[fsm(initial)]
        #[transition(open_site -> Opened, in_doubt = repeat, undo = close_site, timeout = "10s")]
        Requested,
        #[transition(publish -> Shown, in_doubt = repeat, undo = unpublish, timeout = "10s")]
        Opened { site: String },
        #[fsm(resting)]
        #[transition(describe -> Shown, when = is_undescribed, in_doubt = repeat, undo = none, timeout = "10s")]
        #[transition(replace -> Opened, when = is_outdated, rewind)]
        Shown { page: String, image: String },
    }
}

/// The graph of the one that was rolled back because an effect was rejected.
mod trip {
    use super::{Fsm, Thing};

    #[derive(Fsm)]
    #[fsm(name = "test.io/trip", version = 1, resource = Thing, on_rejected = undo)]
    pub enum TripFlow {
        #[fsm(initial)]
        #[transition(book_flight -> Flight, in_doubt = repeat, undo = cancel_flight)]
        Wanted,
        #[transition(book_hotel -> Booked, in_doubt = repeat, undo = cancel_hotel)]
        Flight { flight: String },
        #[fsm(resting)]
        Booked { hotel: String },
    }
}

/// The graph of the one that is being deleted by steps of its own.
mod database {
    use super::{Fsm, Thing};

    #[derive(Fsm)]
    #[fsm(name = "test.io/database", version = 1, resource = Thing)]
    pub enum DatabaseFlow {
        #[fsm(initial)]
        #[transition(create -> Serving, in_doubt = repeat, undo = drop_database)]
        Requested,
        #[fsm(resting)]
        #[transition(start_backup -> BackingUp, on_delete, in_doubt = hold, undo = retain)]
        Serving { database: String },
        #[fsm(leaving)]
        #[transition(await_backup -> BackedUp, waits)]
        BackingUp { backup: String },
        #[fsm(leaving)]
        BackedUp,
    }
}

/// The graph of the one of which something stays, and something takes a while to go.
mod cluster {
    use super::{Fsm, Thing};

    #[derive(Fsm)]
    #[fsm(name = "test.io/cluster", version = 1, resource = Thing)]
    pub enum ClusterFlow {
        #[fsm(initial)]
        #[transition(create -> Built, in_doubt = repeat, undo = remove)]
        Requested,
        #[transition(back_up -> BackedUp, in_doubt = repeat, undo = discard, retain_when = keeps_backups)]
        Built { cluster: String },
        #[transition(hand_over -> Serving, no_effect, undo = drain)]
        BackedUp { backup: String },
        #[fsm(resting)]
        Serving { since: u64 },
    }
}

/// True if the bytes are a record of one of the machines.
pub fn decode_record(bytes: &[u8]) -> bool {
    let of = [
        decode::<ThingFlow>(bytes),
        decode::<site::SiteFlow>(bytes),
        decode::<page::PageFlow>(bytes),
        decode::<trip::TripFlow>(bytes),
        decode::<database::DatabaseFlow>(bytes),
        decode::<cluster::ClusterFlow>(bytes),
    ];
    let machines = of.into_iter().filter(|is_its| *is_its).count();
    assert!(machines <= 1, "a record belongs to one machine");
    machines == 1
}

fn decode<M: Machine>(bytes: &[u8]) -> bool {
    match Record::decode(M::GRAPH, bytes) {
        Ok(record) => {
            let state = M::GRAPH.state(&record.state).expect("a record that is read is in a known state").0;
            drop(M::state(state, &record.facts));
            let written = serde_json::to_vec(&record).expect("a record that is read can be written");
            assert_eq!(Record::decode(M::GRAPH, &written).as_ref(), Ok(&record), "and read again");
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
