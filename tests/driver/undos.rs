//! How many undos run at once, and that they can all be stopped.

use std::time::Duration;

use durable_fsm::record::BlockedReason;
use durable_fsm::store::MemoryStore;
use durable_fsm::{Outcome, Plan, Removal, Undone, Undos};

use crate::machine::Thing;
use crate::world::{Bench, Fault, ManualClock, Patient, Refusal};
use crate::yard::{Town, Yard, YardRunner, YardState, house};

/// Yards, each with a house and two rooms.
struct Street {
    town: Town,
    clock: ManualClock,
    store: MemoryStore,
    runner: YardRunner<Town>,
}

fn thing(number: usize) -> Thing {
    let thing = Thing::new("web:1", &["hall", "loft"]);
    Thing { name: format!("t{number}"), uid: format!("uid-{number}"), ..thing }
}

impl Street {
    async fn new(count: usize, undos: Undos) -> Self {
        let (town, store, clock) = (Town::default(), MemoryStore::new(), ManualClock::default());
        let runner = YardRunner::builder(town.clone(), store.clone()).clock(clock.clone()).undos(undos).build();
        let street = Self { town, clock, store, runner };
        for number in 0..count {
            assert!(street.runner.reconcile(&thing(number)).await.unwrap().is_resting());
        }
        street.clock.advance(Duration::from_secs(120));
        street.town.calls();
        street
    }

    async fn delete(&self, number: usize) -> Outcome<YardState> {
        self.runner.delete(&thing(number)).await.unwrap()
    }
}

fn is_stopped<S>(outcome: &Outcome<S>, why: &str) -> bool {
    matches!(outcome, Outcome::Blocked { reason: BlockedReason::UndosStopped, message, .. } if message.contains(why))
}

#[tokio::test]
async fn while_undos_are_stopped_no_deletion_begins_and_none_goes_on() {
    let street = Street::new(2, Undos::new()).await;
    // One deletion is under way: its first undo is not done yet.
    street.town.plot().answers = vec![Ok(Undone::NotYet)];
    assert!(matches!(street.delete(0).await, Outcome::Progressing { .. }));
    assert_eq!(street.town.calls().len(), 1);
    street.clock.advance(Duration::from_secs(10));

    street.runner.undos().stop("a wrong selector");
    for number in [0, 1] {
        let before = street.runner.inspect(&durable_fsm::Resource::id(&thing(number))).await.unwrap();
        let outcome = street.delete(number).await;
        assert!(is_stopped(&outcome, "a wrong selector"), "{outcome:?}");
        assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(30)));
        let after = street.runner.inspect(&durable_fsm::Resource::id(&thing(number))).await.unwrap();
        assert_eq!(before, after, "a stop writes nothing");
    }
    assert_eq!(street.town.calls(), [""; 0]);
    // One that is not to be deleted after all goes on, and things are made.
    assert!(street.runner.reconcile(&thing(1)).await.unwrap().is_resting());
    assert!(street.runner.reconcile(&thing(2)).await.unwrap().is_resting());
    assert_eq!(street.town.calls().len(), 3);
    // A member that leaves its set is an undo too; one that comes is none.
    let fewer = Thing { spec: Thing::new("web:1", &["hall"]).spec, ..thing(1) };
    assert!(is_stopped(&street.runner.reconcile(&fewer).await.unwrap(), "a wrong selector"));
    assert!(matches!(street.runner.plan(&fewer).await.unwrap(), Plan::Stop(why) if why.contains("a wrong selector")));

    street.runner.undos().allow();
    assert!(matches!(street.delete(0).await, Outcome::Gone));
    assert!(matches!(street.delete(1).await, Outcome::Gone));
    assert_eq!(street.town.count("build"), 1, "of the one that is not deleted");
}

#[tokio::test]
async fn a_file_stops_undos_for_as_long_as_it_exists_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stop");
    let street = Street::new(1, Undos::new().stopped_while(&file)).await;
    std::fs::write(&file, "ticket 12, see https://me:secret@wiki.example/12?token=abc\n").unwrap();
    let outcome = street.delete(0).await;
    assert!(is_stopped(&outcome, "ticket 12"), "{outcome:?}");
    let Outcome::Blocked { message, .. } = outcome else { panic!("it is not blocked") };
    assert!(message.contains(file.to_str().unwrap()) && !message.contains("secret") && !message.contains("abc"));
    // Where it is not known, none begins.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(is_stopped(&street.delete(0).await, "cannot be read"));
    assert_eq!(street.town.calls(), [""; 0]);
    std::fs::remove_dir(&file).unwrap();
    assert!(matches!(street.delete(0).await, Outcome::Gone));
}

#[tokio::test]
async fn no_more_undos_begin_in_a_minute_than_may() {
    let street = Street::new(3, Undos::new().per_minute(4)).await;
    // Two rooms and a house for each.
    assert!(matches!(street.delete(0).await, Outcome::Gone));
    assert_eq!(street.town.calls().len(), 3);
    street.clock.advance(Duration::from_secs(30));
    let outcome = street.delete(1).await;
    let Outcome::Progressing { after, reason, .. } = &outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("4 undos have begun within a minute"), "{reason}");
    assert!((30..=31).contains(&after.as_secs()), "{after:?}");
    assert_eq!(street.town.calls().len(), 1);
    street.clock.advance(*after);
    assert!(matches!(street.delete(1).await, Outcome::Gone));
    assert_eq!(street.town.calls().len(), 2);
}

#[tokio::test]
async fn runners_that_share_a_limit_run_no_more_undos_at_once_than_it_says() {
    let (undos, street) = (Undos::new().at_once(2), Street::new(6, Undos::new()).await);
    let runners: Vec<YardRunner<Town>> = (0..2)
        .map(|_| {
            let builder = YardRunner::builder(street.town.clone(), street.store.clone());
            builder.clock(Patient(street.clock.clone())).undos(undos.clone()).build()
        })
        .collect();
    // Both have seen all of them for so long that nothing is under way.
    for number in 0..6 {
        assert!(runners[number % 2].reconcile(&thing(number)).await.unwrap().is_resting());
    }
    street.clock.advance(Duration::from_secs(120));
    street.town.plot().is_shut = true;
    let deletions: Vec<_> = (0..6)
        .map(|number| {
            let runner = runners[number % 2].clone();
            tokio::spawn(async move { runner.delete(&thing(number)).await.unwrap() })
        })
        .collect();
    // A pass without a place comes back. The two that have one are at their undo.
    let mut waiting = 0;
    let mut under_way = Vec::new();
    while street.town.plot().waiting < 2 {
        tokio::task::yield_now().await;
    }
    for deletion in deletions {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        if !deletion.is_finished() {
            under_way.push(deletion);
            continue;
        }
        let outcome = deletion.await.unwrap();
        let Outcome::Progressing { after, reason, .. } = &outcome else { panic!("{outcome:?}") };
        assert!(reason.contains("2 undos are under way") && (1..=2).contains(&after.as_secs()), "{reason}");
        waiting += 1;
    }
    assert_eq!((waiting, under_way.len(), undos.running(), street.town.plot().waiting), (4, 2, 2, 2));
    // A pass that is cut off gives its place back.
    under_way.pop().unwrap().abort();
    while undos.running() > 1 {
        tokio::task::yield_now().await;
    }
    street.town.plot().is_shut = false;
    assert!(matches!(under_way.pop().unwrap().await.unwrap(), Outcome::Gone));
    assert_eq!(undos.running(), 0);
}

#[tokio::test]
async fn an_orphan_is_not_removed_while_undos_are_stopped() {
    let yard = Yard::new();
    let lost = house("lost", &[]);
    yard.rests(&lost).await;
    yard.put(&lost, None).await;
    let orphans = yard.runner.sweep().await.unwrap().orphans;
    yard.clock.advance(Duration::from_secs(70));
    yard.town.calls();
    yard.runner.undos().stop("first we look");
    let removal = yard.runner.remove_orphan(&orphans[0], &lost).await.unwrap();
    assert!(matches!(&removal, Removal::Later { why, .. } if why.contains("first we look")), "{removal:?}");
    assert_eq!(yard.town.calls(), [""; 0]);
    yard.runner.undos().allow();
    assert_eq!(yard.runner.remove_orphan(&orphans[0], &lost).await.unwrap(), Removal::Done);
}

/// Every step and every undo fails in every way, and undos are stopped before every pass of the deletion: then nothing is called, wherever it is.
#[tokio::test]
async fn wherever_a_deletion_is_nothing_is_called_while_undos_are_stopped() {
    let calls = ["make_account", "make_room", "run_container", "add_member"];
    let undos = ["drop_account", "close_room", "stop_container", "remove_member"];
    let mut stopped = 0;
    for call in calls.into_iter().chain(undos) {
        for fault in [Fault::Refused(Refusal::Unknown), Fault::Applied(Refusal::Unknown), Fault::Silent] {
            let (bench, thing) = (Bench::new(), Thing::new("web:1", &["ann"]));
            bench.provider.will(call, &[fault]);
            let _ = bench.pass(&thing).await;
            let deleted = Thing { deleting: true, ..thing };
            for pass in 0.. {
                assert!(pass < 100, "{call} {fault:?}: it is not gone after 100 passes");
                bench.provider.calls();
                bench.runner.undos().stop("we look first");
                let outcome = bench.pass(&deleted).await;
                assert_eq!(bench.provider.calls(), [""; 0], "{call} {fault:?}, pass {pass}");
                stopped += usize::from(is_stopped(&outcome, "we look first"));
                bench.runner.undos().allow();
                match bench.pass(&deleted).await {
                    Outcome::Gone => break,
                    outcome => bench.clock.advance(outcome.requeue_after().expect("something is due")),
                }
            }
            assert!(bench.provider.all_faults_fired(), "{call} {fault:?}");
        }
    }
    assert!(stopped >= 3 * (calls.len() + undos.len()), "{stopped}");
}
