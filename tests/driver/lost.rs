//! Outcomes that a controller knows and cannot record: they are logged, with what may be left behind.

use std::time::Duration;

use durable_fsm::record::Resolution;
use durable_fsm::{Outcome, Probe, Resource as _, Side, Site};

use crate::logged::logged;
use crate::machine::{Thing, ThingRunner};
use crate::world::{Bench, Fault, Refusal};

fn thing() -> Thing {
    Thing::new("web:1", &[])
}

/// Another controller, to which the attempt of this one looks over, takes it over after the effect and before its outcome is written.
struct TakenOver {
    other: ThingRunner<crate::world::Provider>,
    clock: crate::world::ManualClock,
    after: Site,
    released: bool,
}

impl Probe for TakenOver {
    async fn cross(&self, crossing: &durable_fsm::Crossing<'_>) {
        if crossing.transition != "make_room" || crossing.site != self.after || crossing.side == Side::Before {
            return;
        }
        if self.released {
            let _ = self.other.reconcile(&thing()).await.unwrap();
            self.clock.advance(Duration::from_secs(15));
            let _ = self.other.release(&thing().id()).await.unwrap();
            return;
        }
        for _ in 0..2 {
            if let Outcome::Progressing { after, .. } = self.other.reconcile(&thing()).await.unwrap() {
                self.clock.advance(after);
            }
        }
    }
}

/// The log of a pass that makes a room, which another controller does not wait for.
async fn overtaken(released: bool) -> (Bench, Vec<String>) {
    let bench = Bench::new();
    let clock = bench.clock.of_another_process();
    let other = ThingRunner::builder(bench.provider.clone(), bench.store.clone()).clock(clock).build();
    let probe = TakenOver { other, clock: bench.clock.clone(), after: Site::Effect, released };
    let builder = ThingRunner::builder(bench.provider.clone(), bench.store.clone()).clock(bench.clock.clone());
    let runner = builder.probe(probe).build();
    let lines = logged(async { drop(runner.reconcile(&thing()).await.unwrap()) }).await;
    (bench, lines)
}

#[tokio::test]
async fn what_was_made_under_an_intent_that_somebody_else_holds_is_logged() {
    for released in [false, true] {
        let (bench, lines) = overtaken(released).await;
        let rooms: Vec<String> = bench.provider.live().into_iter().filter(|id| id.starts_with("make_room")).collect();
        let lost: Vec<&String> = lines.iter().filter(|line| line.contains("is not recorded")).collect();
        let [line] = lost.as_slice() else { panic!("{released}: {lines:#?}") };
        assert!(line.starts_with("WARN"), "{line}");
        for expected in
            ["machine=test.io/thing", "resource=default/thing", "transition=make_room", "attempt=1", "outcome=made"]
        {
            assert!(line.contains(expected), "{expected}: {line}");
        }
        assert!(rooms.iter().any(|room| line.contains(room.as_str())), "the handle: {line}");
        let key = line.split("key=").nth(1).unwrap().split(' ').next().unwrap();
        assert!(key.len() == 32 && key.chars().all(|digit| digit.is_ascii_hexdigit()), "the key: {line}");
    }
}

#[tokio::test]
async fn what_a_former_owner_learns_is_logged() {
    let bench = Bench::new();
    let other = bench.runner.clone();
    struct Rebinds(ThingRunner<crate::world::Provider>);
    impl Probe for Rebinds {
        async fn cross(&self, crossing: &durable_fsm::Crossing<'_>) {
            if crossing.to_string() == "make_room/effect:after" {
                self.0.rebind(&thing().id(), "uid-2").await.unwrap();
            }
        }
    }
    let builder = ThingRunner::builder(bench.provider.clone(), bench.store.clone()).clock(bench.clock.clone());
    let runner = builder.probe(Rebinds(other)).build();
    let lines = logged(async { drop(runner.reconcile(&thing()).await.unwrap()) }).await;
    assert!(lines.iter().any(|line| line.starts_with("WARN") && line.contains("outcome=made")), "{lines:#?}");
}

#[tokio::test]
async fn what_is_recorded_is_not_said_to_be_lost() {
    let bench = Bench::new();
    bench.provider.will("make_room", &[Fault::Refused(Refusal::Unknown), Fault::Refused(Refusal::NotApplied)]);
    let lines = logged(async {
        let _ = bench.settle(&thing()).await;
        assert!(bench.runner.resolve(&thing().id(), Resolution::Retry).await.is_err());
    });
    let lines = lines.await;
    assert!(!lines.is_empty() && lines.iter().all(|line| !line.contains("is not recorded")), "{lines:#?}");
}

/// The last outcome of a deletion is not written: it goes with the record.
#[tokio::test]
async fn a_deletion_that_ends_well_says_nothing_of_lost_outcomes() {
    let lines = logged(async {
        let bench = Bench::new();
        assert!(matches!(bench.settle(&thing()).await, Outcome::Resting(_)));
        let gone = Thing { deleting: true, ..thing() };
        assert!(matches!(bench.settle(&gone).await, Outcome::Gone));
    });
    let lines = lines.await;
    assert!(lines.iter().any(|line| line.contains("removed")), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains("is not recorded")), "{lines:#?}");
}
