//! Who runs the next pass for an object, where several controllers run.
//!
//! Invariant: a claim only makes a controller wait, for a few seconds at most. Safety does not depend on claims: each write is conditional on the version of the object.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

/// How long a controller waits for another one that goes first and shows no sign of work, unless the program says otherwise.
const TURN: Duration = Duration::from_millis(800);

/// The most controllers that one lets go first.
const MOST_AHEAD: usize = 3;

/// For how many turns at most an object waits for a controller that is at work on others.
const BUSY: u32 = 6;

/// For how many turns a new controller expects others that it has not met.
const YOUNG: u32 = 6;

/// Over which part of a turn controllers begin with a new object, each at a time of its own.
const SPREAD: f64 = 0.5;

/// For how many turns another controller may be at work between its last write of a record and the status that follows.
const PUBLISHING: f64 = 2.5;

/// The controllers of which something was seen.
#[derive(Debug)]
pub(crate) struct Peers {
    turn: Duration,
    began: Option<Instant>,
    /// When each of the others was last seen to begin something.
    seen: BTreeMap<String, Instant>,
}

impl Default for Peers {
    fn default() -> Self {
        Self { turn: TURN, began: None, seen: BTreeMap::new() }
    }
}

/// What is known of who passes over one object.
#[derive(Debug, Default)]
pub(crate) struct Claim {
    /// The holder of the last intent on it.
    holder: Option<String>,
    /// Since when others are let go first.
    waits_since: Option<Instant>,
    /// Those that were let go first, and have begun nothing.
    silent: Vec<String>,
    /// What a pass has last found that is another controller's to publish, and when it was first found.
    found: Option<(String, Instant)>,
}

impl Claim {
    /// Takes note of an open intent. A new one is a sign of life.
    pub(crate) fn saw(&mut self, peers: &mut Peers, own: &str, holder: &str) {
        if self.holder.as_deref() != Some(holder) {
            // The next wait is about what comes after this.
            (self.holder, self.waits_since) = (Some(holder.to_owned()), None);
            let controller = controller_of(holder);
            if controller != own {
                peers.seen.insert(controller.to_owned(), Instant::now());
            }
        }
    }

    /// A pass of this controller has written the record, so those that were let go first are not there.
    pub(crate) fn acted(&mut self, peers: &mut Peers, own: &str) {
        for silent in self.silent.drain(..) {
            peers.seen.remove(&silent);
        }
        self.found = None;
        if self.holder.as_deref().map(controller_of) != Some(own) {
            self.holder = Some(own.to_owned());
        }
    }

    /// For how long a pass is left to others. None if it is this controller's turn. `is_new` is an object on which nothing was begun.
    pub(crate) fn turn(&mut self, peers: &mut Peers, own: &str, uid: &str, is_new: bool) -> Option<Duration> {
        let now = Instant::now();
        let began = *peers.began.get_or_insert(now);
        let last = self.holder.as_deref().map(controller_of);
        self.silent.clear();
        if last == Some(own) {
            self.waits_since = None;
            return None;
        }
        let since = *self.waits_since.get_or_insert(now);
        let mut until = since;
        let turn = peers.turn;
        if is_new && peers.seen.is_empty() && began.elapsed() < turn * YOUNG {
            until += turn.mul_f64(SPREAD * (rank(own, uid) % 1024) as f64 / 1024.0);
        }
        for (controller, seen) in peers.ahead(own, uid, last) {
            // One that is at work on other objects comes to this one.
            let alive = (*seen).min(since + turn * BUSY);
            if alive + turn <= now {
                self.silent.push(controller.clone());
            }
            until = until.max(alive) + turn;
        }
        let left = until.checked_duration_since(now).filter(|left| !left.is_zero());
        if left.is_none() {
            self.waits_since = None;
        }
        left
    }

    /// For how long what a pass has found is left to another controller to publish. None if it is this one's, or if it has stood there for `patience`.
    pub(crate) fn leaves(&mut self, peers: &Peers, own: &str, found: &str, patience: Duration) -> Option<Duration> {
        let holder = self.holder.as_deref().map(controller_of)?;
        if holder == own || !peers.seen.contains_key(holder) {
            return None;
        }
        let now = Instant::now();
        if self.found.as_ref().is_none_or(|(known, _)| known != found) {
            self.found = Some((found.to_owned(), now));
        }
        let since = self.found.as_ref().map_or(now, |(_, since)| *since);
        (since + patience).checked_duration_since(now).filter(|left| !left.is_zero())
    }
}

impl Peers {
    /// Sets how long a controller waits for another one that goes first and shows no sign of work.
    pub(crate) fn set_turn(&mut self, turn: Duration) {
        self.turn = turn;
    }

    /// How long another controller may take from its last write of a record to the status that follows.
    pub(crate) fn publishing(&self) -> Duration {
        self.turn.mul_f64(PUBLISHING)
    }

    /// The controllers that go before this one: the last holder, and then each in a place that it has at this object alone.
    fn ahead(&self, own: &str, uid: &str, last: Option<&str>) -> impl Iterator<Item = (&String, &Instant)> {
        let mine = (true, rank(own, uid));
        let mut ahead: Vec<_> = self
            .seen
            .iter()
            .map(|peer| ((last != Some(peer.0.as_str()), rank(peer.0, uid)), peer))
            .filter(|(place, _)| *place < mine)
            .collect();
        ahead.sort_by_key(|(place, _)| *place);
        ahead.into_iter().take(MOST_AHEAD).map(|(_, peer)| peer)
    }

    /// How long this controller lets others go first when the holder of an intent is silent for too long.
    pub(crate) fn place(&self, own: &str, uid: &str, holder: &str) -> Duration {
        let ahead = self.ahead(own, uid, None).filter(|(peer, _)| peer.as_str() != controller_of(holder));
        self.turn * u32::try_from(ahead.count()).unwrap_or(u32::MAX)
    }
}

/// The place of a controller at an object. Every controller knows the same.
fn rank(controller: &str, uid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (controller, uid).hash(&mut hasher);
    hasher.finish()
}

/// The controller that holds an intent.
pub(crate) fn controller_of(holder: &str) -> &str {
    holder.split_once('/').map_or(holder, |(controller, _)| controller)
}

/// The part of a record that says who is at work.
#[derive(Deserialize)]
struct Open {
    owner: String,
    intent: Option<Intent>,
}

#[derive(Deserialize)]
struct Intent {
    holder: String,
}

/// The holder of the open intent in a record of the object with this uid.
pub(crate) fn holder_in(record: &str, uid: &str) -> Option<String> {
    let open: Open = serde_json::from_str(record).ok()?;
    (open.owner == uid).then_some(open.intent?.holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A uid at which `a` goes before `b`.
    fn first_of(a: &str, b: &str) -> String {
        (0..).map(|number| number.to_string()).find(|uid| rank(a, uid) < rank(b, uid)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_holder_goes_first_and_the_others_wait_for_a_while() {
        let (mut peers, mut claim) = (Peers::default(), Claim::default());
        peers.began = Some(Instant::now().checked_sub(TURN * YOUNG).unwrap());
        assert_eq!(claim.turn(&mut peers, "me", "u", false), None, "no other one is known");
        claim.saw(&mut peers, "me", "you/1.1");
        assert_eq!(claim.turn(&mut peers, "me", "u", false), Some(TURN));
        // It is at work elsewhere, and is expected here too, for a bounded time.
        tokio::time::advance(TURN / 2).await;
        Claim::default().saw(&mut peers, "me", "you/2.1");
        assert_eq!(claim.turn(&mut peers, "me", "u", false), Some(TURN));
        for call in 3..30 {
            tokio::time::advance(TURN / 2).await;
            Claim::default().saw(&mut peers, "me", &format!("you/{call}.1"));
        }
        assert_eq!(claim.turn(&mut peers, "me", "u", false), None);
        // It has begun at last, and the wait for what it does next is another one.
        claim.saw(&mut peers, "me", "you/30.1");
        assert_eq!(claim.turn(&mut peers, "me", "u", false), Some(TURN));
        // The last one was me.
        claim.saw(&mut peers, "me", "me/1.1");
        assert_eq!(claim.turn(&mut peers, "me", "u", false), None);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stays_silent_is_waited_for_once() {
        let (mut peers, mut claim) = (Peers::default(), Claim::default());
        claim.saw(&mut peers, "me", "you/1.1");
        assert_eq!(claim.turn(&mut peers, "me", "u", false), Some(TURN));
        tokio::time::advance(TURN).await;
        assert_eq!(claim.turn(&mut peers, "me", "u", false), None);
        // A pass that has nothing to do says nothing of the other one.
        assert!(peers.seen.contains_key("you"));
        assert_eq!(claim.turn(&mut peers, "me", "u", false), Some(TURN));
        tokio::time::advance(TURN).await;
        assert_eq!(claim.turn(&mut peers, "me", "u", false), None);
        claim.acted(&mut peers, "me");
        assert!(peers.seen.is_empty());
        assert_eq!(claim.turn(&mut peers, "me", "u", false), None);
    }

    #[tokio::test(start_paused = true)]
    async fn each_object_has_one_controller_that_begins() {
        let (mut peers, mut claim) = (Peers::default(), Claim::default());
        // None that it knows, but there may be some.
        assert_eq!(claim.turn(&mut peers, "me", "u", false), None);
        assert!(claim.turn(&mut peers, "me", "u", true).is_none_or(|left| left <= TURN.mul_f64(SPREAD)));
        tokio::time::advance(TURN * YOUNG).await;
        for peer in ["b", "c", "d", "e", "f"] {
            Claim::default().saw(&mut peers, "a", &format!("{peer}/1.1"));
        }
        assert_eq!(
            Claim::default().turn(&mut peers, "a", &first_of("b", "a"), true).map(|left| left >= TURN),
            Some(true)
        );
        for uid in 0..100 {
            let left = Claim::default().turn(&mut peers, "a", &uid.to_string(), true).unwrap_or_default();
            assert!(left <= TURN * 3, "{left:?}");
        }
        let mut two = Peers::default();
        Claim::default().saw(&mut two, "a", "b/1.1");
        assert_eq!(Claim::default().turn(&mut two, "a", &first_of("a", "b"), true), None);
        assert_eq!(two.place("a", &first_of("b", "a"), "b/1.1"), Duration::ZERO);
        assert_eq!(two.place("a", &first_of("b", "a"), "c/1.1"), TURN);
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_controller_does_is_published_by_it_unless_it_stands_still() {
        let (mut peers, mut claim) = (Peers::default(), Claim::default());
        let patience = Duration::from_secs(2);
        assert_eq!(claim.leaves(&peers, "me", "1", patience), None);
        claim.saw(&mut peers, "me", "you/1.1");
        assert_eq!(claim.leaves(&peers, "me", "1", patience), Some(patience));
        tokio::time::advance(patience / 2).await;
        assert_eq!(claim.leaves(&peers, "me", "1", patience), Some(patience / 2));
        assert_eq!(claim.leaves(&peers, "me", "2", patience), Some(patience));
        tokio::time::advance(patience).await;
        assert_eq!(claim.leaves(&peers, "me", "2", patience), None);
        claim.acted(&mut peers, "me");
        assert_eq!(claim.leaves(&peers, "me", "3", patience), None);
    }

    #[test]
    fn only_a_record_of_the_object_itself_says_who_is_at_work() {
        let record = r#"{ "format": 1, "owner": "u", "intent": { "transition": "t", "holder": "a/1.2" } }"#;
        assert_eq!(holder_in(record, "u").as_deref(), Some("a/1.2"));
        assert_eq!(holder_in(record, "v"), None);
        assert_eq!(holder_in(r#"{ "owner": "u" }"#, "u"), None);
        assert_eq!(holder_in("{", "u"), None);
        assert_eq!(controller_of("a/1.2"), "a");
    }
}
