//! A set whose members are machines of their own: each is run by another runner on the same store, and has a record of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use durable_fsm::store::MemoryStore;
use durable_fsm::{Classify, Each, Fsm, Outcome, StoreError, Undone};

use crate::machine::{Thing, ThingRunner};
use crate::world::{ManualClock, Patient, Provider};

/// A fleet of things.
#[derive(Fsm)]
#[fsm(name = "test.io/fleet", version = 1, resource = Thing, retry = "1s..10s")]
pub enum FleetFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(begin -> Running, no_effect)]
    Requested,
    // ANCHOR: declared
    /// Every thing of the fleet runs.
    #[fsm(resting)]
    #[transition(provision, for_each = things, in_doubt = repeat, undo = remove, abort = remove_half, timeout = "1m")]
    Running { things: Each<String, String> },
    // ANCHOR_END: declared
}

#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    #[error("{0}")]
    Unfinished(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The thing may exist in part.
impl Classify for FleetError {}

/// The fleet's methods. `things` runs the machine of the members.
struct Fleet {
    things: ThingRunner<Provider>,
}

fn child(fleet: &Thing, name: &str, uid: &str) -> Thing {
    Thing { name: format!("{}-{name}", fleet.name), uid: uid.to_owned(), ..Thing::new("web:1", &[]) }
}

impl FleetTransitions for Fleet {
    type Error = FleetError;

    fn begin(&self, from: Requested, _: &FleetAttempt) -> Result<Running, FleetError> {
        Ok(from.running())
    }

    // ANCHOR: nested
    fn things(&self, _: &Running, fleet: &Thing) -> BTreeSet<String> {
        fleet.spec.members.clone()
    }

    async fn provision(&self, _: &Running, name: &String, attempt: &FleetAttempt) -> Result<String, FleetError> {
        let child = child(attempt.resource(), name, attempt.key());
        match self.things.reconcile(&child).await? {
            Outcome::Resting(_) => Ok(child.uid),
            _ => Err(FleetError::Unfinished(format!("{name} does not rest yet"))),
        }
    }

    async fn remove(
        &self,
        _: &Running,
        name: &String,
        uid: &String,
        attempt: &FleetAttempt,
    ) -> Result<Undone, FleetError> {
        match self.things.delete(&child(attempt.resource(), name, uid)).await? {
            Outcome::Gone => Ok(Undone::Done),
            unfinished => Ok(unfinished.requeue_after().map_or(Undone::NotYet, Undone::NotYetFor)),
        }
    }

    async fn remove_half(&self, at: &Running, name: &String, attempt: &FleetAttempt) -> Result<Undone, FleetError> {
        self.remove(at, name, &attempt.key().to_owned(), attempt).await
    }
    // ANCHOR_END: nested
}

/// Two controllers, each with both runners, on one store and one provider.
struct Site {
    provider: Provider,
    clock: ManualClock,
    store: MemoryStore,
}

impl Site {
    fn new() -> Self {
        let provider = Provider::default();
        provider.set_rolled_out(true);
        Self { provider, clock: ManualClock::default(), store: MemoryStore::new() }
    }

    fn controller(&self) -> FleetRunner<Fleet> {
        let things = ThingRunner::builder(self.provider.clone(), self.store.clone());
        let things = things.clock(Patient(self.clock.clone())).build();
        FleetRunner::builder(Fleet { things }, self.store.clone()).clock(Patient(self.clock.clone())).build()
    }

    /// Runs passes until there is nothing to wait for.
    async fn settle(&self, runner: &FleetRunner<Fleet>, fleet: &Thing) -> Outcome<FleetState> {
        for _ in 0..100 {
            let outcome = runner.reconcile(fleet).await.unwrap();
            match outcome.requeue_after() {
                Some(after) => self.clock.advance(after),
                None => return outcome,
            }
        }
        panic!("the fleet does not settle");
    }

    /// How many accounts there are: each thing has one.
    fn accounts(&self) -> usize {
        self.provider.live().iter().filter(|id| id.starts_with("make_account")).count()
    }
}

#[tokio::test]
async fn a_member_that_waits_is_continued_by_another_controller_and_nothing_is_made_twice() {
    let (site, fleet) = (Site::new(), Thing::new("", &["a", "b"]));
    site.provider.set_rolled_out(false);
    let first = site.controller().reconcile(&fleet).await.unwrap();
    assert!(matches!(first, Outcome::Progressing { .. }), "{:?}", first.requeue_after());
    assert_eq!(site.accounts(), 2, "one that waits does not stop the other");
    site.clock.advance(Duration::from_secs(600));
    site.provider.set_rolled_out(true);
    let second = site.settle(&site.controller(), &fleet).await;
    assert!(matches!(second, Outcome::Resting(_)));
    assert_eq!(site.accounts(), 2);
}

#[tokio::test]
async fn a_member_that_leaves_is_deleted_and_one_that_comes_back_is_another() {
    let (site, both, one) = (Site::new(), Thing::new("", &["a", "b"]), Thing::new("", &["a"]));
    let runner = site.controller();
    let mut uids = vec![];
    for (fleet, accounts) in [(&both, 2), (&one, 1), (&both, 2)] {
        let Outcome::Resting(FleetState::Running(running)) = site.settle(&runner, fleet).await else {
            panic!("it does not rest")
        };
        assert_eq!(site.accounts(), accounts);
        uids.extend(running.things.get("b").cloned());
    }
    assert_eq!(uids.len(), 2);
    assert_ne!(uids[0], uids[1], "a record of its own for each life");
}

#[tokio::test]
async fn a_deletion_leaves_nothing_even_of_a_member_that_is_half_made() {
    let (site, fleet) = (Site::new(), Thing::new("", &["a", "b"]));
    site.provider.set_rolled_out(false);
    let runner = site.controller();
    let _ = runner.reconcile(&fleet).await.unwrap();
    assert_eq!(site.accounts(), 2);
    let outcome = site.settle(&runner, &Thing { deleting: true, ..fleet.clone() }).await;
    assert!(matches!(outcome, Outcome::Gone));
    assert!(site.provider.live().is_empty(), "{:?}", site.provider.live());
}
