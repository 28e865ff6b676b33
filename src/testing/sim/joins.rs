//! Where runs join. Invariant: two runs are taken to go on alike only if their records agree in all but numbering, times and prose, the
//! same things exist in their worlds, and nothing is under way in either.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Core;
use crate::Facts;
use crate::record::Record;

impl Core {
    /// Takes note of where the run is, after a write, if nothing but the record and the world decides how it goes on.
    pub(super) fn note_join(&mut self) {
        let calm = self.suspended == 0
            && !self.draining
            && self.flights.is_empty()
            && self.stored.is_calm()
            && self.plan.iter().all(|planned| planned.fired);
        if !calm || self.quiet {
            return;
        }
        let Some(record) = &self.stored.record else { return };
        let mut hasher = DefaultHasher::new();
        (self.edit, self.deleting, self.books.world).hash(&mut hasher);
        if record.retry.is_some() || record.blocked.is_some() {
            // Only then does the time of day decide anything.
            self.skew.hash(&mut hasher);
        }
        hash_record(record, &mut hasher);
        let here = hasher.finish();
        self.joins.push((here, self.seen.len()));
    }
}

fn hash_record(record: &Record, hasher: &mut DefaultHasher) {
    record.state.hash(hasher);
    hash_facts(&record.facts, hasher);
    (record.direction as u8, record.paused, record.undo.len(), record.touched.len()).hash(hasher);
    for it in &record.undo {
        (&it.transition, &it.subject, &it.state).hash(hasher);
        hash_facts(&it.saved, hasher);
    }
    for it in &record.touched {
        (&it.transition, &it.subject, it.attempt, it.in_doubt, &it.spec).hash(hasher);
    }
    if let Some(it) = &record.intent {
        (&it.transition, &it.subject, it.action as u8, it.attempt, it.in_doubt, &it.spec).hash(hasher);
    }
    if let Some(it) = &record.retry {
        (it.count, &it.class).hash(hasher);
    }
    record.held.as_ref().map(|it| it.reason).hash(hasher);
    record.blocked.as_ref().map(|it| (it.reason, it.generation)).hash(hasher);
}

fn hash_facts(facts: &Facts, hasher: &mut DefaultHasher) {
    for fact in facts.iter() {
        fact.hash(hasher);
    }
}
