//! Things that carry owner tags, compared with records. Invariant: what is called an orphan is on no record, neither before nor after the provider was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use durable_fsm_graph::Graph;
use serde_json::Value;

use super::tagged::Tagged;
use crate::record::{Action, Record, owner_tag};
use crate::{Facts, ResourceId};

/// What a sweep has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Swept {
    /// There and recorded, with the resource.
    pub recorded: Vec<(ResourceId, Tagged)>,
    /// There and on no record.
    pub orphans: Vec<Orphan>,
    /// Recorded as live, and not there.
    pub missing: Vec<Missing>,
    /// Resources whose record could not be read. What belongs to them is among the orphans without a resource.
    pub unreadable: Vec<ResourceId>,
}

/// Something that is there and on no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The resource whose record has this tag; none if no record has it.
    pub resource: Option<ResourceId>,
    /// What is there.
    pub thing: Tagged,
    /// When it was found, by the runner's clock.
    pub(crate) found: Duration,
}

/// Something that a record knows, and that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The resource.
    pub resource: ResourceId,
    /// The transition that has made it.
    pub transition: String,
    /// The subject, for a member of a set.
    pub subject: Option<String>,
    /// The idempotency key under which it was made.
    pub key: String,
}

/// Records, as they were at one time.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) records: BTreeMap<ResourceId, Record>,
    pub(crate) unreadable: BTreeSet<ResourceId>,
}

/// Something that a record knows of, or that it may have made.
struct Entry<'r> {
    transition: &'r str,
    subject: Option<&'r str>,
    key: String,
    /// What is recorded of it, if it is there.
    made: Option<(Facts, Option<Value>)>,
    /// Its key tells nothing: it was imported, or what came of its attempt is not known, and a look-up may find the thing of an earlier life.
    any_key: bool,
}

impl Entry<'_> {
    /// Whether it is this thing. What is recorded of a thing counts more than its key: a look-up, and a provider that has each name once, find again what was made
    /// under the key of an earlier record.
    fn is(&self, thing: &Tagged) -> bool {
        if self.transition != thing.transition || self.subject != thing.subject.as_deref() {
            return false;
        }
        match (&self.made, &thing.made) {
            (Some((facts, member)), Ok(made)) if thing.is_described() => {
                let mut said = made.facts.iter();
                said.all(|(name, value)| facts.value(name) == Some(value))
                    && made.member.as_ref().is_none_or(|said| member.as_ref() == Some(said))
            }
            _ => self.any_key || thing.key.as_ref().is_none_or(|key| *key == self.key),
        }
    }
}

/// What a record may have made.
fn entries<'r>(graph: &'r Graph<'r>, record: &'r Record) -> impl Iterator<Item = Entry<'r>> {
    let key = |transition: &str, subject: Option<&str>, life| record.key(transition, subject, life);
    let live = record.undo.iter().map(move |it| {
        let (transition, subject) = (it.transition.as_str(), it.subject.as_deref());
        let each = graph.transition(transition).and_then(|(_, step)| step.for_each()).map(|set| set.fact);
        let facts = record.facts_of_live(it, each);
        let member = each.zip(subject).and_then(|(fact, subject)| facts.member(fact, subject).cloned());
        let made = Some((facts, member));
        Entry { transition, subject, key: key(transition, subject, it.life), made, any_key: it.imported }
    });
    let sent = record.unconfirmed.iter().map(move |it| {
        let (transition, subject) = (it.transition.as_str(), it.subject.as_deref());
        Entry { transition, subject, key: key(transition, subject, it.life), made: None, any_key: true }
    });
    let open = record.intent.iter().map(move |it| {
        let (transition, subject) = (it.transition.as_str(), it.subject.as_deref());
        let any_key = it.action == Action::Run;
        Entry { transition, subject, key: key(transition, subject, it.life), made: None, any_key }
    });
    let kept = record.retained.iter().map(move |it| {
        let (transition, subject) = (it.transition.as_str(), it.subject.as_deref());
        Entry { transition, subject, key: key(transition, subject, it.life), made: None, any_key: false }
    });
    live.chain(sent).chain(open).chain(kept)
}

/// Compares what is there with the records before and after it was listed.
pub(crate) fn compare(
    graph: &Graph<'_>,
    things: Vec<Tagged>,
    covered: &[String],
    [before, after]: [&Known; 2],
    found: Duration,
) -> Swept {
    let mut swept =
        Swept { unreadable: before.unreadable.union(&after.unreadable).cloned().collect(), ..Swept::default() };
    let mut owners: BTreeMap<String, ResourceId> = BTreeMap::new();
    for (resource, record) in before.records.iter().chain(&after.records) {
        owners.insert(owner_tag(&record.origin, &record.machine), resource.clone());
    }
    let of = |known: &Known, thing: &Tagged| {
        owners
            .get(&thing.owner_tag)
            .and_then(|owner| known.records.get(owner))
            .is_some_and(|record| entries(graph, record).any(|entry| entry.is(thing)))
    };
    for (resource, record) in &after.records {
        let tag = owner_tag(&record.origin, &record.machine);
        let Some(earlier) = before.records.get(resource) else { continue };
        // The live effects come first.
        for (live, entry) in record.undo.iter().zip(entries(graph, record)) {
            if !covered.contains(&live.transition) || live.imported || live.unmaking {
                continue;
            }
            // It was there before and after the provider was asked, so that it was neither just made nor just undone.
            let was_live = earlier.undo.iter().any(|it| it.of() == live.of());
            let is_undone = record.intent.iter().chain(&earlier.intent).any(|intent| intent.of() == live.of());
            if was_live && !is_undone && !things.iter().any(|thing| thing.owner_tag == tag && entry.is(thing)) {
                swept.missing.push(Missing {
                    resource: resource.clone(),
                    transition: live.transition.clone(),
                    subject: live.subject.clone(),
                    key: entry.key,
                });
            }
        }
    }
    for thing in things {
        let resource = owners.get(&thing.owner_tag).cloned();
        match resource {
            Some(owner) if of(before, &thing) || of(after, &thing) => swept.recorded.push((owner, thing)),
            resource => swept.orphans.push(Orphan { resource, thing, found }),
        }
    }
    swept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    static GRAPH: Graph<'static> = Graph {
        name: "m",
        title: "M",
        version: 1,
        reader: 1,
        doc: "",
        undo_on_rejected: false,
        upgrades: &[],
        states: &[],
        transitions: &[],
    };

    fn swept(things: Vec<Tagged>, covered: &[&str], before: &Known, after: &Known) -> Swept {
        let covered: Vec<String> = covered.iter().map(|name| (*name).to_owned()).collect();
        compare(&GRAPH, things, &covered, [before, after], Duration::ZERO)
    }

    fn known(life: u64, intent: bool) -> Known {
        let mut record = json!({
            "format": 1, "machine": "m", "version": 1, "reader": 1, "graph": "0", "origin": "u", "owner": "u", "seq": 9,
            "state": "Made", "since": "2026-01-01T00:00:00.000Z", "undo": [{"transition": "make", "life": life}],
        });
        if intent {
            record["intent"] = json!({
                "transition": "make", "life": life, "action": "undo", "attempt": 1, "holder": "h", "deadline": "2026-01-01T00:00:00.000Z",
            });
        }
        let record = serde_json::from_value(record).unwrap();
        Known { records: BTreeMap::from([(ResourceId::new("", "a"), record)]), ..Known::default() }
    }

    fn thing(life: u64) -> Tagged {
        let key = crate::record::idempotency_key("u", "m", "make", None, life);
        Tagged::new("make", owner_tag("u", "m"), "room").keyed(key)
    }

    #[test]
    fn a_thing_of_an_earlier_life_is_an_orphan_where_the_provider_keeps_keys() {
        let swept = swept(vec![thing(1), thing(2)], &["make"], &known(2, false), &known(2, false));
        assert_eq!((swept.recorded.len(), swept.orphans.len(), swept.missing.len()), (1, 1, 0));
        let orphan = &swept.orphans[0];
        assert_eq!((&orphan.resource, &orphan.thing), (&Some(ResourceId::new("", "a")), &thing(1)));
    }

    /// A look-up finds what an earlier record has made, under that one's key.
    #[test]
    fn what_is_recorded_of_a_thing_counts_more_than_its_key() {
        let mut known = known(2, false);
        let record = known.records.values_mut().next().unwrap();
        record.facts.set("room", json!("room"));
        let found = swept(vec![thing(1).fact("room", "room")], &["make"], &known, &known);
        assert_eq!((found.recorded.len(), found.orphans.len(), found.missing.len()), (1, 0, 0));
        let other = swept(vec![thing(2).fact("room", "another")], &["make"], &known, &known);
        assert_eq!((other.recorded.len(), other.orphans.len(), other.missing.len()), (0, 1, 1));
    }

    #[test]
    fn what_an_attempt_without_an_outcome_may_find_again_is_no_orphan() {
        let (mut open, mut sent) = (known(2, true), known(2, false));
        let record = open.records.values_mut().next().unwrap();
        record.undo = crate::record::Lives::default();
        record.intent.as_mut().unwrap().action = Action::Run;
        let record = sent.records.values_mut().next().unwrap();
        record.undo = crate::record::Lives::default();
        record.unconfirmed =
            serde_json::from_value(json!([{ "transition": "make", "life": 2, "attempt": 1 }])).unwrap();
        for known in [open, sent] {
            assert_eq!(swept(vec![thing(1)], &["make"], &known, &known).orphans, []);
        }
    }

    #[test]
    fn what_is_made_or_undone_meanwhile_is_neither_an_orphan_nor_missing() {
        let nothing = |before: Known, after: Known| swept(Vec::new(), &["make"], &before, &after).missing.len();
        assert_eq!(nothing(known(2, false), known(2, false)), 1);
        assert_eq!(nothing(known(1, false), known(2, false)), 0, "it was made meanwhile");
        assert_eq!(nothing(known(2, false), known(2, true)), 0, "it is being undone");
        assert_eq!(swept(Vec::new(), &[], &known(2, false), &known(2, false)).missing.len(), 0, "it is not listed");
        let swept = swept(vec![thing(1)], &["make"], &known(1, false), &known(2, false));
        assert_eq!(swept.orphans.len(), 0, "it was recorded before");
    }
}
