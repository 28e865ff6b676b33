//! Two versions of a machine at once: only the newer one ends a block of the other, and only once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use durable_fsm::store::MemoryStore;
use durable_fsm::{Class, Classify, Outcome};

use crate::machine::Thing;
use crate::world::ManualClock;

#[derive(Debug, thiserror::Error)]
#[error("not like this")]
pub struct Rejected;

impl Classify for Rejected {
    fn classify(&self) -> Class {
        Class::Rejected
    }
}

/// Refuses everything, and counts.
#[derive(Clone, Default)]
pub struct Strict(Arc<AtomicU32>);

macro_rules! version {
    ($module:ident, $version:tt) => {
        mod $module {
            use super::{Rejected, Strict};
            use crate::machine::Thing;
            use durable_fsm::Fsm;
            use std::sync::atomic::Ordering;

            #[derive(Fsm)]
            #[fsm(name = "test.io/strict", version = $version, resource = Thing)]
            pub enum StrictFlow {
                #[fsm(initial)]
                #[transition(try_it -> Done, in_doubt = repeat, undo = none, timeout = "10s")]
                Wanted,
                #[fsm(resting)]
                Done,
            }

            impl StrictTransitions for Strict {
                type Error = Rejected;
                async fn try_it(&self, _: Wanted, _: &StrictAttempt) -> Result<Done, Rejected> {
                    self.0.fetch_add(1, Ordering::SeqCst);
                    Err(Rejected)
                }
            }
        }
    };
}

version!(v1, 1);
version!(v2, 2);

struct Fleet {
    calls: Strict,
    clock: ManualClock,
    older: v1::StrictRunner<Strict>,
    newer: v2::StrictRunner<Strict>,
}

impl Fleet {
    fn new() -> Self {
        let (calls, clock, store) = (Strict::default(), ManualClock::default(), MemoryStore::new());
        let older = v1::StrictRunner::builder(calls.clone(), store.clone()).clock(clock.clone()).build();
        let newer = v2::StrictRunner::builder(calls.clone(), store).clock(clock.clone().of_another_process()).build();
        Self { calls, clock, older, newer }
    }

    /// The calls of a pass of the older one, and of the newer one.
    async fn passes(&self, thing: &Thing) -> (u32, u32) {
        let count = || self.calls.0.swap(0, Ordering::SeqCst);
        assert!(matches!(self.older.reconcile(thing).await.unwrap(), Outcome::Blocked { .. }));
        let older = count();
        assert!(matches!(self.newer.reconcile(thing).await.unwrap(), Outcome::Blocked { .. }));
        (older, count())
    }
}

#[tokio::test]
async fn a_newer_version_ends_the_block_of_an_older_one_once() {
    let (fleet, thing) = (Fleet::new(), Thing::new("web:1", &[]));
    assert_eq!(fleet.passes(&thing).await, (1, 1), "the newer one tries what the older one was refused");
    for _ in 0..60 {
        assert_eq!(fleet.passes(&thing).await, (0, 0), "and neither ends the other's block again");
    }
    // What was sent for another spec is over.
    fleet.clock.advance(Duration::from_secs(60));
    let edited = Thing::new("web:2", &[]);
    assert_eq!(fleet.passes(&edited).await, (1, 1), "another spec is another matter");
    assert_eq!(fleet.passes(&edited).await, (0, 0));
}

#[tokio::test]
async fn two_versions_make_no_more_calls_in_an_hour_than_one_and_the_newer_ones_first() {
    let (fleet, thing) = (Fleet::new(), Thing::new("web:1", &[]));
    let (mut older, mut newer) = (0, 0);
    for _ in 0..3600 / 30 {
        let calls = fleet.passes(&thing).await;
        (older, newer) = (older + calls.0, newer + calls.1);
        fleet.clock.advance(Duration::from_secs(30));
    }
    assert_eq!(older + newer, 6 + 1, "one in ten minutes, and the first of the newer one");
}
