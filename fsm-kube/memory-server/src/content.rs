//! What a server keeps, and how it came to be.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::write::Write;

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) kind: usize,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

pub(crate) type Objects = BTreeMap<Key, Arc<Value>>;

/// The objects, and every write since the server was made.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    objects: Objects,
    version: u64,
    /// What was before this version is no longer known.
    oldest: u64,
    made: u64,
    log: Vec<(Key, Arc<Write>)>,
}

impl Content {
    pub(crate) fn new() -> Self {
        Self { objects: Objects::new(), version: 1, oldest: 1, made: 0, log: Vec::new() }
    }

    /// The same objects and versions, without the way that led there.
    pub(crate) fn without_history(&self) -> Self {
        Self { log: Vec::new(), oldest: self.version, objects: self.objects.clone(), ..*self }
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn oldest(&self) -> u64 {
        self.oldest
    }

    /// Forgets the way to here, as compaction does. The log stays for those who look at history.
    pub(crate) fn compact(&mut self) {
        self.oldest = self.version;
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    pub(crate) fn log(&self) -> &[(Key, Arc<Write>)] {
        &self.log
    }

    /// The first write after a version.
    pub(crate) fn after(&self, version: u64) -> Option<&(Key, Arc<Write>)> {
        self.log.get(self.log.partition_point(|(_, write)| write.version <= version))
    }

    /// The objects as of an older version.
    pub(crate) fn at(&self, version: u64) -> Result<Objects, Refusal> {
        if version < self.oldest {
            return Err(Refusal::expired());
        }
        let mut objects = self.objects.clone();
        for (key, write) in self.log.iter().rev().take_while(|(_, write)| write.version > version) {
            match &write.before {
                Some(before) => objects.insert(key.clone(), before.clone()),
                None => objects.remove(key),
            };
        }
        Ok(objects)
    }

    /// A uid that no other object of this server, or of one with the same past, has had.
    pub(crate) fn new_uid(&mut self) -> String {
        self.made += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.made)
    }

    /// Stores an object, or removes it, as the next version. The write says what was there before and what is there now.
    pub(crate) fn commit(&mut self, key: Key, after: Option<Value>, write: Write) -> Arc<Write> {
        self.version += 1;
        let after = after.map(|mut object| {
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
            Arc::new(object)
        });
        let before = match &after {
            Some(object) => self.objects.insert(key.clone(), object.clone()),
            None => self.objects.remove(&key),
        };
        let write = Arc::new(Write { version: self.version, before, after, ..write });
        self.log.push((key, write.clone()));
        write
    }
}

/// The objects of a kind, in one namespace or in all, behind a key or all.
pub(crate) fn range<'a>(
    objects: &'a Objects,
    kind: usize,
    namespace: Option<&'a str>,
    behind: Option<&Key>,
) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
    let first = Key { kind, namespace: namespace.unwrap_or_default().to_owned(), name: String::new() };
    let start = behind.map_or(Bound::Included(first), |key| Bound::Excluded(key.clone()));
    objects
        .range((start, Bound::Unbounded))
        .take_while(move |(key, _)| key.kind == kind && namespace.is_none_or(|it| key.namespace == it))
}
