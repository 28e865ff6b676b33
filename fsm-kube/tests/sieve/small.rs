//! A smaller machine, for what is searched more widely: a set of skills, each of which must be looked for.

use std::collections::BTreeSet;

use durable_fsm::{Each, Fsm, Lookup, Undone};

use crate::shelf::{Never, Shelf, Thing};
use crate::worker::{Worker, skill};

/// Skills that the provider takes no key for.
#[derive(Fsm)]
#[fsm(name = "test.durable-fsm.io/small", version = 1, resource = Worker)]
pub enum SmallFlow {
    #[fsm(initial)]
    #[transition(begin -> Ready, no_effect)]
    Requested,
    #[fsm(resting)]
    #[transition(push_skill, for_each = skills, in_doubt = lookup, undo = remove_skill, timeout = "10s", settle = "5s")]
    Ready { skills: Each<String, String> },
}

impl SmallTransitions for Shelf {
    type Error = Never;

    fn begin(&self, from: Requested, _: &SmallAttempt) -> Result<Ready, Never> {
        Ok(from.ready())
    }
    fn skills(&self, _: &Ready, worker: &Worker) -> BTreeSet<String> {
        worker.spec.skills.clone()
    }
    async fn push_skill(&self, _: &Ready, name: &String, attempt: &SmallAttempt) -> Result<String, Never> {
        let thing = Thing {
            kind: skill(name),
            key: String::new(),
            owner: attempt.owner_tag().to_owned(),
            worker: attempt.resource().metadata.name.clone().unwrap_or_default(),
        };
        Ok(self.make(thing).await)
    }
    async fn lookup_push_skill(
        &self,
        _: &Ready,
        name: &String,
        attempt: &SmallAttempt,
    ) -> Result<Lookup<String>, Never> {
        Ok(self.find(&skill(name), attempt.owner_tag()).await.map_or(Lookup::Absent, Lookup::Ours))
    }
    async fn remove_skill(&self, _: &Ready, _: &String, made: &String, _: &SmallAttempt) -> Result<Undone, Never> {
        self.remove(made).await;
        Ok(Undone::Done)
    }
}
