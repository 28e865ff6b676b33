//! A transport that delivers once, with undos by name: nothing waits for late duplicates, and nothing is lost.

use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Each, Fsm, Undone};
use std::collections::BTreeSet;

use crate::worlds::resource::App;

/// A site with pages, all of them known by name.
#[derive(Fsm)]
#[fsm(name = "test.io/once", version = 1, resource = App, transport = once)]
pub enum OnceFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(open -> Opened, in_doubt = repeat, undo = close, settle = "5s")]
    Requested,
    /// The site is there.
    #[transition(publish -> Shown, in_doubt = repeat, undo = unpublish, settle = "5s")]
    Opened { site: String },
    /// It shows what is wanted.
    #[fsm(resting)]
    #[transition(replace -> Opened, when = changed, rewind)]
    #[transition(invite, for_each = members, in_doubt = repeat, undo = uninvite, settle = "5s")]
    Shown { page: String, image: String, members: Each<String, String> },
}

#[derive(Clone)]
pub struct Cloud {
    sites: Shelf,
    pages: Shelf,
    members: Shelf,
}

impl OnceTransitions for Cloud {
    type Error = ShelfError;
    async fn open(&self, from: Requested, attempt: &OnceAttempt) -> Result<Opened, ShelfError> {
        Ok(from.opened(self.sites.claim("site", attempt.key(), attempt.owner_tag()).await?))
    }
    async fn close(&self, _: &Opened, attempt: &OnceAttempt) -> Result<Undone, ShelfError> {
        self.sites.remove_name("site", attempt.owner_tag()).await.map(Undone::from)
    }
    async fn publish(&self, from: Opened, attempt: &OnceAttempt) -> Result<Shown, ShelfError> {
        let page = self.pages.made_of(&attempt.spec().image).claim("front", attempt.key(), attempt.owner_tag()).await?;
        Ok(from.shown(ShownFacts { page, image: attempt.spec().image.clone() }))
    }
    async fn unpublish(&self, _: &Shown, attempt: &OnceAttempt) -> Result<Undone, ShelfError> {
        self.pages.remove_name("front", attempt.owner_tag()).await.map(Undone::from)
    }
    fn changed(&self, at: &Shown, app: &App) -> bool {
        at.image != app.0.image
    }
    fn members(&self, _: &Shown, app: &App) -> BTreeSet<String> {
        app.0.members.iter().cloned().collect()
    }
    async fn invite(&self, _: &Shown, member: &String, attempt: &OnceAttempt) -> Result<String, ShelfError> {
        self.members.claim(member, attempt.key(), attempt.owner_tag()).await
    }
    async fn uninvite(
        &self,
        _: &Shown,
        member: &String,
        _: &String,
        attempt: &OnceAttempt,
    ) -> Result<Undone, ShelfError> {
        self.members.remove_name(member, attempt.owner_tag()).await.map(Undone::from)
    }
}

impl World for Cloud {
    type Machine = OnceFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self { sites: Shelf::new(sim, "site"), pages: Shelf::new(sim, "page"), members: Shelf::new(sim, "member") }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &["ann"])
    }
    fn edits() -> Vec<App> {
        vec![App::new("v2", &["bob"]), App::new("v1", &["ann"])]
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.sites.inventory(), self.pages.inventory(), self.members.inventory()].concat()
    }
}

#[test]
fn survives_every_pair_of_faults() {
    println!("{}", explore::<Cloud>().faults(2).run().assert_ok());
}

/// With the same undos by name, each of these steps would wait for 65 s elsewhere.
#[test]
fn without_faults_nothing_waits() {
    let timeline = explore::<Cloud>().timeline(&"".parse().unwrap());
    assert!(timeline.contains("the pass ends: Gone"), "{timeline}");
    assert!(!timeline.contains("Progressing"), "{timeline}");
}
