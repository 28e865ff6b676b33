//! Records as the oracles read them. Invariant: what is kept here follows from the bytes alone, so that a schedule which writes what another
//! one wrote before it need not decode it again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use crate::Facts;
use crate::record::{Record, idempotency_key};

/// A record that was written, and what the oracles ask of it again and again.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) record: Record,
    /// The keys of all that it knows of: of what is live, of what was sent, and of what is under way.
    pub(crate) known: Vec<String>,
    /// A hash of all that decides how a run goes on: all but numbering, times and prose.
    pub(super) outline: u64,
}

/// How many records a thread keeps: some megabytes.
const KEPT: usize = 4096;

thread_local! {
    static DECODED: RefCell<HashMap<Rc<[u8]>, Arc<Decoded>>> = RefCell::default();
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
        let key = |transition: &str, subject: &Option<String>, life| {
            idempotency_key(&record.origin, &record.machine, transition, subject.as_deref(), life)
        };
        let live = record.undo.iter().map(|it| key(&it.transition, &it.subject, it.life));
        let unconfirmed = record.unconfirmed.iter().map(|it| key(&it.transition, &it.subject, it.life));
        let retained = record.retained.iter().map(|it| key(&it.transition, &it.subject, it.life));
        let open = record.intent.iter().map(|it| key(&it.transition, &it.subject, it.life));
        let known = live.chain(unconfirmed).chain(retained).chain(open).collect();
        let outline = outline(&record);
        Self { record, known, outline }
    }
}

fn outline(record: &Record) -> u64 {
    let mut hasher = DefaultHasher::new();
    record.state.hash(&mut hasher);
    hash_facts(&record.facts, &mut hasher);
    (record.direction as u8, record.paused, record.undo.len(), record.unconfirmed.len()).hash(&mut hasher);
    for it in &record.undo {
        (&it.transition, &it.subject, &it.state, it.clean, it.unmaking).hash(&mut hasher);
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
    record.held.as_ref().map(|it| it.reason).hash(&mut hasher);
    record.blocked.as_ref().map(|it| (it.reason, it.generation)).hash(&mut hasher);
    hasher.finish()
}

fn hash_facts(facts: &Facts, hasher: &mut DefaultHasher) {
    for fact in facts.iter() {
        fact.hash(hasher);
    }
}
