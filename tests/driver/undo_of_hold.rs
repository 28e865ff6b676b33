//! The undo of an effect declared `in_doubt = hold`, and of a branch.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use durable_fsm::store::MemoryStore;
use durable_fsm::{Class, Classify, Fsm, Outcome, Undone};

use crate::machine::Thing;
use crate::world::ManualClock;

/// A letter that is posted, and then announced in one of two ways.
#[derive(Fsm)]
#[fsm(name = "test.io/letter", version = 1, resource = Thing)]
pub enum LetterFlow {
    #[fsm(initial)]
    #[transition(post -> Posted, in_doubt = hold, undo = recall, abort = search_the_box, timeout = "10s")]
    Written,
    #[transition(announce -> Called | Mailed, in_doubt = repeat, undo = take_back, timeout = "10s")]
    Posted { letter: String },
    #[fsm(resting)]
    Called,
    #[fsm(resting)]
    Mailed { address: String },
}

#[derive(Debug, thiserror::Error)]
#[error("the office is closed")]
pub struct Closed {
    is_unknown: bool,
}

impl Classify for Closed {
    fn classify(&self) -> Class {
        if self.is_unknown { Class::Unknown } else { Class::NOT_APPLIED }
    }
}

#[derive(Clone, Default)]
struct Office {
    calls: Arc<Mutex<Vec<String>>>,
    /// The calls that find it closed.
    closed: Arc<Mutex<VecDeque<&'static str>>>,
    /// What that says of the call.
    is_unknown: bool,
    mails: bool,
}

impl Office {
    fn call(&self, name: &'static str) -> Result<String, Closed> {
        self.calls.lock().unwrap().push(name.to_owned());
        let mut closed = self.closed.lock().unwrap();
        if closed.front() == Some(&name) {
            closed.pop_front();
            return Err(Closed { is_unknown: self.is_unknown });
        }
        Ok(name.to_owned())
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl LetterTransitions for Office {
    type Error = Closed;
    async fn post(&self, from: Written, _: &LetterAttempt) -> Result<Posted, Closed> {
        Ok(from.posted(self.call("post")?))
    }
    async fn recall(&self, _: &Posted, _: &LetterAttempt) -> Result<Undone, Closed> {
        self.call("recall").map(drop).map(Undone::from)
    }
    async fn search_the_box(&self, _: &Written, _: &LetterAttempt) -> Result<Undone, Closed> {
        self.call("search_the_box").map(drop).map(Undone::from)
    }
    async fn announce(&self, from: Posted, _: &LetterAttempt) -> Result<AnnounceNext, Closed> {
        let how = self.call("announce")?;
        Ok(if self.mails { from.mailed(how).into() } else { from.called().into() })
    }
    async fn take_back(&self, made: AnnounceMade<'_>, _: &LetterAttempt) -> Result<Undone, Closed> {
        let text = match made {
            AnnounceMade::Called(called) => format!("take back the call of {}", called.letter),
            AnnounceMade::Mailed(mailed) => format!("take back the mail of {}", mailed.letter),
        };
        self.calls.lock().unwrap().push(text);
        Ok(Undone::Done)
    }
}

/// Passes until it does not go on by itself.
async fn settle(runner: &LetterRunner<Office>, clock: &ManualClock, thing: &Thing) -> Outcome<LetterState> {
    loop {
        match runner.reconcile(thing).await.unwrap() {
            Outcome::Progressing { after, .. } => clock.advance(after),
            outcome => return outcome,
        }
    }
}

/// One pass of an office where these calls find it closed, and then the deletion.
async fn delete(office: &Office, closed: &[&'static str]) -> Outcome<LetterState> {
    office.closed.lock().unwrap().extend(closed);
    let clock = ManualClock::default();
    let runner = LetterRunner::builder(office.clone(), MemoryStore::new()).clock(clock.clone()).build();
    let thing = Thing::new("web:1", &[]);
    let _ = runner.reconcile(&thing).await.unwrap();
    assert!(office.closed.lock().unwrap().is_empty(), "each found it closed");
    office.calls();
    settle(&runner, &clock, &Thing { deleting: true, ..thing }).await
}

#[tokio::test]
async fn a_deletion_aborts_a_held_effect_and_never_sends_it_again() {
    let office = Office::default();
    assert!(matches!(delete(&office, &["post"]).await, Outcome::Gone));
    assert_eq!(office.calls(), [""; 0], "what was refused does not exist");
    let office = Office { is_unknown: true, ..Office::default() };
    assert!(matches!(delete(&office, &["post"]).await, Outcome::Gone));
    assert_eq!(office.calls(), ["search_the_box"]);
}

#[tokio::test]
async fn the_undo_of_a_branch_is_given_the_state_that_was_reached() {
    for (mails, taken) in [(false, "call"), (true, "mail")] {
        let office = Office { mails, ..Office::default() };
        assert!(matches!(delete(&office, &[]).await, Outcome::Gone));
        assert_eq!(office.calls(), [format!("take back the {taken} of post"), "recall".to_owned()]);
    }
}
