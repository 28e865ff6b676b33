//! A fleet whose records are put back to an earlier time, all at once, and a fleet that is copied.

use std::time::Duration;

use durable_fsm::record::HeldReason;
use durable_fsm::{Outcome, Removal, Resource as _};

use crate::machine::Thing;
use crate::yard::{Town, Yard, house};

const FLEET: usize = 100;

fn fleet(rooms: &[&str]) -> Vec<Thing> {
    (0..FLEET).map(|number| house(&format!("house-{number}"), rooms)).collect()
}

/// The fleet with other rooms than those of its records.
async fn moved_on() -> (Yard, Vec<Vec<u8>>) {
    let yard = Yard::new();
    let mut backup = Vec::new();
    for thing in fleet(&["kitchen"]) {
        yard.rests(&thing).await;
        backup.push(yard.bytes(&thing).await.unwrap());
    }
    for thing in fleet(&["bath", "hall"]) {
        yard.rests(&thing).await;
    }
    assert_eq!(counts(&yard), (FLEET, 2 * FLEET, FLEET));
    yard.clock.advance(Duration::from_secs(70));
    yard.town.calls();
    (yard, backup)
}

/// How many houses and rooms there are, and how many were told of one.
fn counts(yard: &Yard) -> (usize, usize, usize) {
    (yard.town.count("build"), yard.town.count("add_room"), yard.town.plot().told)
}

/// Sweeps, and removes what no record knows. How many there were.
async fn sweep(yard: &Yard, fleet: &[Thing]) -> usize {
    let swept = yard.runner.sweep().await.unwrap();
    yard.clock.advance(Duration::from_secs(70));
    for orphan in &swept.orphans {
        let owner = orphan.resource.as_ref().and_then(|owner| fleet.iter().find(|thing| thing.id() == *owner));
        let removal = yard.runner.remove_orphan(orphan, owner.unwrap_or(&fleet[0])).await.unwrap();
        assert_eq!(removal, Removal::Done, "{orphan:?}");
    }
    assert_eq!(yard.runner.sweep().await.unwrap().orphans.len(), 0);
    swept.orphans.len()
}

async fn deleted(yard: &Yard, fleet: &[Thing]) {
    for thing in fleet {
        yard.gone(thing).await;
    }
    assert_eq!(counts(yard), (0, 0, FLEET), "nothing is left, and nothing was told twice");
}

#[tokio::test]
async fn after_a_rewind_of_all_records_nothing_is_made_twice_and_the_sweep_leaves_no_orphan() {
    let (yard, backup) = moved_on().await;
    let old = fleet(&["kitchen"]);
    for (thing, bytes) in old.iter().zip(&backup) {
        yard.put(thing, Some(bytes)).await;
        yard.rests(thing).await;
    }
    assert_eq!(yard.town.calls(), Vec::<String>::new(), "the records say that all is there");
    let swept = yard.runner.sweep().await.unwrap();
    assert_eq!((swept.orphans.len(), swept.missing.len()), (2 * FLEET, FLEET), "what was made and undone since");
    assert_eq!(sweep(&yard, &old).await, 2 * FLEET);
    assert_eq!(counts(&yard), (FLEET, 0, FLEET));
    let new = fleet(&["bath", "hall"]);
    for thing in &new {
        yard.rests(thing).await;
    }
    assert_eq!(counts(&yard), (FLEET, 2 * FLEET, FLEET));
    deleted(&yard, &new).await;
}

/// What was made since is found again, if the specs come first.
#[tokio::test]
async fn after_a_rewind_what_is_wanted_is_found_again_and_is_no_orphan() {
    let (yard, backup) = moved_on().await;
    let new = fleet(&["bath", "hall"]);
    for (thing, bytes) in new.iter().zip(&backup) {
        yard.put(thing, Some(bytes)).await;
        yard.rests(thing).await;
    }
    assert!(yard.town.calls().iter().all(|call| call.starts_with("remove ")), "nothing is made");
    assert_eq!((sweep(&yard, &new).await, counts(&yard)), (0, (FLEET, 2 * FLEET, FLEET)));
    deleted(&yard, &new).await;
}

/// The provider answers for a key with what was made under it, also when that is gone. The record that was put back comes to the same numbers again.
#[tokio::test]
async fn what_a_sweep_has_removed_is_made_anew_where_the_provider_knows_keys() {
    let yard = Yard::new();
    let old = house("a", &[]);
    yard.rests(&old).await;
    let backup = yard.bytes(&old).await.unwrap();
    let mut new = old.clone();
    new.spec.image = "door:front".to_owned();
    yard.rests(&new).await;
    let used = yard.runner.inspect(&new.id()).await.unwrap().unwrap().seq;
    yard.clock.advance(Duration::from_secs(70));
    yard.put(&old, Some(&backup)).await;
    yard.rests(&old).await;
    assert_eq!((sweep(&yard, std::slice::from_ref(&old)).await, yard.town.count("add_door")), (1, 0));
    yard.rests(&new).await;
    assert_eq!(yard.town.count("add_door"), 1, "it is there again, under another key");
    let record = yard.runner.inspect(&new.id()).await.unwrap().unwrap();
    assert!(record.undo.last().is_some_and(|door| door.life >= used), "{record:?}");
    yard.gone(&new).await;
}

#[tokio::test]
async fn a_restore_with_new_uids_is_held_until_it_is_bound_and_then_goes_on() {
    let (yard, backup) = moved_on().await;
    let restored = |thing: Thing| Thing { uid: format!("new {}", thing.uid), ..thing };
    let new: Vec<Thing> = fleet(&["bath", "hall"]).into_iter().map(restored).collect();
    for (thing, bytes) in new.iter().zip(&backup) {
        yard.put(thing, Some(bytes)).await;
        let outcome = yard.settle(thing).await;
        assert!(matches!(outcome, Outcome::Held { reason: HeldReason::Unreadable, .. }), "another uid owns the record");
    }
    assert_eq!(yard.town.calls(), Vec::<String>::new());
    for thing in &new {
        yard.runner.rebind(&thing.id(), &thing.uid).await.unwrap();
        yard.rests(thing).await;
    }
    assert!(yard.town.calls().iter().all(|call| call.starts_with("remove ")), "nothing is made");
    assert_eq!((sweep(&yard, &new).await, counts(&yard)), (0, (FLEET, 2 * FLEET, FLEET)));
    deleted(&yard, &new).await;
}

#[tokio::test]
async fn a_copy_of_the_fleet_in_a_second_cluster_does_nothing_and_leaves_the_first_alone() {
    let (yard, _) = moved_on().await;
    let first = fleet(&["bath", "hall"]);
    let second = Yard::at(yard.town.clone());
    for thing in &first {
        let copy = Thing { uid: format!("copy of {}", thing.uid), ..thing.clone() };
        second.put(&copy, Some(&yard.bytes(thing).await.unwrap())).await;
        for deleting in [false, true] {
            let outcome = second.settle(&Thing { deleting, ..copy.clone() }).await;
            assert!(matches!(outcome, Outcome::Held { reason: HeldReason::Unreadable, .. }), "{deleting}");
        }
        let released = second.runner.release(&copy.id()).await.unwrap();
        assert_eq!(released.left.len(), 3, "a house and two rooms");
    }
    assert_eq!(yard.town.calls(), Vec::<String>::new());
    // The second cluster has no record of what the first one has made.
    assert_eq!(second.runner.sweep().await.unwrap().orphans.len(), 3 * FLEET);
    assert_eq!(sweep(&yard, &first).await, 0);
    deleted(&yard, &first).await;
}

/// What no contract can promise: a record that is gone with every sign of it.
#[tokio::test]
async fn a_record_that_is_gone_without_a_trace_sends_again_what_is_held_in_doubt() {
    let yard = Yard::at(Town::default());
    let thing = house("a", &["kitchen"]);
    yard.rests(&thing).await;
    yard.put(&thing, None).await;
    yard.rests(&thing).await;
    assert_eq!(
        counts(&yard),
        (1, 1, 2),
        "the provider knows the key, the look-up finds the room, and somebody is told again"
    );
    assert_eq!(sweep(&yard, std::slice::from_ref(&thing)).await, 0);
    yard.gone(&thing).await;
}
