//! Metrics for Prometheus.
//!
//! Invariant: no label contains a resource's name, so the number of series does not grow with the number of resources.

mod ages;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use ages::Ages;
use durable_fsm::{Class, Crossing, Probe, ResourceId, Site, StoreError};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::reason::{Phase, Reason};

/// The upper bounds of the durations of passes, in seconds.
const PASSES: [f64; 8] = [0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0];

/// What a controller counts:
///
/// | metric | what it is |
/// |---|---|
/// | `durable_fsm_resources{machine, state, condition, reason}` | resources, by where they are; `condition` is the phase |
/// | `durable_fsm_attempts_total{machine, transition, action, class}` | attempts; `action` is `run`, `undo` or `abort`, and `class` is `ok`, `unknown`, `not-applied`, `rejected` or `not-ours` |
/// | `durable_fsm_oldest_held_timestamp_seconds{machine}` | since when the oldest held resource is held, in seconds since 1970; 0 if none is |
/// | `durable_fsm_oldest_deleting_timestamp_seconds{machine}` | when the deletion was asked for that takes longest, in seconds since 1970; 0 if there is none. Those that are held, paused or refused do not count |
/// | `durable_fsm_pass_duration_seconds{machine}` | how long passes take, as a histogram |
/// | `durable_fsm_conflicts_total{machine}` | writes that were refused because the object had changed |
/// | `durable_fsm_store_errors_total{machine, error}` | passes that an error of the API server has ended; `error` is `unavailable`, `unknown`, `refused`, `invalid`, `too-large` or `other` |
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
    conflicts: Family<Machine, Counter>,
    store_errors: Family<Failed, Counter>,
    seen: Arc<Mutex<Resources>>,
}

/// The resources that were reconciled.
#[derive(Default)]
struct Resources {
    seen: HashMap<(String, ResourceId), Seen>,
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
    fn take(&mut self, key: &(String, ResourceId)) -> Option<Seen> {
        let seen = self.seen.remove(key)?;
        self.held.remove(&key.0, seen.held_since);
        self.deleting.remove(&key.0, seen.deleting_since);
        Some(seen)
    }

    fn put(&mut self, key: (String, ResourceId), seen: Seen) {
        self.held.add(&key.0, seen.held_since);
        self.deleting.add(&key.0, seen.deleting_since);
        self.seen.insert(key, seen);
    }
}

impl Metrics {
    /// The names under which the metrics are exposed, for alerts and dashboards. One appears when it first has something to tell.
    pub const NAMES: [&'static str; 9] = [
        "durable_fsm_resources",
        "durable_fsm_attempts_total",
        "durable_fsm_oldest_held_timestamp_seconds",
        "durable_fsm_oldest_deleting_timestamp_seconds",
        "durable_fsm_pass_duration_seconds_bucket",
        "durable_fsm_pass_duration_seconds_count",
        "durable_fsm_pass_duration_seconds_sum",
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
        registry.register("conflicts", "Writes refused because the object had changed", self.conflicts.clone());
        registry.register("store_errors", "Passes ended by an error of the API server", self.store_errors.clone());
    }

    /// A resource is now in this state, for this reason; if it is held, at least since then. Its deletion was asked for at that time.
    pub(crate) fn put(
        &self,
        machine: &str,
        id: &ResourceId,
        (state, reason): (&str, Reason),
        since: SystemTime,
        deleted: Option<SystemTime>,
    ) {
        let at = Where {
            machine: machine.to_owned(),
            state: state.to_owned(),
            condition: reason.phase().name().to_owned(),
            reason: reason.name().to_owned(),
        };
        let key = (machine.to_owned(), id.clone());
        let mut seen = self.seen();
        let before = seen.take(&key);
        let known = before.as_ref().and_then(|before| before.held_since);
        let held_since = (reason.phase() == Phase::Held).then(|| known.map_or(since, |known| known.min(since)));
        let waits = matches!(reason.phase(), Phase::Held | Phase::Paused) || reason == Reason::DeletionRefused;
        let deleting_since = deleted.filter(|_| !waits);
        if let Some(before) = before {
            self.resources.get_or_create(&before.at).dec();
        }
        self.resources.get_or_create(&at).inc();
        seen.put(key, Seen { at, held_since, deleting_since });
        self.tell_oldest(machine, &seen);
    }

    /// A resource is gone.
    pub(crate) fn forget(&self, machine: &str, id: &ResourceId) {
        let mut seen = self.seen();
        if let Some(before) = seen.take(&(machine.to_owned(), id.clone())) {
            self.resources.get_or_create(&before.at).dec();
            self.tell_oldest(machine, &seen);
        }
    }

    /// A pass is over. It has taken so long, and met so many conflicts.
    pub(crate) fn passed(&self, machine: &str, took: Duration, conflicts: u64, error: Option<&StoreError>) {
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
            passes: Family::new_with_constructor(|| Histogram::new(PASSES)),
            conflicts: Family::default(),
            store_errors: Family::default(),
            seen: Arc::default(),
        }
    }
}

/// The label of an error that ends a pass. None for what is no failure of the server.
fn failure(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::Conflict | StoreError::Gone => None,
        StoreError::Unavailable(_) => Some("unavailable"),
        StoreError::Unknown(_) => Some("unknown"),
        StoreError::Refused(_) => Some("refused"),
        StoreError::Invalid(_) => Some("invalid"),
        StoreError::TooLarge { .. } => Some("too-large"),
        // What a later version of the library may say.
        _ => Some("other"),
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

    use durable_fsm::{Crossing, Probe as _, RecordId, ResourceId, Side, Site, StoreError};
    use prometheus_client::registry::Registry;

    use super::Metrics;
    use crate::reason::Reason;

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
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let (a, b) = (ResourceId::new("n", "a"), ResourceId::new("n", "b"));
        metrics.put("m", &a, ("Requested", Reason::Progressing), at(1), None);
        metrics.put("m", &a, ("RoomCreated", Reason::InDoubt), at(2), None);
        metrics.put("m", &b, ("RoomCreated", Reason::InDoubt), at(3), None);
        metrics.put("m", &a, ("RoomCreated", Reason::InDoubt), at(4), None);
        let held = r#"durable_fsm_resources{machine="m",state="RoomCreated",condition="Held",reason="InDoubt"} 2"#;
        assert_eq!(exposed(&metrics), [held, r#"durable_fsm_oldest_held_timestamp_seconds{machine="m"} 2"#]);
        metrics.forget("m", &a);
        assert_eq!(exposed(&metrics)[1], r#"durable_fsm_oldest_held_timestamp_seconds{machine="m"} 3"#);
        metrics.forget("m", &b);
        assert!(exposed(&metrics).is_empty());
    }

    #[test]
    fn the_oldest_deletion_is_told_unless_something_is_waited_for_that_a_person_knows() {
        let metrics = Metrics::new();
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let (a, b) = (ResourceId::new("n", "a"), ResourceId::new("n", "b"));
        let told = || {
            let lines = exposed(&metrics);
            let line = lines.iter().find_map(|it| it.strip_prefix("durable_fsm_oldest_deleting_timestamp_seconds"));
            line.map(|it| it.rsplit_once(' ').unwrap().1.to_owned())
        };
        metrics.put("m", &a, ("Ready", Reason::AsDeclared), at(1), None);
        assert_eq!(told(), None);
        metrics.put("m", &a, ("Ready", Reason::Deleting), at(9), Some(at(7)));
        metrics.put("m", &b, ("Ready", Reason::Rejected), at(9), Some(at(8)));
        assert_eq!(told().as_deref(), Some("7"));
        for reason in [Reason::InDoubt, Reason::Paused, Reason::DeletionRefused] {
            metrics.put("m", &a, ("Ready", reason), at(9), Some(at(7)));
            assert_eq!(told().as_deref(), Some("8"), "{reason}");
        }
        metrics.put("m", &a, ("Ready", Reason::UndosStopped), at(9), Some(at(7)));
        metrics.forget("m", &b);
        assert_eq!(told().as_deref(), Some("7"));
        metrics.forget("m", &a);
        assert_eq!(told(), None);
    }

    #[test]
    fn the_metrics_have_the_names_that_are_told() {
        let metrics = Metrics::new();
        let id = RecordId { machine: "m".to_owned(), resource: ResourceId::new("n", "a") };
        let other = ResourceId::new("n", "b");
        metrics.put("m", &id.resource, ("RoomCreated", Reason::InDoubt), SystemTime::now(), None);
        metrics.put("m", &other, ("RoomCreated", Reason::Deleting), SystemTime::now(), Some(SystemTime::now()));
        let crossing =
            Crossing { id: &id, transition: "close_room", subject: None, site: Site::Undo, side: Side::After };
        metrics.attempted(&crossing, None);
        metrics.passed("m", Duration::from_secs(1), 2, Some(&StoreError::Unavailable(String::new())));
        metrics.passed("m", Duration::from_secs(1), 0, Some(&StoreError::Gone));
        let exposed = exposed(&metrics);
        for line in [
            r#"durable_fsm_attempts_total{machine="m",transition="close_room",action="undo",class="ok"} 1"#,
            r#"durable_fsm_conflicts_total{machine="m"} 2"#,
            r#"durable_fsm_pass_duration_seconds_count{machine="m"} 2"#,
            r#"durable_fsm_store_errors_total{machine="m",error="unavailable"} 1"#,
        ] {
            assert!(exposed.iter().any(|it| it == line), "{line} is not in {exposed:#?}");
        }
        let names: BTreeSet<_> = exposed.iter().map(|line| line.split(['{', ' ']).next().unwrap()).collect();
        assert_eq!(names, BTreeSet::from(Metrics::NAMES));
    }
}
