//! Sets whose wanted members change while the set is incomplete.

use std::collections::BTreeSet;

use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Each, Fsm, Lookup, Undone};

use crate::worlds::resource::App;

/// Keeps a set of members, and one container that is replaced.
#[derive(Fsm)]
#[fsm(name = "test.io/each", version = 1, resource = App)]
pub enum EachFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(begin -> Ready, no_effect)]
    Requested,
    /// All members are there.
    #[fsm(resting)]
    #[transition(run_container, for_each = containers, in_doubt = lookup, undo = stop_container, surge = 0, settle = "10s")]
    #[transition(add_member, for_each = members, in_doubt = repeat, undo = remove_member, settle = "5s")]
    #[transition(note_image -> Ready, when = image_changed, in_doubt = repeat, undo = none, settle = "5s")]
    Ready { containers: Each<String, String>, members: Each<String, String>, image: String },
}

#[derive(Clone)]
pub struct Cloud {
    containers: Shelf,
    members: Shelf,
}

impl EachTransitions for Cloud {
    type Error = ShelfError;

    fn begin(&self, from: Requested, _: &EachAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(String::new()))
    }
    fn containers(&self, _: &Ready, app: &App) -> BTreeSet<String> {
        BTreeSet::from([app.0.image.clone()])
    }
    async fn run_container(&self, _: &Ready, image: &String, attempt: &EachAttempt) -> Result<String, ShelfError> {
        self.containers.made_of(image).add(attempt.key(), attempt.owner_tag()).await
    }
    async fn lookup_run_container(
        &self,
        _: &Ready,
        _: &String,
        attempt: &EachAttempt,
    ) -> Result<Lookup<String>, ShelfError> {
        Ok(match self.containers.find(attempt.key(), attempt.owner_tag()).await {
            Lookup::Ours(it) => Lookup::Ours(it.id),
            _ => Lookup::Absent,
        })
    }
    async fn stop_container(
        &self,
        _: &Ready,
        _: &String,
        made: &String,
        _: &EachAttempt,
    ) -> Result<Undone, ShelfError> {
        self.containers.remove(made).await.map(Undone::from)
    }
    fn members(&self, _: &Ready, app: &App) -> BTreeSet<String> {
        app.0.members.clone()
    }
    async fn add_member(&self, _: &Ready, _: &String, attempt: &EachAttempt) -> Result<String, ShelfError> {
        self.members.put(attempt.key(), attempt.owner_tag()).await
    }
    async fn remove_member(&self, _: &Ready, _: &String, made: &String, _: &EachAttempt) -> Result<Undone, ShelfError> {
        self.members.remove(made).await.map(Undone::from)
    }
    fn image_changed(&self, at: &Ready, app: &App) -> bool {
        at.image != app.0.image
    }
    async fn note_image(&self, from: Ready, attempt: &EachAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(attempt.spec().image.clone()))
    }
}

impl World for Cloud {
    type Machine = EachFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self { containers: Shelf::new(sim, "container"), members: Shelf::new(sim, "member") }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &["a", "b"])
    }
    fn edits() -> Vec<App> {
        vec![App::new("v2", &["b"]), App::new("v2", &["a", "b"])]
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.containers.inventory(), self.members.inventory()].concat()
    }
}

#[test]
fn survives_every_pair_of_faults() {
    println!("{}", explore::<Cloud>().faults(2).run().assert_ok());
}

/// A member that was refused under one spec, dropped, and added again under another, once had its first life repeated by a deletion,
/// and the second one's member undone in its place.
#[test]
fn two_lives_of_a_subject_are_told_apart() {
    let plan = "run_container(v1)/intent#1=edit; add_member(a)/effect#1=not-applied".parse().unwrap();
    explore::<Cloud>().replay(&plan).assert_ok();
}

proptest::proptest! {
    #![proptest_config(durable_fsm::testing::random_plans(48))]

    /// Any members, edited to any others, with any faults in between.
    #[test]
    fn any_members_survive_any_faults(
        first in proptest::collection::btree_set("[a-c]", 0..3),
        second in proptest::collection::btree_set("[a-c]", 0..3),
        picks in durable_fsm::testing::picks(0..=4),
    ) {
        let app = |image: &str, members: &BTreeSet<String>| App(crate::worlds::resource::Spec { image: image.to_owned(), members: members.clone() });
        explore::<Cloud>().resources(vec![app("v1", &first), app("v2", &second)]).survives(&picks)?;
    }
}
