//! The machine: three kinds of effect, one for each contract that needs no person.

use std::collections::BTreeSet;

use durable_fsm::{Each, Fsm, Lookup, Undone};

use crate::shelf::{Never, Shelf, Thing};
use crate::worker::{Worker, skill};

/// An account that is keyed, a room that must be looked for, and a set of skills.
#[derive(Fsm)]
#[fsm(name = "test.durable-fsm.io/worker", version = 1, resource = Worker)]
pub enum WorkerFlow {
    #[fsm(initial)]
    #[transition(register_account -> Registered, in_doubt = repeat, undo = deactivate_account, timeout = "10s")]
    Requested,
    #[transition(open_room -> Ready, in_doubt = lookup, undo = close_room, timeout = "10s", settle = "5s")]
    Registered { account: String },
    #[fsm(resting)]
    #[transition(push_skill, for_each = skills, in_doubt = repeat, undo = remove_skill, timeout = "10s")]
    Ready { room: String, skills: Each<String, String> },
}

/// What a worker has besides its skills.
pub const THINGS: [&str; 2] = ["account", "room"];

fn thing(kind: &str, attempt: &WorkerAttempt, is_keyed: bool) -> Thing {
    Thing {
        kind: kind.to_owned(),
        key: if is_keyed { attempt.key().to_owned() } else { String::new() },
        owner: attempt.owner_tag().to_owned(),
        worker: attempt.resource().metadata.name.clone().unwrap_or_default(),
    }
}

impl WorkerTransitions for Shelf {
    type Error = Never;

    async fn register_account(&self, from: Requested, attempt: &WorkerAttempt) -> Result<Registered, Never> {
        Ok(from.registered(self.make(thing("account", attempt, true)).await))
    }
    async fn deactivate_account(&self, made: &Registered, _: &WorkerAttempt) -> Result<Undone, Never> {
        self.remove(&made.account).await;
        Ok(Undone::Done)
    }
    async fn open_room(&self, from: Registered, attempt: &WorkerAttempt) -> Result<Ready, Never> {
        Ok(from.ready(self.make(thing("room", attempt, false)).await))
    }
    async fn lookup_open_room(&self, from: Registered, attempt: &WorkerAttempt) -> Result<Lookup<Ready>, Never> {
        let found = self.find("room", attempt.owner_tag()).await;
        Ok(found.map_or(Lookup::Absent, |room| Lookup::Ours(from.ready(room))))
    }
    async fn close_room(&self, made: &Ready, _: &WorkerAttempt) -> Result<Undone, Never> {
        self.remove(&made.room).await;
        Ok(Undone::Done)
    }
    fn skills(&self, _: &Ready, worker: &Worker) -> BTreeSet<String> {
        worker.spec.skills.clone()
    }
    async fn push_skill(&self, _: &Ready, name: &String, attempt: &WorkerAttempt) -> Result<String, Never> {
        Ok(self.make(thing(&skill(name), attempt, true)).await)
    }
    async fn remove_skill(&self, _: &Ready, _: &String, made: &String, _: &WorkerAttempt) -> Result<Undone, Never> {
        self.remove(made).await;
        Ok(Undone::Done)
    }
}
