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

mod charter {
    //! What stays was asked for with something that is undone, once under `repeat` and once under `lookup`.

    use durable_fsm::{Fsm, Lookup, Undone};

    use crate::machine::{Refused, Thing};
    use crate::world::Provider;

    #[derive(Fsm)]
    #[fsm(name = "test.io/charter", version = 1, resource = Thing, timeout = "10s", settle = "5s")]
    pub enum CharterFlow {
        #[fsm(initial)]
        #[transition(found -> Founded, in_doubt = repeat, undo = dissolve)]
        Wanted,
        #[transition(sign -> Signed, in_doubt = repeat, undo = retain)]
        Founded { base: String },
        #[transition(file -> Filed, in_doubt = lookup, undo = retain)]
        Signed { signature: String },
        #[transition(publish -> Published, in_doubt = repeat, undo = none)]
        Filed { archive: String },
        #[fsm(resting)]
        Published,
    }

    impl CharterTransitions for Provider {
        type Error = Refused;
        async fn found(&self, from: Wanted, attempt: &CharterAttempt) -> Result<Founded, Refused> {
            Ok(from.founded(self.make("found", attempt.key(), "").await?))
        }
        async fn dissolve(&self, made: &Founded, _: &CharterAttempt) -> Result<Undone, Refused> {
            self.remove("dissolve", &made.base).await.map(Undone::from)
        }
        async fn sign(&self, from: Founded, attempt: &CharterAttempt) -> Result<Signed, Refused> {
            Ok(from.signed(self.make("sign", attempt.key(), "").await?))
        }
        async fn file(&self, from: Signed, attempt: &CharterAttempt) -> Result<Filed, Refused> {
            Ok(from.filed(self.make("file", attempt.owner_tag(), "").await?))
        }
        async fn lookup_file(&self, from: Signed, attempt: &CharterAttempt) -> Result<Lookup<Filed>, Refused> {
            Ok(match self.find("lookup_file", &format!("file {}", attempt.owner_tag())).await? {
                Some(archive) => Lookup::Ours(from.filed(archive)),
                None => Lookup::Absent,
            })
        }
        async fn publish(&self, from: Filed, _: &CharterAttempt) -> Result<Published, Refused> {
            self.find("publish", "").await?;
            Ok(from.published())
        }
    }
}

mod shelf {
    //! A set of which the members stay.

    use std::collections::BTreeSet;

    use durable_fsm::{Each, Fsm};

    use crate::machine::{Refused, Thing};
    use crate::world::Provider;

    #[derive(Fsm)]
    #[fsm(name = "test.io/shelf", version = 1, resource = Thing, timeout = "10s")]
    pub enum ShelfFlow {
        #[fsm(initial)]
        #[transition(enter -> Open, no_effect)]
        Wanted,
        #[fsm(resting)]
        #[transition(put, for_each = books, in_doubt = repeat, undo = retain)]
        Open { books: Each<String, String> },
    }

    impl ShelfTransitions for Provider {
        type Error = Refused;
        fn enter(&self, from: Wanted, _: &ShelfAttempt) -> Result<Open, Refused> {
            Ok(from.open())
        }
        fn books(&self, _: &Open, thing: &Thing) -> BTreeSet<String> {
            thing.spec.members.clone()
        }
        async fn put(&self, _: &Open, _: &String, attempt: &ShelfAttempt) -> Result<String, Refused> {
            self.make("put", attempt.key(), "").await
        }
    }
}

mod paper {
    //! A step that is asked for again while what it made stays.

    use durable_fsm::Fsm;

    use crate::machine::{Refused, Thing};
    use crate::world::Provider;

    #[derive(Fsm)]
    #[fsm(name = "test.io/paper", version = 1, resource = Thing, timeout = "10s")]
    pub enum PaperFlow {
        #[fsm(initial)]
        #[transition(begin -> Printed, no_effect)]
        Wanted,
        #[fsm(resting)]
        #[transition(print -> Printed, when = is_outdated, in_doubt = repeat, undo = retain)]
        Printed { image: String, paper: Option<String> },
    }

    impl PaperTransitions for Provider {
        type Error = Refused;
        fn begin(&self, from: Wanted, _: &PaperAttempt) -> Result<Printed, Refused> {
            Ok(from.printed(PrintedFacts { image: String::new(), paper: None }))
        }
        fn is_outdated(&self, at: &Printed, thing: &Thing) -> bool {
            at.image != thing.spec.image
        }
        async fn print(&self, from: Printed, attempt: &PaperAttempt) -> Result<Printed, Refused> {
            let paper = Some(self.make("print", attempt.key(), "").await?);
            Ok(from.printed(PrintedFacts { image: attempt.spec().image.clone(), paper }))
        }
    }
}

/// Runs passes until the resource rests or is stopped; the record then.
macro_rules! ended {
    ($runner:expr, $store:expr, $clock:expr, $graph:expr, $thing:expr) => {{
        loop {
            match $runner.reconcile($thing).await.unwrap() {
                durable_fsm::Outcome::Progressing { after, .. } => $clock.advance(after),
                _ => break,
            }
        }
        let id = RecordId { machine: $graph.name.to_owned(), resource: $thing.id() };
        Record::decode(&$graph, &$store.load(&id).await.unwrap().bytes.unwrap()).unwrap()
    }};
}

fn entries<'r>(record: &'r Record, transition: &str) -> Vec<&'r durable_fsm::record::Effect> {
    record.undo.iter().filter(|it| it.transition == transition).collect()
}

#[tokio::test]
async fn other_facts_make_another_request_and_a_look_up_finds_the_same_thing() {
    let (provider, store, clock) = (Provider::default(), MemoryStore::new(), ManualClock::default());
    let runner = charter::CharterRunner::builder(provider.clone(), store.clone()).clock(clock.clone()).build();
    let (thing, graph) = (Thing::new("web:1", &[]), charter::CharterFlow::GRAPH);
    provider.will("publish", &[Fault::Refused(Refusal::Rejected)]);
    let before = ended!(runner, store, clock, graph, &thing);
    assert!(provider.all_faults_fired());
    runner.resolve(&thing.id(), Resolution::RollBack).await.unwrap();
    let record = ended!(runner, store, clock, graph, &thing);
    // What was signed first was signed for a base that is gone: the key of then is not sent with the base of now.
    let [first, second] = entries(&record, "sign")[..] else { panic!("{:?}", record.undo) };
    assert!(first.life != second.life && first.sent != second.sent);
    assert_eq!(provider.live().iter().filter(|id| id.starts_with("sign")).count(), 2);
    // What was filed is there, and is listed once.
    let [filed] = entries(&record, "file")[..] else { panic!("{:?}", record.undo) };
    assert_eq!(filed.life, entries(&before, "file")[0].life);
    assert!(filed.saved.value("archive").is_none(), "it is a fact of the record again");
    assert_eq!(provider.live().iter().filter(|id| id.starts_with("file")).count(), 1);
}

#[tokio::test]
async fn a_member_that_stayed_is_in_its_set_again_and_nowhere_else() {
    let (provider, store, clock) = (Provider::default(), MemoryStore::new(), ManualClock::default());
    let runner = shelf::ShelfRunner::builder(provider.clone(), store.clone()).clock(clock.clone()).build();
    let (thing, graph) = (Thing::new("web:1", &["a", "b"]), shelf::ShelfFlow::GRAPH);
    // The first member is put; the second one is refused.
    provider.will("put", &[Fault::Refused(Refusal::Rejected)]);
    let refused = ended!(runner, store, clock, graph, &thing);
    assert_eq!((entries(&refused, "put").len(), provider.all_faults_fired()), (1, true));
    runner.resolve(&thing.id(), Resolution::RollBack).await.unwrap();
    let record = ended!(runner, store, clock, graph, &thing);
    assert_eq!(provider.live().len(), 2, "one key, one thing");
    let listed = entries(&record, "put");
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|it| it.saved.value("books").is_none_or(|books| books.as_object().unwrap().is_empty())));
}

#[tokio::test]
async fn what_is_asked_for_again_without_a_roll_back_keeps_what_was_recorded_of_the_one_before() {
    let (provider, store, clock) = (Provider::default(), MemoryStore::new(), ManualClock::default());
    let runner = paper::PaperRunner::builder(provider.clone(), store.clone()).clock(clock.clone()).build();
    let graph = paper::PaperFlow::GRAPH;
    let _ = ended!(runner, store, clock, graph, &Thing::new("web:1", &[]));
    let record = ended!(runner, store, clock, graph, &Thing::new("web:2", &[]));
    let [first, second] = entries(&record, "print")[..] else { panic!("{:?}", record.undo) };
    let printed: String = first.saved.get("paper").unwrap();
    assert!(first.life != second.life && second.saved.value("paper").is_none());
    assert_ne!(record.facts.get::<String>("paper").unwrap(), printed, "each can be found by a person");
    assert_eq!(provider.live().len(), 2);
}
