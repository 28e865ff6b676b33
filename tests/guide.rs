//! A machine of two steps under every fault, as the guide shows it.

use durable_fsm::testing::{AssertOk as _, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Fsm, Lookup, Resource, ResourceId, Undone};

#[derive(Clone)]
struct Bot {
    image: String,
}

impl Resource for Bot {
    type Spec = String;
    fn id(&self) -> ResourceId {
        ResourceId::new("default", "bot")
    }
    fn uid(&self) -> &str {
        "uid-1"
    }
    fn spec(&self) -> &String {
        &self.image
    }
}

/// Provisions one bot.
#[derive(Fsm)]
#[fsm(name = "example.io/bot", version = 1, resource = Bot)]
enum BotFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(register -> Registered, in_doubt = repeat, undo = deregister, settle = "5s")]
    Requested,
    /// It has an account.
    #[transition(create_room -> Ready, in_doubt = lookup, undo = close_room, settle = "10s")]
    Registered { user: String },
    /// It has a room.
    #[fsm(resting)]
    Ready { room: String },
}

// From here on it is the test.
#[derive(Clone)]
struct Cloud {
    accounts: Shelf,
    rooms: Shelf,
}

impl BotTransitions for Cloud {
    type Error = ShelfError;
    async fn register(&self, from: Requested, attempt: &BotAttempt) -> Result<Registered, ShelfError> {
        Ok(from.registered(self.accounts.claim("@bot", attempt.key(), attempt.owner_tag()).await?))
    }
    async fn deregister(&self, _: &Registered, attempt: &BotAttempt) -> Result<Undone, ShelfError> {
        self.accounts.remove_name("@bot", attempt.owner_tag()).await.map(Undone::from)
    }
    async fn create_room(&self, from: Registered, attempt: &BotAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(self.rooms.add(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn lookup_create_room(&self, from: Registered, attempt: &BotAttempt) -> Result<Lookup<Ready>, ShelfError> {
        Ok(match self.rooms.find_owned(attempt.owner_tag()).await {
            Lookup::Ours(room) => Lookup::Ours(from.ready(room.id)),
            _ => Lookup::Absent,
        })
    }
    async fn close_room(&self, made: &Ready, _: &BotAttempt) -> Result<Undone, ShelfError> {
        self.rooms.remove(&made.room).await.map(Undone::from)
    }
}

impl World for Cloud {
    type Machine = BotFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self { accounts: Shelf::new(sim, "account"), rooms: Shelf::new(sim, "room") }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> Bot {
        Bot { image: "v1".to_owned() }
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.accounts.inventory(), self.rooms.inventory()].concat()
    }
}

durable_fsm::survive! { mod bot for Cloud { register, create_room } }

#[test]
fn a_lost_reply_and_a_conflict() {
    let plan = "create_room/effect#1=reply-lost; create_room/commit#1=conflict".parse().unwrap();
    explore::<Cloud>().replay(&plan).assert_ok();
}
