//! A provider that does what a script says, and a clock that moves when it is slept on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use durable_fsm::store::MemoryStore;
use durable_fsm::{Clock, Outcome, RecordId, Resource, Store};

use crate::machine::{Refused, Thing, ThingFlow, ThingRunner, ThingState};

/// What the script lets happen to one call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// It is carried out and answered.
    None,
    /// It is carried out, and the answer is an error of this class.
    Applied(Refusal),
    /// It is not carried out.
    Refused(Refusal),
    /// It is carried out, and no answer comes.
    Silent,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Refusal {
    Unknown,
    NotApplied,
    Rejected,
    NotOurs,
}

#[derive(Default)]
struct Things {
    /// What exists: id to the key or tag it was made under.
    live: BTreeMap<String, String>,
    made: u32,
    calls: Vec<String>,
    faults: BTreeMap<&'static str, VecDeque<Fault>>,
    rolled_out: bool,
    /// What it says when it fails, beside how.
    words: String,
    /// What stands behind the ids that it gives.
    suffix: String,
    /// When the last look at what is rolled out was to be given up.
    deadline: Option<SystemTime>,
    /// The call that waits before it sends.
    waits: Option<&'static str>,
}

/// The provider; every clone is the same one.
#[derive(Clone, Default)]
pub struct Provider(Arc<Mutex<Things>>);

impl Provider {
    fn things(&self) -> MutexGuard<'_, Things> {
        self.0.lock().unwrap()
    }

    pub fn will(&self, call: &'static str, faults: &[Fault]) {
        self.things().faults.entry(call).or_default().extend(faults);
    }

    /// What it says from here on when it fails.
    pub fn fail_at_length(&self, words: String) {
        self.things().words = words;
    }

    /// What stands from here on behind the ids of what it makes under a key.
    pub fn name_at_length(&self, suffix: String) {
        self.things().suffix = suffix;
    }

    pub fn set_rolled_out(&self, rolled_out: bool) {
        self.things().rolled_out = rolled_out;
    }

    pub fn is_rolled_out(&self) -> bool {
        self.things().rolled_out
    }

    pub fn note_deadline(&self, deadline: SystemTime) {
        self.things().deadline = Some(deadline);
    }

    pub fn deadline(&self) -> Option<SystemTime> {
        self.things().deadline
    }

    /// The ids of what exists.
    pub fn live(&self) -> Vec<String> {
        self.things().live.keys().cloned().collect()
    }

    /// The calls since this was asked last.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.things().calls)
    }

    pub fn all_faults_fired(&self) -> bool {
        self.things().faults.values().all(VecDeque::is_empty)
    }

    /// Lets this call wait before it sends, until it is told to go on. Nothing wakes it up.
    pub fn wait_before(&self, call: &'static str) {
        self.things().waits = Some(call);
    }

    pub fn go_on(&self) {
        self.things().waits = None;
    }

    async fn call<A>(&self, name: &'static str, apply: impl FnOnce(&mut Things) -> A) -> Result<A, Refused> {
        let is_free = |_: &mut std::task::Context<'_>| match self.things().waits {
            Some(waits) if waits == name => std::task::Poll::Pending,
            _ => std::task::Poll::Ready(()),
        };
        std::future::poll_fn(is_free).await;
        let silent = {
            let mut things = self.things();
            things.calls.push(name.to_owned());
            match things.faults.get_mut(name).and_then(VecDeque::pop_front) {
                None | Some(Fault::None) => return Ok(apply(&mut things)),
                Some(Fault::Refused(refusal)) => return Err(Refused(refusal, things.words.clone())),
                Some(Fault::Applied(refusal)) => {
                    apply(&mut things);
                    return Err(Refused(refusal, things.words.clone()));
                }
                Some(Fault::Silent) => {
                    apply(&mut things);
                    std::future::pending()
                }
            }
        };
        silent.await
    }

    /// Makes the thing of this key, or finds it.
    pub async fn make(&self, name: &'static str, key: &str, label: &str) -> Result<String, Refused> {
        let (key, label) = (format!("{name} {key}"), label.to_owned());
        self.call(name, |things| {
            if let Some(id) = things.live.iter().find_map(|(id, of)| (*of == key).then(|| id.clone())) {
                return id;
            }
            things.made += 1;
            let id = format!("{name}:{label}#{}{}", things.made, things.suffix);
            things.live.insert(id.clone(), key);
            id
        })
        .await
    }

    /// Makes one more thing with this tag.
    pub async fn make_another(&self, name: &'static str, tag: &str) -> Result<String, Refused> {
        let tag = tag.to_owned();
        self.call(name, |things| {
            things.made += 1;
            let id = format!("{name}#{}", things.made);
            things.live.insert(id.clone(), tag);
            id
        })
        .await
    }

    pub async fn find(&self, name: &'static str, tag: &str) -> Result<Option<String>, Refused> {
        self.call(name, |things| things.live.iter().find_map(|(id, of)| (of == tag).then(|| id.clone()))).await
    }

    pub async fn remove(&self, name: &'static str, id: &str) -> Result<(), Refused> {
        self.call(name, |things| {
            things.live.remove(id);
        })
        .await
    }
}

/// Time that passes only while somebody sleeps, or when it is told to.
#[derive(Clone, Default)]
pub struct ManualClock {
    now: Arc<Mutex<Duration>>,
    chance: u64,
}

impl ManualClock {
    pub fn advance(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
    }

    pub fn elapsed(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    /// A clock that deals this number, always.
    pub fn dealing(chance: u64) -> Self {
        Self { now: Arc::default(), chance }
    }

    /// The same time in another process, which is dealt other numbers; all of them multiples of 256, which add nothing to a backoff.
    pub fn of_another_process(&self) -> Self {
        Self { now: Arc::clone(&self.now), chance: self.chance + 256 }
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + *self.now.lock().unwrap()
    }
    fn monotonic(&self) -> Duration {
        *self.now.lock().unwrap()
    }
    fn sleep(&self, time: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = self.clone();
        Box::pin(async move { clock.advance(time) })
    }
    fn chance(&self) -> u64 {
        self.chance
    }
}

/// A clock on which nothing ever takes too long.
pub struct Patient(pub ManualClock);

impl Clock for Patient {
    fn wall(&self) -> SystemTime {
        self.0.wall()
    }
    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
    fn sleep(&self, _: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
    fn chance(&self) -> u64 {
        1
    }
}

/// A controller with its store, clock and provider.
pub struct Bench {
    pub provider: Provider,
    pub store: MemoryStore,
    pub clock: ManualClock,
    pub runner: ThingRunner<Provider>,
}

impl Bench {
    pub fn new() -> Self {
        Self::on(MemoryStore::new())
    }

    pub fn with_limit(bytes: usize) -> Self {
        Self::on(MemoryStore::new().with_limit(bytes))
    }

    fn on(store: MemoryStore) -> Self {
        let (provider, clock) = (Provider::default(), ManualClock::default());
        provider.set_rolled_out(true);
        let runner = ThingRunner::builder(provider.clone(), store.clone()).clock(clock.clone()).build();
        Self { provider, store, clock, runner }
    }

    /// Another controller process on the same store and world.
    pub fn restart(&mut self) {
        self.clock = self.clock.of_another_process();
        self.runner = ThingRunner::builder(self.provider.clone(), self.store.clone()).clock(self.clock.clone()).build();
    }

    pub async fn pass(&self, thing: &Thing) -> Outcome<ThingState> {
        self.runner.reconcile(thing).await.unwrap()
    }

    /// Reconciles, waiting as long as it is told to, until it comes to rest; or panics after 200 passes.
    pub async fn settle(&self, thing: &Thing) -> Outcome<ThingState> {
        for _ in 0..200 {
            let outcome = self.pass(thing).await;
            match &outcome {
                Outcome::Progressing { after, .. } => self.clock.advance(*after),
                _ => return outcome,
            }
        }
        panic!("it does not settle");
    }

    pub fn id(thing: &Thing) -> RecordId {
        RecordId { machine: ThingFlow::GRAPH.name.to_owned(), resource: thing.id() }
    }

    pub async fn bytes(&self, thing: &Thing) -> Option<Vec<u8>> {
        self.store.load(&Self::id(thing)).await.unwrap().bytes
    }

    pub async fn record(&self, thing: &Thing) -> durable_fsm::record::Record {
        self.runner.inspect(&thing.id()).await.unwrap().unwrap()
    }

    pub async fn put(&self, thing: &Thing, bytes: &[u8]) {
        let version = self.store.load(&Self::id(thing)).await.unwrap().version;
        self.store.compare_and_swap(&Self::id(thing), &version, bytes).await.unwrap();
    }
}
