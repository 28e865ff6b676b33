//! A machine that takes over what somebody else has made: nothing is made or sent again, whatever goes wrong while it is taken over.

use std::collections::BTreeSet;

use durable_fsm::testing::{AssertOk, At, Shelf, ShelfError, Shelved, Sim, Thing, World, explore};
use durable_fsm::{Each, Fsm, Import, Imported, Undone};

use crate::worlds::resource::App;

/// An account that is told of, with its rooms.
#[derive(Fsm)]
#[fsm(name = "test.io/adopted", version = 1, resource = App, import)]
pub enum AdoptedFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(register -> Registered, in_doubt = repeat, undo = sign_out)]
    Requested,
    /// It has an account, which the provider has once.
    #[transition(tell -> Ready, in_doubt = hold, undo = none)]
    Registered { account: String },
    /// Somebody was told.
    #[fsm(resting)]
    #[transition(add_room, for_each = rooms, in_doubt = repeat, undo = drop_room)]
    Ready { rooms: Each<String, String> },
}

#[derive(Clone)]
pub struct Cloud {
    accounts: Shelf,
    mails: Shelf,
    rooms: Shelf,
}

/// Whether somebody else has made it: it has no key of ours.
fn is_foreign(thing: &Shelved) -> bool {
    thing.key.is_empty()
}

impl AdoptedTransitions for Cloud {
    type Error = ShelfError;
    async fn import(&self, _: &App) -> Result<Import<AdoptedFlow>, ShelfError> {
        let Some(account) = self.accounts.shelved().into_iter().find(is_foreign) else { return Ok(Import::Fresh) };
        // A look takes its time, and may be dropped there.
        self.accounts.find_name("nobody", "nobody").await;
        let ready = Requested::start().registered(account.id).ready();
        let imported = Imported::at(ready).owns("register");
        let rooms = self.rooms.shelved().into_iter().filter(is_foreign);
        Ok(Import::At(rooms.fold(imported, |all, room| all.owns_member("add_room", "rooms", &room.name, &room.id))))
    }
    async fn register(&self, from: Requested, attempt: &AdoptedAttempt) -> Result<Registered, ShelfError> {
        Ok(from.registered(self.accounts.claim("account", attempt.key(), attempt.owner_tag()).await?))
    }
    async fn sign_out(&self, made: &Registered, _: &AdoptedAttempt) -> Result<Undone, ShelfError> {
        self.accounts.remove(&made.account).await.map(Undone::from)
    }
    async fn tell(&self, from: Registered, attempt: &AdoptedAttempt) -> Result<Ready, ShelfError> {
        self.mails.add(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.ready())
    }
    fn rooms(&self, _: &Ready, app: &App) -> BTreeSet<String> {
        app.0.members.clone()
    }
    async fn add_room(&self, _: &Ready, room: &String, attempt: &AdoptedAttempt) -> Result<String, ShelfError> {
        self.rooms.made_of(room).put(attempt.key(), attempt.owner_tag()).await
    }
    async fn drop_room(&self, _: &Ready, _: &String, made: &String, _: &AdoptedAttempt) -> Result<Undone, ShelfError> {
        self.rooms.remove(made).await.map(Undone::from)
    }
}

impl World for Cloud {
    type Machine = AdoptedFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        let shelf = |kind| Shelf::new(sim, kind);
        let cloud = Self { accounts: shelf("account"), mails: shelf("mail"), rooms: shelf("room") };
        cloud.accounts.foreign("account", "naive");
        cloud.rooms.foreign("hall", "naive");
        cloud.rooms.foreign("bath", "naive");
        cloud
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &["bath", "hall"])
    }
    fn edits() -> Vec<App> {
        vec![App::new("v1", &["hall", "attic"]), App::new("v1", &["hall", "cellar"])]
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.accounts.inventory(), self.mails.inventory(), self.rooms.inventory()].concat()
    }
    fn check(&self, _: &At<'_, App>) -> Result<(), String> {
        let accounts = self.accounts.shelved();
        if accounts.len() > 1 {
            return Err(format!("there are {} accounts", accounts.len()));
        }
        if accounts.iter().any(is_foreign) && !self.mails.is_empty() {
            return Err("somebody is told of what was there before".to_owned());
        }
        let names: Vec<String> =
            self.rooms.shelved().into_iter().map(|it| format!("{}{}", it.name, it.made_of)).collect();
        let distinct: BTreeSet<&String> = names.iter().collect();
        if distinct.len() < names.len() { Err(format!("a room is there twice: {names:?}")) } else { Ok(()) }
    }
    /// What was taken over is undone with everything else.
    fn check_final(&self, at: &At<'_, App>) -> Result<(), String> {
        let is_gone = at.deleting && at.record.is_none();
        let left: Vec<Shelved> = [self.accounts.shelved(), self.rooms.shelved()].concat();
        // A resource that is deleted before it was taken over leaves all of it to its maker.
        let is_untouched = left.len() == 3 && left.iter().all(is_foreign);
        if is_gone && !left.is_empty() && !is_untouched && !at.restored {
            return Err(format!("{} things are left", left.len()));
        }
        Ok(())
    }
}

#[test]
fn survives_every_fault() {
    println!("{}", explore::<Cloud>().run().assert_ok());
}

#[test]
fn survives_every_pair_of_faults() {
    println!("{}", explore::<Cloud>().faults(2).run().assert_ok());
}

#[test]
fn an_import_that_dies_before_it_is_recorded_is_asked_again() {
    for plan in ["lookup#1=crash-after", "note#1=crash", "note#1=crash-after", "note#1=reply-lost", "lookup#1=hang"] {
        let plan = plan.parse().unwrap();
        explore::<Cloud>().replay(&plan).assert_ok();
        let timeline = explore::<Cloud>().timeline(&plan);
        assert!(!timeline.contains("effect of register") && !timeline.contains("effect of tell"), "{timeline}");
    }
}
