//! Metrics for Prometheus.
//!
//! Invariant: no label contains a resource's name, so the number of series does not grow with the number of resources.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use durable_fsm::{Class, Crossing, Probe, ResourceId};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::reason::{Phase, Reason};

/// What a controller counts:
///
/// | metric | what it is |
/// |---|---|
/// | `durable_fsm_resources{machine, state, condition, reason}` | resources, by where they are; `condition` is the phase |
/// | `durable_fsm_attempts_total{machine, transition, class}` | attempts at effects, undos and aborts; `class` is `ok`, `unknown`, `not-applied`, `rejected` or `not-ours` |
/// | `durable_fsm_oldest_held_timestamp_seconds{machine}` | since when the oldest held resource is held, in seconds since 1970; 0 if none is |
///
/// Each replica counts what it has reconciled itself. Since when a resource is held stands in its record or its conditions, so a restart does not
/// make it young again. Cheap to clone; every clone is the same.
#[derive(Clone, Default)]
pub struct Metrics {
    resources: Family<Where, Gauge>,
    attempts: Family<Attempted, Counter>,
    oldest_held: Family<Machine, Gauge>,
    seen: Arc<Mutex<Resources>>,
}

/// The resources that were reconciled.
#[derive(Default)]
struct Resources {
    seen: HashMap<(String, ResourceId), Seen>,
    /// Since when those that are held are held, by machine, with how many there are.
    held: BTreeMap<String, BTreeMap<SystemTime, usize>>,
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
    class: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Machine {
    machine: String,
}

/// Where a resource was when it was reconciled last.
struct Seen {
    at: Where,
    held_since: Option<SystemTime>,
}

impl Resources {
    fn take(&mut self, key: &(String, ResourceId)) -> Option<Seen> {
        let seen = self.seen.remove(key)?;
        if let (Some(since), Some(held)) = (seen.held_since, self.held.get_mut(&key.0))
            && let Some(count) = held.get_mut(&since)
        {
            *count -= 1;
            if *count == 0 {
                held.remove(&since);
            }
        }
        Some(seen)
    }

    fn put(&mut self, key: (String, ResourceId), seen: Seen) {
        if let Some(since) = seen.held_since {
            *self.held.entry(key.0.clone()).or_default().entry(since).or_default() += 1;
        }
        self.seen.insert(key, seen);
    }

    /// Since when the resource of a machine is held that is held for the longest time.
    fn oldest(&self, machine: &str) -> Option<SystemTime> {
        self.held.get(machine)?.keys().next().copied()
    }
}

impl Metrics {
    /// The names under which the metrics are exposed, for alerts and dashboards. One appears when it first has something to tell.
    pub const NAMES: [&'static str; 3] =
        ["durable_fsm_resources", "durable_fsm_attempts_total", "durable_fsm_oldest_held_timestamp_seconds"];

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
    }

    /// A resource is now in this state, for this reason; if it is held, at least since then.
    pub(crate) fn put(&self, machine: &str, id: &ResourceId, state: &str, reason: Reason, since: SystemTime) {
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
        if let Some(before) = before {
            self.resources.get_or_create(&before.at).dec();
        }
        self.resources.get_or_create(&at).inc();
        seen.put(key, Seen { at, held_since });
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

    fn tell_oldest(&self, machine: &str, seen: &Resources) {
        let seconds =
            seen.oldest(machine).and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default();
        let gauge = self.oldest_held.get_or_create(&Machine { machine: machine.to_owned() });
        gauge.set(i64::try_from(seconds.as_secs()).unwrap_or(i64::MAX));
    }

    fn seen(&self) -> MutexGuard<'_, Resources> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
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
            class: class.map_or("ok", Class::name).to_owned(),
        };
        self.attempts.get_or_create(&labels).inc();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use durable_fsm::{Crossing, Probe as _, RecordId, ResourceId, Side, Site};
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
        metrics.put("m", &a, "Requested", Reason::Progressing, at(1));
        metrics.put("m", &a, "RoomCreated", Reason::InDoubt, at(2));
        metrics.put("m", &b, "RoomCreated", Reason::InDoubt, at(3));
        metrics.put("m", &a, "RoomCreated", Reason::InDoubt, at(4));
        let held = r#"durable_fsm_resources{machine="m",state="RoomCreated",condition="Held",reason="InDoubt"} 2"#;
        assert_eq!(exposed(&metrics), [held, r#"durable_fsm_oldest_held_timestamp_seconds{machine="m"} 2"#]);
        metrics.forget("m", &a);
        assert_eq!(exposed(&metrics)[1], r#"durable_fsm_oldest_held_timestamp_seconds{machine="m"} 3"#);
        metrics.forget("m", &b);
        assert!(exposed(&metrics).is_empty());
    }

    #[test]
    fn the_metrics_have_the_names_that_are_told() {
        let metrics = Metrics::new();
        let id = RecordId { machine: "m".to_owned(), resource: ResourceId::new("n", "a") };
        metrics.put("m", &id.resource, "RoomCreated", Reason::InDoubt, SystemTime::now());
        let crossing =
            Crossing { id: &id, transition: "close_room", subject: None, site: Site::Undo, side: Side::After };
        metrics.attempted(&crossing, None);
        let mut names: Vec<_> =
            exposed(&metrics).iter().map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect();
        names.sort_unstable();
        let mut told = Metrics::NAMES;
        told.sort_unstable();
        assert_eq!(names, told);
    }
}
