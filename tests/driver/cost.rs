//! The cost of each member of a set, counted in calls of the author's types and methods, and not in time.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::convert::Infallible;

use durable_fsm::store::MemoryStore;
use durable_fsm::{Each, Fsm, Outcome, Resource, ResourceId, Undone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How often something was asked of this thread.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Asked {
    wanted_sets: usize,
    specs_written: usize,
    specs_read: usize,
    members_written: usize,
    members_read: usize,
}

thread_local! {
    static ASKED: Cell<Asked> = Cell::default();
}

fn count(what: fn(&mut Asked) -> &mut usize) {
    let mut asked = ASKED.get();
    *what(&mut asked) += 1;
    ASKED.set(asked);
}

#[derive(Clone, Debug)]
struct Spec {
    members: usize,
}

impl Serialize for Spec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        count(|asked| &mut asked.specs_written);
        self.members.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        count(|asked| &mut asked.specs_read);
        usize::deserialize(deserializer).map(|members| Self { members })
    }
}

/// What is made for one member.
struct Made(String);

impl Serialize for Made {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        count(|asked| &mut asked.members_written);
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Made {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        count(|asked| &mut asked.members_read);
        String::deserialize(deserializer).map(Self)
    }
}

#[derive(Clone)]
struct Team {
    spec: Spec,
}

impl Resource for Team {
    type Spec = Spec;
    fn id(&self) -> ResourceId {
        ResourceId::new("default", "team")
    }
    fn uid(&self) -> &str {
        "uid-1"
    }
    fn spec(&self) -> &Spec {
        &self.spec
    }
}

/// One set of many, one that is as large as it is told to be, and one that depends on that.
#[derive(Fsm)]
#[fsm(name = "test.io/cost", version = 1, resource = Team)]
enum CostFlow {
    #[fsm(initial)]
    #[transition(begin -> Open, no_effect)]
    Empty,
    #[fsm(resting)]
    #[transition(add, for_each = members, in_doubt = repeat, undo = remove)]
    #[transition(elect, for_each = quorum, in_doubt = repeat, undo = recall)]
    #[transition(grant, for_each = grants, in_doubt = repeat, undo = revoke)]
    Open { members: Each<String, Made>, quorum: Each<String, String>, grants: Each<String, String> },
}

struct Nothing;

impl CostTransitions for Nothing {
    type Error = Infallible;
    fn begin(&self, from: Empty, _: &CostAttempt) -> Result<Open, Infallible> {
        Ok(from.open())
    }
    fn members(&self, _: &Open, team: &Team) -> BTreeSet<String> {
        count(|asked| &mut asked.wanted_sets);
        (0..team.spec.members).map(|number| format!("member-{number:04}")).collect()
    }
    async fn add(&self, _: &Open, _: &String, attempt: &CostAttempt) -> Result<Made, Infallible> {
        assert!(attempt.spec().members < 10_000);
        Ok(Made(attempt.key().to_owned()))
    }
    async fn remove(&self, _: &Open, _: &String, _: &Made, _: &CostAttempt) -> Result<Undone, Infallible> {
        Ok(Undone::Done)
    }
    /// Any three of five.
    fn quorum(&self, at: &Open, _: &Team) -> BTreeSet<String> {
        if at.quorum.len() >= 3 {
            return at.quorum.keys().cloned().collect();
        }
        ["a", "b", "c", "d", "e"].map(str::to_owned).into()
    }
    async fn elect(&self, _: &Open, _: &String, attempt: &CostAttempt) -> Result<String, Infallible> {
        Ok(attempt.key().to_owned())
    }
    async fn recall(&self, _: &Open, _: &String, _: &String, _: &CostAttempt) -> Result<Undone, Infallible> {
        Ok(Undone::Done)
    }
    fn grants(&self, at: &Open, _: &Team) -> BTreeSet<String> {
        at.quorum.keys().cloned().collect()
    }
    async fn grant(&self, at: &Open, who: &String, attempt: &CostAttempt) -> Result<String, Infallible> {
        assert!(at.quorum.contains_key(who), "its set is as it is now");
        Ok(attempt.key().to_owned())
    }
    async fn revoke(&self, _: &Open, _: &String, _: &String, _: &CostAttempt) -> Result<Undone, Infallible> {
        Ok(Undone::Done)
    }
}

async fn settle(runner: &CostRunner<Nothing>, members: usize) -> (Open, Asked) {
    ASKED.set(Asked::default());
    let Outcome::Resting(CostState::Open(open)) = runner.reconcile(&Team { spec: Spec { members } }).await.unwrap()
    else {
        panic!("it does not rest")
    };
    assert_eq!(open.members.len(), members);
    (open, ASKED.get())
}

#[tokio::test]
async fn nothing_is_asked_more_often_for_each_member_of_a_larger_set() {
    let build = async |members| settle(&CostRunner::new(Nothing, MemoryStore::new()), members).await.1;
    let (half, whole) = (build(200).await, build(400).await);
    assert_eq!(whole.wanted_sets, half.wanted_sets, "the wanted set is asked for once for a change that it can see");
    assert!(whole.wanted_sets <= 3, "{whole:?}");
    assert_eq!((whole.specs_written, whole.specs_read), (half.specs_written, half.specs_read));
    // Each is written once, read to see that it can be read, and read once into the set that the next method is given.
    assert_eq!(whole.members_written - half.members_written, 2 * 200, "{half:?} {whole:?}");
    assert_eq!(whole.members_read - half.members_read, 2 * 200, "{half:?} {whole:?}");
}

#[tokio::test]
async fn one_more_member_costs_the_same_in_a_larger_set() {
    let grow = async |members| {
        let runner = CostRunner::new(Nothing, MemoryStore::new());
        drop(settle(&runner, members).await);
        let one = settle(&runner, members + 1).await.1;
        let four = settle(&runner, members + 5).await.1;
        // What a pass reads once, whatever it does, is in both.
        (four.members_read - one.members_read, four.wanted_sets)
    };
    let ((small, asked), (large, as_well)) = (grow(100).await, grow(300).await);
    assert_eq!((small, asked), (large, as_well));
}

#[tokio::test]
async fn a_wanted_set_that_looks_into_a_set_is_asked_for_again_when_that_has_changed() {
    let (open, _) = settle(&CostRunner::new(Nothing, MemoryStore::new()), 0).await;
    assert_eq!(
        open.quorum.keys().collect::<Vec<_>>(),
        ["a", "b", "c"],
        "the fourth is not wanted once there are three"
    );
    assert_eq!(open.grants.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
}
