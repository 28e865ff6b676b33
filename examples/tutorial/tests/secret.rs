//! A provider that tells a secret once, when it makes the token, explored.

// ANCHOR: machine
use durable_fsm::testing::{Shelf, ShelfError, Sim, Thing, World};
use durable_fsm::{Fsm, Lookup, Resource, ResourceId, Undone};

/// Who gets a token.
#[derive(Clone)]
struct Client;

impl Resource for Client {
    type Spec = ();
    fn id(&self) -> ResourceId {
        ResourceId::new("default", "client")
    }
    fn uid(&self) -> &str {
        "uid-1"
    }
    fn spec(&self) -> &() {
        &()
    }
}

/// A client with an API token.
#[derive(Fsm)]
#[fsm(name = "example.io/client", version = 1, resource = Client)]
enum ClientFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(create_token -> Ready, in_doubt = lookup, undo = delete_token, abort = delete_any_token)]
    Requested,
    /// The token exists, and the vault has its secret. The record has the token's id only.
    #[fsm(resting)]
    Ready { token: String },
}
// ANCHOR_END: machine

/// A simulated provider of tokens, and a vault that keeps one secret for each key.
#[derive(Clone)]
struct Cloud {
    tokens: Shelf,
    vault: Shelf,
}

// ANCHOR: transitions
impl ClientTransitions for Cloud {
    type Error = ShelfError;

    async fn create_token(&self, from: Requested, attempt: &ClientAttempt) -> Result<Ready, ShelfError> {
        // The reply of this request is the only message that has the secret.
        let token = self.tokens.add(attempt.key(), attempt.owner_tag()).await?;
        self.vault.put(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.ready(token))
    }

    async fn lookup_create_token(&self, from: Requested, attempt: &ClientAttempt) -> Result<Lookup<Ready>, ShelfError> {
        let token = self.tokens.find(attempt.key(), attempt.owner_tag()).await;
        let secret = self.vault.find(attempt.key(), attempt.owner_tag()).await;
        Ok(match (token, secret) {
            (Lookup::Ours(token), Lookup::Ours(_)) => Lookup::Ours(from.ready(token.id)),
            // The secret of this token can no longer be learnt.
            (Lookup::Ours(_), _) => Lookup::Incomplete,
            _ => Lookup::Absent,
        })
    }

    async fn delete_token(&self, _: &Ready, attempt: &ClientAttempt) -> Result<Undone, ShelfError> {
        self.forget(attempt).await
    }

    async fn delete_any_token(&self, _: &Requested, attempt: &ClientAttempt) -> Result<Undone, ShelfError> {
        self.forget(attempt).await
    }
}

impl Cloud {
    /// The token goes last: once it is gone, the look-up finds nothing, and no undo is asked any more.
    async fn forget(&self, attempt: &ClientAttempt) -> Result<Undone, ShelfError> {
        self.vault.remove_key(attempt.key()).await?;
        self.tokens.remove_key(attempt.key()).await?;
        Ok(Undone::Done)
    }
}
// ANCHOR_END: transitions

impl World for Cloud {
    type Machine = ClientFlow;
    type Transitions = Self;

    fn new(sim: &Sim) -> Self {
        Self { tokens: Shelf::new(sim, "token"), vault: Shelf::new(sim, "secret") }
    }

    fn transitions(&self) -> Self {
        self.clone()
    }

    fn resource() -> Client {
        Client
    }

    fn inventory(&self) -> Vec<Thing> {
        [self.tokens.inventory(), self.vault.inventory()].concat()
    }
}

durable_fsm::survive! { mod client_flow for Cloud { create_token } }
