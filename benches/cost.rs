//! What the driver costs: a set of many members, and a flow of eight steps, in memory and with methods that do nothing.
//!
//! ```sh
//! cargo bench --bench cost -- sets            # processor time for 125 … 2,000 members, and its exponents
//! cargo bench --bench cost -- instructions    # instructions of a flow of eight steps, by callgrind (needs valgrind)
//! cargo bench --bench cost -- steps 1000      # runs 1,000 such flows, to look at with any profiler
//! ```
//!
//! A record is written once for each member and once for each step, and it holds all of them. So the time to encode and keep it by hand grows
//! with the square of the members. Nothing else may: `sets` prints the exponent of the whole, which is no higher, and how much of that time it is.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use durable_fsm::record::Record;
use durable_fsm::store::{Loaded, MemoryStore, Version};
use durable_fsm::{Outcome, RecordId, ResourceId, Store, StoreError, Undone};
use machines::*;
use rustix::time::{ClockId, clock_gettime};

/// What is provisioned, and how.
mod machines {
    use std::collections::BTreeSet;

    use durable_fsm::{Each, Fsm, Resource, ResourceId};
    use serde::{Deserialize, Serialize};

    #[derive(Clone)]
    pub struct App {
        pub name: String,
        pub spec: Spec,
    }

    #[derive(Clone, Serialize, Deserialize)]
    pub struct Spec {
        pub image: String,
        pub members: BTreeSet<String>,
    }

    impl App {
        pub fn new(number: usize, members: usize) -> Self {
            let members = (0..members).map(|number| format!("member-{number:04}")).collect();
            Self { name: format!("app-{number}"), spec: Spec { image: "web:1".to_owned(), members } }
        }
    }

    impl Resource for App {
        type Spec = Spec;
        fn id(&self) -> ResourceId {
            ResourceId::new("default", &self.name)
        }
        fn uid(&self) -> &str {
            "00000000-0000-4000-8000-000000000001"
        }
        fn spec(&self) -> &Spec {
            &self.spec
        }
    }

    /// One set.
    #[derive(Fsm)]
    #[fsm(name = "test.io/set", version = 1, resource = App)]
    pub enum SetFlow {
        #[fsm(initial)]
        #[transition(begin -> Filling, no_effect)]
        Empty,
        #[fsm(resting)]
        #[transition(add, for_each = members, in_doubt = repeat, undo = remove)]
        Filling { members: Each<String, String> },
    }

    /// Eight steps, one after the other.
    #[derive(Fsm)]
    #[fsm(name = "test.io/steps", version = 1, resource = App)]
    pub enum StepsFlow {
        #[fsm(initial)]
        #[transition(make_account -> Accounted, in_doubt = repeat, undo = drop_account)]
        Requested,
        #[transition(make_room -> Roomed, in_doubt = repeat, undo = drop_room)]
        Accounted { account: String },
        #[transition(make_consumer -> Consuming, in_doubt = repeat, undo = drop_consumer)]
        Roomed { room: String },
        #[transition(make_route -> Routed, in_doubt = repeat, undo = drop_route)]
        Consuming { consumer: String },
        #[transition(make_config -> Configured, in_doubt = repeat, undo = drop_config)]
        Routed { route: String },
        #[transition(push_files -> Pushed, in_doubt = repeat, undo = drop_files)]
        Configured { config: String },
        #[transition(push_skills -> Skilled, in_doubt = repeat, undo = drop_skills)]
        Pushed { files: String },
        #[transition(start -> Running, in_doubt = repeat, undo = stop)]
        Skilled { skills: String },
        #[fsm(resting)]
        Running { container: String },
    }
}

/// Makes nothing, and says that it did.
struct Nothing;

impl SetTransitions for Nothing {
    type Error = Infallible;
    fn begin(&self, from: Empty, _: &SetAttempt) -> Result<Filling, Infallible> {
        Ok(from.filling())
    }
    fn members(&self, _: &Filling, app: &App) -> BTreeSet<String> {
        app.spec.members.clone()
    }
    async fn add(&self, _: &Filling, _: &String, attempt: &SetAttempt) -> Result<String, Infallible> {
        Ok(attempt.key().to_owned())
    }
    async fn remove(&self, _: &Filling, _: &String, _: &String, _: &SetAttempt) -> Result<Undone, Infallible> {
        Ok(Undone::Done)
    }
}

impl StepsTransitions for Nothing {
    type Error = Infallible;
    async fn make_account(&self, from: Requested, attempt: &StepsAttempt) -> Result<Accounted, Infallible> {
        Ok(from.accounted(attempt.key().to_owned()))
    }
    async fn drop_account(&self, _: &Accounted, _: &StepsAttempt) -> Result<Undone, Infallible> {
        Ok(Undone::Done)
    }
    async fn make_room(&self, from: Accounted, attempt: &StepsAttempt) -> Result<Roomed, Infallible> {
        Ok(from.roomed(attempt.key().to_owned()))
    }
    async fn drop_room(&self, _: &Roomed, _: &StepsAttempt) -> Result<Undone, Infallible> {
        Ok(Undone::Done)
    }
    async fn make_consumer(&self, from: Roomed, attempt: &StepsAttempt) -> Result<Consuming, Infallible> {
        Ok(from.consuming(attempt.key().to_owned()))
    }
    async fn drop_consumer(&self, _: &Consuming, _: &StepsAttempt) -> Result<Undone, Infallible> {
        Ok(Undone::Done)
    }
    async fn make_route(&self, from: Consuming, attempt: &StepsAttempt) -> Result<Routed, Infallible> {
        Ok(from.routed(attempt.key().to_owned()))
    }
    async fn drop_route(&self, _: &Routed, _: &StepsAttempt) -> Result<Undone, Infallible> {
        Ok(Undone::Done)
    }
    async fn make_config(&self, from: Routed, attempt: &StepsAttempt) -> Result<Configured, Infallible> {
        Ok(from.configured(attempt.key().to_owned()))
    }
    async fn drop_config(&self, _: &Configured, _: &StepsAttempt) -> Result<Undone, Infallible> {
        Ok(Undone::Done)
    }
    async fn push_files(&self, from: Configured, attempt: &StepsAttempt) -> Result<Pushed, Infallible> {
        Ok(from.pushed(attempt.key().to_owned()))
    }
    async fn drop_files(&self, _: &Pushed, _: &StepsAttempt) -> Result<Undone, Infallible> {
        Ok(Undone::Done)
    }
    async fn push_skills(&self, from: Pushed, attempt: &StepsAttempt) -> Result<Skilled, Infallible> {
        Ok(from.skilled(attempt.key().to_owned()))
    }
    async fn drop_skills(&self, _: &Skilled, _: &StepsAttempt) -> Result<Undone, Infallible> {
        Ok(Undone::Done)
    }
    async fn start(&self, from: Skilled, attempt: &StepsAttempt) -> Result<Running, Infallible> {
        Ok(from.running(attempt.key().to_owned()))
    }
    async fn stop(&self, _: &Running, _: &StepsAttempt) -> Result<Undone, Infallible> {
        Ok(Undone::Done)
    }
}

/// A store that keeps every so many of the records that are written to it.
struct Sampled {
    store: MemoryStore,
    every: u64,
    samples: Arc<Mutex<Vec<Vec<u8>>>>,
}

#[async_trait]
impl Store for Sampled {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        self.store.load(id).await
    }
    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        if self.store.writes().is_multiple_of(self.every) {
            self.samples.lock().unwrap().push(bytes.to_vec());
        }
        self.store.compare_and_swap(id, expected, bytes).await
    }
    async fn remove(&self, id: &RecordId, expected: &Version) -> Result<(), StoreError> {
        self.store.remove(id, expected).await
    }
    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        self.store.list(machine).await
    }
}

fn main() {
    // `cargo bench` adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let count = || asked.get(1).map_or(1000, |count| count.parse().expect("a number of flows"));
    match asked.first().map(String::as_str) {
        Some("sets") => sets(),
        Some("instructions") => instructions(),
        Some("steps") => on_this_thread(steps(count())),
        Some("encoding") => on_this_thread(encoding(count())),
        _ => panic!("say `sets`, `instructions`, `steps` or `encoding`; the module's documentation says what they are"),
    }
}

fn on_this_thread<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap())
}

/// The fastest of some runs, in seconds.
fn fastest<T>(runs: usize, mut run: impl FnMut() -> T) -> f64 {
    let times = (0..runs).map(|_| {
        let before = processor_time();
        std::hint::black_box(run());
        (processor_time() - before).as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

/// The exponent with which the times grow, as the slope of a line through their logarithms.
fn exponent(times: &[(usize, f64)]) -> f64 {
    let points: Vec<(f64, f64)> = times.iter().map(|(count, time)| ((*count as f64).ln(), time.ln())).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let (rise, run) = points
        .iter()
        .fold((0.0, 0.0), |(rise, run), point| (rise + (point.0 - x) * (point.1 - y), run + (point.0 - x).powi(2)));
    rise / run
}

fn sets() {
    let (mut whole, mut by_hand) = (Vec::new(), Vec::new());
    println!("members  whole      the same JSON by hand");
    for members in [125, 250, 500, 1000, 2000] {
        let runs = (4000 / members).max(3);
        let app = App::new(0, members);
        let all = fastest(runs, || on_this_thread(fill(&app, MemoryStore::new())));
        let kept = on_this_thread(keeping(&app, members));
        println!("{members:>7}  {all:.4} s   {kept:.4} s   {:.2}", all / kept);
        whole.push((members, all));
        by_hand.push((members, kept));
    }
    let [whole, by_hand] = [whole, by_hand].map(|times| exponent(&times));
    println!("exponent {whole:.2}       {by_hand:.2}");
}

async fn fill(app: &App, store: impl Store) {
    let runner = SetRunner::new(Nothing, store);
    let Outcome::Resting(SetState::Filling(filling)) = runner.reconcile(app).await.unwrap() else {
        panic!("it does not rest")
    };
    assert_eq!(filling.members.len(), app.spec.members.len());
}

/// How long it takes to encode the records that building a set writes, and to keep them in memory.
async fn keeping(app: &App, members: usize) -> f64 {
    let samples = Arc::default();
    let every = members as u64 / 25;
    fill(app, Sampled { store: MemoryStore::new(), every, samples: Arc::clone(&samples) }).await;
    let samples = std::mem::take(&mut *samples.lock().unwrap());
    let records: Vec<Record> = samples.iter().map(|bytes| serde_json::from_slice(bytes).unwrap()).collect();
    // Each is written several times: the driver writes one record again and again, and the processor's caches know it.
    let store = MemoryStore::new();
    let mut all = 0.0;
    for record in &records {
        let mut fastest = f64::INFINITY;
        for _ in 0..5 {
            let before = processor_time();
            write(&store, record).await;
            fastest = fastest.min((processor_time() - before).as_secs_f64());
        }
        all += fastest;
    }
    all * every as f64
}

/// Writes a record as a program without this library would.
async fn write(store: &MemoryStore, record: &Record) {
    let id = RecordId { machine: record.machine.clone(), resource: ResourceId::new("default", "app") };
    let loaded = store.load(&id).await.unwrap();
    // As the driver does: a record is hardly longer than the one before.
    let mut bytes = Vec::with_capacity(loaded.bytes.map_or(1024, |bytes| bytes.len() + bytes.len() / 8 + 512));
    serde_json::to_writer(&mut bytes, record).unwrap();
    let kept = store.compare_and_swap(&id, &loaded.version, &bytes).await.unwrap();
    assert!(kept.bytes.as_deref() == Some(&bytes));
}

/// Runs so many flows of eight steps.
async fn steps(count: usize) {
    let runner = StepsRunner::new(Nothing, MemoryStore::new());
    for number in 0..count {
        let outcome = runner.reconcile(&App::new(number, 1)).await.unwrap();
        assert!(matches!(outcome, Outcome::Resting(StepsState::Running(_))));
    }
}

/// Encodes and keeps what so many flows of eight steps write.
async fn encoding(count: usize) {
    let samples = Arc::default();
    let store = Sampled { store: MemoryStore::new(), every: 1, samples: Arc::clone(&samples) };
    let outcome = StepsRunner::new(Nothing, store).reconcile(&App::new(0, 1)).await.unwrap();
    assert!(matches!(outcome, Outcome::Resting(StepsState::Running(_))));
    let samples = std::mem::take(&mut *samples.lock().unwrap());
    let records: Vec<Record> = samples.iter().map(|bytes| serde_json::from_slice(bytes).unwrap()).collect();
    let store = MemoryStore::new();
    for _ in 0..count {
        for record in &records {
            write(&store, record).await;
        }
    }
}

/// What callgrind counts for one flow: the difference between two runs of this program.
fn instructions() {
    let counted = |what: &str, flows: u64| {
        let program = std::env::current_exe().unwrap();
        let callgrind = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
        let mut command = Command::new("valgrind");
        command.args(callgrind).arg(program).args([what, &flows.to_string()]);
        let output = command.output().expect("valgrind, which counts the instructions");
        let report = String::from_utf8(output.stderr).unwrap();
        let collected = report.lines().find_map(|line| line.split_once("Collected : ")).expect("a count");
        collected.1.trim().parse::<u64>().unwrap()
    };
    for what in ["steps", "encoding"] {
        println!("{what}: {} instructions for a flow", (counted(what, 300) - counted(what, 100)) / 200);
    }
}
