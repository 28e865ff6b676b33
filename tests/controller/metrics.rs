//! The metrics of a controller without Kubernetes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use durable_fsm::controller::{Controller, Directory};
use durable_fsm::metrics::Metrics;
use durable_fsm::store::MemoryStore;
use durable_fsm::testing::TestClock;
use durable_fsm::{Clock as _, Loaded, RecordId, ResourceId, RunnerBuilder, Store, StoreError, Version};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::tenant::{Cloud, Running, TenantFlow, TenantRunner, id};

// ANCHOR: metrics
/// A controller whose resources, passes and attempts are counted.
fn counted(
    runner: RunnerBuilder<TenantFlow, Cloud>,
    documents: &Path,
    metrics: &Metrics,
) -> Controller<TenantFlow, Cloud> {
    let runner = runner.probe(metrics.clone()).build();
    Controller::watch(runner, Directory::new(documents)).metrics(metrics.clone())
}

/// The answer to a scrape, in the text format of OpenMetrics.
fn scrape(metrics: &Metrics) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}
// ANCHOR_END: metrics

/// What a scrape shows, without comments and zeros, and without the machine's label.
fn scraped(metrics: &Metrics) -> Vec<String> {
    let text = scrape(metrics).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.ends_with(" 0"));
    lines.map(|line| line.replace(r#"machine="example.io/tenant","#, "").replace("durable_fsm_", "")).collect()
}

fn of(metrics: &Metrics, name: &str) -> Vec<String> {
    let mut lines: Vec<_> = scraped(metrics).into_iter().filter(|line| line.starts_with(name)).collect();
    // The registry has no order.
    lines.sort();
    lines
}

fn seconds(clock: &TestClock) -> u64 {
    clock.wall().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// A store that answers one write with a conflict, and then one load with an outage.
#[derive(Clone, Default)]
struct Troubled {
    store: MemoryStore,
    conflicts: Arc<AtomicBool>,
    is_down: Arc<AtomicBool>,
}

#[async_trait]
impl Store for Troubled {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        if self.is_down.swap(false, Ordering::Relaxed) {
            return Err(StoreError::Unavailable("down".to_owned()));
        }
        self.store.load(id).await
    }

    async fn compare_and_swap(&self, id: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        if self.conflicts.swap(false, Ordering::Relaxed) {
            return Err(StoreError::Conflict);
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

struct Scene {
    cloud: Cloud,
    clock: TestClock,
    metrics: Metrics,
    folder: tempfile::TempDir,
    store: Troubled,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (cloud, clock, metrics) = (Cloud::default(), TestClock::new(), Metrics::new());
        Self { cloud, clock, metrics, folder, store: Troubled::default() }
    }

    fn start(&self, metrics: &Metrics) -> Running {
        let builder = TenantRunner::builder(self.cloud.clone(), self.store.clone());
        let builder = builder.clock(self.clock.clone());
        Running::begin(counted(builder, self.folder.path(), metrics), &self.clock)
    }

    fn write(&self, name: &str) {
        std::fs::write(self.folder.path().join(format!("{name}.yaml")), format!("name: {name}\n")).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join(format!("{name}.yaml"))).unwrap();
    }
}

#[tokio::test]
async fn resources_and_attempts_are_counted_where_they_are() {
    let scene = Scene::new();
    scene.cloud.inner().busy = Some("b".to_owned());
    scene.write("a");
    scene.write("b");
    let running = scene.start(&scene.metrics);
    running.settle().await;
    assert_eq!(
        of(&scene.metrics, "resources"),
        [
            r#"resources{state="Known",condition="Progressing",reason="Retrying"} 1"#,
            r#"resources{state="Ready",condition="Ready",reason="AsDeclared"} 1"#,
        ]
    );
    let attempts = of(&scene.metrics, "attempts_total");
    for line in [
        r#"attempts_total{transition="open_account",action="run",class="ok"} 2"#,
        r#"attempts_total{transition="open_room",action="run",class="ok"} 1"#,
        r#"attempts_total{transition="open_room",action="run",class="not-applied"} 1"#,
    ] {
        assert!(attempts.iter().any(|it| it == line), "{line} is not in {attempts:#?}");
    }
    scene.cloud.inner().busy = None;
    running.settle_in_time().await;
    assert_eq!(
        of(&scene.metrics, "resources"),
        [r#"resources{state="Ready",condition="Ready",reason="AsDeclared"} 2"#]
    );
    scene.remove("a");
    scene.remove("b");
    running.settle_in_time().await;
    assert_eq!(of(&scene.metrics, "resources"), Vec::<String>::new());
    running.drain().await;
}

#[tokio::test]
async fn the_age_of_a_deletion_survives_a_restart() {
    let scene = Scene::new();
    scene.write("a");
    let running = scene.start(&scene.metrics);
    running.settle().await;
    scene.remove("a");
    // The undo waits for late duplicates, so the deletion is under way.
    running.settle().await;
    running.settle().await;
    let asked = seconds(&scene.clock);
    let oldest = |metrics: &Metrics| {
        let line = of(metrics, "oldest_deleting_timestamp_seconds").pop().expect("a deletion is under way");
        line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()
    };
    assert_eq!(oldest(&scene.metrics), asked);
    running.kill().await;
    // The clock that waits for late duplicates begins anew with each controller; the age does not.
    scene.clock.advance(Duration::from_millis(2));
    let after = Metrics::new();
    let running = scene.start(&after);
    running.settle().await;
    assert_eq!(oldest(&after), asked);
    assert_eq!(of(&after, "resources"), [r#"resources{state="Ready",condition="Deleting",reason="Deleting"} 1"#]);
    running.settle_in_time().await;
    assert!(of(&after, "oldest_deleting").is_empty());
    running.drain().await;
}

#[tokio::test]
async fn passes_conflicts_and_errors_of_the_store_are_counted() {
    let scene = Scene::new();
    scene.write("a");
    let mut running = scene.start(&scene.metrics);
    running.settle().await;
    let passes = |metrics: &Metrics| -> u64 {
        let line = of(metrics, "pass_duration_seconds_count").pop().expect("a pass was counted");
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    let before = passes(&scene.metrics);
    scene.write("b");
    scene.store.conflicts.store(true, Ordering::Relaxed);
    running.settle_in_time().await;
    assert!(passes(&scene.metrics) > before);
    assert_eq!(of(&scene.metrics, "conflicts_total").len(), 1, "{:#?}", scraped(&scene.metrics));
    scene.store.is_down.store(true, Ordering::Relaxed);
    running.outcomes();
    running.handle.wake(&id("a"));
    running.settle_in_time().await;
    assert_eq!(of(&scene.metrics, "store_errors_total"), [r#"store_errors_total{error="unavailable"} 1"#]);
    running.drain().await;
}

#[tokio::test]
async fn a_pass_that_begins_after_its_time_is_late() {
    let scene = Scene::new();
    scene.cloud.inner().busy = Some("a".to_owned());
    scene.write("a");
    let running = scene.start(&scene.metrics);
    running.settle().await;
    let late = || {
        let line = of(&scene.metrics, "queue_age_seconds_sum").pop().expect("a pass has begun");
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    assert!(late() < f64::EPSILON);
    // It is tried again after less than a minute, and the controller gets to it after an hour.
    scene.clock.advance(Duration::from_secs(3600));
    running.settle().await;
    assert!((3540.0..3600.0).contains(&late()), "{}", late());
    running.drain().await;
}
