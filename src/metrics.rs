//! Metrics for Prometheus, the same for every controller, with Kubernetes or without.
//!
//! Invariant: no label contains a resource's name, so the number of series does not grow with the number of resources.
//!
//! Give the same [`Metrics`] to the runner, as its probe, and to the [`Controller`](crate::controller::Controller). The probe counts attempts, the controller
//! everything else. `durable_fsm_kube::Reconciler` does both for you.
//!
//! ```
//! # use std::time::Duration;
//! # use durable_fsm::metrics::Metrics;
//! use prometheus_client::registry::Registry;
//!
//! let metrics = Metrics::new();
//! // let runner = TenantRunner::builder(cloud, store).probe(metrics.clone()).build();
//! // let controller = Controller::watch(runner, directory).metrics(metrics.clone());
//! # metrics.passed("example.io/tenant", Duration::from_millis(20), 0, None);
//!
//! let mut registry = Registry::default();
//! metrics.register(&mut registry);
//! let mut text = String::new();
//! prometheus_client::encoding::text::encode(&mut text, &registry)?;
//! assert!(text.contains("durable_fsm_pass_duration_seconds"));
//! # Ok::<(), std::fmt::Error>(())
//! ```
//!
//! # With a loop of your own
//! Before each pass, call [`Metrics::began`]. After it, call [`Metrics::passed`]. Then call [`Metrics::put`] with where the resource stands ([`Position::of_outcome`](crate::Position::of_outcome)), or
//! [`Metrics::forget`] if it is gone.

mod ages;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use ages::Ages;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::reason::{Phase, Reason};
use crate::{Class, Crossing, Probe, RecordId, Site, StoreError};

/// The upper bounds of durations and ages, in seconds.
const SECONDS: [f64; 8] = [0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0];

/// What a controller counts:
///
/// | metric | what it is |
/// |---|---|
/// | `durable_fsm_resources{machine, state, condition, reason}` | resources, by where they are; `condition` is the phase |
/// | `durable_fsm_attempts_total{machine, transition, action, class}` | attempts; `action` is `run`, `undo` or `abort`, and `class` is `ok`, `unknown`, `not-applied`, `rejected` or `not-ours` |
/// | `durable_fsm_oldest_held_timestamp_seconds{machine}` | since when the oldest held resource is held, in seconds since 1970; 0 if none is |
/// | `durable_fsm_oldest_deleting_timestamp_seconds{machine}` | when the deletion was asked for that takes longest, in seconds since 1970; 0 if there is none. Those that are held, paused or refused do not count |
/// | `durable_fsm_pass_duration_seconds{machine}` | how long passes take, as a histogram |
/// | `durable_fsm_queue_age_seconds{machine}` | how long after it was due a pass began, as a histogram. It grows when the controller has more to do than it can run at once. On Kubernetes, it counts the passes whose time had come; a pass that an event has caused is not counted, because nothing says when the event arrived |
/// | `durable_fsm_conflicts_total{machine}` | writes that were refused because the record, or on Kubernetes the object, had changed |
/// | `durable_fsm_store_errors_total{machine, error}` | passes that an error of the store has ended; `error` is `unavailable`, `unknown`, `refused`, `invalid` or `too-large` |
///
/// Each replica counts what it has reconciled itself. Since when a resource is held stands in its record or its conditions, so a restart does not
/// make it young again. Cheap to clone; every clone is the same.
#[derive(Clone)]
pub struct Metrics {
    resources: Family<Where, Gauge>,
    attempts: Family<Attempted, Counter>,
    oldest_held: Family<Machine, Gauge>,
    oldest_deleting: Family<Machine, Gauge>,
    passes: Family<Machine, Histogram, fn() -> Histogram>,
    queue: Family<Machine, Histogram, fn() -> Histogram>,
    conflicts: Family<Machine, Counter>,
    store_errors: Family<Failed, Counter>,
    seen: Arc<Mutex<Resources>>,
}

/// Where a resource stands, as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'s> {
    /// The state; empty if it has none.
    pub state: &'s str,
    /// Why it is as it is.
    pub reason: Reason,
    /// If it is held: since then, or longer.
    pub since: SystemTime,
    /// When its deletion was asked for; none if it is not to be deleted.
    pub deleted: Option<SystemTime>,
}

/// The resources that were reconciled.
#[derive(Default)]
struct Resources {
    seen: HashMap<RecordId, Seen>,
    held: Ages,
    deleting: Ages,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Where {
    machine: String,
    state: String,
    condition: String,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempted {
    machine: String,
    transition: String,
    action: &'static str,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    machine: String,
    error: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Machine {
    machine: String,
}

/// Where a resource was when it was reconciled last.
struct Seen {
    at: Where,
    held_since: Option<SystemTime>,
    deleting_since: Option<SystemTime>,
}

impl Machine {
    fn named(name: &str) -> Self {
        Self { machine: name.to_owned() }
    }
}

impl Resources {
    fn take(&mut self, key: &RecordId) -> Option<Seen> {
        let seen = self.seen.remove(key)?;
        self.held.remove(&key.machine, seen.held_since);
        self.deleting.remove(&key.machine, seen.deleting_since);
        Some(seen)
    }

    fn put(&mut self, key: RecordId, seen: Seen) {
        self.held.add(&key.machine, seen.held_since);
        self.deleting.add(&key.machine, seen.deleting_since);
        self.seen.insert(key, seen);
    }
}

impl Metrics {
    /// The names under which the metrics are exposed, for alerts and dashboards. One appears when it first has something to tell.
    pub const NAMES: [&'static str; 12] = [
        "durable_fsm_resources",
        "durable_fsm_attempts_total",
        "durable_fsm_oldest_held_timestamp_seconds",
        "durable_fsm_oldest_deleting_timestamp_seconds",
        "durable_fsm_pass_duration_seconds_bucket",
        "durable_fsm_pass_duration_seconds_count",
        "durable_fsm_pass_duration_seconds_sum",
        "durable_fsm_queue_age_seconds_bucket",
        "durable_fsm_queue_age_seconds_count",
        "durable_fsm_queue_age_seconds_sum",
        "durable_fsm_conflicts_total",
        "durable_fsm_store_errors_total",
    ];

    /// New metrics, all at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the metrics to a registry, from which they are exposed.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("durable_fsm");
        registry.register("resources", "Resources by machine, state and condition", self.resources.clone());
        registry.register("attempts", "Attempts at effects, undos and aborts by outcome", self.attempts.clone());
        registry.register(
            "oldest_held_timestamp_seconds",
            "Unix time at which the oldest hold began; 0 if no resource is held",
            self.oldest_held.clone(),
        );
        registry.register(
            "oldest_deleting_timestamp_seconds",
            "Unix time at which the deletion was asked for that takes longest; 0 if no resource is being deleted",
            self.oldest_deleting.clone(),
        );
        registry.register("pass_duration_seconds", "How long passes take", self.passes.clone());
        registry.register("queue_age_seconds", "How long after they were due passes began", self.queue.clone());
        registry.register(
            "conflicts",
            "Writes refused because the record or the object had changed",
            self.conflicts.clone(),
        );
        registry.register("store_errors", "Passes ended by an error of the store", self.store_errors.clone());
    }

    /// Counts a resource in its current state, and takes it out of the count of the state before. If the resource is still held, or still to be deleted, the earlier of the two times
    /// is kept.
    pub fn put(&self, id: &RecordId, standing: &Standing<'_>) {
        let Standing { state, reason, since, deleted } = *standing;
        let at = Where {
            machine: id.machine.clone(),
            state: state.to_owned(),
            condition: reason.phase().name().to_owned(),
            reason: reason.name().to_owned(),
        };
        let mut seen = self.seen();
        let before = seen.take(id);
        let earlier = |now: SystemTime, known: Option<SystemTime>| known.map_or(now, |known| known.min(now));
        let known = before.as_ref().and_then(|before| before.held_since);
        let held_since = (reason.phase() == Phase::Held).then(|| earlier(since, known));
        let waits = matches!(reason.phase(), Phase::Held | Phase::Paused) || reason == Reason::DeletionRefused;
        let known = before.as_ref().and_then(|before| before.deleting_since);
        let deleting_since = deleted.filter(|_| !waits).map(|deleted| earlier(deleted, known));
        if let Some(before) = before {
            self.resources.get_or_create(&before.at).dec();
        }
        self.resources.get_or_create(&at).inc();
        seen.put(id.clone(), Seen { at, held_since, deleting_since });
        self.tell_oldest(&id.machine, &seen);
    }

    /// No longer counts a resource: it is gone.
    pub fn forget(&self, id: &RecordId) {
        let mut seen = self.seen();
        if let Some(before) = seen.take(id) {
            self.resources.get_or_create(&before.at).dec();
            self.tell_oldest(&id.machine, &seen);
        }
    }

    /// Counts a pass that begins so long after it was due.
    pub fn began(&self, machine: &str, late: Duration) {
        self.queue.get_or_create(&Machine::named(machine)).observe(late.as_secs_f64());
    }

    /// Counts a pass that is over: how long it took, how many of its writes met a conflict, and the error that ended it.
    pub fn passed(&self, machine: &str, took: Duration, conflicts: u64, error: Option<&StoreError>) {
        let machine = Machine::named(machine);
        self.passes.get_or_create(&machine).observe(took.as_secs_f64());
        if conflicts > 0 {
            self.conflicts.get_or_create(&machine).inc_by(conflicts);
        }
        if let Some(error) = error.and_then(failure) {
            self.store_errors.get_or_create(&Failed { machine: machine.machine, error }).inc();
        }
    }

    fn tell_oldest(&self, machine: &str, seen: &Resources) {
        let label = Machine::named(machine);
        self.oldest_held.get_or_create(&label).set(seen.held.oldest(machine));
        self.oldest_deleting.get_or_create(&label).set(seen.deleting.oldest(machine));
    }

    fn seen(&self) -> MutexGuard<'_, Resources> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            resources: Family::default(),
            attempts: Family::default(),
            oldest_held: Family::default(),
            oldest_deleting: Family::default(),
            passes: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            queue: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            conflicts: Family::default(),
            store_errors: Family::default(),
            seen: Arc::default(),
        }
    }
}

/// The label of an error that ends a pass. None for what is no failure of the store.
fn failure(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::Conflict | StoreError::Gone => None,
        StoreError::Unavailable(_) => Some("unavailable"),
        StoreError::Unknown(_) => Some("unknown"),
        StoreError::Refused(_) => Some("refused"),
        StoreError::Invalid(_) => Some("invalid"),
        StoreError::TooLarge { .. } => Some("too-large"),
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// As the runner's probe, the metrics count attempts.
impl Probe for Metrics {
    fn attempted(&self, crossing: &Crossing<'_>, class: Option<Class>) {
        let labels = Attempted {
            machine: crossing.id.machine.clone(),
            transition: crossing.transition.to_owned(),
            action: match crossing.site {
                Site::Undo => "undo",
                Site::Abort => "abort",
                _ => "run",
            },
            class: class.map_or("ok", Class::name),
        };
        self.attempts.get_or_create(&labels).inc();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, SystemTime};

    use prometheus_client::registry::Registry;

    use super::{Metrics, Standing};
    use crate::reason::Reason;
    use crate::{Crossing, Probe as _, RecordId, ResourceId, Side, Site, StoreError};

    fn id(name: &str) -> RecordId {
        RecordId { machine: "m".to_owned(), resource: ResourceId::new("n", name) }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn put(metrics: &Metrics, name: &str, (state, reason): (&str, Reason), since: u64, deleted: Option<u64>) {
        metrics.put(&id(name), &Standing { state, reason, since: at(since), deleted: deleted.map(at) });
    }

    fn exposed(metrics: &Metrics) -> Vec<String> {
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text.lines().filter(|line| !line.starts_with('#') && !line.ends_with(" 0")).map(str::to_owned).collect()
    }

    #[test]
    fn a_resource_is_counted_where_it_is_and_only_there() {
        let metrics = Metrics::new();
        put(&metrics, "a", ("Requested", Reason::Progressing), 1, None);
        put(&metrics, "a", ("RoomCreated", Reason::InDoubt), 2, None);
        put(&metrics, "b", ("RoomCreated", Reason::InDoubt), 3, None);
        put(&metrics, "a", ("RoomCreated", Reason::InDoubt), 4, None);
        let held = r#"durable_fsm_resources{machine="m",state="RoomCreated",condition="Held",reason="InDoubt"} 2"#;
        assert_eq!(exposed(&metrics), [held, r#"durable_fsm_oldest_held_timestamp_seconds{machine="m"} 2"#]);
        metrics.forget(&id("a"));
        assert_eq!(exposed(&metrics)[1], r#"durable_fsm_oldest_held_timestamp_seconds{machine="m"} 3"#);
        metrics.forget(&id("b"));
        assert!(exposed(&metrics).is_empty());
    }

    #[test]
    fn the_oldest_deletion_is_told_unless_something_is_waited_for_that_a_person_knows() {
        let metrics = Metrics::new();
        let told = || {
            let lines = exposed(&metrics);
            let line = lines.iter().find_map(|it| it.strip_prefix("durable_fsm_oldest_deleting_timestamp_seconds"));
            line.map(|it| it.rsplit_once(' ').unwrap().1.to_owned())
        };
        put(&metrics, "a", ("Ready", Reason::AsDeclared), 1, None);
        assert_eq!(told(), None);
        put(&metrics, "a", ("Ready", Reason::Deleting), 9, Some(7));
        put(&metrics, "b", ("Ready", Reason::Rejected), 9, Some(8));
        assert_eq!(told().as_deref(), Some("7"));
        for reason in [Reason::InDoubt, Reason::Paused, Reason::DeletionRefused] {
            put(&metrics, "a", ("Ready", reason), 9, Some(7));
            assert_eq!(told().as_deref(), Some("8"), "{reason}");
        }
        put(&metrics, "a", ("Ready", Reason::UndosStopped), 9, Some(7));
        metrics.forget(&id("b"));
        assert_eq!(told().as_deref(), Some("7"));
        metrics.forget(&id("a"));
        assert_eq!(told(), None);
    }

    #[test]
    fn the_metrics_have_the_names_that_are_told() {
        let metrics = Metrics::new();
        let id = id("a");
        put(&metrics, "a", ("RoomCreated", Reason::InDoubt), 1, None);
        put(&metrics, "b", ("RoomCreated", Reason::Deleting), 1, Some(1));
        let crossing =
            Crossing { id: &id, transition: "close_room", subject: None, site: Site::Undo, side: Side::After };
        metrics.attempted(&crossing, None);
        metrics.began("m", Duration::from_secs(3));
        metrics.passed("m", Duration::from_secs(1), 2, Some(&StoreError::Unavailable(String::new())));
        metrics.passed("m", Duration::from_secs(1), 0, Some(&StoreError::Gone));
        let exposed = exposed(&metrics);
        for line in [
            r#"durable_fsm_attempts_total{machine="m",transition="close_room",action="undo",class="ok"} 1"#,
            r#"durable_fsm_conflicts_total{machine="m"} 2"#,
            r#"durable_fsm_pass_duration_seconds_count{machine="m"} 2"#,
            r#"durable_fsm_queue_age_seconds_sum{machine="m"} 3.0"#,
            r#"durable_fsm_store_errors_total{machine="m",error="unavailable"} 1"#,
        ] {
            assert!(exposed.iter().any(|it| it == line), "{line} is not in {exposed:#?}");
        }
        let names: BTreeSet<_> = exposed.iter().map(|line| line.split(['{', ' ']).next().unwrap()).collect();
        assert_eq!(names, BTreeSet::from(Metrics::NAMES));
    }
}
