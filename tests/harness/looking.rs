//! A server that breaks by itself. A transition sees that while the machine rests, and a rewind replaces what is broken.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use durable_fsm::testing::{Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Each, Fsm, Undone, Wait};

use crate::worlds::resource::App;

/// A server, and users on it.
#[derive(Fsm)]
#[fsm(name = "test.io/looking", version = 1, resource = App, settle = "2s", retry = "1s..1m")]
pub enum LookingFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(boot -> Serving, in_doubt = repeat, undo = shut_down)]
    Requested,
    /// It serves.
    #[fsm(resting)]
    #[transition(see_it_break -> Broken, waits, every = "30s")]
    #[transition(admit, for_each = users, in_doubt = repeat, undo = dismiss)]
    Serving { server: String, users: Each<String, String> },
    /// It does not answer any more.
    #[fsm(resting)]
    #[transition(replace -> Requested, when = may_replace, rewind)]
    Broken,
}

#[derive(Clone)]
pub struct Cloud {
    servers: Shelf,
    users: Shelf,
    is_broken: Arc<AtomicBool>,
}

impl LookingTransitions for Cloud {
    type Error = ShelfError;
    async fn boot(&self, from: Requested, attempt: &LookingAttempt) -> Result<Serving, ShelfError> {
        let server = self.servers.put(attempt.key(), attempt.owner_tag()).await?;
        // What is new is whole.
        self.is_broken.store(false, Ordering::SeqCst);
        Ok(from.serving(server))
    }
    async fn shut_down(&self, made: &Serving, _: &LookingAttempt) -> Result<Undone, ShelfError> {
        self.servers.remove(&made.server).await.map(Undone::from)
    }
    async fn see_it_break(&self, from: Serving, _: &LookingAttempt) -> Result<Wait<Broken>, ShelfError> {
        Ok(if self.is_broken.load(Ordering::SeqCst) { Wait::Done(from.broken()) } else { Wait::NotYet })
    }
    fn may_replace(&self, _: &Broken, _: &App) -> bool {
        true
    }
    fn users(&self, _: &Serving, app: &App) -> BTreeSet<String> {
        app.0.members.clone()
    }
    async fn admit(&self, _: &Serving, _: &String, attempt: &LookingAttempt) -> Result<String, ShelfError> {
        self.users.put(attempt.key(), attempt.owner_tag()).await
    }
    async fn dismiss(&self, _: &Serving, _: &String, user: &String, _: &LookingAttempt) -> Result<Undone, ShelfError> {
        self.users.remove(user).await.map(Undone::from)
    }
}

impl World for Cloud {
    type Machine = LookingFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self { servers: Shelf::new(sim, "server"), users: Shelf::new(sim, "user"), is_broken: Arc::default() }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &["ann", "bob"])
    }
    fn edits() -> Vec<App> {
        vec![App::new("v1", &["bob", "cat"])]
    }
    fn events() -> &'static [&'static str] {
        &["breaks"]
    }
    fn happen(&self, _: &str) {
        self.is_broken.store(true, Ordering::SeqCst);
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.servers.inventory(), self.users.inventory()].concat()
    }
}

durable_fsm::survive! {
    mod survives for Cloud { boot, admit }
    waits { see_it_break }
}

/// Whenever it breaks, it is replaced, and everybody is admitted again.
#[test]
fn what_breaks_at_rest_is_seen_and_replaced() {
    for pass in 2..=4 {
        let told = explore::<Cloud>().timeline(&format!("pass#{pass}=event(breaks)").parse().unwrap());
        let count = |what| told.matches(what).count();
        // It goes on to the rewind in the write that says what was seen.
        assert!(told.contains("Broken (rolling back)") && told.contains("Requested (rolled back)"), "{told}");
        assert_eq!((count("effect of boot"), count("event(breaks)")), (2, 1), "{told}");
    }
}
