//! What stays after a roll-back is met again by the same request, and by no other.

use durable_fsm::record::{Record, Resolution};
use durable_fsm::store::MemoryStore;
use durable_fsm::{RecordId, Resource as _, Store as _};

use crate::machine::Thing;
use crate::site::{SiteFlow, SiteRunner};
use crate::world::{Fault, ManualClock, Provider, Refusal};

/// A site whose host is refused, so that a person rolls it back to before its name was reserved.
struct RolledBack {
    provider: Provider,
    store: MemoryStore,
    clock: ManualClock,
    runner: SiteRunner<Provider>,
}

impl RolledBack {
    async fn new(thing: &Thing) -> Self {
        let (provider, store, clock) = (Provider::default(), MemoryStore::new(), ManualClock::default());
        let runner = SiteRunner::builder(provider.clone(), store.clone()).clock(clock.clone()).build();
        let site = Self { provider, store, clock, runner };
        site.provider.will("place", &[Fault::Refused(Refusal::Rejected)]);
        let _ = site.runner.reconcile(thing).await.unwrap();
        assert!(site.provider.all_faults_fired());
        site.runner.resolve(&thing.id(), Resolution::RollBack).await.unwrap();
        site
    }

    async fn rests(&self, thing: &Thing) -> Record {
        for _ in 0..20 {
            let outcome = self.runner.reconcile(thing).await.unwrap();
            let id = RecordId { machine: SiteFlow::GRAPH.name.to_owned(), resource: thing.id() };
            if outcome.is_resting() {
                return Record::decode(&SiteFlow::GRAPH, &self.store.load(&id).await.unwrap().bytes.unwrap()).unwrap();
            }
            self.clock.advance(outcome.requeue_after().unwrap());
        }
        panic!("it does not come to rest");
    }

    /// The names that were reserved and are there.
    fn names(&self) -> usize {
        self.provider.live().iter().filter(|id| id.starts_with("reserve")).count()
    }
}

#[tokio::test]
async fn the_same_request_meets_what_stayed() {
    let thing = Thing::new("web:1", &[]);
    let site = RolledBack::new(&thing).await;
    let record = site.rests(&thing).await;
    assert_eq!(site.names(), 1);
    let lives: Vec<&str> = record.undo.iter().map(|it| it.transition.as_str()).collect();
    assert_eq!(lives, ["reserve", "place", "open"]);
    assert!(record.undo[0].saved.is_empty(), "what it made is in the record's facts again");
}

#[tokio::test]
async fn another_spec_makes_another_one_and_both_are_listed_with_what_was_recorded() {
    let thing = Thing::new("web:1", &[]);
    let site = RolledBack::new(&thing).await;
    let edited = Thing::new("web:2", &[]);
    let record = site.rests(&edited).await;
    assert_eq!(site.names(), 2, "one key is never sent with two specs");
    let reserved: Vec<_> = record.undo.iter().filter(|it| it.transition == "reserve").collect();
    let [first, second] = reserved.as_slice() else { panic!("{reserved:?}") };
    assert_ne!(first.life, second.life);
    assert_ne!(first.sent, second.sent);
    let before: String = first.saved.get("name").unwrap();
    let now: String = record.facts.get("name").unwrap();
    assert_ne!(before, now, "the one that stayed can be found by a person");
    let left = site.runner.release(&edited.id()).await.unwrap();
    assert_eq!(left.left.iter().filter(|it| it.transition == "reserve").count(), 2);
}
