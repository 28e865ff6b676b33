//! Things that vanish while a resource rests.

use std::time::Duration;

use durable_fsm::record::{BlockedReason, HeldReason, Record, Resolution};
use durable_fsm::store::MemoryStore;
use durable_fsm::{Outcome, Plan, RecordId, Resource, Store};

use crate::machine::Thing;
use crate::vanishing::Cloud;
use crate::vanishing::fleet::FleetRunner;
use crate::vanishing::host::{HostFlow, HostRunner, HostState};
use crate::vanishing::site::{SiteRunner, SiteState};
use crate::world::ManualClock;

const PERIOD: Duration = Duration::from_secs(600);
/// The longest time until a thing that is gone is made again: a period, and twice what two answers are apart.
const FOUND: Duration = Duration::from_secs(611);

fn thing() -> Thing {
    Thing::new("web:1", &["ann", "bob"])
}

struct Bench {
    cloud: Cloud,
    store: MemoryStore,
    clock: ManualClock,
    runner: HostRunner<Cloud>,
}

impl Bench {
    fn new() -> Self {
        let (cloud, store, clock) = (Cloud::default(), MemoryStore::new(), ManualClock::default());
        let runner = HostRunner::builder(cloud.clone(), store.clone()).clock(clock.clone()).build();
        Self { cloud, store, clock, runner }
    }

    /// At rest, and long enough for everything to be quiet.
    async fn resting() -> Self {
        let bench = Self::new();
        assert!(bench.settle(&thing()).await.is_resting());
        bench.clock.advance(Duration::from_secs(60));
        bench.cloud.calls();
        bench
    }

    fn restart(&mut self) {
        self.clock = self.clock.of_another_process();
        self.runner = HostRunner::builder(self.cloud.clone(), self.store.clone()).clock(self.clock.clone()).build();
    }

    async fn pass(&self, thing: &Thing) -> Outcome<HostState> {
        self.runner.reconcile(thing).await.unwrap()
    }

    /// Passes, each when it is due, until it rests or stops.
    async fn settle(&self, thing: &Thing) -> Outcome<HostState> {
        for _ in 0..100 {
            match self.pass(thing).await {
                Outcome::Progressing { after, .. } => self.clock.advance(after),
                outcome => return outcome,
            }
        }
        panic!("it does not come to rest");
    }

    /// The next pass, when it is due.
    async fn next(&self, thing: &Thing) -> Outcome<HostState> {
        let outcome = self.pass(thing).await;
        self.clock.advance(outcome.requeue_after().expect("nothing is due"));
        self.pass(thing).await
    }

    /// Passes for so long, each when it is due.
    async fn pass_for(&self, thing: &Thing, time: Duration) -> Outcome<HostState> {
        let end = self.clock.elapsed() + time;
        loop {
            let outcome = self.pass(thing).await;
            match outcome.requeue_after() {
                Some(after) if self.clock.elapsed() + after <= end => self.clock.advance(after),
                _ => return outcome,
            }
        }
    }

    async fn bytes(&self) -> Option<Vec<u8>> {
        let id = RecordId { machine: HostFlow::GRAPH.name.to_owned(), resource: thing().id() };
        self.store.load(&id).await.unwrap().bytes
    }

    async fn record(&self) -> Record {
        self.runner.inspect(&thing().id()).await.unwrap().unwrap()
    }
}

const ALL: [&str; 6] = ["ask net", "ask disk", "ask host", "ask name", "ask ann", "ask bob"];

#[tokio::test]
async fn everything_is_asked_about_once_a_period_and_nothing_is_written() {
    let bench = Bench::resting().await;
    let bytes = bench.bytes().await;
    for round in 0..5 {
        let begun = bench.clock.elapsed();
        let Outcome::Watching { after, .. } = bench.next(&thing()).await else { panic!("it does not rest") };
        assert_eq!(bench.cloud.calls(), ALL, "{round}");
        assert_eq!(after, PERIOD, "the next round is at the same place of the next period");
        assert!(bench.clock.elapsed() - begun <= PERIOD);
        assert!(bench.pass(&thing()).await.is_resting());
        assert_eq!(bench.cloud.calls(), [""; 0], "nothing is asked before it is due");
    }
    assert!(bench.bytes().await == bytes, "something was written");
}

#[tokio::test]
async fn what_is_gone_is_made_again_within_a_period_and_what_lives_stays() {
    let cases: [(&[&str], &[&str]); 7] = [
        (&["net"], &["make net", "resize 5"]),
        (&["disk"], &["make disk", "resize 5"]),
        (&["ann"], &["make ann"]),
        (&["net", "disk"], &["make net", "make disk", "resize 5"]),
        (&["disk", "bob"], &["make disk", "make bob", "resize 5"]),
        (&["ann", "bob"], &["make ann", "make bob"]),
        (&["net", "ann"], &["make net", "make ann", "resize 5"]),
    ];
    for (lost, acts) in cases {
        let bench = Bench::resting().await;
        let (before, things) = (bench.record().await, bench.cloud.things());
        lost.iter().for_each(|what| bench.cloud.lose(what));
        assert!(bench.pass_for(&thing(), FOUND).await.is_resting(), "{lost:?}");
        assert_eq!(bench.cloud.acts(), acts, "{lost:?}");
        assert_eq!(bench.cloud.things(), things, "{lost:?}");
        let after = bench.record().await;
        assert_eq!((after.state, after.facts.value("host")), (before.state, before.facts.value("host")), "{lost:?}");
        let names = |record: &Record| record.undo.iter().map(|it| it.transition.clone()).collect::<Vec<_>>();
        let steps = |all: &[String]| all[..4].to_vec();
        assert_eq!(steps(&names(&bench.record().await)), ["make_net", "make_disk", "make_host", "claim"], "{lost:?}");
        // It is undone in its old place.
        let deleted = Thing { deleting: true, ..thing() };
        assert!(matches!(bench.settle(&deleted).await, Outcome::Gone));
        let undone: Vec<String> = bench.cloud.acts();
        assert_eq!(undone[undone.len() - 4..], ["remove name", "remove host", "remove disk", "remove net"], "{lost:?}");
        assert_eq!(bench.cloud.things(), [""; 0], "{lost:?}");
    }
}

#[tokio::test]
async fn a_rewind_makes_again_what_was_made_since() {
    let bench = Bench::resting().await;
    bench.cloud.lose("host");
    assert!(bench.pass_for(&thing(), FOUND).await.is_resting());
    let acts =
        ["remove bob", "remove ann", "remove name", "remove host", "make host", "make name", "make ann", "make bob"];
    assert_eq!(bench.cloud.acts(), [&acts[..], &["resize 5"]].concat());
    assert_eq!(bench.cloud.things(), ["thing/ann", "thing/bob", "thing/disk", "thing/host", "thing/name", "thing/net"]);
}

#[tokio::test]
async fn what_is_refused_because_something_is_gone_does_not_keep_it_from_being_found() {
    for wait in [Duration::ZERO, PERIOD / 2] {
        let bench = Bench::resting().await;
        bench.cloud.lose("host");
        bench.clock.advance(wait);
        let edited = Thing::new("web:1", &["ann", "bob", "eve"]);
        let Outcome::Blocked { reason, .. } = bench.settle(&edited).await else { panic!("it is not blocked") };
        assert_eq!(reason, BlockedReason::Rejected);
        assert!(bench.pass_for(&edited, FOUND).await.is_resting(), "{wait:?}");
        assert!(bench.cloud.things().contains(&"thing/eve".to_owned()));
    }
}

#[tokio::test]
async fn a_person_is_asked_where_the_machine_says_so() {
    let bench = Bench::resting().await;
    bench.cloud.lose("name");
    let Outcome::Held { reason, message } = bench.pass_for(&thing(), FOUND).await else { panic!("it is not held") };
    assert_eq!(reason, HeldReason::Vanished);
    assert!(message.contains("`claim`"), "{message}");
    assert_eq!(bench.cloud.acts(), [""; 0]);
    // It is there again, and the person says so.
    bench.cloud.state().things.insert("thing/name".to_owned(), "by hand".to_owned());
    bench.runner.resolve(&thing().id(), Resolution::Retry).await.unwrap();
    assert!(bench.pass_for(&thing(), FOUND).await.is_resting());
    assert_eq!(bench.cloud.acts(), [""; 0]);
}

#[tokio::test]
async fn a_loss_leads_to_the_state_that_is_named() {
    let (cloud, store, clock) = (Cloud::default(), MemoryStore::new(), ManualClock::default());
    let runner = SiteRunner::builder(cloud.clone(), store).clock(clock.clone()).build();
    assert!(runner.reconcile(&thing()).await.unwrap().is_resting());
    // What is to be ignored is not asked about.
    cloud.lose("feed");
    for _ in 0..3 {
        let outcome = runner.reconcile(&thing()).await.unwrap();
        clock.advance(outcome.requeue_after().unwrap());
    }
    cloud.calls();
    cloud.lose("site");
    let mut asked = 0;
    let failure = loop {
        match runner.reconcile(&thing()).await.unwrap() {
            Outcome::Watching { after, .. } => clock.advance(after),
            Outcome::Resting(SiteState::Broken(broken)) => break broken.failure.clone(),
            _ => panic!("it does not come to the state for it"),
        }
        asked += 1;
        assert!(asked < 4, "it is not found");
    };
    assert_eq!((failure.class.as_str(), failure.step.as_str()), ("lost", "publish"));
    assert_eq!(cloud.acts(), [""; 0], "nothing is made again");
    // Another spec leads out of it.
    assert!(runner.reconcile(&Thing::new("web:2", &[])).await.unwrap().is_resting());
    assert_eq!(cloud.acts(), ["remove feed", "remove site", "make site", "make feed"]);
}

#[tokio::test]
async fn members_that_wait_for_a_lost_one_are_waited_for_again() {
    let (cloud, store, clock) = (Cloud::default(), MemoryStore::new(), ManualClock::default());
    let runner = FleetRunner::builder(cloud.clone(), store).clock(clock.clone()).build();
    assert!(runner.reconcile(&thing()).await.unwrap().is_resting());
    cloud.calls();
    cloud.lose("ann");
    for _ in 0..3 {
        let outcome = runner.reconcile(&thing()).await.unwrap();
        clock.advance(outcome.requeue_after().unwrap());
    }
    assert_eq!(cloud.acts(), ["make ann", "join ann"]);
    let record = runner.inspect(&thing().id()).await.unwrap().unwrap();
    let joined = record.facts.value("joined").unwrap().to_string();
    assert!(joined.contains("joined ann#3"), "{joined}");
}

#[tokio::test]
async fn what_is_not_known_is_not_lost() {
    let bench = Bench::resting().await;
    bench.cloud.lose("net");
    bench.cloud.state().is_down = true;
    for _ in 0..4 {
        assert!(bench.next(&thing()).await.is_resting());
    }
    assert_eq!(bench.cloud.acts(), [""; 0]);
    // One answer, then none, then one: they are not two in a row.
    bench.cloud.state().is_down = false;
    let Outcome::Watching { after, .. } = bench.next(&thing()).await else { panic!("it does not rest") };
    assert!(after < PERIOD, "it asks once more");
    bench.cloud.state().is_down = true;
    assert_eq!(bench.next(&thing()).await.requeue_after(), Some(PERIOD - after), "the next regular time");
    bench.cloud.state().is_down = false;
    let Outcome::Watching { after, .. } = bench.next(&thing()).await else { panic!("it does not rest") };
    assert!(after < PERIOD && bench.cloud.acts().is_empty(), "it begins anew");
    assert!(bench.next(&thing()).await.is_resting());
    assert_eq!(bench.cloud.acts(), ["make net", "resize 5"]);
}

#[tokio::test]
async fn what_is_absent_once_is_not_lost() {
    let bench = Bench::resting().await;
    bench.cloud.state().denies = true;
    let Outcome::Watching { after, .. } = bench.next(&thing()).await else { panic!("it does not rest") };
    assert!((5..10).contains(&after.as_secs()), "as long as a look-up may lag: {after:?}");
    bench.cloud.state().denies = false;
    assert_eq!(bench.next(&thing()).await.requeue_after(), Some(PERIOD - after));
    assert!(bench.pass_for(&thing(), FOUND).await.is_resting());
    assert_eq!(bench.cloud.acts(), [""; 0]);
}

#[tokio::test]
async fn two_answers_count_only_for_one_record() {
    let bench = Bench::resting().await;
    bench.cloud.lose("net");
    let outcome = bench.next(&thing()).await;
    bench.cloud.acts();
    bench.clock.advance(outcome.requeue_after().unwrap());
    // The record changes between the two.
    let edited = Thing::new("web:1", &["ann", "bob", "eve"]);
    let outcome = bench.settle(&edited).await;
    assert_eq!(bench.cloud.acts(), ["make eve"]);
    assert!(outcome.requeue_after().is_some_and(|after| after < PERIOD / 2), "{:?}", outcome.requeue_after());
    assert!(bench.pass_for(&edited, FOUND).await.is_resting());
    assert_eq!(bench.cloud.acts(), ["make net", "resize 5"]);
}

#[tokio::test]
async fn a_loss_that_somebody_has_overtaken_is_not_recorded() {
    let bench = Bench::resting().await;
    bench.cloud.lose("net");
    let outcome = bench.next(&thing()).await;
    bench.clock.advance(outcome.requeue_after().unwrap());
    // Another controller has read the same, and writes first: a pause is a write as any other.
    let racing = Racing(bench.store.clone(), bench.runner.clone());
    let outcome = bench.runner.on_store(racing).reconcile(&thing()).await.unwrap();
    assert!(matches!(outcome, Outcome::Paused));
    assert_eq!(bench.cloud.acts(), [""; 0]);
    assert!(!bench.record().await.undo.iter().any(|it| it.lost));
}

#[tokio::test]
async fn what_may_be_under_way_is_not_asked_about() {
    let mut bench = Bench::resting().await;
    bench.restart();
    // After a restart, it is not known since when the record is as it is.
    let Outcome::Watching { after, .. } = bench.runner.verify(&thing()).await.unwrap() else {
        panic!("it does not rest")
    };
    assert_eq!((after, bench.cloud.calls()), (Duration::from_secs(5), vec![]));
    bench.clock.advance(after);
    assert_eq!(bench.pass(&thing()).await.requeue_after(), Some(Duration::from_secs(5)));
    assert_eq!(bench.cloud.calls(), ["ask disk", "ask ann", "ask bob"], "what may be delivered twice may still come");
    assert!(bench.next(&thing()).await.is_resting());
    assert_eq!(bench.cloud.calls(), ALL);
}

#[tokio::test]
async fn a_person_may_ask_now_and_see_what_would_be_asked() {
    let bench = Bench::resting().await;
    assert_eq!(bench.runner.plan(&thing()).await.unwrap(), Plan::Rest);
    assert!(bench.runner.verify(&thing()).await.unwrap().is_resting());
    assert_eq!(bench.cloud.calls(), ALL);
    let after = bench.pass(&thing()).await.requeue_after().unwrap();
    bench.clock.advance(after);
    let plan = bench.runner.plan(&thing()).await.unwrap();
    assert_eq!(plan, Plan::Verify { transition: "make_net".to_owned(), subject: None });
    assert_eq!(bench.cloud.calls(), [""; 0]);
}

#[tokio::test]
async fn a_deletion_does_not_wait_for_what_cannot_be_made_again() {
    let bench = Bench::resting().await;
    bench.cloud.lose("disk");
    bench.cloud.state().refuses = Some("disk");
    let outcome = bench.pass_for(&thing(), FOUND).await;
    let Outcome::Progressing { reason, .. } = outcome else { panic!("it does not try") };
    assert!(reason.contains("does not answer"), "{reason}");
    assert!(bench.record().await.undo.iter().any(|it| it.lost));
    let deleted = Thing { deleting: true, ..thing() };
    assert!(matches!(bench.settle(&deleted).await, Outcome::Gone));
    assert_eq!(bench.cloud.things(), [""; 0]);
}

#[tokio::test]
async fn what_is_made_again_goes_on_after_a_restart() {
    let mut bench = Bench::resting().await;
    bench.cloud.lose("net");
    bench.cloud.state().refuses = Some("net");
    assert!(!bench.pass_for(&thing(), FOUND).await.is_resting());
    bench.restart();
    bench.cloud.state().refuses = None;
    bench.cloud.calls();
    assert!(bench.settle(&thing()).await.is_resting());
    assert_eq!(bench.cloud.acts(), ["make net", "resize 5"]);
}

/// A store on which an operator is faster with every write.
struct Racing(MemoryStore, HostRunner<Cloud>);

#[async_trait::async_trait]
impl Store for Racing {
    async fn load(&self, id: &RecordId) -> Result<durable_fsm::Loaded, durable_fsm::StoreError> {
        self.0.load(id).await
    }
    async fn compare_and_swap(
        &self,
        id: &RecordId,
        version: &durable_fsm::Version,
        bytes: &[u8],
    ) -> Result<durable_fsm::Loaded, durable_fsm::StoreError> {
        self.1.pause(&id.resource).await.unwrap();
        self.0.compare_and_swap(id, version, bytes).await
    }
    async fn remove(&self, id: &RecordId, version: &durable_fsm::Version) -> Result<(), durable_fsm::StoreError> {
        self.0.remove(id, version).await
    }
    async fn list(&self, machine: &str) -> Result<Vec<durable_fsm::ResourceId>, durable_fsm::StoreError> {
        self.0.list(machine).await
    }
}

/// A fleet at rest, whose resources are named by number.
struct Fleet {
    cloud: Cloud,
    clock: ManualClock,
    runner: SiteRunner<Cloud>,
    count: usize,
}

impl Fleet {
    async fn resting(count: usize, limit: Option<(u8, u32)>) -> Self {
        let (cloud, clock) = (Cloud::default(), ManualClock::default());
        let mut builder = SiteRunner::builder(cloud.clone(), MemoryStore::new()).clock(clock.clone());
        if let Some((percent, least)) = limit {
            builder = builder.lost_limit(percent, least);
        }
        let fleet = Self { cloud, clock, runner: builder.build(), count };
        for number in 0..count {
            assert!(fleet.runner.reconcile(&fleet.thing(number)).await.unwrap().is_resting());
        }
        fleet.cloud.calls();
        fleet
    }

    fn thing(&self, number: usize) -> Thing {
        let thing = Thing::new("web:1", &[]);
        Thing { name: format!("t{number}"), uid: format!("uid-{number}"), ..thing }
    }

    /// Passes of all for so long, each when it is due. How often things were asked about in each second, and how each ended last.
    async fn pass_for(&self, time: Duration) -> (Vec<usize>, Vec<Outcome<SiteState>>) {
        let begun = self.clock.elapsed();
        let (mut asked, mut last) = (vec![0; usize::try_from(time.as_secs()).unwrap() + 1], Vec::new());
        let mut due = std::collections::BTreeSet::new();
        for number in 0..self.count {
            last.push(self.runner.reconcile(&self.thing(number)).await.unwrap());
            if let Some(after) = last[number].requeue_after() {
                due.insert((begun + after, number));
            }
        }
        while let Some((at, number)) = due.pop_first().filter(|(at, _)| *at < begun + time) {
            self.clock.advance(at.saturating_sub(self.clock.elapsed()));
            let before = self.cloud.state().calls.len();
            last[number] = self.runner.reconcile(&self.thing(number)).await.unwrap();
            if self.cloud.state().calls[before..].iter().any(|call| call.starts_with("ask")) {
                asked[usize::try_from((at - begun).as_secs()).unwrap()] += 1;
            }
            if let Some(after) = last[number].requeue_after() {
                due.insert((at + after, number));
            }
        }
        (asked, last)
    }
}

#[tokio::test]
async fn nothing_is_made_again_where_a_provider_denies_everything() {
    // 300 resources: 30 of them may lose things. And 50, of which 20 may.
    for count in [300, 50] {
        let fleet = Fleet::resting(count, None).await;
        fleet.cloud.state().denies = true;
        let (_, last) = fleet.pass_for(PERIOD * 3).await;
        assert_eq!(fleet.cloud.acts(), [""; 0], "of {count}");
        for outcome in &last {
            let Outcome::Blocked { reason, message, after, .. } = outcome else { panic!("it is not blocked") };
            assert_eq!(*reason, BlockedReason::LostLimit);
            assert!(message.contains(&format!("of {count} resources")) && *after <= PERIOD, "{message}");
        }
        // The provider finds everything again.
        fleet.cloud.state().denies = false;
        let (_, last) = fleet.pass_for(PERIOD * 2).await;
        assert!(last.iter().all(Outcome::is_resting));
        assert_eq!(fleet.cloud.acts(), [""; 0]);
    }
}

#[tokio::test]
async fn no_more_than_the_limit_allows_are_made_again_in_one_period() {
    for (lost, limit, most) in [(30, None, 30), (45, None, 30), (45, Some((20, 0)), 45), (5, Some((0, 4)), 4)] {
        let fleet = Fleet::resting(300, limit).await;
        for number in 0..lost {
            fleet.cloud.state().things.remove(&format!("t{number}/site"));
        }
        let is_broken = |it: &&Outcome<SiteState>| matches!(it, Outcome::Resting(SiteState::Broken(_)));
        let (_, last) = fleet.pass_for(PERIOD).await;
        let broken = last.iter().filter(is_broken).count();
        assert!((1..=most).contains(&broken), "{lost} {limit:?}: {broken}");
        let is_braked = last.iter().any(|it| matches!(it, Outcome::Blocked { .. }));
        assert_eq!(is_braked, most < lost, "{lost} {limit:?}");
        let (_, last) = fleet.pass_for(PERIOD * 2).await;
        assert_eq!(last.iter().filter(is_broken).count(), lost, "{lost} {limit:?}");
    }
}

#[tokio::test]
async fn questions_are_spread_over_the_period() {
    // A hundred a second.
    let fleet = Fleet::resting(60_000, None).await;
    let (asked, _) = fleet.pass_for(PERIOD).await;
    assert_eq!(asked.iter().sum::<usize>(), 60_000);
    let busiest = asked.iter().max().unwrap();
    assert!(*busiest <= 200, "{busiest} in the busiest second");
}
