//! What the kinds tell each other. Invariant: the resources that depend on a resource are woken after the roster knows its new state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use durable_fsm::ResourceId;
use durable_fsm_kube::Names;
use kube::ResourceExt;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::Event;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::mpsc::UnboundedSender;

use super::{HumanObject, TeamObject, WorkerObject};
use crate::human::{Human, Level};
use crate::roster::Roster;
use crate::team::Team;
use crate::worker::Worker;

/// Who is woken by whom.
pub(super) struct Exchange {
    pub(super) roster: Roster,
    pub(super) teams: reflector::Store<TeamObject>,
    pub(super) humans: reflector::Store<HumanObject>,
    pub(super) wake_team: UnboundedSender<ObjectRef<TeamObject>>,
    pub(super) wake_human: UnboundedSender<ObjectRef<HumanObject>>,
    pub(super) seen_workers: Mutex<Seen>,
    pub(super) seen_teams: Mutex<Seen>,
}

/// What was seen of the resources of one kind.
#[derive(Default)]
pub(super) struct Seen {
    standing: BTreeMap<ResourceId, Standing>,
    /// Those that a list has named so far.
    listed: Option<BTreeSet<ResourceId>>,
}

/// What somebody else would have to know of a resource.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    deleting: bool,
    record: Option<Glance>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Glance {
    state: String,
    direction: String,
    /// How much was made.
    undo: Made,
}

#[derive(Debug, Deserialize)]
struct Made(Vec<IgnoredAny>);

impl PartialEq for Made {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
    }
}

impl Eq for Made {}

/// What an event has changed for others.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Put(ResourceId),
    Gone(ResourceId),
}

fn id_of(object: &impl ResourceExt) -> ResourceId {
    ResourceId::new(object.namespace().unwrap_or_default(), object.name_any())
}

fn standing(machine: &str, object: &impl ResourceExt) -> Standing {
    let record = Names::of(machine).ok().and_then(|names| object.annotations().get(names.record()));
    Standing {
        deleting: object.meta().deletion_timestamp.is_some(),
        record: record.and_then(|record| serde_json::from_str(record).ok()),
    }
}

impl Seen {
    /// What others would have to know of an event.
    fn take<K: ResourceExt>(&mut self, machine: &str, event: &Event<K>) -> Vec<Change> {
        match event {
            Event::Init => {
                self.listed = Some(BTreeSet::new());
                Vec::new()
            }
            Event::Apply(object) | Event::InitApply(object) => {
                let (id, now) = (id_of(object), standing(machine, object));
                if let Some(listed) = &mut self.listed {
                    listed.insert(id.clone());
                }
                let is_new = self.standing.get(&id) != Some(&now);
                self.standing.insert(id.clone(), now);
                if is_new { vec![Change::Put(id)] } else { Vec::new() }
            }
            Event::Delete(object) => {
                let id = id_of(object);
                self.standing.remove(&id);
                vec![Change::Gone(id)]
            }
            // What a list does not name went while there was no watch.
            Event::InitDone => {
                let listed = self.listed.take().unwrap_or_default();
                let gone: Vec<_> = self.standing.keys().filter(|id| !listed.contains(*id)).cloned().collect();
                self.standing.retain(|id, _| listed.contains(id));
                gone.into_iter().map(Change::Gone).collect()
            }
        }
    }
}

impl Exchange {
    /// Takes note of what the watch of the workers tells.
    pub(super) fn worker(&self, event: &Event<WorkerObject>) {
        if let Event::Apply(object) | Event::InitApply(object) = event {
            self.roster.put_worker(&Worker::from(object.clone()));
        }
        let machine = crate::kind::Kind::Worker.graph().name;
        let changes = self.seen_workers.lock().unwrap_or_else(PoisonError::into_inner).take(machine, event);
        for change in changes {
            let (Change::Put(id) | Change::Gone(id)) = &change;
            if let Change::Gone(id) = &change {
                self.roster.remove_worker(id);
            }
            self.wake_teams(id);
            self.wake_humans(id, |human, name| {
                human.spec.level != Level::Admin && human.spec.accessible_workers.contains(name)
            });
        }
    }

    /// Takes note of what the watch of the teams tells.
    pub(super) fn team(&self, event: &Event<TeamObject>) {
        if let Event::Apply(object) | Event::InitApply(object) = event {
            self.roster.put_team(&Team::from(object.clone()));
        }
        let machine = crate::kind::Kind::Team.graph().name;
        let changes = self.seen_teams.lock().unwrap_or_else(PoisonError::into_inner).take(machine, event);
        for change in changes {
            let (Change::Put(id) | Change::Gone(id)) = &change;
            if let Change::Gone(id) = &change {
                self.roster.remove_team(id);
            }
            self.wake_humans(id, |human, name| match human.spec.level {
                Level::Admin => true,
                Level::Team => human.spec.accessible_teams.contains(name),
                Level::Worker => false,
            });
        }
    }

    /// Wakes the teams with this worker.
    fn wake_teams(&self, id: &ResourceId) {
        for object in self.teams.state() {
            let team = Team::from(TeamObject::clone(&object));
            if team.namespace == id.namespace && team.spec.members().contains(&id.name) {
                // A controller that has ended needs no waking.
                drop(self.wake_team.send(ObjectRef::from_obj(&*object)));
            }
        }
    }

    fn wake_humans(&self, id: &ResourceId, depends: impl Fn(&Human, &str) -> bool) {
        for object in self.humans.state() {
            let human = Human::from(HumanObject::clone(&object));
            if human.namespace == id.namespace && depends(&human, &id.name) {
                drop(self.wake_human.send(ObjectRef::from_obj(&*object)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn worker(name: &str, state: Option<&str>, made: usize) -> WorkerObject {
        let record =
            state.map(|state| json!({ "state": state, "direction": "forward", "undo": vec![json!({}); made] }));
        let annotations = record.map(|record| json!({ "hiclaw.io/worker-record": record.to_string() }));
        serde_json::from_value(json!({
            "apiVersion": "hiclaw.io/v1beta1", "kind": "Worker",
            "metadata": { "name": name, "namespace": "lab", "uid": "u", "annotations": annotations },
            "spec": { "image": "i", "model": "m" },
        }))
        .unwrap()
    }

    #[test]
    fn only_what_others_have_to_know_wakes_them() {
        let machine = crate::kind::Kind::Worker.graph().name;
        let mut seen = Seen::default();
        let put = |name: &str| vec![Change::Put(ResourceId::new("lab", name))];
        let gone = |name: &str| vec![Change::Gone(ResourceId::new("lab", name))];
        assert_eq!(seen.take::<WorkerObject>(machine, &Event::Init), []);
        assert_eq!(seen.take(machine, &Event::InitApply(worker("ann", None, 0))), put("ann"));
        assert_eq!(seen.take(machine, &Event::InitApply(worker("bob", Some("Ready"), 7))), put("bob"));
        assert_eq!(seen.take::<WorkerObject>(machine, &Event::InitDone), []);
        let mut labelled = worker("bob", Some("Ready"), 7);
        labelled.labels_mut().insert("a".to_owned(), "b".to_owned());
        assert_eq!(seen.take(machine, &Event::Apply(labelled)), []);
        assert_eq!(seen.take(machine, &Event::Apply(worker("bob", Some("Ready"), 8))), put("bob"));
        assert_eq!(seen.take(machine, &Event::Apply(worker("ann", Some("Requested"), 0))), put("ann"));
        assert_eq!(seen.take(machine, &Event::Delete(worker("ann", Some("Requested"), 0))), gone("ann"));
        // The watch breaks, and bob goes meanwhile.
        assert_eq!(seen.take::<WorkerObject>(machine, &Event::Init), []);
        assert_eq!(seen.take(machine, &Event::InitApply(worker("cid", None, 0))), put("cid"));
        assert_eq!(seen.take::<WorkerObject>(machine, &Event::InitDone), gone("bob"));
    }

    fn fill<K>(objects: Vec<K>) -> reflector::Store<K>
    where
        K: kube::Resource<DynamicType = ()> + Clone + 'static,
    {
        let (reader, mut writer) = reflector::store();
        for object in objects {
            writer.apply_watcher_event(&Event::Apply(object));
        }
        reader
    }

    fn team(name: &str, leader: &str) -> TeamObject {
        serde_json::from_value(json!({
            "apiVersion": "hiclaw.io/v1beta1", "kind": "Team",
            "metadata": { "name": name, "namespace": "lab", "uid": "u" },
            "spec": { "leader": { "name": leader } },
        }))
        .unwrap()
    }

    fn human(name: &str, level: u8) -> HumanObject {
        serde_json::from_value(json!({
            "apiVersion": "hiclaw.io/v1beta1", "kind": "Human",
            "metadata": { "name": name, "namespace": "lab", "uid": "u" },
            "spec": { "displayName": name, "permissionLevel": level, "accessibleTeams": ["alpha"], "accessibleWorkers": ["ann"] },
        }))
        .unwrap()
    }

    #[test]
    fn those_who_depend_on_a_resource_are_woken_and_no_others() {
        let (teams, humans) = (
            fill(vec![team("alpha", "ann"), team("beta", "bob")]),
            fill(vec![human("admin", 1), human("kim", 2), human("lee", 3)]),
        );
        let (wake_team, mut woken_teams) = tokio::sync::mpsc::unbounded_channel();
        let (wake_human, mut woken_humans) = tokio::sync::mpsc::unbounded_channel();
        let roster = Roster::new(durable_fsm::store::MemoryStore::new());
        let (seen_workers, seen_teams) = Default::default();
        let exchange = Exchange { roster, teams, humans, wake_team, wake_human, seen_workers, seen_teams };
        let mut woken = || {
            let teams = std::iter::from_fn(|| woken_teams.try_recv().ok()).map(|it| it.name);
            let humans = std::iter::from_fn(|| woken_humans.try_recv().ok()).map(|it| it.name);
            teams.chain(humans).collect::<BTreeSet<_>>()
        };
        let names = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
        let lab = |name: &str| ResourceId::new("lab", name);
        exchange.worker(&Event::Apply(worker("ann", None, 0)));
        assert_eq!(woken(), names(&["alpha", "kim", "lee"]));
        assert!(exchange.roster.knows_worker(&lab("ann")));
        exchange.worker(&Event::Apply(worker("ann", None, 0)));
        assert_eq!(woken(), names(&[]));
        exchange.worker(&Event::Apply(worker("bob", None, 0)));
        assert_eq!(woken(), names(&["beta"]));
        exchange.worker(&Event::Delete(worker("ann", None, 0)));
        assert_eq!(woken(), names(&["alpha", "kim", "lee"]));
        assert!(!exchange.roster.knows_worker(&lab("ann")));
        exchange.team(&Event::Apply(team("alpha", "ann")));
        assert_eq!(woken(), names(&["admin", "kim"]));
        assert!(exchange.roster.teams("lab").contains_key("alpha"));
        exchange.team(&Event::Delete(team("alpha", "ann")));
        assert_eq!(woken(), names(&["admin", "kim"]));
        assert!(exchange.roster.teams("lab").is_empty());
        exchange.team(&Event::Apply(team("gamma", "ann")));
        assert_eq!(woken(), names(&["admin"]));
    }
}
