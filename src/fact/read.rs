//! How facts have changed, and the sets that were decoded from them. Invariant: a set that is kept here is what decoding its fact anew would give.
//!
//! A set changes by one member at a time, and its fact is decoded for each call. So the decoded set is kept beside the facts, and only the members
//! that have changed since are decoded again. Clones of facts share what is kept.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// How many changes are known at most. A reader of an older content learns nothing from them, and starts anew.
const KNOWN: usize = 64;

/// Where some facts stand among all that were made of the same ones by changing them.
#[derive(Debug, Clone, Default)]
pub(super) struct Lineage {
    /// None until somebody has read a set, or has asked where the facts stand.
    shared: OnceLock<Arc<Mutex<Shared>>>,
    at: u64,
}

#[derive(Debug, Default)]
struct Shared {
    /// The last number that was given to a content.
    last: u64,
    changes: VecDeque<(u64, u64, Change)>,
    sets: Vec<Set>,
}

/// A decoded set, and of which content.
#[derive(Debug)]
struct Set {
    fact: String,
    of: u64,
    members: Arc<dyn Any + Send + Sync>,
}

/// One change of facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) fact: String,
    /// The member that has come, has gone or is another one now; none if it was the whole fact.
    pub(crate) subject: Option<String>,
}

/// A content of facts, to be compared with a later one.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    shared: Arc<Mutex<Shared>>,
    at: u64,
}

fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// What has changed between two contents; none if that is not known.
    fn between(&self, earlier: u64, later: u64) -> Option<Vec<Change>> {
        let mut at = later;
        let mut changes = Vec::new();
        for (from, to, change) in self.changes.iter().rev() {
            if at == earlier {
                break;
            }
            if *to == at {
                changes.push(change.clone());
                at = *from;
            }
        }
        (at == earlier).then_some(changes)
    }
}

impl Lineage {
    fn shared(&self) -> &Arc<Mutex<Shared>> {
        self.shared.get_or_init(Arc::default)
    }

    /// The facts have changed.
    pub(super) fn change(&mut self, fact: &str, subject: Option<&str>) {
        let Some(shared) = self.shared.get() else { return };
        let mut shared = locked(shared);
        shared.last += 1;
        let (from, to) = (self.at, shared.last);
        if shared.changes.len() == KNOWN {
            shared.changes.pop_front();
        }
        shared.changes.push_back((from, to, Change { fact: fact.to_owned(), subject: subject.map(str::to_owned) }));
        self.at = to;
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { shared: Arc::clone(self.shared()), at: self.at }
    }

    /// What has changed since, in no particular order; none if that is not known.
    pub(super) fn since(&self, mark: &Mark) -> Option<Vec<Change>> {
        let shared = self.shared.get().filter(|shared| Arc::ptr_eq(shared, &mark.shared))?;
        if self.at == mark.at {
            return Some(Vec::new());
        }
        locked(shared).between(mark.at, self.at)
    }

    /// Takes out the set that was decoded last from this fact, with the members that have changed since.
    pub(super) fn take<B: Send + Sync + 'static>(&self, fact: &str) -> Option<(Arc<B>, Vec<String>)> {
        let mut shared = locked(self.shared.get()?);
        let index = shared.sets.iter().position(|set| set.fact == fact && set.members.is::<B>())?;
        let set = shared.sets.swap_remove(index);
        let changes = if set.of == self.at { Vec::new() } else { shared.between(set.of, self.at)? };
        let subjects = changes.into_iter().filter(|change| change.fact == fact).map(|change| change.subject);
        Some((set.members.downcast().ok()?, subjects.collect::<Option<_>>()?))
    }

    /// Keeps the set that this fact decodes to.
    pub(super) fn keep<B: Send + Sync + 'static>(&self, fact: &str, members: Arc<B>) {
        let mut shared = locked(self.shared());
        shared.sets.retain(|set| set.fact != fact);
        shared.sets.push(Set { fact: fact.to_owned(), of: self.at, members });
    }
}

/// Which sets somebody looks into.
#[derive(Debug, Default)]
pub(crate) struct Watch(Mutex<Vec<(String, Arc<AtomicBool>)>>);

impl Watch {
    /// The sign that somebody has looked into this set.
    pub(super) fn sign(&self, fact: &str) -> Arc<AtomicBool> {
        let mut signs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, sign)) = signs.iter().find(|(known, _)| known == fact) {
            return Arc::clone(sign);
        }
        let sign = Arc::<AtomicBool>::default();
        signs.push((fact.to_owned(), Arc::clone(&sign)));
        sign
    }

    /// The sets that somebody has looked into.
    pub(crate) fn seen(&self) -> Vec<String> {
        let signs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        signs.iter().filter(|(_, sign)| sign.load(Ordering::Relaxed)).map(|(fact, _)| fact.clone()).collect()
    }
}
