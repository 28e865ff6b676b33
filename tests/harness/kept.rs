//! A machine whose power and size are kept: a late request for an old size never lands on a newer one.

use std::collections::BTreeSet;

use durable_fsm::record::Record;
use durable_fsm::testing::{At, Shelf, ShelfError, Sim, Thing, World};
use durable_fsm::{Each, Fsm, Kept, Undone};

use crate::worlds::resource::App;

/// A machine, and how large it is.
#[derive(Fsm)]
#[fsm(name = "test.io/kept", version = 1, resource = App)]
pub enum KeptFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(make -> Made, in_doubt = repeat, undo = scrap, settle = "5s")]
    Requested,
    /// It is there, as large as is wanted.
    #[fsm(resting)]
    #[transition(resize, keep = size, in_doubt = repeat, undo = none, settle = "5s")]
    #[transition(label, for_each = labels, in_doubt = repeat, undo = unlabel, settle = "5s")]
    Made { machine: String, size: Kept<String>, labels: Each<String, String> },
}

#[derive(Clone)]
pub struct Cloud {
    machines: Shelf,
    labels: Shelf,
}

impl KeptTransitions for Cloud {
    type Error = ShelfError;
    async fn make(&self, from: Requested, attempt: &KeptAttempt) -> Result<Made, ShelfError> {
        Ok(from.made(self.machines.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn scrap(&self, made: &Made, _: &KeptAttempt) -> Result<Undone, ShelfError> {
        self.machines.remove(&made.machine).await.map(Undone::from)
    }
    fn size(&self, _: &Made, app: &App) -> String {
        app.0.image.clone()
    }
    async fn resize(&self, at: &Made, value: &String, _: &KeptAttempt) -> Result<(), ShelfError> {
        self.machines.made_of(value).change(&at.machine).await
    }
    fn labels(&self, _: &Made, app: &App) -> BTreeSet<String> {
        app.0.members.clone()
    }
    async fn label(&self, _: &Made, subject: &String, attempt: &KeptAttempt) -> Result<String, ShelfError> {
        self.labels.made_of(subject).put(attempt.key(), attempt.owner_tag()).await
    }
    async fn unlabel(&self, _: &Made, _subject: &String, made: &String, _: &KeptAttempt) -> Result<Undone, ShelfError> {
        self.labels.remove(made).await.map(Undone::from)
    }
}

impl World for Cloud {
    type Machine = KeptFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self { machines: Shelf::new(sim, "machine"), labels: Shelf::new(sim, "label") }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("small", &["a"])
    }
    fn edits() -> Vec<App> {
        vec![App::new("large", &["a"]), App::new("small", &["b"])]
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.machines.inventory(), self.labels.inventory()].concat()
    }
    /// What is recorded is what the machine shows, at every moment before it is deleted.
    fn check(&self, at: &At<'_, App>) -> Result<(), String> {
        let fact = |record: &Record| {
            Some((record.facts.get::<String>("machine").ok()?, record.facts.get::<Kept<String>>("size").ok()?))
        };
        let recorded = at.record.and_then(fact);
        let shown = recorded.as_ref().and_then(|(machine, _)| self.machines.get(machine)).map(|it| it.made_of);
        match (recorded.as_ref().and_then(|(_, size)| size.get()), shown) {
            (Some(recorded), Some(shown)) if !at.deleting && **recorded != *shown => {
                Err(format!("the record says {recorded}, and the machine is {shown}"))
            }
            _ => Ok(()),
        }
    }
}

durable_fsm::survive! {
    mod survives for Cloud { make, resize, label }
}
