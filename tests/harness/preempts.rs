//! A database that fails over although a step on the lost primary is in doubt, and back.

use std::collections::BTreeSet;

use durable_fsm::testing::{At, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Each, Fsm, Lookup, Undone};

use crate::worlds::resource::App;

/// A database with a primary and a standby.
#[derive(Fsm)]
#[fsm(name = "test.io/preempts", version = 1, resource = App, settle = "2s")]
pub enum PreemptsFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(start -> OnPrimary, in_doubt = repeat, undo = stop)]
    Requested,
    /// The primary serves.
    #[fsm(resting)]
    #[transition(fail_over -> OnStandby, when = is_primary_lost, preempts, in_doubt = repeat, undo = demote)]
    #[transition(create_user, for_each = users, in_doubt = repeat, undo = drop_user)]
    #[transition(publish -> Published, when = is_public, in_doubt = lookup, undo = unpublish)]
    OnPrimary { primary: String, users: Each<String, String> },
    /// The standby serves.
    #[fsm(resting)]
    #[transition(fail_back -> OnPrimary, when = is_primary_back, rewind)]
    #[transition(create_user)]
    OnStandby { standby: String },
    /// The primary serves, and the world knows where.
    #[fsm(resting)]
    #[transition(withdraw -> OnPrimary, when = must_move, rewind)]
    #[transition(create_user)]
    Published { address: String },
}

#[derive(Clone)]
pub struct Cloud {
    servers: Shelf,
    roles: Shelf,
    users: Shelf,
    addresses: Shelf,
}

impl PreemptsTransitions for Cloud {
    type Error = ShelfError;
    async fn start(&self, from: Requested, attempt: &PreemptsAttempt) -> Result<OnPrimary, ShelfError> {
        Ok(from.on_primary(self.servers.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn stop(&self, made: &OnPrimary, _: &PreemptsAttempt) -> Result<Undone, ShelfError> {
        self.servers.remove(&made.primary).await.map(Undone::from)
    }
    fn is_primary_lost(&self, _: &OnPrimary, app: &App) -> bool {
        app.0.image == "lost"
    }
    async fn fail_over(&self, from: OnPrimary, attempt: &PreemptsAttempt) -> Result<OnStandby, ShelfError> {
        Ok(from.on_standby(self.roles.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn demote(&self, made: &OnStandby, _: &PreemptsAttempt) -> Result<Undone, ShelfError> {
        self.roles.remove(&made.standby).await.map(Undone::from)
    }
    fn users(&self, _: &OnPrimary, app: &App) -> BTreeSet<String> {
        app.0.members.clone()
    }
    async fn create_user(
        &self,
        _: &OnPrimary,
        _subject: &String,
        attempt: &PreemptsAttempt,
    ) -> Result<String, ShelfError> {
        self.users.put(attempt.key(), attempt.owner_tag()).await
    }
    async fn drop_user(
        &self,
        _: &OnPrimary,
        _subject: &String,
        made: &String,
        _: &PreemptsAttempt,
    ) -> Result<Undone, ShelfError> {
        self.users.remove(made).await.map(Undone::from)
    }
    fn is_public(&self, _: &OnPrimary, app: &App) -> bool {
        app.0.members.contains("public")
    }
    async fn publish(&self, from: OnPrimary, attempt: &PreemptsAttempt) -> Result<Published, ShelfError> {
        Ok(from.published(self.addresses.add(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn lookup_publish(
        &self,
        from: OnPrimary,
        attempt: &PreemptsAttempt,
    ) -> Result<Lookup<Published>, ShelfError> {
        let found = self.addresses.find_owned(attempt.owner_tag()).await;
        Ok(match found {
            Lookup::Ours(address) => Lookup::Ours(from.published(address.id)),
            Lookup::NotOurs => Lookup::NotOurs,
            Lookup::Incomplete => Lookup::Incomplete,
            Lookup::Absent | Lookup::Predecessor(_) => Lookup::Absent,
        })
    }
    async fn unpublish(&self, made: &Published, _: &PreemptsAttempt) -> Result<Undone, ShelfError> {
        self.addresses.remove(&made.address).await.map(Undone::from)
    }
    fn must_move(&self, _: &Published, app: &App) -> bool {
        app.0.image == "lost" || !app.0.members.contains("public")
    }
    fn is_primary_back(&self, _: &OnStandby, app: &App) -> bool {
        app.0.image != "lost"
    }
}

impl World for Cloud {
    type Machine = PreemptsFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self {
            servers: Shelf::new(sim, "server"),
            roles: Shelf::new(sim, "role"),
            users: Shelf::new(sim, "user"),
            addresses: Shelf::new(sim, "address"),
        }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("well", &["a", "public"])
    }
    fn edits() -> Vec<App> {
        vec![App::new("lost", &["a", "b"]), App::new("well", &["a", "b"])]
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.servers.inventory(), self.roles.inventory(), self.users.inventory(), self.addresses.inventory()].concat()
    }
    fn check(&self, at: &At<'_, App>) -> Result<(), String> {
        let count = |kind| at.things.iter().filter(|thing| thing.kind == kind).count();
        match count("address") {
            0 | 1 => Ok(()),
            _ if at.deleting => Ok(()),
            more => Err(format!("{more} addresses")),
        }
    }
}

durable_fsm::survive! {
    mod survives for Cloud { start, fail_over, create_user, publish }
}

/// A step below is in doubt, and the database fails over before that is settled.
#[test]
fn what_is_in_doubt_does_not_keep_the_database_on_the_lost_primary() {
    let plan = "create_user(a)/effect#1=reply-lost; create_user(a)/commit#1=edit";
    let told = explore::<Cloud>().timeline(&plan.parse().unwrap());
    let at = |what: &str| told.find(what).unwrap_or_else(|| panic!("{what} is missing:\n{told}"));
    assert!(at("effect of fail_over") < at("effect of create_user, attempt 2"), "{told}");
}
