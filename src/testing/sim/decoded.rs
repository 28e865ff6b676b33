//! Records as the oracles read them. Invariant: what is kept here follows from the bytes alone, so that a schedule which writes what another
//! one wrote before it need not decode it again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use durable_fsm_graph::Graph;

use crate::Facts;
use crate::record::{Effect, Intent, Life, Record, Unconfirmed, Unreadable};
use crate::testing::known::Known;
use crate::testing::stable_hash::{StableHasher, StableState, stable_hasher};

/// A record that was written, and what the oracles ask of it again and again.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) record: Arc<Record>,
    /// What a controller makes of it, and a controller of which machine.
    read: OnceLock<(&'static Graph<'static>, Result<(), Unreadable>)>,
    /// A state of that machine that the facts make.
    makes: OnceLock<usize>,
    /// The keys of all that it knows of: of what is live, of what was sent, and of what is under way.
    pub(crate) known: Known,
    /// A hash of all that decides how a run goes on: all but numbering, times and prose.
    pub(super) outline: u64,
}

/// How many records a thread keeps: some megabytes.
const KEPT: usize = 1024;

/// Decoded records, by their bytes.
type ByBytes = HashMap<Rc<[u8]>, Arc<Decoded>, StableState>;

thread_local! {
    static DECODED: RefCell<ByBytes> = RefCell::default();
}

impl Decoded {
    /// Decodes a record, or finds what was decoded from these bytes before. `before` is the record that it replaces, which knows most of its keys.
    pub(super) fn of(bytes: &[u8], before: Option<&Self>) -> Result<Arc<Self>, serde_json::Error> {
        DECODED.with_borrow_mut(|all| {
            if let Some(decoded) = all.get(bytes) {
                return Ok(Arc::clone(decoded));
            }
            let decoded = Arc::new(Self::new(Record::read(bytes)?, before));
            if all.len() >= KEPT {
                all.clear();
            }
            all.insert(bytes.into(), Arc::clone(&decoded));
            Ok(decoded)
        })
    }

    /// The record as a controller reads it: no two runs decode the same bytes, nor two passes of one. None of those that are kept, if it reads them
    /// otherwise.
    pub(super) fn read(graph: &'static Graph<'static>, bytes: &[u8]) -> Result<Read, Unreadable> {
        let afresh = || Record::decode(graph, bytes).map(|record| Read::Afresh(Arc::new(record)));
        // What is no record says why.
        let Ok(decoded) = Self::of(bytes, None) else { return afresh() };
        let (reader, read) =
            decoded.read.get_or_init(|| (graph, Record::clone(&decoded.record).taken_up(graph).map(drop)));
        // What one machine can read another one need not: it has other states, or another name. And a record of another version has other names.
        if !ptr::eq(*reader, graph) || decoded.record.version != graph.version {
            return afresh();
        }
        read.clone().map(|()| Read::Kept(decoded))
    }

    /// Whether these are the facts of this record, and are known to make this state of the machine that has read it. What they make is the same every time.
    pub(super) fn is_known_to_make(&self, state: usize, facts: &Facts) -> bool {
        self.makes.get() == Some(&state) && self.record.facts.is_shared_with(facts)
    }

    /// These facts make this state of the machine that has read the record.
    pub(super) fn makes(&self, state: usize, facts: &Facts) {
        if self.record.facts.is_shared_with(facts) {
            self.makes.get_or_init(|| state);
        }
    }

    /// The keys of the live effects.
    pub(crate) fn live(&self) -> &[String] {
        &self.known[..self.record.undo.len()]
    }

    /// The keys of what was sent and is not committed.
    pub(crate) fn unconfirmed(&self) -> &[String] {
        &self.known[self.record.undo.len()..][..self.record.unconfirmed.len()]
    }

    /// The keys of what stays.
    pub(crate) fn retained(&self) -> &[String] {
        &self.known[self.record.undo.len() + self.record.unconfirmed.len()..][..self.record.retained.len()]
    }

    /// The key of the effect that is under way.
    pub(crate) fn key_of_intent(&self) -> Option<&String> {
        self.record.intent.as_ref().and(self.known.last())
    }

    /// The key of this life, if it is one of this record's.
    fn key_of(&self, life: Life<'_>) -> Option<&String> {
        lives(&self.record).zip(&*self.known).find(|(it, _)| *it == life).map(|(_, key)| key)
    }

    fn new(record: Record, before: Option<&Self>) -> Self {
        // A key is a hash of these and of the life.
        let named = |record: &Record| (record.origin.clone(), record.machine.clone(), record.renamed.clone());
        let before = before.filter(|before| named(&before.record) == named(&record));
        let key = |life: Life<'_>| {
            let known = before.and_then(|before| before.key_of(life)).cloned();
            known.unwrap_or_else(|| record.key(life.transition, life.subject, life.number))
        };
        let known = lives(&record).map(key).collect();
        let outline = outline(&record);
        Self { record: Arc::new(record), read: OnceLock::new(), makes: OnceLock::new(), known, outline }
    }
}

/// What a controller reads.
pub(super) enum Read {
    /// A record that is kept.
    Kept(Arc<Decoded>),
    Afresh(Arc<Record>),
}

/// All that a record knows of, in the order of [`Decoded::known`].
fn lives(record: &Record) -> impl Iterator<Item = Life<'_>> {
    let retained = record.retained.iter().map(|it| Life {
        transition: &it.transition,
        subject: it.subject.as_deref(),
        number: it.life,
    });
    let made = record.undo.iter().map(Effect::of).chain(record.unconfirmed.iter().map(Unconfirmed::of));
    made.chain(retained).chain(record.intent.iter().map(Intent::of))
}

fn outline(record: &Record) -> u64 {
    let mut hasher = stable_hasher();
    record.state.hash(&mut hasher);
    hash_facts(&record.facts, &mut hasher);
    (record.direction as u8, record.paused, record.undo.len(), record.unconfirmed.len()).hash(&mut hasher);
    for it in &record.undo {
        (&it.transition, &it.subject, &it.state, it.clean, it.unmaking, it.lost).hash(&mut hasher);
        hash_facts(&it.saved, &mut hasher);
    }
    for it in &record.unconfirmed {
        (&it.transition, &it.subject, it.attempt, it.in_doubt, it.aborting, it.unmaking, &it.spec).hash(&mut hasher);
        hash_facts(&it.saved, &mut hasher);
    }
    for it in &record.retained {
        (&it.transition, &it.subject, it.in_doubt, it.by as u8).hash(&mut hasher);
    }
    if let Some(it) = &record.intent {
        (&it.transition, &it.subject, it.action as u8, it.attempt, it.in_doubt, &it.spec).hash(&mut hasher);
    }
    if let Some(it) = &record.retry {
        (it.count, &it.class).hash(&mut hasher);
    }
    for it in &record.retrying {
        (&it.transition, &it.subject, it.retry.count, &it.retry.class, it.rejected).hash(&mut hasher);
    }
    record.held.as_ref().map(|it| it.reason).hash(&mut hasher);
    record.blocked.as_ref().map(|it| (it.reason, it.generation)).hash(&mut hasher);
    hasher.finish()
}

fn hash_facts(facts: &Facts, hasher: &mut StableHasher) {
    for fact in facts.iter() {
        fact.hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::record::Stamp;

    static ONE: Graph<'static> = Graph {
        name: "test.io/one",
        title: "One",
        version: 1,
        reader: 1,
        doc: "",
        undo_on_rejected: false,
        upgrades: &[],
        states: &[],
        transitions: &[],
    };

    static OTHER: Graph<'static> = Graph { name: "test.io/other", ..ONE };

    #[test]
    fn what_one_machine_made_of_a_record_says_nothing_of_another() {
        let record = Record::initial(&ONE, "uid", Stamp::from(SystemTime::UNIX_EPOCH));
        let bytes = serde_json::to_vec(&record).unwrap();
        for graph in [&ONE, &OTHER, &ONE] {
            assert_eq!(Decoded::read(graph, &bytes).map(drop), Record::decode(graph, &bytes).map(drop));
        }
        assert_ne!(Decoded::read(&ONE, &bytes).map(drop), Decoded::read(&OTHER, &bytes).map(drop));
    }
}
