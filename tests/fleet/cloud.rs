//! The provider of all releases. Invariant: it keeps the contract that each transition declares, and takes note of everything that a controller must never
//! do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use durable_fsm::record::Record;
use durable_fsm::{Attempt, Class, Classify, Lookup, Undone};

use crate::clock::Time;
use crate::site::Site;

/// How long a request is under way that arrives late. That is less than the time for which a controller waits.
const LATE: Duration = Duration::from_secs(12);

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is carried out, and its reply is lost.
    ReplyLost,
    /// It is lost.
    RequestLost,
    /// It is carried out, and the sender waits for its reply until the deadline.
    Silent,
    /// The sender gets an error, and the request is carried out later.
    Late,
    /// It is carried out at once, and once more later, if it has a key: who sends a request without one relies on a transport that delivers once.
    Duplicate,
    /// It is refused as it is.
    Rejected,
    /// It is certain that it was not carried out.
    NotApplied,
    /// The removal has begun, and is not finished.
    NotYet,
}

pub const FAULTS: [Fault; 7] = [
    Fault::ReplyLost,
    Fault::RequestLost,
    Fault::Silent,
    Fault::Late,
    Fault::Duplicate,
    Fault::Rejected,
    Fault::NotApplied,
];

#[derive(Debug, thiserror::Error)]
#[error("the provider answers {0:?}")]
pub struct Refused(Class);

impl Classify for Refused {
    fn classify(&self) -> Class {
        self.0
    }
}

/// Something that a controller did, and that it must never do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// There are two of one kind, or what happens once happened twice.
    Repeated(String),
    /// There is something that no record covers.
    Orphan(String),
}

/// A request that changes something.
#[derive(Debug, Clone)]
enum Change {
    /// Makes the thing of the key, unless there is one; or one more.
    Make {
        again: bool,
    },
    Remove {
        id: String,
    },
    /// Removes everything of this kind with the tag.
    RemoveAll,
    /// Does something of which nothing stays, once for a key.
    Do {
        image: u32,
    },
}

#[derive(Debug, Clone)]
struct Request {
    uid: String,
    kind: &'static str,
    key: String,
    tag: String,
    change: Change,
}

#[derive(Debug, Clone)]
struct Thing {
    kind: &'static str,
    key: String,
    tag: String,
}

#[derive(Default)]
struct Inner {
    /// What exists, by its owner and id.
    things: BTreeMap<String, BTreeMap<String, Thing>>,
    made: u32,
    /// How often something was made under a key.
    under_key: BTreeMap<String, u32>,
    /// The keys under which something was done of which nothing stays, by owner and kind.
    done: BTreeMap<(String, &'static str), BTreeSet<String>>,
    images: BTreeMap<String, u32>,
    faults: BTreeMap<(String, &'static str), VecDeque<Fault>>,
    late: Vec<(Duration, Request)>,
    /// The owners that wait for a farewell.
    unanswered: BTreeSet<String>,
    wrong: Vec<Wrong>,
    requests: u64,
}

/// Every clone is the same provider.
#[derive(Clone, Default)]
pub struct Cloud {
    inner: Arc<Mutex<Inner>>,
    pub time: Time,
}

/// The lookups and requests of the transitions.
impl Cloud {
    /// Makes the thing of the attempt's key, or finds it.
    pub async fn make(&self, kind: &'static str, attempt: &Attempt<Site>) -> Result<String, Refused> {
        self.send(kind, attempt, Change::Make { again: false }).await
    }

    /// Makes one more thing at each request.
    pub async fn make_another(&self, kind: &'static str, attempt: &Attempt<Site>) -> Result<String, Refused> {
        self.send(kind, attempt, Change::Make { again: true }).await
    }

    pub async fn find<N>(
        &self,
        kind: &'static str,
        attempt: &Attempt<Site>,
        found: impl FnOnce(String) -> N,
    ) -> Result<Lookup<N>, Refused> {
        self.land();
        let inner = self.inner();
        let things = inner.things.get(&attempt.resource().name).into_iter().flatten();
        let mut ours = things.filter(|(_, thing)| thing.kind == kind && thing.tag == attempt.owner_tag());
        Ok(ours.next().map_or(Lookup::Absent, |(id, _)| Lookup::Ours(found(id.clone()))))
    }

    pub async fn remove(&self, kind: &'static str, id: &str, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
        self.undo(kind, attempt, Change::Remove { id: id.to_owned() }).await
    }

    /// Removes what has the owner's tag.
    pub async fn remove_all(&self, kind: &'static str, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
        self.undo(kind, attempt, Change::RemoveAll).await
    }

    /// Does something that leaves nothing behind.
    pub async fn act(&self, kind: &'static str, attempt: &Attempt<Site>) -> Result<u32, Refused> {
        let image = attempt.spec().image;
        self.send(kind, attempt, Change::Do { image }).await.map(|_| image)
    }

    pub fn is_answered(&self, attempt: &Attempt<Site>) -> bool {
        !self.inner().unanswered.contains(&attempt.resource().name)
    }

    async fn undo(&self, kind: &'static str, attempt: &Attempt<Site>, change: Change) -> Result<Undone, Refused> {
        let is_begun = {
            let mut inner = self.inner();
            let faults = inner.faults.get_mut(&(attempt.resource().name.clone(), undo_of(kind)));
            faults.filter(|faults| faults.front() == Some(&Fault::NotYet)).and_then(VecDeque::pop_front).is_some()
        };
        if is_begun {
            return Ok(Undone::NotYet);
        }
        self.request(undo_of(kind), kind, attempt, change).await.map(|_| Undone::Done)
    }

    async fn send(&self, kind: &'static str, attempt: &Attempt<Site>, change: Change) -> Result<String, Refused> {
        self.request(kind, kind, attempt, change).await
    }

    async fn request(
        &self,
        call: &'static str,
        kind: &'static str,
        attempt: &Attempt<Site>,
        change: Change,
    ) -> Result<String, Refused> {
        self.land();
        let uid = attempt.resource().name.clone();
        let (key, tag) = (attempt.key().to_owned(), attempt.owner_tag().to_owned());
        let request = Request { uid: uid.clone(), kind, key, tag, change };
        let is_silent = {
            let mut inner = self.inner();
            inner.requests += 1;
            let fault = inner.faults.get_mut(&(uid, call)).and_then(VecDeque::pop_front);
            let later = self.time.now() + LATE;
            match fault {
                None | Some(Fault::NotYet) => return Ok(inner.carry_out(&request)),
                Some(Fault::Duplicate) => {
                    if !matches!(request.change, Change::Make { again: true }) {
                        inner.late.push((later, request.clone()));
                    }
                    return Ok(inner.carry_out(&request));
                }
                Some(Fault::ReplyLost) => {
                    inner.carry_out(&request);
                    return Err(Refused(Class::Unknown));
                }
                Some(Fault::RequestLost) => return Err(Refused(Class::Unknown)),
                Some(Fault::Late) => {
                    inner.late.push((later, request));
                    return Err(Refused(Class::Unknown));
                }
                Some(Fault::Rejected) => return Err(Refused(Class::Rejected)),
                Some(Fault::NotApplied) => return Err(Refused(Class::NOT_APPLIED)),
                Some(Fault::Silent) => {
                    inner.carry_out(&request);
                    std::future::pending::<()>()
                }
            }
        };
        is_silent.await;
        Err(Refused(Class::Unknown))
    }
}

/// The call that removes things of this kind.
pub fn undo_of(kind: &'static str) -> &'static str {
    match kind {
        "host" => "no host",
        "entry" => "no entry",
        "volume" => "no volume",
        "cable" => "no cable",
        "app" => "no app",
        "port" => "no port",
        other => other,
    }
}

/// What the test does and asks.
impl Cloud {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// The next request of this call for this owner meets the fault.
    pub fn will(&self, uid: &str, call: &'static str, fault: Fault) {
        self.inner().faults.entry((uid.to_owned(), call)).or_default().push_back(fault);
    }

    /// Forgets the faults that nothing has met.
    pub fn heal(&self, uid: &str) {
        self.inner().faults.retain(|(of, _), _| of != uid);
    }

    pub fn answer_farewells(&self, uid: &str, is_answered: bool) {
        let mut inner = self.inner();
        if is_answered {
            inner.unanswered.remove(uid)
        } else {
            inner.unanswered.insert(uid.to_owned())
        };
    }

    /// Carries out what was under way for so long.
    pub fn land(&self) {
        let now = self.time.now();
        let mut inner = self.inner();
        if inner.late.iter().all(|(at, _)| *at > now) {
            return;
        }
        let (due, late) = std::mem::take(&mut inner.late).into_iter().partition(|(at, _)| *at <= now);
        inner.late = late;
        let due: Vec<(Duration, Request)> = due;
        due.iter().for_each(|(_, request)| drop(inner.carry_out(request)));
    }

    /// How many things of each kind an owner has, and what was done for it.
    pub fn has(&self, uid: &str) -> BTreeMap<&'static str, usize> {
        let inner = self.inner();
        let mut has = BTreeMap::new();
        for thing in inner.things.get(uid).into_iter().flat_map(BTreeMap::values) {
            *has.entry(thing.kind).or_default() += 1;
        }
        has
    }

    pub fn was_done(&self, uid: &str, kind: &'static str) -> usize {
        self.inner().done.get(&(uid.to_owned(), kind)).map_or(0, BTreeSet::len)
    }

    /// What the owner's last request of `start` or `apply` said.
    pub fn image(&self, uid: &str) -> Option<u32> {
        self.inner().images.get(uid).copied()
    }

    /// The id of the thing of this kind, for an operator who looks.
    pub fn look(&self, uid: &str, kind: &'static str) -> Option<String> {
        let inner = self.inner();
        let mut things = inner.things.get(uid)?.iter();
        things.find(|(_, thing)| thing.kind == kind).map(|(id, _)| id.clone())
    }

    pub fn requests(&self) -> u64 {
        self.inner().requests
    }

    pub fn wrong(&self) -> Vec<Wrong> {
        self.inner().wrong.clone()
    }

    /// Compares what the owner has with a record that is durable now; with none, if it was removed.
    pub fn audit(&self, uid: &str, record: Option<&Record>) {
        self.land();
        let mut inner = self.inner();
        let covered: BTreeSet<String> = record
            .map(|record| {
                let live = record.undo.iter().map(|it| (&it.transition, it.life));
                let sent = record.unconfirmed.iter().map(|it| (&it.transition, it.life));
                let open = record.intent.iter().map(|it| (&it.transition, it.life));
                live.chain(sent).chain(open).map(|(name, life)| record.key(name, None, life)).collect()
            })
            .unwrap_or_default();
        let things = inner.things.get(uid).into_iter().flatten();
        let orphans: Vec<Wrong> = things
            .filter(|(_, thing)| !covered.contains(&thing.key))
            .map(|(id, _)| Wrong::Orphan(format!("{uid}: {id} is in no record")))
            .collect();
        inner.wrong.extend(orphans);
    }
}

impl Inner {
    fn carry_out(&mut self, request: &Request) -> String {
        let Request { uid, kind, key, tag, change } = request;
        let things = self.things.entry(uid.clone()).or_default();
        match change {
            Change::Make { again } => {
                let known = things.iter().find(|(_, thing)| thing.kind == *kind && thing.key == *key);
                if let Some((id, _)) = known.filter(|_| !again) {
                    return id.clone();
                }
                self.made += 1;
                let id = format!("{kind}-{}", self.made);
                let thing = Thing { kind, key: key.clone(), tag: tag.clone() };
                things.insert(id.clone(), thing);
                let count = things.values().filter(|thing| thing.kind == *kind).count();
                *self.under_key.entry(key.clone()).or_default() += 1;
                if count > 1 {
                    self.wrong.push(Wrong::Repeated(format!("{uid} has {count} of {kind}")));
                }
                if *again && self.under_key[key] > 1 {
                    self.wrong.push(Wrong::Repeated(format!("{uid}: {kind} was made twice in one life")));
                }
                id
            }
            Change::Remove { id } => {
                things.remove(id);
                String::new()
            }
            Change::RemoveAll => {
                things.retain(|_, thing| thing.kind != *kind || thing.tag != *tag);
                String::new()
            }
            Change::Do { image } => {
                let keys = self.done.entry((uid.clone(), kind)).or_default();
                if keys.insert(key.clone()) {
                    if keys.len() > 1 && *kind != "apply" {
                        self.wrong.push(Wrong::Repeated(format!("{uid}: {kind} was done twice")));
                    }
                    if *kind != "farewell" {
                        self.images.insert(uid.clone(), *image);
                    }
                }
                String::new()
            }
        }
    }
}
