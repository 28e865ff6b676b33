//! Shelves: things of one kind, as providers keep them. Invariant: a thing is there for its maker as soon as it was made; only look-ups
//! lag.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::Sim;
use super::super::known::Known;
use super::super::stable_hash::StableHasher;
use super::{Thing, answer};
use crate::{Class, Classify, Lookup};

/// Things of one kind. Every clone is the same shelf.
///
/// Its methods that change something wait once, after the change: a caller that is dropped there has made the thing and does not know.
#[derive(Clone)]
pub struct Shelf {
    kind: &'static str,
    /// What the things that this handle makes are made of.
    made_of: Arc<str>,
    sim: Sim,
    quota: usize,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    lag: Duration,
    things: BTreeMap<String, Shelved>,
    made: u32,
    /// What was ever made under a key, and of what, and is answered for a repeat.
    keys: BTreeMap<String, (String, Arc<str>)>,
}

/// A thing on a shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelved {
    /// The id that the provider chose.
    pub id: String,
    /// The name that the maker chose; empty where the provider takes none.
    pub name: String,
    /// The key of the attempt that made it.
    pub key: String,
    /// Whose it is.
    pub owner: String,
    /// What it is made of, as [`Shelf::made_of`] says; empty where nothing is said.
    pub made_of: Arc<str>,
    /// Whether it is finished.
    pub complete: bool,
    made_at: Duration,
}

/// Why a shelf did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShelfError {
    /// There is no room for more.
    #[error("the quota of {0} is used up")]
    Quota(usize),
    /// The name is taken by somebody else.
    #[error("`{0}` belongs to somebody else")]
    Taken(String),
    /// There is no such thing.
    #[error("there is no `{0}`")]
    Unknown(String),
}

impl Classify for ShelfError {
    fn classify(&self) -> Class {
        match self {
            ShelfError::Quota(_) | ShelfError::Unknown(_) => Class::Rejected,
            ShelfError::Taken(_) => Class::NotOurs,
        }
    }
}

impl Shelf {
    /// An empty shelf for things of this kind.
    #[must_use]
    pub fn new(sim: &Sim, kind: &'static str) -> Self {
        let inner = Arc::<Mutex<Inner>>::default();
        let shelf = Self { kind, made_of: "".into(), sim: sim.clone(), quota: usize::MAX, inner: Arc::clone(&inner) };
        sim.keep_shelf(Box::new(move |known, now, hasher| {
            inner.lock().unwrap_or_else(PoisonError::into_inner).hash(known, now, hasher);
        }));
        shelf
    }

    /// Look-ups find a thing only this long after it was made.
    #[must_use]
    pub fn lagging(self, lag: Duration) -> Self {
        self.sim.lags(lag);
        self.inner().lag = lag;
        self
    }

    /// No more than this many things at a time.
    #[must_use]
    pub fn quota(mut self, quota: usize) -> Self {
        self.quota = quota;
        self
    }

    /// The same shelf; what is made through this handle is made of this. Say here what of the spec the provider can be seen to have, such as an
    /// image: then the oracles see whether it is what is wanted.
    #[must_use]
    pub fn made_of(&self, what: impl AsRef<str>) -> Self {
        Self { made_of: what.as_ref().into(), ..self.clone() }
    }

    /// Changes what a thing is made of to what this handle makes things of.
    ///
    /// # Errors
    /// [`ShelfError::Unknown`].
    pub async fn change(&self, id: &str) -> Result<(), ShelfError> {
        match self.inner().things.get_mut(id) {
            Some(thing) => thing.made_of = Arc::clone(&self.made_of),
            None => return Err(ShelfError::Unknown(id.to_owned())),
        }
        self.sim.pause().await;
        Ok(())
    }

    /// Makes a thing under a key. For a key that was used before, it is the thing that was made then, also if it is gone by now. One key for two
    /// things that are made of something else is a violation, because some providers refuse the second request and others ignore it.
    ///
    /// # Errors
    /// [`ShelfError::Quota`].
    pub async fn put(&self, key: &str, owner: &str) -> Result<String, ShelfError> {
        let known = self.inner().keys.get(key).cloned();
        let id = match known {
            Some((id, made_of)) => {
                if made_of != self.made_of {
                    self.sim.core().sent_otherwise(self.kind, key, &made_of, &self.made_of);
                }
                id
            }
            None => self.make(key, owner, "", true)?,
        };
        self.sim.pause().await;
        Ok(id)
    }

    /// Makes one more thing, whatever there is.
    ///
    /// # Errors
    /// [`ShelfError::Quota`].
    pub async fn add(&self, key: &str, owner: &str) -> Result<String, ShelfError> {
        let id = self.make(key, owner, "", true)?;
        self.sim.pause().await;
        Ok(id)
    }

    /// Makes the thing of a name, or finds it if it is the owner's already.
    ///
    /// # Errors
    /// [`ShelfError::Taken`] or [`ShelfError::Quota`].
    pub async fn claim(&self, name: &str, key: &str, owner: &str) -> Result<String, ShelfError> {
        let there = self.inner().things.values().find(|thing| thing.name == name).cloned();
        let id = match there {
            Some(thing) if thing.owner != owner => return Err(ShelfError::Taken(name.to_owned())),
            Some(thing) => thing.id,
            None => self.make(key, owner, name, true)?,
        };
        self.sim.pause().await;
        Ok(id)
    }

    /// Begins a thing; it is half-built until it is [finished](Self::finish).
    ///
    /// # Errors
    /// [`ShelfError::Quota`].
    pub async fn begin(&self, key: &str, owner: &str) -> Result<String, ShelfError> {
        let id = self.make(key, owner, "", false)?;
        self.sim.pause().await;
        Ok(id)
    }

    /// Finishes a thing.
    ///
    /// # Errors
    /// [`ShelfError::Unknown`].
    pub async fn finish(&self, id: &str) -> Result<(), ShelfError> {
        match self.inner().things.get_mut(id) {
            Some(thing) => thing.complete = true,
            None => return Err(ShelfError::Unknown(id.to_owned())),
        }
        self.sim.pause().await;
        Ok(())
    }

    /// Removes a thing; one that is not there is as good as removed.
    ///
    /// # Errors
    /// None so far.
    pub async fn remove(&self, id: &str) -> Result<(), ShelfError> {
        self.inner().things.remove(id);
        self.sim.pause().await;
        Ok(())
    }

    /// Removes what was made under a key.
    ///
    /// # Errors
    /// None so far.
    pub async fn remove_key(&self, key: &str) -> Result<(), ShelfError> {
        self.inner().things.retain(|_, thing| thing.key != key);
        self.sim.pause().await;
        Ok(())
    }

    /// Removes the thing of a name, if it is the owner's.
    ///
    /// # Errors
    /// [`ShelfError::Taken`].
    pub async fn remove_name(&self, name: &str, owner: &str) -> Result<(), ShelfError> {
        {
            let mut inner = self.inner();
            if inner.things.values().any(|thing| thing.name == name && thing.owner != owner) {
                return Err(ShelfError::Taken(name.to_owned()));
            }
            inner.things.retain(|_, thing| thing.name != name);
        }
        self.sim.pause().await;
        Ok(())
    }

    /// Looks for what was made under a key.
    pub async fn find(&self, key: &str, owner: &str) -> Lookup<Shelved> {
        answer(self.visible(|thing| thing.key == key), owner)
    }

    /// Looks for the thing of a name.
    pub async fn find_name(&self, name: &str, owner: &str) -> Lookup<Shelved> {
        answer(self.visible(|thing| thing.name == name), owner)
    }

    /// Looks for a thing of this owner.
    pub async fn find_owned(&self, owner: &str) -> Lookup<Shelved> {
        answer(self.visible(|thing| thing.owner == owner), owner)
    }

    /// Puts a thing there that no attempt has made.
    pub fn foreign(&self, name: &str, owner: &str) {
        let mut inner = self.inner();
        inner.made += 1;
        let id = format!("{}-{}", self.kind, inner.made);
        let (name, owner, made_at) = (name.to_owned(), owner.to_owned(), Duration::ZERO);
        let made_of = Arc::clone(&self.made_of);
        let thing = Shelved { id: id.clone(), name, key: String::new(), owner, made_of, complete: true, made_at };
        inner.things.insert(id, thing);
    }

    /// Loses everything on the shelf but what is foreign, as a provider may. Keys are remembered.
    pub fn lose(&self) {
        self.inner().things.retain(|_, thing| thing.key.is_empty());
    }

    /// How many things there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner().things.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The thing with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Shelved> {
        self.inner().things.get(id).cloned()
    }

    /// Everything on the shelf, as the shelf has it.
    #[must_use]
    pub fn shelved(&self) -> Vec<Shelved> {
        self.inner().things.values().cloned().collect()
    }

    /// Everything on the shelf, as the oracles want it.
    #[must_use]
    pub fn inventory(&self) -> Vec<Thing> {
        let inner = self.inner();
        let things = inner.things.values().map(|thing| Thing {
            kind: self.kind,
            key: (!thing.key.is_empty()).then(|| thing.key.clone()),
            detail: match (&*thing.name, &*thing.made_of) {
                (name, "") => name.to_owned(),
                ("", made_of) => made_of.to_owned(),
                (name, made_of) => format!("{name}, {made_of}"),
            },
        });
        things.collect()
    }

    fn visible(&self, is_it: impl Fn(&Shelved) -> bool) -> Option<Shelved> {
        let now = self.sim.time();
        let inner = self.inner();
        let mut old = inner.things.values().filter(|thing| thing.made_at + inner.lag <= now);
        old.find(|thing| is_it(thing)).cloned()
    }

    fn make(&self, key: &str, owner: &str, name: &str, complete: bool) -> Result<String, ShelfError> {
        let made_at = self.sim.time();
        let mut inner = self.inner();
        if inner.things.len() >= self.quota {
            return Err(ShelfError::Quota(self.quota));
        }
        inner.made += 1;
        let id = format!("{}-{}", self.kind, inner.made);
        inner.keys.insert(key.to_owned(), (id.clone(), Arc::clone(&self.made_of)));
        let (name, key, owner) = (name.to_owned(), key.to_owned(), owner.to_owned());
        let made_of = Arc::clone(&self.made_of);
        inner.things.insert(id.clone(), Shelved { id: id.clone(), name, key, owner, made_of, complete, made_at });
        Ok(id)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Hashes what decides how the shelf answers from now on. `known` are the keys that somebody may still come with.
    fn hash(&self, known: &Known, now: Duration, hasher: &mut StableHasher) {
        for thing in self.things.values() {
            let hidden = (thing.made_at + self.lag).saturating_sub(now);
            (known.places(&thing.key).next(), &thing.made_of, thing.complete, hidden).hash(hasher);
        }
        // What was ever made under each of the known keys, in their order.
        let made = self.keys.iter().flat_map(|(key, made)| known.places(key).map(move |place| (place, made)));
        let mut made: Vec<_> = made.collect();
        made.sort_unstable_by_key(|(place, _)| *place);
        for (place, (id, made_of)) in made {
            (place, self.things.contains_key(id), made_of).hash(hasher);
        }
    }
}
