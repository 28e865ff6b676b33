//! Records as the oracles read them. Invariant: what is kept here follows from the bytes alone, so that a schedule which writes what another
//! one wrote before it need not decode it again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use durable_fsm_graph::Graph;

use crate::Facts;
use crate::record::{Record, Unreadable};

/// A record that was written, and what the oracles ask of it again and again.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) record: Arc<Record>,
    /// What a controller makes of it, and a controller of which machine.
    read: OnceLock<(&'static Graph<'static>, Result<(), Unreadable>)>,
    /// The keys of all that it knows of: of what is live, of what was sent, and of what is under way.
    pub(crate) known: Vec<String>,
    /// A hash of all that decides how a run goes on: all but numbering, times and prose.
    pub(super) outline: u64,
}

/// How many records a thread keeps: some megabytes.
const KEPT: usize = 1024;

/// Decoded records, by their bytes.
type ByBytes = HashMap<Rc<[u8]>, Arc<Decoded>, BuildHasherDefault<Words>>;

thread_local! {
    static DECODED: RefCell<ByBytes> = RefCell::default();
}

impl Decoded {
    /// Decodes a record, or finds what was decoded from these bytes before.
    pub(super) fn of(bytes: &[u8]) -> Result<Arc<Self>, serde_json::Error> {
        DECODED.with_borrow_mut(|all| {
            if let Some(decoded) = all.get(bytes) {
                return Ok(Arc::clone(decoded));
            }
            let decoded = Arc::new(Self::new(serde_json::from_slice(bytes)?));
            if all.len() >= KEPT {
                all.clear();
            }
            all.insert(bytes.into(), Arc::clone(&decoded));
            Ok(decoded)
        })
    }

    /// The record as a controller reads it: no two runs decode the same bytes, nor two passes of one.
    pub(super) fn read(graph: &'static Graph<'static>, bytes: &[u8]) -> Result<Arc<Record>, Unreadable> {
        // What is no record says why.
        let Ok(decoded) = Self::of(bytes) else { return Record::decode(graph, bytes).map(Arc::new) };
        let (reader, read) = decoded.read.get_or_init(|| (graph, Record::decode(graph, bytes).map(drop)));
        // What one machine can read another one need not: it has other states, or another name.
        if !ptr::eq(*reader, graph) {
            return Record::decode(graph, bytes).map(Arc::new);
        }
        // A record of another version has other names.
        if decoded.record.version != graph.version {
            return Record::decode(graph, bytes).map(Arc::new);
        }
        read.clone().map(|()| Arc::clone(&decoded.record))
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

    fn new(record: Record) -> Self {
        let key = |transition: &str, subject: &Option<String>, life| record.key(transition, subject.as_deref(), life);
        let live = record.undo.iter().map(|it| key(&it.transition, &it.subject, it.life));
        let unconfirmed = record.unconfirmed.iter().map(|it| key(&it.transition, &it.subject, it.life));
        let retained = record.retained.iter().map(|it| key(&it.transition, &it.subject, it.life));
        let open = record.intent.iter().map(|it| key(&it.transition, &it.subject, it.life));
        let known = live.chain(unconfirmed).chain(retained).chain(open).collect();
        let outline = outline(&record);
        Self { record: Arc::new(record), read: OnceLock::new(), known, outline }
    }
}

/// Hashes eight bytes at a time. Nobody chooses the bytes of a record so that two of them fall together.
#[derive(Default)]
struct Words(u64);

impl Hasher for Words {
    fn write(&mut self, bytes: &[u8]) {
        for word in bytes.chunks(8) {
            let mut eight = [0; 8];
            eight[..word.len()].copy_from_slice(word);
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(eight)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

fn outline(record: &Record) -> u64 {
    let mut hasher = DefaultHasher::new();
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

fn hash_facts(facts: &Facts, hasher: &mut DefaultHasher) {
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
