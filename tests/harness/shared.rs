//! A thing that several owners share: the credentials of a registry, which exist as long as somebody has a grant.

use durable_fsm::testing::{At, Shelf, ShelfError, Sim, Thing, World};
use durable_fsm::{Fsm, Undone};

use crate::worlds::resource::App;

/// Uses the credentials.
#[derive(Fsm)]
#[fsm(name = "test.io/shared", version = 1, resource = App)]
pub enum SharedFlow {
    /// No grant yet.
    #[fsm(initial)]
    #[transition(use_credentials -> Ready, in_doubt = repeat, undo = leave_credentials, settle = "5s")]
    Requested,
    /// It has a grant.
    #[fsm(resting)]
    Ready { grant: String },
}

/// Two teams; the other one has its grant all the time. One of the clouds removes the credentials, even if another team uses them.
#[derive(Clone)]
pub struct Cloud<const WIPES: bool> {
    credentials: Shelf,
    grants: Shelf,
}

const PLATFORM: &str = "platform";

impl<const WIPES: bool> SharedTransitions for Cloud<WIPES> {
    type Error = ShelfError;
    async fn use_credentials(&self, from: Requested, attempt: &SharedAttempt) -> Result<Ready, ShelfError> {
        self.credentials.claim("registry", "", PLATFORM).await?;
        Ok(from.ready(self.grants.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn leave_credentials(&self, made: &Ready, _: &SharedAttempt) -> Result<Undone, ShelfError> {
        self.grants.remove(&made.grant).await?;
        if WIPES || self.grants.is_empty() {
            self.credentials.remove_name("registry", PLATFORM).await?;
        }
        Ok(Undone::Done)
    }
}

impl<const WIPES: bool> World for Cloud<WIPES> {
    type Machine = SharedFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        let cloud = Self { credentials: Shelf::new(sim, "credentials"), grants: Shelf::new(sim, "grant") };
        cloud.credentials.foreign("registry", PLATFORM);
        cloud.grants.foreign("grant", "the-other-team");
        cloud
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &[])
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.credentials.inventory(), self.grants.inventory()].concat()
    }
    fn check(&self, _: &At<'_, App>) -> Result<(), String> {
        let other = self.grants.shelved().iter().any(|grant| grant.owner == "the-other-team");
        match (other, self.credentials.len()) {
            (true, 1) => Ok(()),
            (other, credentials) => {
                Err(format!("the other team has a grant: {other}; there are {credentials} sets of credentials"))
            }
        }
    }
}
