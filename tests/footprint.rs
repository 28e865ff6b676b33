//! What a controller keeps in memory of the records that it has seen, beside the store: counted in bytes that are allocated and not freed.
//!
//! Only what the test's own thread allocates is counted, because the test harness and other tests allocate meanwhile.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use durable_fsm::store::MemoryStore;
use durable_fsm::{Class, Classify, Clock, Fsm, Outcome, Resource, ResourceId, Undone};
use tokio::runtime::{Builder, Runtime};

/// One that runs everything on the thread whose bytes are counted.
fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// The bytes that a call leaves allocated.
fn left_by(runtime: &Runtime, call: impl Future<Output = ()>) -> i64 {
    allocation_counter::measure(|| runtime.block_on(call)).bytes_current
}

#[derive(Clone)]
struct App {
    name: String,
    deleting: bool,
}

impl App {
    fn of(number: usize) -> Self {
        Self { name: format!("tenant-{number}-application"), deleting: false }
    }
}

impl Resource for App {
    type Spec = ();
    fn id(&self) -> ResourceId {
        ResourceId::new("production", &self.name)
    }
    fn uid(&self) -> &str {
        &self.name
    }
    fn spec(&self) -> &() {
        &()
    }
    fn deleting(&self) -> bool {
        self.deleting
    }
}

/// Eight effects.
#[derive(Fsm)]
#[fsm(name = "example.io/application", version = 1, resource = App)]
enum AppFlow {
    #[fsm(initial)]
    #[transition(make1 -> S1, in_doubt = repeat, undo = unmake1)]
    S0,
    #[transition(make2 -> S2, in_doubt = repeat, undo = unmake2)]
    S1 { f1: String },
    #[transition(make3 -> S3, in_doubt = repeat, undo = unmake3)]
    S2 { f2: String },
    #[transition(make4 -> S4, in_doubt = repeat, undo = unmake4)]
    S3 { f3: String },
    #[transition(make5 -> S5, in_doubt = repeat, undo = unmake5)]
    S4 { f4: String },
    #[transition(make6 -> S6, in_doubt = repeat, undo = unmake6)]
    S5 { f5: String },
    #[transition(make7 -> S7, in_doubt = repeat, undo = unmake7)]
    S6 { f6: String },
    #[transition(make8 -> S8, in_doubt = repeat, undo = unmake8)]
    S7 { f7: String },
    #[fsm(resting)]
    S8 { f8: String },
}

#[derive(Debug, thiserror::Error)]
#[error("it never fails")]
struct Never;

impl Classify for Never {
    fn classify(&self) -> Class {
        Class::Unknown
    }
}

struct Provider;

macro_rules! steps {
    ($($make:ident $unmake:ident $from:ident -> $to:ident $edge:ident,)*) => {
        impl AppTransitions for Provider {
            type Error = Never;
            $(
                async fn $make(&self, from: $from, attempt: &AppAttempt) -> Result<$to, Never> {
                    Ok(from.$edge(attempt.key().to_owned()))
                }
                async fn $unmake(&self, _: &$to, _: &AppAttempt) -> Result<Undone, Never> {
                    Ok(Undone::Done)
                }
            )*
        }
    };
}

steps! {
    make1 unmake1 S0 -> S1 s1,
    make2 unmake2 S1 -> S2 s2,
    make3 unmake3 S2 -> S3 s3,
    make4 unmake4 S3 -> S4 s4,
    make5 unmake5 S4 -> S5 s5,
    make6 unmake6 S5 -> S6 s6,
    make7 unmake7 S6 -> S7 s7,
    make8 unmake8 S7 -> S8 s8,
}

#[derive(Clone, Default)]
struct Hands(Arc<Mutex<Duration>>);

impl Hands {
    fn advance(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl Clock for Hands {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.monotonic()
    }
    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }
    fn sleep(&self, time: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        self.advance(time);
        Box::pin(std::future::ready(()))
    }
    fn chance(&self) -> u64 {
        7
    }
}

struct Replicas {
    clock: Hands,
    store: MemoryStore,
    first: AppRunner<Provider>,
}

impl Replicas {
    fn new() -> Self {
        let (clock, store) = (Hands::default(), MemoryStore::new());
        let first = AppRunner::builder(Provider, store.clone()).clock(clock.clone()).build();
        Self { clock, store, first }
    }

    fn another(&self) -> AppRunner<Provider> {
        AppRunner::builder(Provider, self.store.clone()).clock(self.clock.clone()).build()
    }

    async fn make(&self, app: &App) {
        assert!(matches!(self.first.reconcile(app).await.unwrap(), Outcome::Resting(_)));
    }

    async fn delete(&self, app: &App) {
        let app = App { deleting: true, ..app.clone() };
        while let Outcome::Progressing { after, .. } = self.first.reconcile(&app).await.unwrap() {
            self.clock.advance(after);
        }
    }
}

#[test]
fn a_resting_record_costs_250_bytes_at_most() {
    let (runtime, replicas) = (runtime(), Replicas::new());
    // Just more than fits into the table without growing, which is when a record costs most.
    let apps: Vec<App> = (0..1_900).map(App::of).collect();
    runtime.block_on(async {
        for app in &apps {
            replicas.make(app).await;
        }
    });
    let observer = replicas.another();
    let seen = || {
        left_by(&runtime, async {
            for app in &apps {
                assert!(matches!(observer.reconcile(app).await.unwrap(), Outcome::Resting(_)));
            }
        })
    };
    let fresh = seen();
    replicas.clock.advance(Duration::from_secs(3600));
    let quiet = fresh + seen();
    let each = |bytes: i64| bytes / apps.len() as i64;
    println!("a record of eight effects: {} bytes at first, {} bytes at rest", each(fresh), each(quiet));
    assert!(each(fresh) <= 250 && each(quiet) <= 250, "{} bytes at first, {} bytes at rest", each(fresh), each(quiet));
    assert!(0 < quiet && quiet < fresh);
}

#[test]
fn nothing_is_kept_of_a_record_that_another_replica_has_deleted() {
    let (runtime, replicas) = (runtime(), Replicas::new());
    let observer = replicas.another();
    let mut left = 0;
    for number in 0..1_000 {
        let app = App::of(number);
        runtime.block_on(replicas.make(&app));
        left += left_by(&runtime, async { drop(observer.reconcile(&app).await.unwrap()) });
        runtime.block_on(replicas.delete(&app));
        let gone = App { deleting: true, ..app };
        left += left_by(&runtime, async { drop(observer.reconcile(&gone).await.unwrap()) });
    }
    assert!(left < 16 * 1_000, "{left} bytes for 1,000 records that have come and gone");
}

#[test]
fn nothing_is_kept_of_a_record_that_was_released() {
    let (runtime, replicas) = (runtime(), Replicas::new());
    let (observer, stranger) = (replicas.another(), replicas.another());
    let (mut seen, mut unseen) = (0, 0);
    for number in 0..1_000 {
        // Names of one length, so that the store frees as much for one as for the other.
        let (app, other) = (App::of(10_000 + number), App::of(20_000 + number));
        runtime.block_on(replicas.make(&app));
        seen += left_by(&runtime, async { drop(observer.reconcile(&app).await.unwrap()) });
        seen += left_by(&runtime, async { drop(observer.release(&app.id()).await.unwrap()) });
        runtime.block_on(replicas.make(&other));
        // A release frees what the store has kept.
        unseen += left_by(&runtime, async { drop(stranger.release(&other.id()).await.unwrap()) });
    }
    println!("{} bytes for 1,000 records that were seen and released", seen - unseen);
    assert!(seen - unseen < 4 * 1_000, "{} bytes for 1,000 records that were seen and released", seen - unseen);
}

#[test]
fn a_record_that_is_never_looked_at_again_is_forgotten_after_a_day() {
    let (runtime, replicas) = (runtime(), Replicas::new());
    let observer = replicas.another();
    let mut kept = Vec::new();
    for day in 0..12 {
        let apps: Vec<App> = (0..1_500).map(|number| App::of(day * 1_500 + number)).collect();
        for app in &apps {
            runtime.block_on(replicas.make(app));
        }
        kept.push(left_by(&runtime, async {
            for app in &apps {
                let _ = observer.reconcile(app).await.unwrap();
            }
        }));
        replicas.clock.advance(Duration::from_secs(25 * 3600));
    }
    println!("what each day's records add: {kept:?}");
    let (first, last): (i64, i64) = (kept[..3].iter().sum(), kept[3..].iter().sum());
    assert!(0 < first && last < first, "the table does not grow day by day: {kept:?}");
}
