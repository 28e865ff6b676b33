//! What exists outside, compared with what is recorded. Invariant: it only looks; what is called an orphan is on no record, neither before nor after the
//! provider was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use crate::record::{Record, owner_tag};
use crate::{Classify, ResourceId};

/// Transitions whose provider can be asked for everything that carries an owner tag of the machine.
///
/// ```
/// use durable_fsm::{Class, Classify, Sweep, Tagged};
/// # #[derive(Debug, thiserror::Error)]
/// # #[error("the provider failed")]
/// # struct Failed;
/// # impl Classify for Failed { fn classify(&self) -> Class { Class::Unknown } }
/// # struct Provider;
/// # impl Provider { async fn rooms(&self) -> Result<Vec<(String, String)>, Failed> { Ok(Vec::new()) } }
///
/// impl Sweep for Provider {
///     type Error = Failed;
///     fn covers(&self) -> Vec<String> {
///         vec!["create_room".to_owned()]
///     }
///     async fn list(&self) -> Result<Vec<Tagged>, Failed> {
///         let rooms = self.rooms().await?.into_iter();
///         Ok(rooms.map(|(id, tag)| Tagged::new("create_room", tag, id)).collect())
///     }
/// }
/// ```
pub trait Sweep: Send + Sync + 'static {
    /// What goes wrong.
    type Error: Classify;

    /// The transitions of which [`list`](Self::list) gives everything. What another one has made is not missed.
    fn covers(&self) -> Vec<String>;

    /// Everything that carries an owner tag of this machine, whoever's it is.
    fn list(&self) -> impl Future<Output = Result<Vec<Tagged>, Self::Error>> + Send;
}

/// Something that carries an owner tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tagged {
    /// The transition that has made it.
    pub transition: String,
    /// The subject, for a member of a set, as records have it.
    pub subject: Option<String>,
    /// The tag ([`Attempt::owner_tag`](crate::Attempt::owner_tag)).
    pub owner_tag: String,
    /// The idempotency key under which it was made, if the provider keeps it.
    pub key: Option<String>,
    /// What a person finds it by.
    pub handle: String,
}

impl Tagged {
    /// Something that this transition has made.
    #[must_use]
    pub fn new(transition: impl Into<String>, owner_tag: impl Into<String>, handle: impl Into<String>) -> Self {
        let (transition, owner_tag, handle) = (transition.into(), owner_tag.into(), handle.into());
        Self { transition, subject: None, owner_tag, key: None, handle }
    }

    /// For a member of a set.
    #[must_use]
    pub fn of(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// With the key that the provider keeps.
    #[must_use]
    pub fn keyed(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }
}

/// What a sweep has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Swept {
    /// There and recorded, with the resource.
    pub recorded: Vec<(ResourceId, Tagged)>,
    /// There and on no record; with the resource, where one has this tag.
    pub orphans: Vec<(Option<ResourceId>, Tagged)>,
    /// Recorded as live, and not there.
    pub missing: Vec<Missing>,
    /// Resources whose record could not be read. What belongs to them is among the orphans without a resource.
    pub unreadable: Vec<ResourceId>,
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

/// What a record may have made of a transition and subject, by the key.
fn lives(record: &Record) -> impl Iterator<Item = (&str, Option<&str>, u64)> {
    let live = record.undo.iter().map(|it| (it.transition.as_str(), it.subject.as_deref(), it.life));
    let sent = record.unconfirmed.iter().map(|it| (it.transition.as_str(), it.subject.as_deref(), it.life));
    let open = record.intent.iter().map(|it| (it.transition.as_str(), it.subject.as_deref(), it.life));
    let kept = record.retained.iter().map(|it| (it.transition.as_str(), it.subject.as_deref(), it.life));
    live.chain(sent).chain(open).chain(kept)
}

/// Whether the record knows of this thing.
fn knows(record: &Record, thing: &Tagged) -> bool {
    lives(record).any(|(transition, subject, life)| {
        let is_it = transition == thing.transition && subject == thing.subject.as_deref();
        is_it && thing.key.as_ref().is_none_or(|key| *key == record.key(transition, subject, life))
    })
}

/// Compares what is there with the records before and after it was listed.
pub(crate) fn compare(things: Vec<Tagged>, covered: &[String], before: &Known, after: &Known) -> Swept {
    let mut swept =
        Swept { unreadable: before.unreadable.union(&after.unreadable).cloned().collect(), ..Swept::default() };
    let mut owners: BTreeMap<String, ResourceId> = BTreeMap::new();
    for (resource, record) in before.records.iter().chain(&after.records) {
        owners.insert(owner_tag(&record.origin, &record.machine), resource.clone());
    }
    let of = |known: &'_ Known, thing: &Tagged| {
        owners
            .get(&thing.owner_tag)
            .and_then(|owner| known.records.get(owner))
            .is_some_and(|record| knows(record, thing))
    };
    for (resource, record) in &after.records {
        let tag = owner_tag(&record.origin, &record.machine);
        let Some(earlier) = before.records.get(resource) else { continue };
        for live in record.undo.iter().filter(|it| covered.contains(&it.transition) && !it.imported && !it.unmaking) {
            let (transition, subject) = (live.transition.as_str(), live.subject.as_deref());
            let key = record.key(transition, subject, live.life);
            let is_it = |thing: &Tagged| {
                thing.owner_tag == tag
                    && thing.transition == transition
                    && thing.subject.as_deref() == subject
                    && thing.key.as_ref().is_none_or(|known| *known == key)
            };
            // It was there before and after the provider was asked, so that it was neither just made nor just undone.
            let was_live = earlier.undo.iter().any(|it| it.of() == live.of());
            let is_undone = record.intent.iter().chain(&earlier.intent).any(|intent| intent.of() == live.of());
            if was_live && !is_undone && !things.iter().any(is_it) {
                swept.missing.push(Missing {
                    resource: resource.clone(),
                    transition: transition.to_owned(),
                    subject: subject.map(str::to_owned),
                    key,
                });
            }
        }
    }
    for thing in things {
        let owner = owners.get(&thing.owner_tag).cloned();
        match owner {
            Some(owner) if of(before, &thing) || of(after, &thing) => swept.recorded.push((owner, thing)),
            owner => swept.orphans.push((owner, thing)),
        }
    }
    swept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        let covered = ["make".to_owned()];
        let swept = compare(vec![thing(1), thing(2)], &covered, &known(2, false), &known(2, false));
        assert_eq!((swept.recorded.len(), swept.orphans.len(), swept.missing.len()), (1, 1, 0));
        assert_eq!(swept.orphans, [(Some(ResourceId::new("", "a")), thing(1))]);
    }

    #[test]
    fn what_is_made_or_undone_meanwhile_is_neither_an_orphan_nor_missing() {
        let covered = ["make".to_owned()];
        let nothing = |before: Known, after: Known| compare(Vec::new(), &covered, &before, &after).missing.len();
        assert_eq!(nothing(known(2, false), known(2, false)), 1);
        assert_eq!(nothing(known(1, false), known(2, false)), 0, "it was made meanwhile");
        assert_eq!(nothing(known(2, false), known(2, true)), 0, "it is being undone");
        assert_eq!(compare(Vec::new(), &[], &known(2, false), &known(2, false)).missing.len(), 0, "it is not listed");
        let swept = compare(vec![thing(1)], &covered, &known(1, false), &known(2, false));
        assert_eq!(swept.orphans.len(), 0, "it was recorded before");
    }
}
