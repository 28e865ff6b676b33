//! Three effects: one that may be repeated, one that is looked up, and one that an edit calls for.

use durable_fsm::testing::{Shelf, ShelfError, Sim, Thing, World};
use durable_fsm::{Fsm, Lookup, Undone};

use crate::resource::App;

/// Provisions one bot.
#[derive(Fsm)]
#[fsm(name = "test.io/bot", version = 1, resource = App)]
pub enum BotFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(register -> Registered, in_doubt = repeat, undo = deregister, settle = "5s")]
    Requested,
    /// It has an account.
    #[transition(create_room -> RoomCreated, in_doubt = lookup, undo = close_room, settle = "10s")]
    Registered { user: String },
    /// It has a room.
    #[transition(note -> Ready, no_effect)]
    RoomCreated { room: String },
    /// It runs this image.
    #[fsm(resting)]
    #[transition(apply -> Ready, when = changed, in_doubt = repeat, undo = none)]
    Ready { image: String },
}

#[derive(Clone)]
pub struct Bots {
    accounts: Shelf,
    rooms: Shelf,
}

impl BotTransitions for Bots {
    type Error = ShelfError;

    async fn register(&self, from: Requested, attempt: &BotAttempt) -> Result<Registered, ShelfError> {
        Ok(from.registered(self.accounts.claim("@bot", attempt.key(), attempt.owner_tag()).await?))
    }
    async fn deregister(&self, _: &Registered, attempt: &BotAttempt) -> Result<Undone, ShelfError> {
        self.accounts.remove_name("@bot", attempt.owner_tag()).await.map(Undone::from)
    }
    async fn create_room(&self, from: Registered, attempt: &BotAttempt) -> Result<RoomCreated, ShelfError> {
        Ok(from.room_created(self.rooms.add(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn lookup_create_room(
        &self,
        from: Registered,
        attempt: &BotAttempt,
    ) -> Result<Lookup<RoomCreated>, ShelfError> {
        Ok(match self.rooms.find_owned(attempt.owner_tag()).await {
            Lookup::Ours(room) => Lookup::Ours(from.room_created(room.id)),
            _ => Lookup::Absent,
        })
    }
    async fn close_room(&self, made: &RoomCreated, _: &BotAttempt) -> Result<Undone, ShelfError> {
        self.rooms.remove(&made.room).await.map(Undone::from)
    }
    fn note(&self, from: RoomCreated, attempt: &BotAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(attempt.spec().image.clone()))
    }
    fn changed(&self, at: &Ready, app: &App) -> bool {
        at.image != app.0.image
    }
    async fn apply(&self, from: Ready, attempt: &BotAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(attempt.spec().image.clone()))
    }
}

impl World for Bots {
    type Machine = BotFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self { accounts: Shelf::new(sim, "account"), rooms: Shelf::new(sim, "room") }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &[])
    }
    fn edits() -> Vec<App> {
        vec![App::new("v2", &[])]
    }
    fn idle_edits() -> Vec<usize> {
        vec![1]
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.accounts.inventory(), self.rooms.inventory()].concat()
    }
}
