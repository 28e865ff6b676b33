//! What exists outside, compared with the records.

use std::time::Duration;

use durable_fsm::store::MemoryStore;
use durable_fsm::{Fsm, Outcome, RecordId, Resource as _, Store, Sweep, Tagged, Undone};

use crate::machine::{Refused, Thing};
use crate::world::{Fault, ManualClock, Provider, Refusal};

#[derive(Fsm)]
#[fsm(name = "test.io/bench", version = 1, resource = Thing)]
pub enum BenchFlow {
    #[fsm(initial)]
    #[transition(build -> Built, in_doubt = repeat, undo = raze, timeout = "10s")]
    Wanted,
    #[fsm(resting)]
    Built { id: String },
}

/// The provider, which tells whose everything is.
#[derive(Clone, Default)]
struct Open(Provider);

impl BenchTransitions for Open {
    type Error = Refused;
    async fn build(&self, from: Wanted, attempt: &BenchAttempt) -> Result<Built, Refused> {
        Ok(from.built(self.0.make("build", attempt.key(), attempt.owner_tag()).await?))
    }
    async fn raze(&self, made: &Built, _: &BenchAttempt) -> Result<Undone, Refused> {
        self.0.remove("raze", &made.id).await.map(Undone::from)
    }
}

impl Sweep for Open {
    type Error = Refused;
    fn covers(&self) -> Vec<String> {
        vec!["build".to_owned()]
    }
    async fn list(&self) -> Result<Vec<Tagged>, Refused> {
        self.0.find("list", "").await?;
        let ids = self.0.live().into_iter();
        let tag = |id: &String| id.split([':', '#']).nth(1).unwrap_or_default().to_owned();
        Ok(ids.map(|id| Tagged::new("build", tag(&id), id)).collect())
    }
}

fn thing(name: &str) -> Thing {
    Thing { name: name.to_owned(), uid: format!("uid of {name}"), ..Thing::new("web:1", &[]) }
}

#[tokio::test]
async fn each_thing_is_recorded_an_orphan_or_missing() {
    let (open, store, clock) = (Open::default(), MemoryStore::new(), ManualClock::default());
    let runner = BenchRunner::builder(open.clone(), store.clone()).clock(clock.clone()).build();
    let [kept, forgotten, lost, doubted] = ["kept", "forgotten", "lost", "doubted"].map(thing);
    for thing in [&kept, &forgotten, &lost] {
        assert!(matches!(runner.reconcile(thing).await.unwrap(), Outcome::Resting(_)));
    }
    open.0.will("build", &[Fault::Applied(Refusal::Unknown)]);
    assert!(matches!(runner.reconcile(&doubted).await.unwrap(), Outcome::Progressing { .. }));
    let swept = runner.sweep().await.unwrap();
    assert_eq!((swept.recorded.len(), swept.orphans.len(), swept.missing.len()), (4, 0, 0), "{swept:?}");
    // One record is gone, and one thing.
    let id = RecordId { machine: BenchFlow::GRAPH.name.to_owned(), resource: forgotten.id() };
    let version = store.load(&id).await.unwrap().version;
    store.remove(&id, &version).await.unwrap();
    let record = runner.inspect(&lost.id()).await.unwrap().unwrap();
    let handle: String = record.facts.get("id").unwrap();
    open.0.remove("raze", &handle).await.unwrap();
    clock.advance(Duration::from_secs(60));
    let swept = runner.sweep().await.unwrap();
    let names = |all: &[(durable_fsm::ResourceId, Tagged)]| all.iter().map(|it| it.0.name.clone()).collect::<Vec<_>>();
    let mut recorded = names(&swept.recorded);
    recorded.sort();
    assert_eq!(recorded, ["doubted", "kept"]);
    assert_eq!(swept.orphans.len(), 1);
    assert_eq!((swept.orphans[0].resource.as_ref(), swept.missing.len()), (None, 1));
    assert_eq!((swept.missing[0].resource.name.as_str(), swept.missing[0].transition.as_str()), ("lost", "build"));
    assert_eq!(swept.missing[0].key, record.key("build", None, record.undo[0].life));
    // A record that begins anew has the same tag, and the provider gives the same thing for the same key.
    assert!(matches!(runner.reconcile(&forgotten).await.unwrap(), Outcome::Resting(_)));
    let swept = runner.sweep().await.unwrap();
    assert_eq!(swept.orphans.len(), 0, "{:?}", swept.orphans);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_makes_nothing_missing() {
    let (open, store) = (Open::default(), MemoryStore::new());
    let runner = BenchRunner::builder(open.clone(), store).clock(ManualClock::default()).build();
    let _ = runner.reconcile(&thing("a")).await.unwrap();
    open.0.will("list", &[Fault::Refused(Refusal::Unknown)]);
    assert!(runner.sweep().await.unwrap_err().to_string().starts_with("what there is could not be listed"));
}
