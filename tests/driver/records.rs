//! Records that cannot be used: the resource is held with a remedy, and the stored bytes do not change.

use durable_fsm::record::{HISTORY, HeldReason, Record, Unreadable};
use durable_fsm::{Outcome, Signals, Store as _};
use serde_json::{Value, json};

use crate::machine::Thing;
use crate::site::SiteFlow;
use crate::world::Bench;

/// A good record, at rest with one container and one member.
async fn good(thing: &Thing) -> Value {
    let bench = Bench::new();
    let _ = bench.settle(thing).await;
    serde_json::from_slice(&bench.bytes(thing).await.unwrap()).unwrap()
}

fn set(record: &Value, path: &str, value: Value) -> Vec<u8> {
    let mut record = record.clone();
    let (parent, key) = path.rsplit_once('/').unwrap();
    let parent = record.pointer_mut(parent).unwrap();
    match parent {
        Value::Object(fields) if value.is_null() => drop(fields.remove(key).expect("there is such a field")),
        Value::Object(fields) => drop(fields.insert(key.to_owned(), value)),
        Value::Array(items) => items.push(value),
        other => panic!("{other} has no fields"),
    }
    serde_json::to_vec(&record).unwrap()
}

fn cases(record: &Value) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let text = serde_json::to_string(record).unwrap();
    let intent = json!({ "transition": "make_room", "life": 1, "attempt": 1, "holder": "h/0", "deadline": "2026-01-01T00:00:00Z" });
    let unconfirmed = json!({ "transition": "make_room", "life": 1, "attempt": 1 });
    let ended = json!({ "transition": "make_room", "life": 1 });
    let with = |patch: Value| {
        let mut intent = intent.clone();
        for (key, value) in patch.as_object().unwrap() {
            intent[key] = value.clone();
        }
        set(record, "/intent", intent)
    };
    vec![
        ("empty", Vec::new(), "damaged"),
        ("not json", b"what".to_vec(), "damaged"),
        ("not utf-8", vec![0xff, 0xfe, 0x00], "damaged"),
        ("null", b"null".to_vec(), "damaged"),
        ("a list", b"[]".to_vec(), "damaged"),
        ("an empty object", b"{}".to_vec(), "damaged"),
        ("cut off at a half", text.as_bytes()[..text.len() / 2].to_vec(), "damaged"),
        ("cut off by one", text.as_bytes()[..text.len() - 1].to_vec(), "damaged"),
        ("something behind it", format!("{text}x").into_bytes(), "damaged"),
        ("a key twice", text.replacen('{', "{\"state\":\"Ready\",", 1).into_bytes(), "damaged"),
        ("an unknown field", set(record, "/surprise", json!(1)), "damaged"),
        ("no format", set(record, "/format", Value::Null), "damaged"),
        ("format 0", set(record, "/format", json!(0)), "damaged"),
        ("a newer format", set(record, "/format", json!(2)), "run the version of the library that wrote it"),
        ("another machine", set(record, "/machine", json!("test.io/other")), "give each machine a record of its own"),
        ("a newer reader", set(record, "/reader", json!(2)), "roll the controller forward"),
        ("another owner", set(record, "/owner", json!("uid-9")), "rebind it"),
        ("no owner", set(record, "/owner", json!("")), "forged"),
        ("no origin", set(record, "/origin", json!("")), "forged"),
        ("seq 0", set(record, "/seq", json!(0)), "forged"),
        ("a negative seq", set(record, "/seq", json!(-1)), "damaged"),
        ("an unknown state", set(record, "/state", json!("Elsewhere")), "run the version that has it"),
        ("a missing fact", set(record, "/facts/account", Value::Null), "fact `account` is missing"),
        ("a fact of another type", set(record, "/facts/account", json!(7)), "fact `account` does not decode"),
        ("a set of another type", set(record, "/facts/members", json!([1])), "fact `members` does not decode"),
        (
            "an effect of an unknown transition",
            set(record, "/undo/-", json!({ "transition": "steal", "life": 1 })),
            "does not have",
        ),
        ("an effect that is none", set(record, "/undo/-", json!({ "transition": "configure", "life": 1 })), "forged"),
        (
            "an effect from the future",
            set(record, "/undo/-", json!({ "transition": "make_room", "life": 999 })),
            "forged",
        ),
        ("an effect twice", set(record, "/undo/-", record["undo"][0].clone()), "forged"),
        (
            "a subject where none belongs",
            set(record, "/undo/-", json!({ "transition": "make_room", "subject": "x", "life": 1 })),
            "forged",
        ),
        (
            "no subject where one belongs",
            set(record, "/undo/-", json!({ "transition": "add_member", "life": 1 })),
            "forged",
        ),
        (
            "an effect that reached another state",
            set(record, "/undo/-", json!({ "transition": "make_room", "life": 1, "state": "Ready" })),
            "forged",
        ),
        (
            "an unconfirmed step of an unknown transition",
            set(record, "/unconfirmed", json!([{ "transition": "steal", "life": 1, "attempt": 1 }])),
            "does not have",
        ),
        ("an intent of an unknown transition", with(json!({ "transition": "steal" })), "does not have"),
        ("an intent with attempt 0", with(json!({ "attempt": 0 })), "forged"),
        ("an intent with life 0", with(json!({ "life": 0 })), "forged"),
        ("an undo of what is not live", with(json!({ "action": "undo", "life": 3 })), "forged"),
        ("an abort of what was not sent", with(json!({ "action": "abort" })), "forged"),
        (
            "an unconfirmed step twice",
            set(record, "/unconfirmed", json!([unconfirmed.clone(), unconfirmed.clone()])),
            "forged",
        ),
        ("what was undone twice", set(record, "/undone", json!([ended.clone(), ended.clone()])), "forged"),
        (
            "what was undone of an unknown transition",
            set(record, "/undone", json!([{ "transition": "steal", "life": 1 }])),
            "does not have",
        ),
        (
            "an unconfirmed step with attempt 0",
            set(record, "/unconfirmed", json!([{ "transition": "make_room", "life": 1, "attempt": 0 }])),
            "forged",
        ),
        ("more history than is kept", set(record, "/history", json!(vec!["line"; HISTORY + 1])), "forged"),
        ("an unknown direction", set(record, "/direction", json!("sideways")), "damaged"),
        ("a bad time", set(record, "/since", json!("yesterday")), "damaged"),
    ]
}

#[tokio::test]
async fn each_is_held_with_its_remedy_and_its_bytes_stay() {
    let thing = Thing::new("web:1", &["ann"]);
    let record = good(&thing).await;
    let cases = cases(&record);
    assert!(cases.len() >= 25);
    for (name, bytes, remedy) in cases {
        for deleting in [false, true] {
            let bench = Bench::new();
            bench.put(&thing, &bytes).await;
            let thing = Thing { deleting, ..thing.clone() };
            let outcome = bench.settle(&thing).await;
            let Outcome::Held { reason, message } = outcome else { panic!("{name}: it is not held") };
            assert_eq!(reason, HeldReason::Unreadable, "{name}");
            assert!(message.contains(remedy), "{name}: {message}");
            assert_eq!(bench.bytes(&thing).await.as_ref(), Some(&bytes), "{name}");
            assert!(bench.provider.calls().is_empty(), "{name}");
            assert!(
                bench.runner.pause(&durable_fsm::Resource::id(&thing)).await.is_err()
                    || name == "another owner"
                    || name.contains("fact")
                    || name.contains("set of"),
                "{name}"
            );
            // The way out that the messages name works for all of them.
            let released = bench.runner.release(&durable_fsm::Resource::id(&thing)).await.unwrap();
            assert_eq!(released.unreadable.is_some(), is_unreadable(&bytes), "{name}");
            assert_eq!(bench.bytes(&thing).await, None, "{name}");
        }
    }
}

/// Whether the record itself cannot be read, as opposed to being another resource's or having facts of other types.
fn is_unreadable(bytes: &[u8]) -> bool {
    durable_fsm::record::Record::decode(&crate::machine::ThingFlow::GRAPH, bytes).is_err()
}

/// A record with the live effect of a branch.
fn branch() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/record/branch.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_branch_says_where_it_led() {
    let record: Value = branch();
    let place = record["undo"][1].clone();
    assert_eq!(place["transition"], "place");
    let with = |place: Value| {
        let mut record = record.clone();
        record["undo"][1] = place;
        Record::decode(&SiteFlow::GRAPH, &serde_json::to_vec(&record).unwrap())
    };
    assert!(with(place.clone()).is_ok());
    let mut nowhere = place.clone();
    drop(nowhere.as_object_mut().unwrap().remove("state"));
    let Err(Unreadable::Inconsistent(why)) = with(nowhere) else { panic!("it is read") };
    assert!(why.contains("which state `place` reached"), "{why}");
    let mut elsewhere = place;
    elsewhere["state"] = json!("Open");
    assert!(matches!(with(elsewhere), Err(Unreadable::Inconsistent(_))));
}

#[test]
fn as_much_history_as_is_kept_is_read() {
    let mut record: Value = branch();
    record["history"] = json!(vec!["line"; HISTORY]);
    assert!(Record::decode(&SiteFlow::GRAPH, &serde_json::to_vec(&record).unwrap()).is_ok());
}

#[tokio::test]
async fn the_good_one_is_not_held() {
    let thing = Thing::new("web:1", &["ann"]);
    let bench = Bench::new();
    let record = good(&thing).await;
    bench.put(&thing, &serde_json::to_vec(&record).unwrap()).await;
    assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
}

#[tokio::test]
async fn a_lost_record_is_held() {
    let thing = Thing::new("web:1", &[]);
    for (marked, witness) in [(true, None), (false, Some(3)), (true, Some(3))] {
        let bench = Bench::new();
        bench.store.set_signs(&Bench::id(&thing), marked, witness);
        let outcome = bench.settle(&thing).await;
        assert!(matches!(outcome, Outcome::Held { reason: HeldReason::RecordLost, .. }));
        assert_eq!(bench.store.writes(), 0);
        assert!(bench.provider.calls().is_empty());
    }
    // One that has gone back behind what was mirrored.
    let bench = Bench::new();
    let _ = bench.settle(&thing).await;
    bench.store.set_signs(&Bench::id(&thing), true, Some(bench.record(&thing).await.seq + 1));
    assert!(matches!(bench.settle(&thing).await, Outcome::Held { reason: HeldReason::RecordLost, .. }));
}

/// Without it a deletion would leave everything behind.
#[tokio::test]
async fn a_mark_that_was_taken_off_is_put_back_by_the_next_pass() {
    let thing = Thing::new("web:1", &[]);
    let bench = Bench::new();
    let _ = bench.settle(&thing).await;
    let (id, writes) = (Bench::id(&thing), bench.store.writes());
    bench.store.set_signs(&id, false, None);
    for _ in 0..2 {
        assert!(matches!(bench.settle(&thing).await, Outcome::Resting(_)));
        assert!(bench.store.load(&id).await.unwrap().marked);
        assert_eq!(bench.store.writes(), writes + 1);
    }
}

/// A resource that is paused is not touched.
#[tokio::test]
async fn a_mark_is_not_put_back_while_the_resource_is_paused() {
    let thing = Thing::new("web:1", &[]);
    let bench = Bench::new();
    let _ = bench.settle(&thing).await;
    let (id, writes) = (Bench::id(&thing), bench.store.writes());
    bench.store.set_signs(&id, false, None);
    bench.store.set_signals(&id, Signals { paused: true, ..Signals::default() });
    assert!(matches!(bench.settle(&thing).await, Outcome::Paused));
    assert_eq!(bench.store.writes(), writes);
}
