//! What a reconciler remembers of the objects that it has passed over.
//!
//! Invariant: everything here may be lost at any time. Then the next pass reads the object, and a warning may be published twice. Nothing is kept of objects that are gone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use durable_fsm::ResourceId;
use tokio::time::Instant;

use crate::claim::{Claim, Peers, holder_in};

/// How long a pass relies on the controller's cache without reading the object. So long, a missed event of the watch stays unnoticed at most. A resource at rest is looked
/// at less often than this, so each such look is a read.
const CACHE_FOR: Duration = Duration::from_secs(300);

/// How long the cache may take to show our own writes.
const LAG: Duration = Duration::from_secs(5);

/// What was not passed over for so long is forgotten: every object that still exists is passed over more often.
const FORGET_AFTER: Duration = Duration::from_secs(3600);

/// A warning that was published: the reason and the note.
type Warning = (String, String);

/// What is remembered of each object.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    objects: HashMap<ResourceId, Known>,
    swept: Option<Instant>,
    peers: Peers,
}

/// What is remembered of an object.
#[derive(Debug)]
struct Known {
    uid: String,
    /// The version that the last pass has left, or that was seen when the object was new. Empty if there is none.
    version: String,
    /// When the object was read from the server, or written, for the last time.
    read_at: Instant,
    passed_at: Instant,
    /// The reason of the last Event about the outcome of a pass.
    told: Option<String>,
    warned: Option<Warning>,
    /// How many passes in a row have failed because of the API server.
    failures: u32,
    /// When the next pass is due, whatever events tell.
    due: Option<Instant>,
    claim: Claim,
}

/// How a cached object stands to what is remembered of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing is remembered of it.
    Unknown,
    /// It is what the last pass has left, or somebody else has written since.
    Current,
    /// It is from before our own last write.
    Behind,
    /// The object has to be read: that was not done for long, or its version says nothing.
    Due,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How this version of an object stands to what is remembered of it.
    pub(crate) fn standing(&self, id: &ResourceId, uid: &str, version: &str) -> Standing {
        let memory = self.lock();
        let is_known = |known: &&Known| known.uid == uid && !known.version.is_empty();
        let Some(known) = memory.objects.get(id).filter(is_known) else { return Standing::Unknown };
        if known.read_at.elapsed() >= CACHE_FOR {
            return Standing::Due;
        }
        if known.version == version {
            return Standing::Current;
        }
        // An older object would not only cost a conflict: what the driver has seen since would be forgotten.
        match (known.version.parse::<u64>(), version.parse::<u64>()) {
            (Ok(left), Ok(found)) if found > left => Standing::Current,
            (Ok(_), Ok(_)) => Standing::Behind,
            // Only the server can compare them.
            _ => Standing::Due,
        }
    }

    /// Whether this version is from before our own last write, and the cache can still be expected to catch up.
    pub(crate) fn is_catching_up(&self, id: &ResourceId, uid: &str, version: &str) -> bool {
        let is_behind = self.standing(id, uid, version) == Standing::Behind;
        is_behind && self.lock().objects.get(id).is_some_and(|known| known.passed_at.elapsed() < LAG)
    }

    /// A pass has ended with this version of the object, which it has read or written itself, or found in a cache.
    pub(crate) fn passed(&self, id: &ResourceId, uid: &str, version: &str, is_read: bool) {
        let now = Instant::now();
        let mut memory = self.lock();
        match memory.objects.get_mut(id).filter(|known| known.uid == uid) {
            Some(known) => {
                (known.version, known.passed_at) = (version.to_owned(), now);
                if is_read {
                    known.read_at = now;
                }
            }
            None => {
                let known = Known { version: version.to_owned(), ..Known::new(uid, now) };
                memory.objects.insert(id.clone(), known);
            }
        }
        if memory.swept.is_none_or(|swept| swept.elapsed() >= FORGET_AFTER) {
            memory.swept = Some(now);
            memory.objects.retain(|_, known| known.passed_at.elapsed() < FORGET_AFTER);
        }
    }

    /// The next pass over an object is due after this time. Changes nothing if the object is not known.
    pub(crate) fn due_after(&self, id: &ResourceId, uid: &str, after: Duration) {
        if let Some(known) = self.lock().objects.get_mut(id).filter(|known| known.uid == uid) {
            known.due = Instant::now().checked_add(after);
        }
    }

    /// A pass begins; gives for how long it was due. None if an event has caused it.
    pub(crate) fn late(&self, id: &ResourceId, uid: &str) -> Option<Duration> {
        let mut memory = self.lock();
        let known = memory.objects.get_mut(id).filter(|known| known.uid == uid)?;
        Instant::now().checked_duration_since(known.due.take()?)
    }

    /// The API server has failed a pass; gives how many it has failed in a row.
    pub(crate) fn failed(&self, id: &ResourceId, uid: &str) -> u32 {
        let mut memory = self.lock();
        let known = memory.of(id, uid);
        (known.failures, known.passed_at) = (known.failures.saturating_add(1), Instant::now());
        known.failures
    }

    /// The API server has not failed a pass.
    pub(crate) fn worked(&self, id: &ResourceId) {
        if let Some(known) = self.lock().objects.get_mut(id) {
            known.failures = 0;
        }
    }

    /// An object that a watch has delivered is new. Whatever comes after this version can be told from what was before.
    pub(crate) fn saw_new(&self, id: &ResourceId, uid: &str, version: &str) {
        let mut memory = self.lock();
        let known = memory.of(id, uid);
        if known.version.is_empty() {
            version.clone_into(&mut known.version);
        }
    }

    /// Takes note of the open intent in the record of an object, and gives its holder.
    pub(crate) fn holder(&self, own: &str, id: &ResourceId, uid: &str, record: Option<&str>) -> Option<String> {
        let holder = holder_in(record?, uid)?;
        let mut memory = self.lock();
        let (claim, peers) = memory.claim(id, uid);
        claim.saw(peers, own, &holder);
        Some(holder)
    }

    /// Sets how long a controller waits for another one that goes first and shows no sign of work.
    pub(crate) fn set_turn(&self, turn: Duration) {
        self.lock().peers.set_turn(turn);
    }

    /// How long another controller may take from its last write of a record to the status that follows.
    pub(crate) fn publishing(&self) -> Duration {
        self.lock().peers.publishing()
    }

    /// For how long a pass over an object is left to other controllers. None if it is this one's turn.
    pub(crate) fn turn(&self, own: &str, id: &ResourceId, uid: &str, is_new: bool) -> Option<Duration> {
        let mut memory = self.lock();
        let (claim, peers) = memory.claim(id, uid);
        claim.turn(peers, own, uid, is_new)
    }

    /// A pass of this controller has written the record.
    pub(crate) fn acted(&self, own: &str, id: &ResourceId, uid: &str) {
        let mut memory = self.lock();
        let (claim, peers) = memory.claim(id, uid);
        claim.acted(peers, own);
    }

    /// For how long what a pass has found is left to another controller to publish. None if it is this one's.
    pub(crate) fn leaves(
        &self,
        own: &str,
        id: &ResourceId,
        uid: &str,
        found: &str,
        patience: Duration,
    ) -> Option<Duration> {
        let mut memory = self.lock();
        let (claim, peers) = memory.claim(id, uid);
        claim.leaves(peers, own, found, patience)
    }

    /// How long this controller lets others go first when the holder of an intent is silent for too long.
    pub(crate) fn place(&self, own: &str, uid: &str, holder: &str) -> Duration {
        self.lock().peers.place(own, uid, holder)
    }

    /// The object is gone.
    pub(crate) fn forget(&self, id: &ResourceId) {
        self.lock().objects.remove(id);
    }

    /// Notes the reason of the outcome that is told. False if it was the last one that was told.
    pub(crate) fn is_news(&self, id: &ResourceId, uid: &str, reason: &str) -> bool {
        let mut memory = self.lock();
        let known = memory.of(id, uid);
        let is_news = known.told.as_deref() != Some(reason);
        known.told = Some(reason.to_owned());
        is_news
    }

    /// Whether this warning is the last that was published.
    pub(crate) fn is_warned(&self, id: &ResourceId, uid: &str, warning: &Warning) -> bool {
        self.lock().of(id, uid).warned.as_ref() == Some(warning)
    }

    /// This warning is published.
    pub(crate) fn warned(&self, id: &ResourceId, uid: &str, warning: Warning) {
        self.lock().of(id, uid).warned = Some(warning);
    }
}

impl Remembered {
    fn of(&mut self, id: &ResourceId, uid: &str) -> &mut Known {
        Known::of(&mut self.objects, id, uid)
    }

    fn claim(&mut self, id: &ResourceId, uid: &str) -> (&mut Claim, &mut Peers) {
        (&mut Known::of(&mut self.objects, id, uid).claim, &mut self.peers)
    }
}

impl Known {
    fn of<'o>(objects: &'o mut HashMap<ResourceId, Self>, id: &ResourceId, uid: &str) -> &'o mut Self {
        let now = Instant::now();
        let known = objects.entry(id.clone()).or_insert_with(|| Self::new(uid, now));
        if known.uid != uid {
            *known = Self::new(uid, now);
        }
        known
    }

    /// An object of which no version is known.
    fn new(uid: &str, now: Instant) -> Self {
        let (uid, version) = (uid.to_owned(), String::new());
        let (told, warned, claim) = (None, None, Claim::default());
        Self { uid, version, read_at: now, passed_at: now, told, warned, failures: 0, due: None, claim }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ResourceId {
        ResourceId::new("n", "a")
    }

    #[tokio::test(start_paused = true)]
    async fn a_cached_object_is_relied_on_unless_it_is_behind_us_or_was_not_read_for_long() {
        let memory = Memory::default();
        assert_eq!(memory.standing(&id(), "u", "9"), Standing::Unknown);
        memory.passed(&id(), "u", "11", true);
        let standing = |version| memory.standing(&id(), "u", version);
        let expected = [Standing::Behind, Standing::Current, Standing::Current, Standing::Due];
        assert_eq!(["9", "11", "12", "eleven"].map(standing), expected);
        assert_eq!(memory.standing(&id(), "another", "11"), Standing::Unknown);
        assert!(memory.is_catching_up(&id(), "u", "9") && !memory.is_catching_up(&id(), "u", "11"));
        tokio::time::advance(LAG).await;
        assert!(!memory.is_catching_up(&id(), "u", "9"));
        // A pass that has read nothing does not make it young.
        tokio::time::advance(CACHE_FOR - LAG).await;
        memory.passed(&id(), "u", "11", false);
        assert_eq!(standing("11"), Standing::Due);
        memory.passed(&id(), "u", "11", true);
        assert_eq!(standing("11"), Standing::Current);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_is_late_by_the_time_since_it_was_due() {
        let (memory, second) = (Memory::default(), Duration::from_secs(1));
        memory.due_after(&id(), "u", second);
        assert!(memory.lock().objects.is_empty(), "nothing is kept of what is gone");
        memory.passed(&id(), "u", "1", true);
        memory.due_after(&id(), "u", second);
        tokio::time::advance(4 * second).await;
        assert_eq!(memory.late(&id(), "another"), None);
        assert_eq!(memory.late(&id(), "u"), Some(3 * second));
        assert_eq!(memory.late(&id(), "u"), None, "the pass after it was caused by an event");
        memory.due_after(&id(), "u", second);
        assert_eq!(memory.late(&id(), "u"), None, "it came before its time");
    }

    #[test]
    fn failures_are_counted_in_a_row() {
        let memory = Memory::default();
        assert_eq!([(); 2].map(|()| memory.failed(&id(), "u")), [1, 2]);
        assert_eq!(memory.standing(&id(), "u", "1"), Standing::Unknown, "a failure tells nothing of the object");
        memory.worked(&id());
        assert_eq!(memory.failed(&id(), "u"), 1);
        assert_eq!(memory.failed(&id(), "another"), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_what_is_gone() {
        let memory = Memory::default();
        memory.passed(&id(), "u", "1", true);
        memory.forget(&id());
        assert_eq!(memory.standing(&id(), "u", "1"), Standing::Unknown);
        // It went without a word.
        memory.passed(&id(), "u", "1", true);
        tokio::time::advance(FORGET_AFTER).await;
        memory.passed(&ResourceId::new("n", "b"), "v", "2", true);
        assert_eq!(memory.lock().objects.len(), 1);
    }

    #[test]
    fn what_follows_a_new_object_can_be_told_from_what_was_before() {
        let memory = Memory::default();
        assert!(memory.turn("me", &id(), "u", true).is_none_or(|left| left < LAG));
        assert_eq!(memory.standing(&id(), "u", "7"), Standing::Unknown);
        memory.saw_new(&id(), "u", "7");
        memory.saw_new(&id(), "u", "8");
        assert_eq!(
            ["6", "7", "9"].map(|it| memory.standing(&id(), "u", it)),
            [Standing::Behind, Standing::Current, Standing::Current]
        );
    }

    #[test]
    fn one_reason_is_news_once() {
        let memory = Memory::default();
        let news = ["A", "A", "B", "A"].map(|reason| memory.is_news(&id(), "u", reason));
        assert_eq!(news, [true, false, true, true]);
        // Another object of the name has not been told of.
        assert!(memory.is_news(&id(), "v", "A"));
    }
}
