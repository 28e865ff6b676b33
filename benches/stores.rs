//! How fast the stores are, on this disk, in one run: `cargo bench --bench stores --features embedded -- [DIRECTORY]`.
//!
//! Prints flows a second for 1,000 resources of eight steps, 64 at once, and their ratios; flushes for each flow; the rate of one resource
//! beside raw writes; and how late a timer of 1 ms comes on the same runtime, beside one with nothing to do.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use durable_fsm::store::{Disk, EmbeddedStore, FileOps, FileStore, Stamp};
use durable_fsm::{Class, Classify, Fsm, Outcome, Resource, ResourceId, Store};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

const FLOWS: usize = 1000;
const AT_ONCE: usize = 64;

#[derive(Clone)]
struct Job {
    name: String,
}

impl Resource for Job {
    type Spec = ();
    fn id(&self) -> ResourceId {
        ResourceId::new("bench", &self.name)
    }
    fn uid(&self) -> &str {
        &self.name
    }
    fn spec(&self) -> &() {
        &()
    }
}

/// Eight effects in a row.
#[derive(Fsm)]
#[fsm(name = "bench.io/job", version = 1, resource = Job)]
enum JobFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(one -> First, in_doubt = repeat, undo = none)]
    Begun,
    /// One step.
    #[transition(two -> Second, in_doubt = repeat, undo = none)]
    First { a: u64 },
    /// Two steps.
    #[transition(three -> Third, in_doubt = repeat, undo = none)]
    Second { b: u64 },
    /// Three steps.
    #[transition(four -> Fourth, in_doubt = repeat, undo = none)]
    Third { c: u64 },
    /// Four steps.
    #[transition(five -> Fifth, in_doubt = repeat, undo = none)]
    Fourth { d: u64 },
    /// Five steps.
    #[transition(six -> Sixth, in_doubt = repeat, undo = none)]
    Fifth { e: u64 },
    /// Six steps.
    #[transition(seven -> Seventh, in_doubt = repeat, undo = none)]
    Sixth { f: u64 },
    /// Seven steps.
    #[transition(eight -> Eighth, in_doubt = repeat, undo = none)]
    Seventh { g: u64 },
    /// All is done.
    #[fsm(resting)]
    Eighth { h: u64 },
}

/// A provider that answers at once.
#[derive(Clone, Copy)]
struct Instantly;

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Never(Infallible);

impl Classify for Never {
    fn classify(&self) -> Class {
        match self.0 {}
    }
}

impl JobTransitions for Instantly {
    type Error = Never;
    async fn one(&self, from: Begun, _: &JobAttempt) -> Result<First, Never> {
        Ok(from.first(1))
    }
    async fn two(&self, from: First, _: &JobAttempt) -> Result<Second, Never> {
        Ok(from.second(2))
    }
    async fn three(&self, from: Second, _: &JobAttempt) -> Result<Third, Never> {
        Ok(from.third(3))
    }
    async fn four(&self, from: Third, _: &JobAttempt) -> Result<Fourth, Never> {
        Ok(from.fourth(4))
    }
    async fn five(&self, from: Fourth, _: &JobAttempt) -> Result<Fifth, Never> {
        Ok(from.fifth(5))
    }
    async fn six(&self, from: Fifth, _: &JobAttempt) -> Result<Sixth, Never> {
        Ok(from.sixth(6))
    }
    async fn seven(&self, from: Sixth, _: &JobAttempt) -> Result<Seventh, Never> {
        Ok(from.seventh(7))
    }
    async fn eight(&self, from: Seventh, _: &JobAttempt) -> Result<Eighth, Never> {
        Ok(from.eighth(8))
    }
}

/// The disk, with its flushes and writes counted.
#[derive(Clone, Default)]
struct Counted {
    disk: Arc<Disk>,
    flushes: Arc<AtomicU64>,
    writes: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl FileOps for Counted {
    type File = File;
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        self.disk.resolve(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }
    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        self.disk.is_dir(path)
    }
    fn create(&self, path: &Path) -> io::Result<File> {
        self.disk.create(path)
    }
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.disk.write(file, bytes)
    }
    fn sync(&self, file: &mut File) -> io::Result<Stamp> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.disk.sync(file)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.disk.sync_dir(path)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn read(&self, path: &Path) -> io::Result<Option<(Vec<u8>, Stamp)>> {
        self.disk.read(path)
    }
    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        self.disk.stamp(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>> {
        self.disk.list(path)
    }
    fn lock(&self, path: &Path) -> io::Result<bool> {
        self.disk.lock(path)
    }
    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        self.disk.is_locked(path)
    }
}

/// Carries so many new resources to their end, and gives how long that took.
async fn flows(store: impl Store, prefix: &str, flows: usize, at_once: usize) -> Duration {
    let runner = JobRunner::new(Instantly, store);
    let room = Arc::new(Semaphore::new(at_once));
    let begun = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for number in 0..flows {
        let (runner, room, job) = (runner.clone(), Arc::clone(&room), Job { name: format!("{prefix}-{number}") });
        running.spawn(async move {
            let _permit = room.acquire_owned().await;
            runner.reconcile(&job).await
        });
    }
    while let Some(done) = running.join_next().await {
        match done {
            Ok(Ok(Outcome::Resting(_))) => {}
            Ok(Ok(other)) => panic!("a flow has not ended: again in {:?}", other.requeue_after()),
            Ok(Err(error)) => panic!("{error}"),
            Err(error) => panic!("{error}"),
        }
    }
    begun.elapsed()
}

/// The file operations of so many flows by themselves, on as many threads as there are flows at once.
fn raw_files(root: &Path, flows: usize, writes: usize, bytes: usize) -> io::Result<Duration> {
    fs::create_dir_all(root)?;
    let (next, text) = (AtomicUsize::new(0), vec![b'x'; bytes]);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| -> io::Result<()> {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= flows {
                            return Ok(());
                        }
                        let (file, temporary) =
                            (root.join(format!("{number}.json")), root.join(format!("{number}.tmp")));
                        for _ in 0..writes {
                            let mut handle = File::create(&temporary)?;
                            handle.write_all(&text)?;
                            handle.sync_all()?;
                            fs::rename(&temporary, &file)?;
                            File::open(root)?.sync_all()?;
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("it died"))))
    })?;
    Ok(begun.elapsed())
}

/// Writes to a database by themselves, one after the other.
fn raw_database(file: &Path, writes: usize, bytes: usize) -> Result<Duration, redb::Error> {
    const TABLE: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("records");
    let (database, text) = (redb::Database::create(file)?, vec![b'x'; bytes]);
    let begun = Instant::now();
    for _ in 0..writes {
        let transaction = database.begin_write()?;
        transaction.open_table(TABLE)?.insert("one", text.as_slice())?;
        transaction.commit()?;
    }
    Ok(begun.elapsed())
}

/// How late a timer of 1 ms comes while something else runs: the 99.9th percentile of what was seen.
async fn lateness(work: impl Future<Output = Duration> + Send + 'static) -> Duration {
    let work = tokio::spawn(work);
    let mut late = Vec::new();
    while !work.is_finished() {
        let due = Instant::now() + Duration::from_millis(1);
        tokio::time::sleep_until(due.into()).await;
        late.push(due.elapsed());
    }
    late.sort_unstable();
    late.get(late.len() * 999 / 1000).or(late.last()).copied().unwrap_or_default()
}

fn rate(flows: usize, took: Duration) -> f64 {
    flows as f64 / took.as_secs_f64()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().skip(1).find(|it| !it.starts_with('-')).unwrap_or_else(|| "target".to_owned());
    let folder = tempfile::Builder::new().prefix("stores").tempdir_in(directory)?;
    let at = |name: &str| folder.path().join(name);
    let runtime = Runtime::new()?;

    println!("{FLOWS} resources, eight steps, {AT_ONCE} at once");
    let counted = Counted::default();
    let took = runtime.block_on(flows(FileStore::open_on(counted.clone(), at("files"))?, "f", FLOWS, AT_ONCE));
    let files = rate(FLOWS, took);
    let per_flow = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64 / FLOWS as f64;
    let writes = per_flow(&counted.writes).round() as usize;
    let bytes = usize::try_from(counted.bytes.load(Ordering::Relaxed) / counted.writes.load(Ordering::Relaxed).max(1))?;
    let raw = rate(FLOWS, raw_files(&at("raw"), FLOWS, writes, bytes)?);
    println!("  the same file operations  {raw:8.0} flows/s   1.00  ({writes} writes of {bytes} bytes each)");
    println!(
        "  FileStore                 {files:8.0} flows/s  {:5.2}  {:.1} flushes a flow",
        files / raw,
        per_flow(&counted.flushes)
    );
    let store = EmbeddedStore::open(at("database"))?;
    let before = store.commits();
    let database = rate(FLOWS, runtime.block_on(flows(store.clone(), "e", FLOWS, AT_ONCE)));
    let commits = (store.commits() - before) as f64 / FLOWS as f64;
    println!("  EmbeddedStore             {database:8.0} flows/s  {:5.2}  {commits:.2} flushes a flow", database / raw);
    let memory = rate(FLOWS, runtime.block_on(flows(durable_fsm::store::MemoryStore::new(), "m", FLOWS, AT_ONCE)));
    println!("  MemoryStore               {memory:8.0} flows/s  {:5.2}", memory / raw);

    println!("one resource after the other, writes a second");
    let alone = 30;
    let raw = rate(alone * writes, raw_database(&at("raw.redb"), alone * writes, bytes)?);
    let embedded = rate(alone * writes, runtime.block_on(flows(store.clone(), "a", alone, 1)));
    println!("  redb, one write a commit  {raw:8.0}            1.00");
    println!("  EmbeddedStore             {embedded:8.0}           {:5.2}", embedded / raw);

    println!("lateness of a timer of 1 ms on the same runtime, 99.9th percentile");
    let idle = runtime.block_on(lateness(async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Duration::ZERO
    }));
    let files = FileStore::open(at("late"))?;
    let files = runtime.block_on(lateness(async move { flows(files, "l", 300, AT_ONCE).await }));
    let embedded = runtime.block_on(lateness(async move { flows(store, "l", 300, AT_ONCE).await }));
    println!("  nothing else              {idle:8.1?}");
    println!("  300 flows, FileStore      {files:8.1?}");
    println!("  300 flows, EmbeddedStore  {embedded:8.1?}");
    Ok(())
}
