//! The removal of orphans: by the undo of their transition, one by one, and only what still is one.

use std::time::Duration;

use durable_fsm::{Orphan, Removal, Store as _, SweepError, Undone};

use crate::machine::Thing;
use crate::yard::{Yard, house, id, refused};

/// A house whose record is gone, and a second one that stays.
async fn orphaned() -> (Yard, Thing) {
    let yard = Yard::new();
    let (lost, kept) = (house("lost", &["kitchen"]), house("kept", &["hall"]));
    yard.rests(&lost).await;
    yard.rests(&kept).await;
    yard.put(&lost, None).await;
    yard.town.calls();
    (yard, lost)
}

/// The orphans, when they have been long enough.
async fn found(yard: &Yard) -> Vec<Orphan> {
    let orphans = yard.runner.sweep().await.unwrap().orphans;
    yard.clock.advance(Duration::from_secs(70));
    orphans
}

#[tokio::test]
async fn orphans_are_removed_by_their_undos_one_by_one() {
    let (yard, lost) = orphaned().await;
    let orphans = found(&yard).await;
    let handles: Vec<&str> = orphans.iter().map(|orphan| orphan.thing.handle.as_str()).collect();
    assert_eq!(handles, ["add_room 2", "build 1"]);
    assert_eq!(yard.runner.remove_orphan(&orphans[0], &lost).await.unwrap(), Removal::Done);
    assert_eq!(yard.town.calls(), ["remove add_room 2"]);
    assert_eq!(yard.runner.remove_orphan(&orphans[1], &lost).await.unwrap(), Removal::Done);
    assert_eq!(yard.town.calls(), ["remove build 1"]);
    let swept = yard.runner.sweep().await.unwrap();
    assert_eq!((swept.recorded.len(), swept.orphans.len(), swept.missing.len()), (2, 0, 0), "{swept:?}");
}

#[tokio::test]
async fn what_was_found_just_now_is_not_removed() {
    let (yard, lost) = orphaned().await;
    let orphans = yard.runner.sweep().await.unwrap().orphans;
    yard.clock.advance(Duration::from_secs(14));
    let Removal::Later { after, why } = yard.runner.remove_orphan(&orphans[0], &lost).await.unwrap() else {
        panic!("it is removed")
    };
    assert!(after > Duration::ZERO && why.contains("under way"), "{after:?} {why}");
    assert_eq!(yard.town.calls(), Vec::<String>::new());
    yard.clock.advance(after);
    assert_eq!(yard.runner.remove_orphan(&orphans[0], &lost).await.unwrap(), Removal::Done);
}

async fn refusal(yard: &Yard, orphan: &Orphan, resource: &Thing) -> String {
    match yard.runner.remove_orphan(orphan, resource).await.unwrap() {
        Removal::Refused(why) => {
            assert_eq!(yard.town.calls(), Vec::<String>::new(), "{why}");
            why
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_recorded_by_now_is_not_removed() {
    let (yard, lost) = orphaned().await;
    let orphans = found(&yard).await;
    // The resource begins anew: its key is that of the house, and its look-up finds the room.
    yard.rests(&lost).await;
    yard.town.calls();
    for orphan in &orphans {
        let why = refusal(&yard, orphan, &lost).await;
        assert!(why.ends_with("is on a record by now, or is not there"), "{why}");
    }
    assert_eq!((yard.town.count("build"), yard.town.count("add_room")), (2, 2));
}

#[tokio::test]
async fn what_may_belong_to_an_unreadable_record_is_not_removed() {
    let (yard, lost) = orphaned().await;
    let broken = house("broken", &[]);
    yard.put(&broken, Some(b"no record")).await;
    let orphans = found(&yard).await;
    let why = refusal(&yard, &orphans[0], &lost).await;
    assert!(why.contains("may belong to default/broken, whose record cannot be read"), "{why}");
}

#[tokio::test]
async fn a_thing_that_nothing_tells_from_the_recorded_one_is_not_removed() {
    let yard = Yard::new();
    let thing = house("a", &[]);
    yard.rests(&thing).await;
    // Somebody has made a second house under another key of this resource.
    let mut twin = yard.town.plot().items["build 1"].clone();
    twin.key = "another".to_owned();
    yard.town.plot().items.insert("build 9".to_owned(), twin);
    yard.town.calls();
    yard.town.plot().is_terse = true;
    let orphans = found(&yard).await;
    assert_eq!(orphans.len(), 1);
    let why = refusal(&yard, &orphans[0], &thing).await;
    assert!(why.contains("nothing tells the two apart") && why.contains("Tagged::fact"), "{why}");
    // With what is recorded of it, it is known which of the two it is.
    yard.town.plot().is_terse = false;
    let orphans = found(&yard).await;
    assert_eq!(orphans.len(), 1);
    let why = refusal(&yard, &orphans[0], &house("b", &[])).await;
    assert!(why.contains("was made for another resource than default/b"), "{why}");
    assert_eq!(yard.runner.remove_orphan(&orphans[0], &thing).await.unwrap(), Removal::Done);
    assert_eq!(yard.town.calls(), ["remove build 9"]);
}

#[tokio::test]
async fn an_orphan_of_which_too_little_is_said_is_not_removed() {
    let (yard, lost) = orphaned().await;
    yard.town.plot().is_terse = true;
    let orphans = found(&yard).await;
    let why = refusal(&yard, &orphans[1], &lost).await;
    assert!(why.starts_with("the undo of `build` reads the fact `house`") && why.contains("Tagged::fact"), "{why}");
}

#[tokio::test]
async fn an_orphan_whose_undo_is_not_done_or_fails_is_asked_about_again() {
    let (yard, lost) = orphaned().await;
    yard.town.plot().answers = vec![
        Ok(Undone::NotYet),
        Ok(Undone::NotYetFor(Duration::from_secs(40))),
        Err(refused()),
        Ok(Undone::Left("it has a preservation order".to_owned())),
    ];
    let orphans = found(&yard).await;
    let after = |removal: Removal| match removal {
        Removal::Later { after, .. } => after.as_secs(),
        other => panic!("{other:?}"),
    };
    let remove = || yard.runner.remove_orphan(&orphans[1], &lost);
    assert_eq!(after(remove().await.unwrap()), 5);
    assert_eq!(after(remove().await.unwrap()), 40);
    let error = remove().await.unwrap_err();
    assert!(
        matches!(&error, SweepError::Undo { .. }) && error.to_string().contains("the undo of build 1 failed"),
        "{error}"
    );
    assert_eq!(remove().await.unwrap(), Removal::Left("it has a preservation order".to_owned()));
    assert_eq!(remove().await.unwrap(), Removal::Done);
    assert!(yard.store.load(&id(&lost)).await.unwrap().bytes.is_none(), "nothing is recorded of it");
}
